"""Value added tax: summed by rate, and rounded once for each rate.

EN 16931-1, rule BR-CO-17: the tax amount of a rate (BT-117) is the taxable amount of the rate (BT-116) times the rate
(BT-119) / 100, rounded to the decimals of the currency. BT-116 is the sum of the net amounts (BT-131) of the lines with
that rate, and BR-CO-10 and BR-CO-14 say that totals are sums of the rounded amounts. So the tax of a line is never
rounded, and the tax of a document is the sum of the taxes of its rates. Halves are rounded up, away from zero.

    3 lines of 0.33 EUR at 23 %:   taxable 0.99, tax 0.2277 -> 0.23     (a rounding for each line would give 0.24)
    0.10 EUR at 5 %:               taxable 0.10, tax 0.005  -> 0.01
    333 JPY at 10 %:               taxable 333,  tax 33.3   -> 33
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from workspace.money import round_amount


@dataclass(frozen=True, slots=True)
class VatAmount:
    """The taxable amount and the tax of one rate, in percent."""

    rate: Decimal
    taxable_amount: Decimal
    tax_amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a document. `gross_amount` is `net_amount` and `tax_amount` together."""

    net_amount: Decimal
    tax_amount: Decimal
    gross_amount: Decimal
    vat_amounts: tuple[VatAmount, ...]


def line_amount(quantity: Decimal, unit_price: Decimal, discount_percent: Decimal, currency: str) -> Decimal:
    """The net amount of a line (BT-131), rounded: quantity times price, less the discount in percent."""
    return round_amount(quantity * unit_price * (100 - discount_percent) / 100, currency)


def totals(lines: Iterable[tuple[Decimal, Decimal]], currency: str) -> Totals:
    """The totals of lines, each a rate and a rounded net amount. The lowest rate comes first."""
    taxable_amounts: dict[Decimal, Decimal] = {}
    for rate, net_amount in lines:
        taxable_amounts[rate] = taxable_amounts.get(rate, Decimal(0)) + net_amount
    vat_amounts = tuple(
        VatAmount(rate, amount, round_amount(amount * rate / 100, currency))
        for rate, amount in sorted(taxable_amounts.items())
    )
    zero = round_amount(Decimal(0), currency)
    net = sum((entry.taxable_amount for entry in vat_amounts), zero)
    tax = sum((entry.tax_amount for entry in vat_amounts), zero)
    return Totals(net, tax, net + tax, vat_amounts)
