"""Scalars, and the check of all arguments for unusable text."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NewType, cast

import strawberry
from strawberry.types.scalar import ScalarDefinition

from models.base.errors import BadInput

MAX_TEXT: Final = 10_000
MAX_ITEMS: Final = 100
_UNFIT_CHARACTERS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

JSON = NewType("JSON", object)


def _serialize(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse(text: object) -> datetime:
    try:
        instant = datetime.fromisoformat(cast("str", text))
    except (ValueError, TypeError):
        raise ValueError("A DateTime looks like 2026-11-21T12:00:00Z.") from None
    if instant.tzinfo is None:
        raise ValueError("A DateTime needs an offset, such as Z.")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("This DateTime is out of range.") from None


_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _parse_date(text: object) -> date:
    try:
        if isinstance(text, str) and _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("A Date looks like 2026-11-21.")


MAX_DIGITS: Final = 60
_DECIMAL: Final = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DIGITS}}})?")


def _serialize_decimal(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _parse_decimal(text: object) -> Decimal:
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError('A Decimal is a text such as "12.50".')
    return Decimal(text)


SCALARS: Final[dict[object, ScalarDefinition]] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in ISO 8601. Output is in UTC and ends in Z. Input needs an offset.",
        serialize=_serialize,
        parse_value=_parse,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A date in ISO 8601, such as `2026-11-21`, without a time.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        serialize=str,
        parse_value=_parse_date,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='A decimal number as a text, never a float: `"12.50"`. It has no exponent.',
        specified_by_url="https://www.w3.org/TR/xmlschema11-2/#decimal",
        serialize=_serialize_decimal,
        parse_value=_parse_decimal,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}


SERIALIZED_AS: Final = {"DateTime": datetime, "Date": str, "Decimal": str}
"""The type of the values that the JSON encoder writes exactly as the scalar does.

Instants of the database are all in UTC. Rows of lists have dates and numbers as texts, in the form of PostgreSQL, which
is that of the scalar."""


def sanitize(value: Any) -> None:
    """Refuse control characters, lone surrogates, and very long text or lists. Raises BadInput.

    Line breaks and tabs pass: a mail's message has several lines. Each field has its own check besides.
    """
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise BadInput(f"A text has at most {MAX_TEXT} characters.")
        if _UNFIT_CHARACTERS.search(value):
            raise BadInput("Control characters and lone surrogates are not text.")
    elif isinstance(value, dict):
        for entry in value.values():
            sanitize(entry)
    elif isinstance(value, list):
        if len(value) > MAX_ITEMS:
            raise BadInput(f"A list has at most {MAX_ITEMS} entries.")
        for entry in value:
            sanitize(entry)
