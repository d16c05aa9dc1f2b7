"""VAT: summed by rate, rounded once for each rate (EN 16931, BR-CO-17)."""

from decimal import Decimal

import pytest

from workspace.vat import VatAmount, line_amount, totals

D = Decimal


def test_tax_is_rounded_once_for_each_rate() -> None:
    """Three lines of 0.33 at 23 %: each line alone would round to 0.08, 0.24 together."""
    document = totals([(D(23), D("0.33"))] * 3, "EUR")

    assert document.vat_amounts == (VatAmount(D(23), D("0.99"), D("0.23")),)
    assert (document.net_amount, document.tax_amount, document.gross_amount) == (D("0.99"), D("0.23"), D("1.22"))


def test_each_rate_has_its_own_sum_and_the_lowest_comes_first() -> None:
    document = totals([(D(25), D(100)), (D(0), D(50)), (D(25), D("0.10")), (D("5.5"), D("1.99"))], "EUR")

    assert document.vat_amounts == (
        VatAmount(D(0), D(50), D(0)),
        VatAmount(D("5.5"), D("1.99"), D("0.11")),
        VatAmount(D(25), D("100.10"), D("25.03")),
    )
    assert document.gross_amount == D("152.09") + D("25.14")


@pytest.mark.parametrize(
    ("currency", "net", "rate", "tax"),
    [
        ("EUR", "0.10", "5", "0.01"),  # 0.005: half up
        ("EUR", "0.50", "1", "0.01"),  # 0.005: not half to even
        ("EUR", "2.50", "1", "0.03"),
        ("EUR", "-0.10", "5", "-0.01"),  # away from zero
        ("JPY", "333", "10", "33"),
        ("JPY", "335", "10", "34"),
        ("BHD", "1.005", "10", "0.101"),
        ("EUR", "999999999999.99", "25", "250000000000.00"),
    ],
)
def test_halves_are_rounded_up_to_the_decimals_of_the_currency(currency: str, net: str, rate: str, tax: str) -> None:
    assert totals([(D(rate), D(net))], currency).tax_amount == D(tax)


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "currency", "net"),
    [
        ("3", "0.333333", "0", "EUR", "1.00"),
        ("1", "0.005", "0", "EUR", "0.01"),
        ("2", "9.99", "10", "EUR", "17.98"),
        ("1", "10", "100", "EUR", "0.00"),
        ("1.5", "101", "0", "JPY", "152"),
        ("1", "1.2345", "0", "BHD", "1.235"),
    ],
)
def test_line_is_rounded_after_its_discount(quantity: str, price: str, discount: str, currency: str, net: str) -> None:
    assert str(line_amount(D(quantity), D(price), D(discount), currency)) == net


def test_document_without_lines_has_totals_of_zero() -> None:
    assert str(totals([], "EUR").gross_amount) == "0.00"
