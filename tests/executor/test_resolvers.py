"""Plain resolvers and attributes: who answers a field for one object, and what each may do wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import MappingProxyType
from typing import Any

import pytest
from graphql import GraphQLError

from tests.executor.items import SDL, Item, Wrong, items, yielded
from tests.executor.toy import both, compiled, guarded, toy

# ---- Plain resolvers -------------------------------------------------------------------------


async def soon(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, Wrong):
        raise value
    return value


class Later:
    """Something that can be awaited, and is no coroutine."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Any:
        return soon(self.value).__await__()


async def streamed(*values: object) -> AsyncIterator[object]:
    for value in values:
        await asyncio.sleep(0)
        if isinstance(value, Wrong):
            raise value
        yield value


class Stream:
    """Can be iterated by waiting, and is no generator."""

    def __init__(self, *values: object) -> None:
        self._values = list(values)

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> object:
        if not self._values:
            raise StopAsyncIteration
        return self._values.pop(0)


LISTS: dict[str, Callable[..., Any]] = {
    "list": lambda: [1, 2],
    "awaited": lambda: soon([1, 2]),
    "of awaited": lambda: [soon(1), 2, Later(3), soon(None)],
    "of failing": lambda: [soon(Wrong("one")), 2, soon(Wrong("three"))],
    "awaited of awaited": lambda: soon([soon(1), soon(Wrong("two"))]),
    "tuple": lambda: (1, None, 2),
    "generator": lambda: yielded(1, 2),
    "raising generator": lambda: yielded(1, Wrong("after one")),
    "async": lambda: streamed(1, 2, None),
    "raising async": lambda: streamed(1, Wrong("after one")),
    "async of awaited": lambda: streamed(soon(1), 2),
    "own stream": lambda: Stream(1, 2),
    "set": lambda: {1},
    "mapping": lambda: MappingProxyType({"a": 1}),
    "keys": {1: "a"}.keys,
    "error among": lambda: [1, Wrong("second"), 3],
    "none": lambda: None,
    "awaited none": lambda: soon(None),
    "awaited error": lambda: soon(Wrong("all")),
    "returned error": lambda: Wrong("all"),
    "bytes": lambda: b"12",
    "number": lambda: 12,
}


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["numbers", "hardNumbers"])
@pytest.mark.parametrize("made", LISTS)
async def test_lists_however_they_are_given(made: str, name: str) -> None:
    """A null that climbs while others wait: graphql-core tells the first that ended, we the first that is read."""
    schema = toy(SDL, {f"Query.{name}": lambda *_: LISTS[made]()})

    await both(schema, f"{{ {name} echo }}", in_order=name == "hardNumbers", root={"echo": 1})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (lambda _: soon({"number": 1}), {"number": 1}),
        (lambda _: Later({"number": 2}), {"number": 2}),
        (lambda _: soon(None), None),
        (lambda _: soon(Wrong("no")), None),
        (lambda _: Wrong("no"), None),
        (lambda _: GraphQLError("no", extensions={"code": "X"}), None),
        (lambda info: {"number": len(info.field_nodes)}, {"number": 1}),
    ],
)
async def test_objects_however_they_are_given(given: Callable[[Any], Any], shown: object) -> None:
    schema = toy(SDL, {"Query.item": lambda _, info: given(info)})

    answer = await both(schema, "{ item { number } echo }", root={"echo": 1})

    assert answer.data == {"item": shown, "echo": 1}


async def test_plain_resolvers_are_told_of_their_field() -> None:
    def tell(parent: Item, info: Any, **given: Any) -> str:
        told = [info.field_name, str(info.parent_type), str(info.return_type), info.context, info.root_value]
        told += [info.operation.name.value, sorted(info.fragments), info.schema.query_type.name]
        told += [info.variable_values.coerced, len(info.field_nodes), info.is_awaitable(parent), given, parent.number]
        return repr(told)

    schema = toy(SDL, {"Item.named": tell, "Query.items": items})
    query = "query Q($b: String) { items { named(by: $b) ...F } } fragment F on Item { named(by: $b) }"

    answer = await both(schema, query, variables={"b": "x"}, root={"r": 1}, context=lambda: "context")

    assert "'named', 'Item', 'String', 'context', {'r': 1}, 'Q', ['F'], 'Query'" in answer.data["items"][0]["named"]


async def test_plain_resolvers_of_one_level_wait_together() -> None:
    running = 0
    most = 0

    async def resolve(*_: object) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return "x"

    await compiled(toy(SDL, {"Query.items": items, "Item.named": resolve}), "{ items { a: named b: named } }")

    assert most == 6


async def test_an_attribute_that_fails_fails_alone() -> None:
    class Torn:
        @property
        def number(self) -> int:
            raise Wrong("torn")

    schema = guarded(SDL, {"Query.items": {"resolve": lambda *_: [Item(1), Torn(), object(), None]}})

    answer = await both(schema, "{ items { number } }")

    assert answer.said == [
        ("torn", ("items", 1, "number")),
        ("'object' object has no attribute 'number'", ("items", 2, "number")),
    ]


async def test_attributes_by_another_name() -> None:
    schema = guarded(SDL, {"Query.items": {"resolve": items}, "Item.hard": {"attribute": "number"}})

    answer = await both(schema, "{ items { hard other { hard } } }")

    assert answer.data["items"][1] == {"hard": 2, "other": {"hard": 2}}
