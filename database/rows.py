"""Rows in columns: a list as the database sends it, without an object for each of its rows.

Each column comes as one text, keys as their bytes, texts with something between them, anything else as
JSON, and becomes Python's values when somebody looks at it: a quarter of the work of a driver's row for
each. A row can still be had, as something that reads its values out of the columns.

The functions at the end take such rows and lists of driver rows alike.
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
    """Texts that came as lines cannot be told apart again: one has in it what stands between them."""


Kind = Literal["key", "instant", "text", "line", "plain"]
BETWEEN: Final = "\x1f"
NULL: Final = "\x1e"
NO_KEY: Final = "f" * 32
"""In the place of a null. Not zeros: those are NOBODY's, who has to be looked up like anybody."""
_JSON: Final = "json_agg({0})::text", "string_agg({0}, ',')"
SENT: Final[Mapping[Kind, tuple[str, str]]] = {
    "key": (f"string_agg(COALESCE(uuid_send({{0}}), '\\x{NO_KEY}'::bytea), '')", "string_agg({0}, '')"),
    "instant": _JSON,
    "text": ("json_agg({0}::text)::text", "string_agg({0}, ',')"),
    "line": (f"string_agg(COALESCE({{0}}::text, '{NULL}'), '{BETWEEN}')", f"string_agg({{0}}, '{BETWEEN}')"),
    "plain": _JSON,
}
"""The aggregates that send a column of each kind: of the rows under one parent, and of all parents. Joined as
lines, texts cost PostgreSQL much less than as JSON; no text that came in by us has these characters in it,
and where one has there are more lines than rows. Keys in bytes are half as long as in digits, and become
digits in half the time."""
_key = cast("Callable[[str], UUID]", pgproto.UUID)  # the driver's own, made six times as fast as the library's


@cache
def kinds(row: type) -> Mapping[str, Kind]:
    """The columns of a class of rows as its annotations tell them. Raises TypeError."""
    hints = get_type_hints(row).items()
    return {name: _kind(row, name, hint) for name, hint in hints if get_origin(hint) is not ClassVar}


def _kind(row: type, name: str, hint: Any) -> Kind:
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = [each for each in get_args(hint) if each is not type(None)]
    kind = get_origin(hint) or hint
    if kind is UUID:
        return "key"
    if kind is datetime:
        return "instant"
    if issubclass(kind, str):
        return "line"
    if issubclass(kind, int | float | list):
        return "plain"
    raise TypeError(f"{row.__name__}.{name}: a column of {kind.__name__} cannot be listed.")


class ColumnBatch(Sequence["Row"]):
    """Some rows; `column` gives all values of one column, `row[name]` one value of one row."""

    __slots__ = ()

    @property
    @abstractmethod
    def names(self) -> KeysView[str]:
        """The columns that were selected."""

    @abstractmethod
    def column(self, name: str) -> list[Any]:
        """One column, a value for each row; not to be changed. Raises KeyError."""

    @abstractmethod
    def key_hex(self, name: str) -> list[str]:
        """A column of keys as hexadecimal digits, empty for None. Raises KeyError."""

    def mapped(self, name: str, of: Callable[[str], T]) -> list[T]:
        """`of` the digits of each key in a column, empty for None; worked out once for each of them."""
        return _mapped(self.key_hex(name), of)

    def distinct_keys(self, name: str) -> Collection[str]:
        """The digits of the keys in a column, each once; empty where there are nulls."""
        return set(self.key_hex(name))

    def subset(self, numbers: Sequence[int]) -> "ColumnBatch":
        """Those rows with these numbers."""
        return _Subset(self, numbers)

    def part(self, name: str) -> "ColumnBatch | None":
        """What was joined to the rows under a name, as rows of its own; None where nothing was."""
        start = f"{name}."
        return _Joined(self, start) if any(each.startswith(start) for each in self.names) else None

    @overload
    def __getitem__(self, number: int, /) -> "Row": ...
    @overload
    def __getitem__(self, number: slice, /) -> "list[Row]": ...
    def __getitem__(self, number: int | slice, /) -> "Row | list[Row]":
        """One row, or some."""
        found = range(len(self))[number]
        return Row(self, found) if isinstance(found, int) else [Row(self, each) for each in found]

    def __iter__(self) -> Iterator["Row"]:
        """One row after the other."""
        return map(Row, repeat(self), range(len(self)))


