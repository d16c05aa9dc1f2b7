"""Column batches: the rows of a connection as whole columns, without an object for each row.

PostgreSQL sends each column as one value: keys as their bytes, short texts joined by a delimiter, anything else as
JSON. A column is decoded when it is first read. That is a quarter of the work of one driver row for each row. A `Row`
reads its values out of the columns.

The functions at the end accept column batches and lists of driver rows.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain, repeat
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto

T = TypeVar("T")


class DelimiterInText(Exception):
    """A text value contains the delimiter, so the column cannot be split."""


Kind = Literal["key", "instant", "text", "line", "plain"]
DELIMITER: Final = "\x1f"
NULL: Final = "\x1e"
NO_KEY: Final = "f" * 32
"""Represents null in a column of keys. Zeros are taken: the nil UUID is a key that is looked up like any other."""
_JSON: Final = "json_agg({0})::text", "string_agg({0}, ',')"
AGGREGATES: Final[Mapping[Kind, tuple[str, str]]] = {
    "key": (f"string_agg(COALESCE(uuid_send({{0}}), '\\x{NO_KEY}'::bytea), '')", "string_agg({0}, '')"),
    "instant": _JSON,
    "text": ("json_agg({0}::text)::text", "string_agg({0}, ',')"),
    "line": (f"string_agg(COALESCE({{0}}::text, '{NULL}'), '{DELIMITER}')", f"string_agg({{0}}, '{DELIMITER}')"),
    "plain": _JSON,
}
"""The aggregates that send a column of each kind: over the rows under one parent, and over all parents.

