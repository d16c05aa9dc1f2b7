"""What a name, an address or a number must look like before it is stored.

`Checks` collects every problem of an input, so that a form shows all of them at once.
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
from models.base.errors import Problem, Refusal, UserErrorCode

MAX_NAME: Final = 200
MAX_MESSAGE: Final = 2000
MAX_ADDRESS: Final = 1000
"""In any form, with blanks: an address has 254 characters at most."""
MAX_END: Final = timedelta(days=3660)
LEAST_NUMBER: Final = 100_000

# Text that reorders or hides what stands beside it: a name must not rewrite a sentence.
_DECEIVING: Final = re.compile("[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
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


def composed(text: str, longest: int) -> str:
    """The one form of a text, without blanks around it; of one that is too long in any form, itself.

    Putting marks in order takes the square of their number: a body full of them would take seconds.
    """
    text = text.strip()
    return unicodedata.normalize("NFC", text).strip() if len(text) <= 4 * longest else text


def email_key(email: str) -> str:
    """What two spellings of one address have in common: case and Unicode form do not count."""
    if len(email) > MAX_ADDRESS:
        return email.casefold()
    try:
        found = validate_email(email.strip(), check_deliverability=False)
    except EmailNotValidError:  # the key is only looked up, and will not be found
        return unicodedata.normalize("NFC", email.casefold())
    # The domain as name servers know it: folded, straße.de would be strasse.de, which is another's.
    return unicodedata.normalize("NFC", f"{found.local_part}@{found.ascii_domain}".casefold())


class Validation:
    """Collects problems; leaving the block raises them together as one Refusal."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def __enter__(self) -> Self:
        """Start collecting."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Raise Refusal with everything found."""
        if error is None and self._problems:
            raise Refusal(*self._problems)

    def problem(self, code: UserErrorCode, field: str, text: str, **params: object) -> None:
        """Note one more problem; twice the same is one."""
        found = Problem(code, field, text, params)
        if found not in self._problems:
            self._problems.append(found)

    def line(self, field: str, value: str, *, longest: int = MAX_NAME) -> str:
        """A single line of text: trimmed, NFC, nothing invisible in it."""
        text = composed(value, longest)
        if not text:
            self.problem(UserErrorCode.REQUIRED, field, mark("This cannot be empty."))
        elif len(text) > longest:
            self._too_long(field, longest)
        elif _DECEIVING.search(text) or any(unicodedata.category(c) == "Cc" for c in text):
            self.problem(UserErrorCode.INVALID, field, mark("Line breaks and invisible characters do not belong here."))
        return text

    def prose(self, field: str, value: str | None) -> str | None:
        """Several lines of text, or None; nothing that reorders what stands around it."""
        text = composed((value or "").replace("\r\n", "\n"), MAX_MESSAGE)
        if len(text) > MAX_MESSAGE:
            self._too_long(field, MAX_MESSAGE)
        elif _DECEIVING.search(text):
            self.problem(UserErrorCode.INVALID, field, mark("Invisible characters do not belong here."))
        return text or None

    def email(self, field: str, value: str) -> str:
        """A deliverable-looking address, as it should be shown."""
        try:
            if len(value) <= MAX_ADDRESS:
                return validate_email(value.strip(), check_deliverability=False).normalized
        except EmailNotValidError:
            pass
        self.problem(UserErrorCode.INVALID, field, mark("This is not an e-mail address."))
        return value

    def password(self, field: str, value: str, *, about: Iterable[str]) -> None:
        """Long enough, not common, not the user's own name or address."""
        found = passwords.weakness(value, about=about)
        if found is Weakness.TOO_SHORT:
            self.problem(
                UserErrorCode.TOO_SHORT,
                field,
                mark("A password has at least %(shortest)d characters."),
                shortest=passwords.MIN_LENGTH,
            )
        elif found is Weakness.TOO_LONG:
            self._too_long(field, passwords.MAX_LENGTH)
        elif found is Weakness.GUESSABLE:
            self.problem(UserErrorCode.TOO_WEAK, field, mark("This password is too easy to guess."))
        elif found is Weakness.PERSONAL:
            self.problem(UserErrorCode.TOO_WEAK, field, mark("A password cannot contain your name or address."))

    def locale(self, field: str, value: str) -> str:
        """One of the languages that Fullmakt speaks."""
        known = i18n.match(value)
        if known is None:
            self.problem(UserErrorCode.INVALID, field, mark("This language is not supported."))
        return known or i18n.DEFAULT

    def country(self, field: str, value: str) -> str:
        """An ISO 3166-1 alpha-2 code, in capitals."""
        code = value.strip().upper()
        if code not in _COUNTRIES:
            self.problem(UserErrorCode.INVALID, field, mark("This is not a country code."))
        return code

    def currency(self, field: str, value: str) -> str:
        """An ISO 4217 code, in capitals."""
        code = value.strip().upper()
        if code not in _CURRENCIES:
            self.problem(UserErrorCode.INVALID, field, mark("This is not a currency code."))
        return code

    def organization_number(self, field: str, value: str, country: str | None) -> str:
        """A company's number by the rules of its country, without spaces and dashes.

        Poland NIP, France SIREN, Norway organisasjonsnummer, Italy partita IVA, Sweden
        organisationsnummer by check digit; elsewhere 2 to 20 letters and digits.
        """
        if country is None:
            self.problem(UserErrorCode.REQUIRED, "country", mark("An organization number needs its country."))
            return value
        module = _ORGANIZATION.get(country)
        plain = re.sub(r"[\s.\-/]", "", value).upper()
        if module is not None:
            return self._number(field, plain.removeprefix(country), module.validate)
        if not re.fullmatch(r"[A-Z0-9]{2,20}", plain):
            self._bad_number(field)
        return plain

    def account_number(self, field: str, value: int) -> int:
        """The public number of an account: six digits or more."""
        if value < LEAST_NUMBER:
            self._bad_number(field)
        return value

    def vat_number(self, field: str, value: str, country: str | None) -> str:
        """A VAT number with its country's prefix: of the European Union, or Norway's MVA."""
        plain = re.sub(r"[\s.\-]", "", value).upper()
        if country == "NO":
            return self._number(field, plain.removeprefix("NO"), mva.validate)
        if country and not plain.startswith(country) and plain[:2].isdigit():
            plain = country + plain
        return self._number(field, plain, eu_vat.validate)

    def bank_account(self, field: str, value: str, country: str | None) -> str:
        """An IBAN without spaces; a Polish account may leave its PL out."""
        plain = re.sub(r"[\s\-]", "", value).upper()
        if country == "PL" and plain.isdigit():
            plain = f"PL{plain}"
        return self._number(field, plain, iban.validate)

    def whole_number(self, field: str, value: int, *, least: int, most: int) -> int:
        """A number within `least` and `most`, both included."""
        if not least <= value <= most:
            self.problem(
                UserErrorCode.OUT_OF_RANGE,
                field,
                mark("This must be from %(least)d to %(most)d."),
                least=least,
                most=most,
            )
        return value

    def end(self, field: str, value: datetime | None, *, now: datetime) -> datetime | None:
        """An instant to come, within ten years; None for no end."""
        if value is not None and not now < value <= now + MAX_END:
            self.problem(UserErrorCode.OUT_OF_RANGE, field, mark("This must lie ahead, within ten years."))
        return value

    def _number(self, field: str, value: str, validate: Callable[[str], str]) -> str:
        try:
            return validate(value)
        except (ValidationError, ValueError):
            self._bad_number(field)
            return value

    def _bad_number(self, field: str) -> None:
        self.problem(UserErrorCode.INVALID, field, mark("This number is not valid."))

    def _too_long(self, field: str, longest: int) -> None:
        self.problem(UserErrorCode.TOO_LONG, field, mark("This has at most %(longest)d characters."), longest=longest)