class ParentRuns(NamedTuple):
    """A column of keys that did not have to be sent: its name, and each key's digits with how many rows it has.

    Of keys that have rows, each once.
    """

    name: str
    digits: list[str]
    sizes: list[int]

    def spread(self, values: Iterable[T]) -> list[T]:
        """One value for each row out of one for each key."""
        return [*chain.from_iterable(map(repeat, values, self.sizes))]


class FetchedColumns(ColumnBatch):
    """What a statement has brought."""

    __slots__ = ("_digits", "_kinds", "_made", "_owners", "_size", "_texts")

    def __init__(
        self,
        size: int,
        texts: Mapping[str, Any],
        kinds: Mapping[str, Kind],
        owners: ParentRuns | None = None,
    ) -> None:
        """`texts` are the columns as they were sent, bytes where they are keys. Raises Broken."""
        self._size = size
        self._texts = texts
        self._kinds = kinds
        self._owners = owners
        self._made: dict[str, list[Any]] = {}
        self._digits: dict[int, list[str]] = {}
        for name, kind in kinds.items():
            if kind == "line":
                self._made[name] = _lines(texts[name], size)

    def __len__(self) -> int:
        """How many."""
        return self._size

    @property
    def names(self) -> KeysView[str]:
        """The columns that were selected."""
        return self._kinds.keys()

    def column(self, name: str) -> list[Any]:
        """One column, read when it is first looked at."""
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._read(name)
        return found

    def _read(self, name: str) -> list[Any]:
        kind = self._kinds[name]
        if kind == "key":
            return [_key(digits) if digits else None for digits in self.key_hex(name)]
        if not self._size:
            return []
        values = chain.from_iterable(orjson.loads(f"[{self._texts[name]}]"))
        return [_instant(value) for value in values] if kind == "instant" else [*values]

    def key_hex(self, name: str) -> list[str]:
        """The digits of a column of keys."""
        if not self._size:
            return []
        owners = self._owners
        # A key under two names is sent, and read, once.
        sent = owners if owners is not None and owners.name == name else self._texts[name]
        found = self._digits.get(id(sent))
        if found is None:
            found = self._digits[id(sent)] = sent.spread(sent.digits) if isinstance(sent, ParentRuns) else _digits(sent)
        return found

    def mapped(self, name: str, of: Callable[[str], T]) -> list[T]:
        """`of` the digits of each key in a column."""
        owners = self._owners
        if owners is not None and owners.name == name:
            return owners.spread(map(of, owners.digits))
        return super().mapped(name, of)

    def distinct_keys(self, name: str) -> Collection[str]:
        """The digits of the keys in a column, each once."""
        owners = self._owners
        return owners.digits if owners is not None and owners.name == name else super().distinct_keys(name)


def _lines(text: str | None, size: int) -> list[Any]:
    if not size:
        return []
    lines: list[Any] = (text or "").split(BETWEEN)
    if len(lines) != size:
        raise DelimiterInText
    return [None if line == NULL else line for line in lines] if NULL in lines else lines


def _digits(keys: bytes) -> list[str]:
    digits = keys.hex(",", 16)  # with the comma put in where the digits are made: no loop over keys
    return (digits.replace(NO_KEY, "") if NO_KEY in digits else digits).split(",")


class _Subset(ColumnBatch):
    __slots__ = ("_all", "_numbers")

    def __init__(self, all_: ColumnBatch, numbers: Sequence[int]) -> None:
        self._all = all_
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def names(self) -> KeysView[str]:
        return self._all.names

    def column(self, name: str) -> list[Any]:
        values = self._all.column(name)
        return [values[number] for number in self._numbers]

    def key_hex(self, name: str) -> list[str]:
        values = self._all.key_hex(name)
        return [values[number] for number in self._numbers]


