"""Amounts of money: decimal numbers with a currency, and the number of decimals of each currency.

Amounts are Decimal in Python, `numeric` in PostgreSQL and a text in the graph. No float is on the way. A price of one
unit can have more decimals than its currency. Sums are rounded half up to the decimals of the currency:

    2.345 EUR -> 2.35 EUR       2.5 JPY -> 3 JPY       2.3445 BHD -> 2.345 BHD

The decimals are the minor units of ISO 4217, list one, which SIX maintains:
https://www.six-group.com/en/products-services/financial-information/market-reference-data/data-standards.html
Funds, metals and currencies without a minor unit are left out. Unicode's CLDR has other decimals for some currencies,
because it tells what people usually write.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from tortoise import fields

from i18n import mark
from models.base.errors import UserErrorCode
from models.base.validation import Validation

MAX_AMOUNT: Final = Decimal(10) ** 12
"""Amounts are smaller than this."""
PRICE_DECIMALS: Final = 6
"""The most decimals of the price of one unit."""
RATE_DECIMALS: Final = 2
_MAX_RATE: Final = 100

_TWO: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP "
    "CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
    "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB "
    "TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_ZERO: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS: Final[Mapping[str, int]] = {
    code: decimals for codes, decimals in ((_TWO, 2), (_ZERO, 0), (_THREE, 3)) for code in codes.split()
}
"""The number of decimals of each currency in which documents can be written."""


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """Round an amount half up, away from zero, to the decimals of its currency."""
    return amount.quantize(Decimal(1).scaleb(-DECIMALS[currency]), ROUND_HALF_UP)


def decimals_of(number: Decimal) -> int:
    """The number of decimals without zeros at the end."""
    return len(format(number, "f").partition(".")[2].rstrip("0"))


def check_currency(check: Validation, field: str, code: str) -> str:
    """Validate the code of a currency with known decimals. Returns it in capitals."""
    currency = check.currency(field, code)
    if currency not in DECIMALS:
        check.add_problem(UserErrorCode.INVALID, field, mark("This is not a currency code."))
    return currency


def check_price(check: Validation, field: str, price: Decimal, currency: str) -> Decimal:
    """Validate the price of one unit: 0 or more, and less than MAX_AMOUNT.

    Returns it with at least the decimals of its currency: 12.5 EUR becomes 12.50.
    """
    number = check_number(check, field, price, minimum=0, maximum=int(MAX_AMOUNT) - 1, decimals=PRICE_DECIMALS)
    return _with_decimals(number, max(decimals_of(number), DECIMALS.get(currency, 0)))


def check_amount(check: Validation, field: str, amount: Decimal, currency: str) -> Decimal:
    """Validate an amount in the decimals of its currency: 0 or more, and less than MAX_AMOUNT.

    Returns it with all decimals of the currency. An unknown currency, a problem of its own, has those of a price.
    """
    decimals = DECIMALS.get(currency, PRICE_DECIMALS)
    number = check_number(check, field, amount, minimum=0, maximum=int(MAX_AMOUNT) - 1, decimals=decimals)
    return _with_decimals(number, decimals)


def check_rate(check: Validation, field: str, rate: Decimal) -> Decimal:
    """Validate a rate of VAT in percent. Returns it without zeros at the end."""
    return check_number(check, field, rate, minimum=0, maximum=_MAX_RATE, decimals=RATE_DECIMALS)


def check_number(
    check: Validation, field: str, number: Decimal, *, minimum: int, maximum: int, decimals: int
) -> Decimal:
    """Validate a number from `minimum` to `maximum`, with at most `decimals` decimals.

    Returns it without zeros at the end of its decimals and without the sign of -0, and 0 if it is invalid.
    """
    if not minimum <= number <= maximum:
        check.add_problem(
            UserErrorCode.OUT_OF_RANGE,
            field,
            mark("This must be from %(minimum)d to %(maximum)d."),
            minimum=minimum,
            maximum=maximum,
        )
    elif decimals_of(number) > decimals:
        check.add_problem(
            UserErrorCode.INVALID, field, mark("This has at most %(decimals)d decimals."), decimals=decimals
        )
    else:
        return _with_decimals(number, decimals_of(number)) + 0
    return Decimal(0)


def _with_decimals(number: Decimal, decimals: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-decimals))


class AmountField(fields.DecimalField[Any]):
    """A column of decimal numbers that keeps the decimals of each value. Checks of the table bound it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=30, decimal_places=PRICE_DECIMALS, **options)

    def to_db_value(self, value: Any, instance: object) -> Any:  # noqa: ARG002 - the signature of Tortoise
        """The value as it is."""
        return value

    def to_python_value(self, value: Any) -> Any:
        """The value as it is."""
        return value
