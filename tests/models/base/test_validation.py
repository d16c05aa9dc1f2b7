"""Validation and normalization of any input."""

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.base.errors import Refusal, UserErrorCode
from models.base.validation import Validation, email_key
from models.lists.names import search_text

TEXT = st.text(max_size=60)
COUNTRIES = st.sampled_from(["PL", "FR", "NO", "IT", "SE", "DE", "GB", None])


@given(TEXT, COUNTRIES)
@example("\u0661" * 9, "NO")
@example("\uff19\uff17\uff14\uff17\uff16\uff10\uff16\uff17\uff13", "NO")
def test_number_is_accepted_or_rejected_without_an_exception(value: str, country: str | None) -> None:
    check = Validation()

    organization = check.organization_number("number", value, country)
    vat = check.vat_number("vat", value, country)
    bank = check.bank_account("bank", value, country)

    problem_fields = {problem.field for problem in check._problems}
    numbers = {"number": organization, "vat": vat, "bank": bank}
    accepted_numbers = [text for name, text in numbers.items() if name not in problem_fields]
    if "country" not in problem_fields:
        assert all(text.isascii() and text.isalnum() and text == text.upper() for text in accepted_numbers)


@given(TEXT)
def test_valid_line_is_normalized(value: str) -> None:
    check = Validation()

    text = check.line("name", value)

    if not check._problems:
        assert text == unicodedata.normalize("NFC", text).strip()
        assert text
        assert not [c for c in text if unicodedata.category(c) == "Cc"]
        assert Validation().line("name", text) == text


@given(TEXT)
@example("ǅ@example.com")
@example("a@ß.example.com")
@example("@")
def test_key_of_an_address_does_not_depend_on_its_form(value: str) -> None:
    for form in (unicodedata.normalize("NFD", value), unicodedata.normalize("NFC", value), f" {value} "):
        if "@" in value:
            assert email_key(form).strip() == email_key(value).strip()


@given(TEXT)
def test_valid_address_has_a_stable_key(value: str) -> None:
    check = Validation()

    email = check.email("email", f"{value}@example.com")

    if not check._problems:
        assert email_key(email) == email_key(email.upper()) or email.upper().lower() != email.lower()
        assert email_key(email_key(email)) == email_key(email)


@pytest.mark.parametrize(
    ("form", "other_form"),
    [
        ("a@example.com", "A@EXAMPLE.COM"),
        ("zoë@example.com", unicodedata.normalize("NFD", "ZOË@example.com")),
        ("a@bücher.example.com", "a@xn--bcher-kva.example.com"),
        ("a@bücher.example.com", "a@BÜCHER.example.com"),
    ],
)
def test_spellings_of_one_address_have_the_same_key(form: str, other_form: str) -> None:
    assert email_key(form) == email_key(other_form)


@pytest.mark.parametrize(
    ("form", "other_form"),
    [
        ("a@strasse.de", "a@straße.de"),
        ("a@example.com", "a@example.org"),
        ("a.b@example.com", "ab@example.com"),
        ("groß@example.com", "gross@example.com"),
        ("ofﬁce@example.com", "office@example.com"),
        ("νίκος@example.com", "νίκοσ@example.com"),
        ("\u0131nfo@example.com", "info@example.com"),  # the letter i without a dot
        ("İnfo@example.com", "info@example.com"),
        ("\uff41nna@example.com", "anna@example.com"),  # a letter of full width
        ("anna+a@example.com", "anna@example.com"),
        ("a@βόλος.com", "a@βόλοσ.com"),
    ],
)
def test_different_addresses_have_different_keys(form: str, other_form: str) -> None:
    assert email_key(form) != email_key(other_form)


def test_all_problems_are_raised_together_without_duplicates() -> None:
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


def test_problems_do_not_hide_another_error() -> None:
    check = Validation()
    check.line("name", "")

    check.__exit__(ZeroDivisionError, ZeroDivisionError(), None)


def test_prose_keeps_line_breaks() -> None:
    check = Validation()

    assert check.prose("message", " Hello\r\nthere ") == "Hello\nthere"
    assert check.prose("message", "  ") is None
    assert check._problems == []


def test_excessive_combining_marks_are_rejected_before_normalization() -> None:
    """Normalization sorts them in quadratic time: a request full of them would block the event loop for 6 seconds."""
    marks = "a" + "\u0301" * 30_000 + "\u0323" * 30_000
    check = Validation()

    start = time.perf_counter()
    check.line("name", marks)
    check.prose("message", marks)
    check.email("email", f"{marks}@example.com")
    assert email_key(f"{marks}@example.com")
    assert search_text(marks)

    assert time.perf_counter() - start < 1
    assert [(problem.field, problem.code) for problem in check._problems] == [
        ("name", UserErrorCode.TOO_LONG),
        ("message", UserErrorCode.TOO_LONG),
        ("email", UserErrorCode.INVALID),
    ]


def test_name_of_200_letters_is_accepted_in_any_form() -> None:
    check = Validation()

    text = check.line("name", f" {unicodedata.normalize('NFD', 'ậ' * 200)} ")

    assert (text, check._problems) == ("ậ" * 200, [])


@pytest.mark.parametrize("value", ["NO974760673MVA", "974760673MVA", "no 974 760 673 mva"])
def test_norwegian_vat_number_keeps_its_prefix(value: str) -> None:
    with Validation() as check:
        vat_number = check.vat_number("vat", value, "NO")

    assert vat_number == "NO974760673MVA"
