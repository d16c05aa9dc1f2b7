"""What is stored is plain and whole, whatever was typed."""

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.base.errors import Refusal, UserErrorCode
from models.base.validation import Validation, email_key
from models.lists.sql import search_pattern

TEXT = st.text(max_size=60)
COUNTRIES = st.sampled_from(["PL", "FR", "NO", "IT", "SE", "DE", "GB", None])


@given(TEXT, COUNTRIES)
@example("\u0661" * 9, "NO")
@example("\uff19\uff17\uff14\uff17\uff16\uff10\uff16\uff17\uff13", "NO")
def test_a_number_is_taken_or_refused_and_nothing_else_happens(typed: str, country: str | None) -> None:
    check = Validation()

    organization = check.organization_number("number", typed, country)
    vat = check.vat_number("vat", typed, country)
    bank = check.bank_account("bank", typed, country)

    refused = {problem.field for problem in check._problems}
    taken = [text for name, text in (("number", organization), ("vat", vat), ("bank", bank)) if name not in refused]
    if "country" not in refused:
        assert all(text.isascii() and text.isalnum() and text == text.upper() for text in taken)


@given(TEXT)
def test_a_line_is_refused_or_in_one_form(typed: str) -> None:
    check = Validation()

    text = check.line("name", typed)

    if not check._problems:
        assert text == unicodedata.normalize("NFC", text).strip()
        assert text
        assert not [c for c in text if unicodedata.category(c) == "Cc"]
        assert Validation().line("name", text) == text


@given(TEXT)
@example("ǅ@example.com")
@example("a@ß.example.com")
@example("@")
def test_the_key_of_an_address_does_not_depend_on_case_and_form(typed: str) -> None:
    for other in (unicodedata.normalize("NFD", typed), unicodedata.normalize("NFC", typed), f" {typed} "):
        if "@" in typed:
            assert email_key(other).strip() == email_key(typed).strip()


@given(TEXT)
def test_an_address_that_is_taken_has_its_own_key(typed: str) -> None:
    check = Validation()

    email = check.email("email", f"{typed}@example.com")

    if not check._problems:
        assert email_key(email) == email_key(email.upper()) or email.upper().casefold() != email.casefold()
        assert email_key(email_key(email)) == email_key(email)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a@example.com", "A@EXAMPLE.COM"),
        ("zoë@example.com", unicodedata.normalize("NFD", "ZOË@example.com")),
        ("a@bücher.example.com", "a@xn--bcher-kva.example.com"),
        ("a@bücher.example.com", "a@BÜCHER.example.com"),
    ],
)
def test_spellings_of_one_address(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a@strasse.de", "a@straße.de"), ("a@example.com", "a@example.org"), ("a.b@example.com", "ab@example.com")],
)
def test_addresses_of_two_people(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


def test_all_problems_are_raised_together_and_each_once() -> None:
    check = Validation()
    check.line("name", "")
    check.line("name", "")
    check.email("email", "x")

    with pytest.raises(Refusal) as refusal:
        check.__exit__(None, None, None)

    assert [(p.code, p.field) for p in refusal.value.problems] == [
        (UserErrorCode.REQUIRED, "name"),
        (UserErrorCode.INVALID, "email"),
    ]


def test_another_error_is_not_hidden_by_problems() -> None:
    check = Validation()
    check.line("name", "")

    check.__exit__(ZeroDivisionError, ZeroDivisionError(), None)


def test_prose_keeps_its_lines() -> None:
    check = Validation()

    assert check.prose("message", " Hello\r\nthere ") == "Hello\nthere"
    assert check.prose("message", "  ") is None
    assert check._problems == []


def test_marks_by_the_hundred_thousand_are_refused_before_they_are_put_in_order() -> None:
    """Their order takes the square of their number: a body full of them would hold everybody up for 6 seconds."""
    marks = "a" + "\u0301" * 30_000 + "\u0323" * 30_000
    check = Validation()

    started = time.perf_counter()
    check.line("name", marks)
    check.prose("message", marks)
    check.email("email", f"{marks}@example.com")
    assert email_key(f"{marks}@example.com")
    assert search_pattern(marks)

    assert time.perf_counter() - started < 1
    assert [(problem.field, problem.code) for problem in check._problems] == [
        ("name", UserErrorCode.TOO_LONG),
        ("message", UserErrorCode.TOO_LONG),
        ("email", UserErrorCode.INVALID),
    ]


def test_a_name_of_200_letters_may_come_in_any_form() -> None:
    check = Validation()

    text = check.line("name", f" {unicodedata.normalize('NFD', 'ậ' * 200)} ")

    assert (text, check._problems) == ("ậ" * 200, [])
