"""Names and rates of generated rows. They have letters of several languages, as real ones do."""

from decimal import Decimal
from typing import Final

CUSTOMER_EVERY: Final = 4
"""One contact of this many is a supplier, the others are customers."""
COUNTRIES: Final = (
    ("PL", "pl", "ul. Długa {}\n31-147 Kraków"),
    ("NO", "nb", "Storgata {}\n0155 Oslo"),
    ("FR", "fr", "{} rue de la République\n63000 Clermont-Ferrand"),
    ("IT", "it", "Via Verdi {}\n20121 Milano"),
    ("SE", "sv", "Ångströmsgatan {}\n752 37 Uppsala"),
)
"""Countries of contacts, each with a language, and an address with a place for the house number."""
_FIRST_WORDS: Final = ("Baltic", "Żuraw", "Fjord", "Lumière", "Verde", "Nord", "Søndre", "Złota", "Rivage", "Älv")
_SECOND_WORDS: Final = ("Hotel", "Meble", "Café", "Transport", "Trykkeri", "Libri", "Jardin", "Bygg", "Optyk")
_PRODUCTS: Final = (
    ("Oak table", "pcs", "1490"),
    ("Chair", "pcs", "320.50"),
    ("Bookshelf", "pcs", "699"),
    ("Desk lamp", "pcs", "149.90"),
    ("Assembly", "h", "180"),
    ("Delivery", "km", "3.45"),
    ("Varnish", "l", "59.99"),
    ("Upholstery", "m²", "112.40"),
    ("Design", "h", "240"),
    ("Repair", "h", "150"),
)
PRODUCTS: Final = tuple((name, unit, Decimal(price)) for name, unit, price in _PRODUCTS)
"""Products, each with its unit and price."""
_RATES: Final = {"PL": ("23", "8"), "NO": ("25", "15"), "FR": ("20", "5.5"), "IT": ("22", "10"), "SE": ("25", "12")}
_OTHER_RATES: Final = ("20", "10")


def contact_name(index: int) -> str:
    """The name of the contact at a position, from 0. The positions of one account have different names."""
    first, second = _FIRST_WORDS[index % len(_FIRST_WORDS)], _SECOND_WORDS[index % len(_SECOND_WORDS)]
    period = len(_FIRST_WORDS) * len(_SECOND_WORDS)
    return f"{first} {second}" if index < period else f"{first} {second} {index // period + 1}"


def vat_rates(country: str | None) -> list[Decimal]:
    """The VAT rates of a country that most sales have."""
    return [Decimal(rate) for rate in _RATES.get(country or "", _OTHER_RATES)]
