"""Random documents on a schema with randomly failing resolvers: both executors give the same response.

The environment variable FULLMAKT_GENERATED is the number of documents for each test, 120 by default. Fields called
`hard` are non-null.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from random import Random
from typing import Any
from zlib import crc32

import orjson
import pytest
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    parse,
    validate,
)
from hypothesis import given
from hypothesis import strategies as st

import executor
from tests.executor import generation
from tests.executor.error_comparison import LocatedError, comparable_errors, is_in_response_order
from tests.executor.harness import (
    OPEN,
    SECRET,
    Refusal,
    Response,
    execute_compiled,
    execute_reference,
    set_enum_values,
    set_scalar,
)

EXAMPLE_COUNT = int(os.environ.get("FULLMAKT_GENERATED", "120"))
SDL = """
    enum Colour { RED GREEN BLUE }
    scalar Odd
    input Point { x: Int = 1  y: Int!  c: Colour = GREEN  l: [Int!]  p: Point }
    interface Node { id: ID!  name(upper: Boolean, c: Colour = RED): String  node: Node  nodes: [Node!] }
    type Thing implements Node {
        id: ID!  name(upper: Boolean, c: Colour = RED): String  node: Node  nodes: [Node!]
        int: Int  hardInt: Int!  float: Float  string: String  boolean: Boolean  odd: Odd
        colour: Colour  colours: [Colour!]  ints: [Int]  hardInts: [Int!]!  matrix: [[Int!]]
        thing: Thing  hardThing: Thing!  things: [Thing]  hardThings: [Thing!]!  grid: [[Thing!]!]
        any: Any  anys: [Any!]
        formatted(i: Int = 3, f: Float, s: String!, p: Point, l: [Int!] = [1], c: Colour, id: ID, m: [[Point!]]): String
    }
    type Other implements Node {
        id: ID!  name(upper: Boolean, c: Colour = RED): String  node: Node  nodes: [Node!]
        other: Other  count: Int!  things(first: Int = 2): [Thing!]  int: Float
    }
    type Lone { int: String  thing: Thing  hardThing: Thing! }
    union Any = Thing | Other | Lone
    type Query {
        thing: Thing  hardThing: Thing!  things: [Thing!]  node(id: ID!): Node  any: Any  anys: [Any]  int: Int
        hardInt: Int!  hardThings: [Thing!]!
    }
    type Mutation { make(x: Int): Thing  hard: Thing!  int: Int  hardInt: Int!  list: [Any!]! }
"""


class ResolverError(Exception):
    """The error that a resolver raises."""


class Outcomes:
    """The result of each resolver call, computed from a seed and the key of the call. Both executors get the same."""

    def __init__(self, seed: int, *, waits: bool, failure_rate: float) -> None:
        self.seed = seed
        self.waits = waits
        self.failure_rate = failure_rate

    def random_for(self, key: str) -> Random:
        """The random generator of one key."""
        return generation.seeded_random(crc32(f"{self.seed} {key}".encode()))

    def field_result(self, type_: Any, key: str) -> Any:
        """The result of a field's resolver: a value, None, an exception or an awaitable. Sometimes raises."""
        random = self.random_for(key)
        if random.random() < self.failure_rate / 2:
            raise ResolverError(f"raised at {key}")
        value = self.value(type_, key, random)
        return self.later(value) if self.waits and random.random() < 0.3 else value

    async def later(self, value: Any) -> Any:
        """Return or raise the value after a pause."""
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    def value(self, type_: Any, key: str, random: Random) -> Any:
        """A value that usually fits its type."""
        nullable = not isinstance(type_, GraphQLNonNull)
        type_ = type_ if nullable else type_.of_type
        draw = random.random()
        if draw < self.failure_rate * (1 if nullable else 0.3):
            return None
        if draw < self.failure_rate * (1.3 if nullable else 0.6):
            return ResolverError(f"wrong at {key}")
        if isinstance(type_, GraphQLList):
            return self.list_value(type_, key, random)
        if is_leaf_type(type_):
            return random.choice(
                LEAF_VALUES[type_.name] * 4 + [random.choice(UNFIT_VALUES)] if draw < 0.5 else LEAF_VALUES[type_.name]
            )
        if is_abstract_type(type_):
            kinds = ["Thing", "Other", "Lone"] if isinstance(type_, GraphQLUnionType) else ["Thing", "Other"]
            return Thing(self, key, random.choice(kinds))
        return Thing(self, key, type_.name)

    def list_value(self, type_: Any, key: str, random: Random) -> Any:
        """A list, a tuple or an async iterator."""
        values = [self.value(type_.of_type, f"{key}.{index}", random) for index in range(random.randrange(4))]
        draw = random.random()
        if self.waits and draw < 0.2:
            return iterate_later(values)
        if self.waits and draw < 0.4:
            return [self.later(item) if random.random() < 0.5 else item for item in values]
        return tuple(values) if draw > 0.9 else values

    def type_name(self, thing: "Thing") -> Any:
        """The result of a type resolver. Sometimes it is not a valid type."""
        random = self.random_for(f"{thing.key} kind")
        if random.random() < self.failure_rate / 4:
            return random.choice([None, "Nothing", "Query", 5])
        return self.later(thing.kind) if self.waits and random.random() < 0.3 else thing.kind


