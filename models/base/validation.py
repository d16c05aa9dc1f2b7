"""Validation and normalization of input: names, addresses, numbers and languages.

`Validation` collects all problems of an input, so that a form shows all of them at once.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from types import ModuleType, TracebackType
from typing import Final, Self

from babel import Locale
from babel.numbers import list_currencies
from email_validator import EmailNotValidError, validate_email
from stdnum import iban
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.fr import siren
from stdnum.it import iva
from stdnum.no import mva
from stdnum.no import orgnr as no_orgnr
from stdnum.pl import nip
from stdnum.se import orgnr as se_orgnr

import i18n
from auth import passwords
from auth.passwords import Weakness
from i18n import mark
from i18n.unicode_form import compose, is_composable
from models.base.errors import Problem, Refusal, UserErrorCode

MAX_NAME: Final = 200
MAX_MESSAGE: Final = 2000
MAX_ADDRESS: Final = 1000
"""Maximum length of an e-mail address before normalization, with blanks. A valid address has at most 254 characters."""
MAX_NUMBER: Final = 100
"""Maximum length of an organization number, VAT number or IBAN, without blanks. The longest IBAN has 34."""
MAX_END: Final = timedelta(days=3660)
MIN_ACCOUNT_NUMBER: Final = 100_000

# Characters that reorder or hide the text around them: a name must not change the sentence that contains it.
_INVISIBLE: Final = re.compile("[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_MAX_COMPOSITION: Final = 3  # code points that NFC combines into one, in any living language
_ORGANIZATION: Final[dict[str, ModuleType]] = {
    "PL": nip,
    "FR": siren,
    "NO": no_orgnr,
    "IT": iva,
    "SE": se_orgnr,
}
_NOT_COUNTRIES: Final = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}
_COUNTRIES: Final = {
    code for code in map(str, Locale("en").territories) if re.fullmatch("[A-Z]{2}", code)
} - _NOT_COUNTRIES
_CURRENCIES: Final = list_currencies(locale="en")


def normalize(text: str, max_length: int) -> str:
    """Normalize a text to NFC and strip it. A text that is too long in any form is only stripped."""
    text = text.strip()
    return compose(text).strip() if len(text) <= _MAX_COMPOSITION * max_length else text


def email_key(email: str) -> str:
    """The canonical form of an e-mail address. Spellings that differ in case or Unicode form have the same key.

    The local part is compared in lower case and NFC (RFC 8265, UsernameCaseMapped), the domain as A-labels. Case
    folding would join what mail servers keep apart: groß@example.com and gross@example.com are two mailboxes.
    """
    if len(email) > MAX_ADDRESS:
        return email.lower()
    try:
        address = validate_email(email.strip(), check_deliverability=False)
    except EmailNotValidError:  # such a key is only looked up, and matches no user
        return compose(email.lower())
    return f"{compose(compose(address.local_part).lower())}@{address.ascii_domain.lower()}"


class Validation:
    """Collects problems. The end of the block raises them together as one Refusal."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def __enter__(self) -> Self:
        """Start to collect."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Raise Refusal with all problems, if there are any."""
        if error is None and self._problems:
            raise Refusal(*self._problems)

    def add_problem(self, code: UserErrorCode, field: str, text: str, **params: object) -> None:
        """Add a problem, unless it was added before."""
        problem = Problem(code, field, text, params)
        if problem not in self._problems:
            self._problems.append(problem)

    def line(self, field: str, value: str, *, max_length: int = MAX_NAME) -> str:
        """Validate one line of text. Returns it stripped and in NFC. Control and invisible characters are invalid."""
        text = normalize(value, max_length)
        if not text:
            self.add_problem(UserErrorCode.REQUIRED, field, mark("This cannot be empty."))
        elif len(text) > max_length:
            self._too_long(field, max_length)
        elif _INVISIBLE.search(text) or any(unicodedata.category(c) == "Cc" for c in text):
            self.add_problem(
                UserErrorCode.INVALID, field, mark("Line breaks and invisible characters do not belong here.")
            )
        elif not is_composable(text):
            self._too_many_marks(field)
        return text

    def prose(self, field: str, value: str | None) -> str | None:
        """Validate a text of several lines. Returns None if it is empty. Invisible characters are invalid."""
        text = normalize((value or "").replace("\r\n", "\n"), MAX_MESSAGE)
        if len(text) > MAX_MESSAGE:
            self._too_long(field, MAX_MESSAGE)
        elif _INVISIBLE.search(text):
            self.add_problem(UserErrorCode.INVALID, field, mark("Invisible characters do not belong here."))
        elif not is_composable(text):
            self._too_many_marks(field)
        return text or None

    def email(self, field: str, value: str) -> str:
        """Validate the syntax of an e-mail address. Returns it in the form to show."""
        try:
            if len(value) <= MAX_ADDRESS:
                return validate_email(value.strip(), check_deliverability=False).normalized
        except EmailNotValidError:
            pass
        self.add_problem(UserErrorCode.INVALID, field, mark("This is not an e-mail address."))
        return value

    def password(self, field: str, value: str, *, about: Iterable[str]) -> None:
        """Validate a password. It is long enough, not common, and contains no text of `about`: the name and address."""
        weakness = passwords.weakness(value, about=about)
        if weakness is Weakness.TOO_SHORT:
            self.add_problem(
                UserErrorCode.TOO_SHORT,
                field,
                mark("A password has at least %(min_length)d characters."),
                min_length=passwords.MIN_LENGTH,
            )
        elif weakness is Weakness.TOO_LONG:
            self._too_long(field, passwords.MAX_LENGTH)
        elif weakness is Weakness.GUESSABLE:
            self.add_problem(UserErrorCode.TOO_WEAK, field, mark("This password is too easy to guess."))
        elif weakness is Weakness.PERSONAL:
            self.add_problem(UserErrorCode.TOO_WEAK, field, mark("A password cannot contain your name or address."))

    def locale(self, field: str, value: str) -> str:
        """Validate a supported language. Returns its locale, or the default locale if it is not supported."""
        locale = i18n.match(value)
        if locale is None:
            self.add_problem(UserErrorCode.INVALID, field, mark("This language is not supported."))
        return locale or i18n.DEFAULT

    def country(self, field: str, value: str) -> str:
        """Validate an ISO 3166-1 alpha-2 code. Returns it in capitals."""
        code = value.strip().upper()
        if code not in _COUNTRIES:
            self.add_problem(UserErrorCode.INVALID, field, mark("This is not a country code."))
        return code

    def currency(self, field: str, value: str) -> str:
        """Validate an ISO 4217 code. Returns it in capitals."""
        code = value.strip().upper()
        if code not in _CURRENCIES:
            self.add_problem(UserErrorCode.INVALID, field, mark("This is not a currency code."))
        return code

    def organization_number(self, field: str, value: str, country: str | None) -> str:
        """Validate an organization number by the rules of its country. Returns it without spaces and dashes.

        The check digit is verified for Poland (NIP), France (SIREN), Norway (organisasjonsnummer), Italy (partita IVA)
        and Sweden (organisationsnummer). Numbers of other countries have 2 to 20 letters and digits.
        """
        if country is None:
            self.add_problem(UserErrorCode.REQUIRED, "country", mark("An organization number needs its country."))
            return value
        module = _ORGANIZATION.get(country)
        plain = re.sub(r"[\s.\-/]", "", value).upper()
        if module is not None:
            return self._number(field, plain.removeprefix(country), module.validate)
        if not re.fullmatch(r"[A-Z0-9]{2,20}", plain):
            self._bad_number(field)
        return plain

    def account_number(self, field: str, value: int) -> int:
        """Validate the public number of an account: six digits or more."""
        if value < MIN_ACCOUNT_NUMBER:
            self._bad_number(field)
        return value

    def vat_number(self, field: str, value: str, country: str | None) -> str:
        """Validate a VAT number of the European Union or Norway (MVA). Returns it with the prefix of its country."""
        plain = re.sub(r"[\s.\-]", "", value).upper()
        if country == "NO":
            return self._number(field, plain.removeprefix("NO"), lambda number: f"NO{mva.validate(number)}")
        if country and not plain.startswith(country) and plain[:2].isdigit():
            plain = country + plain
        return self._number(field, plain, eu_vat.validate)

    def bank_account(self, field: str, value: str, country: str | None) -> str:
        """Validate an IBAN. Returns it without spaces. The prefix PL may be omitted if the country is Poland."""
        plain = re.sub(r"[\s\-]", "", value).upper()
        if country == "PL" and plain.isdigit():
            plain = f"PL{plain}"
        return self._number(field, plain, iban.validate)

    def whole_number(self, field: str, value: int, *, minimum: int, maximum: int) -> int:
        """Validate a number from `minimum` to `maximum`, both included."""
        if not minimum <= value <= maximum:
            self.add_problem(
                UserErrorCode.OUT_OF_RANGE,
                field,
                mark("This must be from %(minimum)d to %(maximum)d."),
                minimum=minimum,
                maximum=maximum,
            )
        return value

    def end(self, field: str, value: datetime | None, *, now: datetime) -> datetime | None:
        """Validate an end in the future, within ten years. None means no end."""
        if value is not None and not now < value <= now + MAX_END:
            self.add_problem(UserErrorCode.OUT_OF_RANGE, field, mark("This must be in the future, within ten years."))
        return value

    def _number(self, field: str, value: str, validate: Callable[[str], str]) -> str:
        if len(value) > MAX_NUMBER:
            self._bad_number(field)
            return value
        try:
            return validate(value)
        except (ValidationError, ValueError):
            self._bad_number(field)
            return value

    def _bad_number(self, field: str) -> None:
        self.add_problem(UserErrorCode.INVALID, field, mark("This number is not valid."))

    def _too_many_marks(self, field: str) -> None:
        self.add_problem(UserErrorCode.INVALID, field, mark("A letter of this text has too many accents."))

    def _too_long(self, field: str, max_length: int) -> None:
        self.add_problem(
            UserErrorCode.TOO_LONG, field, mark("This has at most %(max_length)d characters."), max_length=max_length
        )
