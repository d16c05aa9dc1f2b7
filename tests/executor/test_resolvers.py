"""Plain resolvers and attributes: the results of one call for each object, and errors in them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import MappingProxyType
from typing import Any

import pytest
from graphql import GraphQLError

from tests.executor.harness import execute_both, execute_compiled, guarded_schema, plain_schema
from tests.executor.items import SDL, Item, ResolverError, items, iterate

# ---- Plain resolvers -------------------------------------------------------------------------


async def resolve_later(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, ResolverError):
        raise value
    return value


class AwaitableObject:
    """An awaitable that is not a coroutine."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Any:
        return resolve_later(self.value).__await__()


async def iterate_later(*values: object) -> AsyncIterator[object]:
    for value in values:
        await asyncio.sleep(0)
        if isinstance(value, ResolverError):
            raise value
        yield value


class AsyncIterableObject:
    """An async iterator that is not a generator."""

    def __init__(self, *values: object) -> None:
        self._values = list(values)

    def __aiter__(self) -> "AsyncIterableObject":
        return self

    async def __anext__(self) -> object:
        if not self._values:
            raise StopAsyncIteration
        return self._values.pop(0)


LISTS: dict[str, Callable[..., Any]] = {
    "list": lambda: [1, 2],
    "awaitable list": lambda: resolve_later([1, 2]),
    "list of awaitables": lambda: [resolve_later(1), 2, AwaitableObject(3), resolve_later(None)],
    "list of raising awaitables": lambda: [
        resolve_later(ResolverError("one")),
        2,
        resolve_later(ResolverError("three")),
    ],
    "awaitable list of awaitables": lambda: resolve_later([resolve_later(1), resolve_later(ResolverError("two"))]),
    "tuple": lambda: (1, None, 2),
    "generator": lambda: iterate(1, 2),
    "raising generator": lambda: iterate(1, ResolverError("after one")),
    "async generator": lambda: iterate_later(1, 2, None),
    "raising async generator": lambda: iterate_later(1, ResolverError("after one")),
    "async generator of awaitables": lambda: iterate_later(resolve_later(1), 2),
    "async iterator object": lambda: AsyncIterableObject(1, 2),
    "set": lambda: {1},
    "mapping": lambda: MappingProxyType({"a": 1}),
    "dict keys": {1: "a"}.keys,
    "list with an error": lambda: [1, ResolverError("second"), 3],
    "null": lambda: None,
    "awaitable null": lambda: resolve_later(None),
    "raising awaitable": lambda: resolve_later(ResolverError("all")),
    "returned error": lambda: ResolverError("all"),
    "bytes": lambda: b"12",
    "number": lambda: 12,
}


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["numbers", "hardNumbers"])
@pytest.mark.parametrize("kind", LISTS)
async def test_lists_of_each_kind_are_completed(kind: str, name: str) -> None:
    """If a null propagates while items wait, graphql-core reports the first error that ends, we the first in order."""
    schema = plain_schema(SDL, {f"Query.{name}": lambda *_: LISTS[kind]()})

    await execute_both(schema, f"{{ {name} echo }}", in_order=name == "hardNumbers", root={"echo": 1})


@pytest.mark.parametrize(
    ("resolve", "expected_item"),
    [
        (lambda _: resolve_later({"number": 1}), {"number": 1}),
        (lambda _: AwaitableObject({"number": 2}), {"number": 2}),
        (lambda _: resolve_later(None), None),
        (lambda _: resolve_later(ResolverError("no")), None),
        (lambda _: ResolverError("no"), None),
        (lambda _: GraphQLError("no", extensions={"code": "X"}), None),
        (lambda info: {"number": len(info.field_nodes)}, {"number": 1}),
    ],
)
async def test_objects_of_each_kind_are_completed(resolve: Callable[[Any], Any], expected_item: object) -> None:
    schema = plain_schema(SDL, {"Query.item": lambda _, info: resolve(info)})

    response = await execute_both(schema, "{ item { number } echo }", root={"echo": 1})

    assert response.data == {"item": expected_item, "echo": 1}


async def test_info_describes_the_field_and_the_operation() -> None:
    def describe_info(parent: Item, info: Any, **arguments: Any) -> str:
        facts = [info.field_name, str(info.parent_type), str(info.return_type), info.context, info.root_value]
        facts += [info.operation.name.value, sorted(info.fragments), info.schema.query_type.name]
        facts += [
            info.variable_values.coerced,
            len(info.field_nodes),
            info.is_awaitable(parent),
            arguments,
            parent.number,
        ]
        return repr(facts)

    schema = plain_schema(SDL, {"Item.label": describe_info, "Query.items": items})
    query = "query Q($b: String) { items { label(by: $b) ...F } } fragment F on Item { label(by: $b) }"

    response = await execute_both(schema, query, variables={"b": "x"}, root={"r": 1}, context=lambda: "context")

    assert "'label', 'Item', 'String', 'context', {'r': 1}, 'Q', ['F'], 'Query'" in response.data["items"][0]["label"]


async def test_plain_resolvers_of_one_level_run_concurrently() -> None:
    running_count = 0
    max_count = 0

    async def resolve(*_: object) -> str:
        nonlocal running_count, max_count
        running_count += 1
        max_count = max(max_count, running_count)
        await asyncio.sleep(0.01)
        running_count -= 1
        return "x"

    await execute_compiled(
        plain_schema(SDL, {"Query.items": items, "Item.label": resolve}), "{ items { a: label b: label } }"
    )

    assert max_count == 6


async def test_raising_attribute_fails_only_its_field() -> None:
    class BrokenItem:
        @property
        def number(self) -> int:
            raise ResolverError("broken")

    schema = guarded_schema(SDL, {"Query.items": {"resolve": lambda *_: [Item(1), BrokenItem(), object(), None]}})

    response = await execute_both(schema, "{ items { number } }")

    assert response.located_messages == [
        ("broken", ("items", 1, "number")),
        ("'object' object has no attribute 'number'", ("items", 2, "number")),
    ]


async def test_attribute_may_have_a_different_name() -> None:
    schema = guarded_schema(SDL, {"Query.items": {"resolve": items}, "Item.hard": {"attribute": "number"}})

    response = await execute_both(schema, "{ items { hard itself { hard } } }")

    assert response.data["items"][1] == {"hard": 2, "itself": {"hard": 2}}