async def iterate_later(values: list[Any]) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value


LEAF_VALUES: dict[str, list[Any]] = {
    "Int": [0, 1, -7, 2**31 - 1],
    "Float": [0.5, 2, -1e10],
    "String": ["", "text", "ø"],
    "Boolean": [True, False],
    "ID": ["1", "x"],
    "Odd": ["odd", 1],
    "Colour": ["RED", "g", 3],
}
UNFIT_VALUES: list[Any] = [1, "1", 1.0, True, "RED", "BLUE", 2**40, [], {}, object, "raise", "none", float("nan")]


class Thing:
    """An object, identified by the key of the call that returned it."""

    def __init__(self, outcomes: Outcomes, key: str, kind: str) -> None:
        self.outcomes = outcomes
        self.key = key
        self.kind = kind

    def __getattr__(self, name: str) -> Any:
        """The random value of an attribute."""
        if name.startswith("_"):
            raise AttributeError(name)
        type_ = plain_schema().type_map[self.kind]
        assert isinstance(type_, GraphQLObjectType)
        return self.outcomes.value(
            type_.fields[name].type, f"{self.key} {name}", self.outcomes.random_for(f"{self.key} {name}")
        )

    def __str__(self) -> str:
        return self.key

    def __repr__(self) -> str:
        return f"<{self.key}>"


# ---- Schemas ---------------------------------------------------------------------------------


def base_schema() -> GraphQLSchema:
    schema = build_schema(SDL)
    set_enum_values(schema, "Colour", RED="RED", GREEN="g", BLUE=3)
    set_scalar(schema, "Odd", serialize_odd)
    for type_ in schema.type_map.values():
        if is_abstract_type(type_):
            type_.resolve_type = resolve_type_name
    return schema


def resolve_type_name(value: Any, info: Any, _: object) -> Any:
    return info.context.type_name(value)


def serialize_odd(value: Any) -> Any:
    if value == "raise":
        raise ResolverError("cannot be serialized")
    return None if value == "none" else f"<{value}>"


@cache
def plain_schema() -> GraphQLSchema:
    """The schema with plain resolvers only."""
    schema = base_schema()
    for _, _, field in fields(schema):
        field.resolve = plain_resolver(field.type)
    return schema


@cache
def annotated_schema(variant: int) -> GraphQLSchema:
    """The schema with a random kind of resolver for each field, and guards on some fields."""
    schema = base_schema()
    for type_, name, field in fields(schema):
        random = generation.seeded_random(crc32(f"{variant} {type_.name} {name}".encode()))
        type_.extensions["rights"] = random_rights
        resolver_kind = random.choice(["batch", "column", "resolve", "attribute"])
        # The root object is None and has no attributes, and an attribute takes no arguments.
        resolver_kind = (
            "resolve"
            if resolver_kind == "attribute" and (type_.name in {"Query", "Mutation"} or field.args)
            else resolver_kind
        )
        metadata: dict[str, Any] = {"needs": SECRET if random.random() < 0.2 else OPEN | SECRET, "convert": dict}
        metadata["refuse"] = lambda parents, _: [Refusal(f"not of {parent}") for parent in parents]
        if resolver_kind == "batch":
            metadata["batch"] = batch_resolver(field.type)
        elif resolver_kind == "column":
            metadata["column"] = column_resolver(field.type)
        elif resolver_kind == "resolve":
            metadata["resolve"] = plain_resolver(field.type)
        field.extensions |= metadata
    executor.install(schema)
    return schema


def fields(schema: GraphQLSchema) -> list[tuple[GraphQLObjectType, str, Any]]:
    return [
        (type_, name, field)
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
    ]


def random_rights(objects: Sequence[Any], context: Outcomes) -> list[int]:
    draws = [context.random_for(f"{item} rights").random() for item in objects]
    return [0 if draw < 0.05 else OPEN if draw < 0.3 else OPEN | SECRET for draw in draws]


def call_key(parent: Any, info: Any, arguments: dict[str, Any]) -> str:
    return f"{parent} {info.field_name}{sorted(arguments.items()) if arguments else ''}"