class _Joined(ColumnBatch):
    __slots__ = ("_all", "_start")

    def __init__(self, all_: ColumnBatch, start: str) -> None:
        self._all = all_
        self._start = start

    def subset(self, numbers: Sequence[int]) -> ColumnBatch:
        return _Joined(self._all.subset(numbers), self._start)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def names(self) -> KeysView[str]:
        names = [name for name in self._all.names if name.startswith(self._start)]
        return dict.fromkeys(name.removeprefix(self._start) for name in names).keys()

    def column(self, name: str) -> list[Any]:
        return self._all.column(self._start + name)

    def key_hex(self, name: str) -> list[str]:
        return self._all.key_hex(self._start + name)

    def mapped(self, name: str, of: Callable[[str], T]) -> list[T]:
        return self._all.mapped(self._start + name, of)

    def distinct_keys(self, name: str) -> Collection[str]:
        return self._all.distinct_keys(self._start + name)


class Row:
    """One of them: its columns read by key, and as attributes, like a driver row's."""

    __slots__ = ("_number", "_rows")

    def __init__(self, rows: ColumnBatch, number: int) -> None:
        self._rows = rows
        self._number = number

    def __getitem__(self, name: str, /) -> Any:
        """A column's value. Raises KeyError."""
        return self._rows.column(name)[self._number]

    def __getattr__(self, name: str) -> Any:
        """The same. Raises AttributeError."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def keys(self) -> KeysView[str]:
        """The columns that were selected."""
        return self._rows.names


class Slice(Sequence[Row]):
    """Consecutive rows of many; whoever looks at all slices can take the whole at once."""

    __slots__ = ("start", "stop", "whole")

    def __init__(self, whole: ColumnBatch, start: int, stop: int) -> None:
        self.whole = whole
        self.start = start
        self.stop = stop

    def __len__(self) -> int:
        """How many."""
        return self.stop - self.start

    @overload
    def __getitem__(self, number: int, /) -> Row: ...
    @overload
    def __getitem__(self, number: slice, /) -> list[Row]: ...
    def __getitem__(self, number: int | slice, /) -> Row | list[Row]:
        """One row, or some."""
        found = range(self.start, self.stop)[number]
        return self.whole[found] if isinstance(found, int) else [self.whole[each] for each in found]


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


# ---- Rows of either kind ---------------------------------------------------------------------


def column(rows: Sequence[Any], name: str) -> list[Any]:
    """One column."""
    return rows.column(name) if isinstance(rows, ColumnBatch) else [row[name] for row in rows]


def key_hex(rows: Sequence[Any], name: str) -> list[str]:
    """A column of keys as hexadecimal digits, empty for None."""
    return rows.key_hex(name) if isinstance(rows, ColumnBatch) else [row[name].hex if row[name] else "" for row in rows]


def distinct(rows: Sequence[Any], name: str) -> set[str]:
    """The digits of the keys that are in a column, None left out."""
    return {*distinct_keys(rows, name)} - {""}


def distinct_keys(rows: Sequence[Any], name: str) -> Collection[str]:
    """The digits of the keys that are in a column, each once; empty where there are nulls."""
    return rows.distinct_keys(name) if isinstance(rows, ColumnBatch) else set(key_hex(rows, name))


def mapped(rows: Sequence[Any], name: str, of: Callable[[str], T]) -> list[T]:
    """`of` the digits of each key in a column, empty for None; worked out once for each of them."""
    return rows.mapped(name, of) if isinstance(rows, ColumnBatch) else _mapped(key_hex(rows, name), of)


def _mapped(keys: list[str], of: Callable[[str], T]) -> list[T]:
    found = {digits: of(digits) for digits in set(keys)}
    return [found[digits] for digits in keys]


def where(rows: Sequence[Any], name: str, key: UUID) -> Iterable[int]:
    """The numbers of the rows that have a key in a column."""
    keys, wanted = key_hex(rows, name), key.hex
    found: list[int] = []
    number = -1
    for _ in range(keys.count(wanted)):  # few: looking for the next one is faster than looking at each
        number = keys.index(wanted, number + 1)
        found.append(number)
    return found


def part(rows: Sequence[Any], name: str) -> ColumnBatch | None:
    """What was joined to the rows under a name; None where nothing was."""
    return rows.part(name) if isinstance(rows, ColumnBatch) else None