Joining texts costs PostgreSQL much less than JSON. A text that contains the delimiter gives more lines than rows, and
the statement is repeated with JSON. Validation strips texts, so that none equals NULL. Keys as bytes are half as long
as digits, and are decoded in half the time."""
_key = cast("Callable[[str], UUID]", pgproto.UUID)  # the driver's class, six times as fast as the standard library's


@cache
def kinds(row: type) -> Mapping[str, Kind]:
    """The kind of each column of a row class, by its annotation. Raises TypeError for a type without a kind."""
    return {name: _kind(row, name, hint) for name, hint in annotations(row).items()}


def annotations(row: type) -> Mapping[str, Any]:
    """The columns that a row class annotates, with their types; those of its base classes come first."""
    return {name: hint for name, hint in get_type_hints(row).items() if get_origin(hint) is not ClassVar}


def _kind(row: type, name: str, hint: Any) -> Kind:
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = [member for member in get_args(hint) if member is not type(None)]
    column_type = get_origin(hint) or hint
    if column_type is UUID:
        return "key"
    if column_type is datetime:
        return "instant"
    if issubclass(column_type, str):
        return "line"
    if issubclass(column_type, int | float | list):
        return "plain"
    raise TypeError(f"{row.__name__}.{name}: a connection cannot read a column of type {column_type.__name__}.")


class ColumnBatch(Sequence["Row"]):
    """Rows that are stored by column. `column` returns all values of a column, `row[name]` one value of one row."""

    __slots__ = ()

    @property
    @abstractmethod
    def names(self) -> KeysView[str]:
        """The names of the selected columns."""

    @abstractmethod
    def column(self, name: str) -> list[Any]:
        """A column: one value for each row. Never change the list. Raises KeyError."""

    @abstractmethod
    def key_hex(self, name: str) -> list[str]:
        """A column of keys as hexadecimal digits, "" for None. Raises KeyError."""

    def map_keys(self, name: str, function: Callable[[str], T]) -> list[T]:
        """Apply `function` to the digits of each key in a column ("" for None), once for each distinct key."""
        return _map_keys(self.key_hex(name), function)

    def distinct_keys(self, name: str) -> Collection[str]:
        """The digits of the distinct keys in a column, "" for None."""
        return set(self.key_hex(name))

    def subset(self, indexes: Sequence[int]) -> "ColumnBatch":
        """The rows at these indexes, in this order."""
        return _Subset(self, indexes)

    def part(self, name: str) -> "ColumnBatch | None":
        """The joined rows whose columns are named `<name>.<column>`; None if no such column was selected."""
        prefix = f"{name}."
        return _Part(self, prefix) if any(column.startswith(prefix) for column in self.names) else None

    @overload
    def __getitem__(self, index: int, /) -> "Row": ...
    @overload
    def __getitem__(self, index: slice, /) -> "list[Row]": ...
    def __getitem__(self, index: int | slice, /) -> "Row | list[Row]":
        """A row, or the rows of a slice."""
        indexes = range(len(self))[index]
        return Row(self, indexes) if isinstance(indexes, int) else [Row(self, number) for number in indexes]

    def __iter__(self) -> Iterator["Row"]:
        """Iterate over the rows."""
        return map(Row, repeat(self), range(len(self)))


class ParentRuns(NamedTuple):
    """The column of the parents' keys, which is not sent: each parent that has rows, and the number of its rows.

    `digits` has the key of each parent as hexadecimal digits.
    """

    name: str
    digits: list[str]
    sizes: list[int]

    def spread(self, values: Iterable[T]) -> list[T]:
        """Repeat the value of each parent for each of its rows."""
        return [*chain.from_iterable(map(repeat, values, self.sizes))]


class FetchedColumns(ColumnBatch):
    """The result of a statement."""

    __slots__ = ("_digits", "_kinds", "_parent_runs", "_size", "_texts", "_values")

    def __init__(
        self,
        size: int,
        texts: Mapping[str, Any],
        kinds: Mapping[str, Kind],
        parent_runs: ParentRuns | None = None,
    ) -> None:
        """`texts` has each column as it was sent; columns of keys are bytes. Raises DelimiterInText."""
        self._size = size
        self._texts = texts
        self._kinds = kinds
        self._parent_runs = parent_runs
        self._values: dict[str, list[Any]] = {}
        self._digits: dict[int, list[str]] = {}
        for name, kind in kinds.items():
            if kind == "line":
                self._values[name] = _lines(texts[name], size)

    def __len__(self) -> int:
        """The number of rows."""
        return self._size

    @property
    def names(self) -> KeysView[str]:
        """The names of the selected columns."""
        return self._kinds.keys()

    def column(self, name: str) -> list[Any]:
        """A column, decoded at the first call."""
        values = self._values.get(name)
        if values is None:
            values = self._values[name] = self._decode(name)
        return values

    def _decode(self, name: str) -> list[Any]:
        kind = self._kinds[name]
        if kind == "key":
            return [_key(digits) if digits else None for digits in self.key_hex(name)]
        if not self._size:
            return []
        values = chain.from_iterable(orjson.loads(f"[{self._texts[name]}]"))
        return [_instant(value) for value in values] if kind == "instant" else [*values]

    def key_hex(self, name: str) -> list[str]:
        """A column of keys as hexadecimal digits."""
        if not self._size:
            return []
        runs = self._parent_runs
        # A column under two names is sent and decoded once.
        source = runs if runs is not None and runs.name == name else self._texts[name]
        digits = self._digits.get(id(source))
        if digits is None:
            digits = source.spread(source.digits) if isinstance(source, ParentRuns) else _digits(source)
            self._digits[id(source)] = digits
        return digits

    def map_keys(self, name: str, function: Callable[[str], T]) -> list[T]:
        """Apply `function` to the digits of each key in a column."""
        runs = self._parent_runs
        if runs is not None and runs.name == name:
            return runs.spread(map(function, runs.digits))
        return super().map_keys(name, function)

    def distinct_keys(self, name: str) -> Collection[str]:
        """The digits of the distinct keys in a column."""
        runs = self._parent_runs
        return runs.digits if runs is not None and runs.name == name else super().distinct_keys(name)


def _lines(text: str | None, size: int) -> list[Any]:
    if not size:
        return []
    lines: list[Any] = (text or "").split(DELIMITER)
    if len(lines) != size:
        raise DelimiterInText
    return [None if line == NULL else line for line in lines] if NULL in lines else lines


def _digits(keys: bytes) -> list[str]:
    digits = keys.hex(",", 16)  # `hex` inserts the comma, which saves a loop over the keys
    return (digits.replace(NO_KEY, "") if NO_KEY in digits else digits).split(",")


class _Subset(ColumnBatch):
    __slots__ = ("_batch", "_indexes")

    def __init__(self, batch: ColumnBatch, indexes: Sequence[int]) -> None:
        self._batch = batch
        self._indexes = indexes

    def __len__(self) -> int:
        return len(self._indexes)

    @property
    def names(self) -> KeysView[str]:
        return self._batch.names

    def column(self, name: str) -> list[Any]:
        values = self._batch.column(name)
        return [values[index] for index in self._indexes]

    def key_hex(self, name: str) -> list[str]:
        values = self._batch.key_hex(name)
        return [values[index] for index in self._indexes]


class _Part(ColumnBatch):
    __slots__ = ("_batch", "_prefix")

    def __init__(self, batch: ColumnBatch, prefix: str) -> None:
        self._batch = batch
        self._prefix = prefix

    def subset(self, indexes: Sequence[int]) -> ColumnBatch:
        return _Part(self._batch.subset(indexes), self._prefix)

    def __len__(self) -> int:
        return len(self._batch)

    @property
    def names(self) -> KeysView[str]:
        names = [name for name in self._batch.names if name.startswith(self._prefix)]
        return dict.fromkeys(name.removeprefix(self._prefix) for name in names).keys()

    def column(self, name: str) -> list[Any]:
        return self._batch.column(self._prefix + name)

    def key_hex(self, name: str) -> list[str]:
        return self._batch.key_hex(self._prefix + name)

    def map_keys(self, name: str, function: Callable[[str], T]) -> list[T]:
        return self._batch.map_keys(self._prefix + name, function)

    def distinct_keys(self, name: str) -> Collection[str]:
        return self._batch.distinct_keys(self._prefix + name)


class Row:
    """A row of a column batch. Its columns are read by key and as attributes, as on a driver row."""

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: ColumnBatch, index: int) -> None:
        self._batch = batch
        self._index = index

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column. Raises KeyError."""
        return self._batch.column(name)[self._index]

    def __getattr__(self, name: str) -> Any:
        """The value of a column. Raises AttributeError."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def keys(self) -> KeysView[str]:
        """The names of the selected columns."""
        return self._batch.names


class Slice(Sequence[Row]):
    """Consecutive rows of the batch `whole`.

    The executor reads `whole`, `start` and `stop` by name, and completes all slices of a batch at once.
    """

    __slots__ = ("start", "stop", "whole")

    def __init__(self, whole: ColumnBatch, start: int, stop: int) -> None:
        self.whole = whole
        self.start = start
        self.stop = stop

    def __len__(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    @overload
    def __getitem__(self, index: int, /) -> Row: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Row]: ...
    def __getitem__(self, index: int | slice, /) -> Row | list[Row]:
        """A row, or the rows of a slice."""
        indexes = range(self.start, self.stop)[index]
        return self.whole[indexes] if isinstance(indexes, int) else [self.whole[number] for number in indexes]


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


# ---- Column batches and lists of driver rows -------------------------------------------------


def column(rows: Sequence[Any], name: str) -> list[Any]:
    """A column: one value for each row."""
    return rows.column(name) if isinstance(rows, ColumnBatch) else [row[name] for row in rows]


def key_hex(rows: Sequence[Any], name: str) -> list[str]:
    """A column of keys as hexadecimal digits, "" for None."""
    return rows.key_hex(name) if isinstance(rows, ColumnBatch) else [row[name].hex if row[name] else "" for row in rows]


def distinct(rows: Sequence[Any], name: str) -> set[str]:
    """The digits of the distinct keys in a column, without None."""
    return {*distinct_keys(rows, name)} - {""}


def distinct_keys(rows: Sequence[Any], name: str) -> Collection[str]:
    """The digits of the distinct keys in a column, "" for None."""
    return rows.distinct_keys(name) if isinstance(rows, ColumnBatch) else set(key_hex(rows, name))


def map_keys(rows: Sequence[Any], name: str, function: Callable[[str], T]) -> list[T]:
    """Apply `function` to the digits of each key in a column ("" for None), once for each distinct key."""
    return rows.map_keys(name, function) if isinstance(rows, ColumnBatch) else _map_keys(key_hex(rows, name), function)


def _map_keys(keys: list[str], function: Callable[[str], T]) -> list[T]:
    values = {digits: function(digits) for digits in set(keys)}
    return [values[digits] for digits in keys]


def indexes_of(rows: Sequence[Any], name: str, key: UUID) -> Iterable[int]:
    """The indexes of the rows with `key` in a column."""
    keys, digits = key_hex(rows, name), key.hex
    indexes: list[int] = []
    index = -1
    for _ in range(keys.count(digits)):  # few matches: list.index is faster than a loop over all keys
        index = keys.index(digits, index + 1)
        indexes.append(index)
    return indexes


def part(rows: Sequence[Any], name: str) -> ColumnBatch | None:
    """The joined rows whose columns are named `<name>.<column>`; None for driver rows, or if none was selected."""
    return rows.part(name) if isinstance(rows, ColumnBatch) else None