def plain_resolver(type_: Any) -> Callable[..., Any]:
    def resolve(parent: Any, info: Any, **arguments: Any) -> Any:
        return info.context.field_result(type_, call_key(parent, info, arguments))

    return resolve


def batch_resolver(type_: Any) -> Callable[..., Any]:
    async def resolve(objects: list[Any], info: Any, **arguments: Any) -> list[Any]:
        outcomes: Outcomes = info.context
        random = outcomes.random_for(f"{info.parent_type} {info.field_name} batch")
        for _ in range(random.randrange(3) if outcomes.waits else 0):
            await asyncio.sleep(0)
        if random.random() < outcomes.failure_rate / 2:
            raise ResolverError(f"all of {info.field_name}")
        keys = [call_key(object_, info, arguments) for object_ in objects]
        return [outcomes.value(type_, key, outcomes.random_for(key)) for key in keys]

    return resolve


def column_resolver(type_: Any) -> Callable[..., Any]:
    def resolve(objects: list[Any], info: Any, **arguments: Any) -> list[Any]:
        outcomes: Outcomes = info.context
        if outcomes.random_for(f"{info.parent_type} {info.field_name} column").random() < outcomes.failure_rate / 2:
            raise ResolverError(f"all of {info.field_name}")
        keys = [call_key(object_, info, arguments) for object_ in objects]
        return [outcomes.value(type_, key, outcomes.random_for(key)) for key in keys]

    return resolve


# ---- Comparison ------------------------------------------------------------------------------


async def execute_with_both(
    schema: GraphQLSchema, document: generation.Document, outcomes: Outcomes
) -> tuple[Response, Response]:
    assert validate(schema, parse(document.text)) == []
    options: dict[str, Any] = {"variables": document.variables, "name": document.name, "context": outcomes}
    expected = await execute_reference(schema, document.text, **options)
    actual = await execute_compiled(schema, document.text, **options)
    assert orjson.dumps(actual.data) == orjson.dumps(expected.data)
    return expected, actual


def located_errors(response: Response) -> list[LocatedError]:
    return [(error.path, repr(error)) for error in response.errors]


def assert_equivalent(expected: Response, actual: Response) -> None:
    assert comparable_errors(actual.data, located_errors(actual)) == comparable_errors(
        expected.data, located_errors(expected)
    )
    assert is_in_response_order(actual.data, located_errors(actual))


SEEDS = st.integers(0, 2**60)
FAILURE_RATES = st.sampled_from([0.0, 0.05, 0.15, 0.3])
ROOTS = st.sampled_from(["Query", "Query", "Query", "Mutation"])


@generation.examples(EXAMPLE_COUNT)
@given(seed=SEEDS, failure_rate=FAILURE_RATES, root=ROOTS)
async def test_sync_resolvers_have_equal_responses(seed: int, failure_rate: float, root: str) -> None:
    document = generation.generate_document(plain_schema(), generation.seeded_random(seed), root=root)

    expected, actual = await execute_with_both(
        plain_schema(), document, Outcomes(seed, waits=False, failure_rate=failure_rate)
    )

    assert actual.errors == expected.errors


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@generation.examples(EXAMPLE_COUNT)
@given(seed=SEEDS, failure_rate=FAILURE_RATES, root=ROOTS)
async def test_async_resolvers_have_equal_responses(seed: int, failure_rate: float, root: str) -> None:
    document = generation.generate_document(plain_schema(), generation.seeded_random(seed), root=root)

    expected, actual = await execute_with_both(
        plain_schema(), document, Outcomes(seed, waits=True, failure_rate=failure_rate)
    )

    assert_equivalent(expected, actual)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@generation.examples(EXAMPLE_COUNT)
@given(seed=SEEDS, failure_rate=FAILURE_RATES, root=ROOTS, variant=st.integers(0, 3), waits=st.booleans())
async def test_fields_with_metadata_have_equal_responses(
    *, seed: int, failure_rate: float, root: str, variant: int, waits: bool
) -> None:
    schema = annotated_schema(variant)
    document = generation.generate_document(schema, generation.seeded_random(seed), root=root)

    expected, actual = await execute_with_both(schema, document, Outcomes(seed, waits=waits, failure_rate=failure_rate))

    assert_equivalent(expected, actual)


def test_generated_documents_vary() -> None:
    """The generated documents use all parts of the language."""
    schema = plain_schema()
    texts = [generation.generate_document(schema, generation.seeded_random(seed)).text for seed in range(300)]

    for part in (
        "@skip",
        "@include",
        "fragment ",
        "... on ",
        "... {",
        "$v",
        "$b",
        ": ",
        "query Q",
        "__typename",
        "null",
    ):
        assert sum(part in text for text in texts) > 10, part
    assert len({str(get_named_type(field.type)) for _, _, field in fields(schema)}) == 11
