"""Amounts: decimals of currencies, bounds and rounding."""

from decimal import Decimal

import pytest

from models.base.errors import Refusal, UserErrorCode
from models.base.validation import Validation
from workspace import money

D = Decimal


@pytest.mark.parametrize(
    ("currency", "amount", "amount_of_currency"),
    [("EUR", "2.345", "2.35"), ("JPY", "2.5", "3"), ("BHD", "2.3445", "2.345"), ("EUR", "-2.345", "-2.35")],
)
def test_amounts_are_rounded_half_up(currency: str, amount: str, amount_of_currency: str) -> None:
    assert str(money.round_amount(D(amount), currency)) == amount_of_currency


def test_currencies_of_the_languages_have_their_iso_decimals() -> None:
    decimals = {"PLN": 2, "EUR": 2, "NOK": 2, "SEK": 2, "ISK": 0, "JPY": 0, "TND": 3, "RSD": 2}

    assert {code: money.DECIMALS[code] for code in decimals} == decimals


@pytest.mark.parametrize("code", ["XAU", "XXX", "DEM", "EURO", "", "eu"])
def test_unknown_and_withdrawn_currencies_are_invalid(code: str) -> None:
    with pytest.raises(Refusal) as refusal, Validation() as check:
        _ = money.check_currency(check, "currency", code)

    assert [problem.code for problem in refusal.value.problems] == [UserErrorCode.INVALID]


@pytest.mark.parametrize(
    ("price", "text"), [("12.5", "12.50"), ("12", "12.00"), ("0.123456", "0.123456"), ("1.5000000000", "1.50")]
)
def test_prices_have_at_least_the_decimals_of_their_currency(price: str, text: str) -> None:
    with Validation() as check:
        assert str(money.check_price(check, "price", D(price), "EUR")) == text


@pytest.mark.parametrize(("number", "text"), [("1." + "0" * 60, "1"), ("-0", "0"), ("-0.00", "0"), ("2.50", "2.5")])
def test_numbers_have_no_zeros_at_the_end_and_no_negative_zero(number: str, text: str) -> None:
    with Validation() as check:
        assert str(money.check_number(check, "quantity", D(number), minimum=0, maximum=9, decimals=3)) == text


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("-0.01", "OUT_OF_RANGE"),
        ("1" + "0" * 12, "OUT_OF_RANGE"),
        ("1" + "0" * 30, "OUT_OF_RANGE"),
        ("9" * 60 + "." + "9" * 60, "OUT_OF_RANGE"),
        ("-" + "9" * 60, "OUT_OF_RANGE"),
        ("0.1234567", "INVALID"),
        ("1." + "0" * 58 + "1", "INVALID"),
    ],
)
def test_prices_out_of_bounds_are_refused(price: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal, Validation() as check:
        _ = money.check_price(check, "price", D(price), "EUR")

    assert [problem.code.value for problem in refusal.value.problems] == [code]


@pytest.mark.parametrize(("rate", "text"), [("25.00", "25"), ("100", "100"), ("8.10", "8.1"), ("0", "0")])
def test_rates_have_no_zeros_at_the_end(rate: str, text: str) -> None:
    with Validation() as check:
        assert str(money.check_rate(check, "vat_rate", D(rate))) == text
