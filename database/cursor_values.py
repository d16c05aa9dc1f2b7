"""The values in cursors: each is read as the PostgreSQL type of its column, or refused with ValueError."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID

MAX_EXPONENT: Final = 100
"""The exponent of numbers in cursors. PostgreSQL cannot read much larger ones."""


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:  # PostgreSQL has no such text
        raise ValueError(value)
    return value


def _number(value: object) -> Decimal:
    try:
        number = Decimal(_text(value))
    except InvalidOperation:
        raise ValueError(value) from None
    if not number.is_finite() or number.adjusted() > MAX_EXPONENT:
        raise ValueError(value)
    return number


def _small_integer(value: object) -> int:
    number = int(str(value))
    if abs(number) >= 2**31:
        raise ValueError(number)
    return number


def _instant(value: object) -> datetime:
    instant = datetime.fromisoformat(str(value))
    if instant.tzinfo is None:
        raise ValueError(value)
    return instant.astimezone(UTC)


READ_VALUE: Final[Mapping[str, Callable[[object], object]]] = {
    "text": _text,
    "numeric": _number,
    "int": _small_integer,
    "timestamptz": _instant,
    "date": lambda value: date.fromisoformat(_text(value)),
    "uuid": lambda value: UUID(str(value)),
}
"""The function that reads a value, by the type of its column. Each raises ValueError, TypeError or OverflowError."""
