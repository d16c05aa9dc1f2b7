"""Made-up documents over a made-up schema, whose resolvers fail by chance: both executors say the same.

FULLMAKT_GENERATED is the number of documents for each way of answering, 120 by default.
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
from tests.executor import generate
from tests.executor.compare import Told, in_reading_order, settled
from tests.executor.toy import OPEN, SECRET, Answer, Refusal, compiled, enum, reference, scalar

EXAMPLES = int(os.environ.get("FULLMAKT_GENERATED", "120"))
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
        given(i: Int = 3, f: Float, s: String!, p: Point, l: [Int!] = [1], c: Colour, id: ID, m: [[Point!]]): String
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


class Wrong(Exception):
    """What a resolver raises."""


class Fate:
    """What every resolver does, by its seed and place: the same for both executors."""

    def __init__(self, seed: int, *, waits: bool, failing: float) -> None:
        self.seed = seed
        self.waits = waits
        self.failing = failing

    def of(self, key: str) -> Random:
        """The chances of one place."""
        return generate.chances(crc32(f"{self.seed} {key}".encode()))

    def answer(self, type_: Any, key: str) -> Any:
        """What a field's resolver returns: a value, nothing, an exception, or something to wait for. May raise."""
        random = self.of(key)
        if random.random() < self.failing / 2:
            raise Wrong(f"raised at {key}")
        value = self.value(type_, key, random)
        return self.later(value) if self.waits and random.random() < 0.3 else value

    async def later(self, value: Any) -> Any:
        """Something to wait for."""
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    def value(self, type_: Any, key: str, random: Random) -> Any:
        """A value that mostly fits its type."""
        nullable = not isinstance(type_, GraphQLNonNull)
        type_ = type_ if nullable else type_.of_type
        roll = random.random()
        if roll < self.failing * (1 if nullable else 0.3):
            return None
        if roll < self.failing * (1.3 if nullable else 0.6):
            return Wrong(f"wrong at {key}")
        if isinstance(type_, GraphQLList):
            return self.items(type_, key, random)
        if is_leaf_type(type_):
            return random.choice(LEAVES[type_.name] * 4 + [random.choice(ODD)] if roll < 0.5 else LEAVES[type_.name])
        if is_abstract_type(type_):
            kinds = ["Thing", "Other", "Lone"] if isinstance(type_, GraphQLUnionType) else ["Thing", "Other"]
            return Thing(self, key, random.choice(kinds))
        return Thing(self, key, type_.name)

    def items(self, type_: Any, key: str, random: Random) -> Any:
        """A list, or something that is iterated like one."""
        found = [self.value(type_.of_type, f"{key}.{place}", random) for place in range(random.randrange(4))]
        roll = random.random()
        if self.waits and roll < 0.2:
            return streamed(found)
        if self.waits and roll < 0.4:
            return [self.later(item) if random.random() < 0.5 else item for item in found]
        return tuple(found) if roll > 0.9 else found

    def kind(self, thing: "Thing") -> Any:
        """What a type resolver says; sometimes nonsense."""
        random = self.of(f"{thing.key} kind")
        if random.random() < self.failing / 4:
            return random.choice([None, "Nothing", "Query", 5])
        return self.later(thing.kind) if self.waits and random.random() < 0.3 else thing.kind


async def streamed(values: list[Any]) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value


LEAVES: dict[str, list[Any]] = {
    "Int": [0, 1, -7, 2**31 - 1],
    "Float": [0.5, 2, -1e10],
    "String": ["", "text", "ø"],
    "Boolean": [True, False],
    "ID": ["1", "x"],
    "Odd": ["odd", 1],
    "Colour": ["RED", "g", 3],
}
ODD: list[Any] = [1, "1", 1.0, True, "RED", "BLUE", 2**40, [], {}, object, "raise", "none", float("nan")]


class Thing:
    """An object, known by where it came from."""

    def __init__(self, fate: Fate, key: str, kind: str) -> None:
        self.fate = fate
        self.key = key
        self.kind = kind

    def __getattr__(self, name: str) -> Any:
        """An attribute; what cannot be had raises."""
        if name.startswith("_"):
            raise AttributeError(name)
        type_ = plain().type_map[self.kind]
        assert isinstance(type_, GraphQLObjectType)
        return self.fate.value(type_.fields[name].type, f"{self.key} {name}", self.fate.of(f"{self.key} {name}"))

    def __str__(self) -> str:
        return self.key

    def __repr__(self) -> str:
        return f"<{self.key}>"


# ---- Schemas ---------------------------------------------------------------------------------


def basis() -> GraphQLSchema:
    schema = build_schema(SDL)
    enum(schema, "Colour", RED="RED", GREEN="g", BLUE=3)
    scalar(schema, "Odd", odd)
    for type_ in schema.type_map.values():
        if is_abstract_type(type_):
            type_.resolve_type = kind
    return schema


def kind(value: Any, info: Any, _: object) -> Any:
    return info.context.kind(value)


def odd(value: Any) -> Any:
    if value == "raise":
        raise Wrong("cannot be written")
    return None if value == "none" else f"<{value}>"


@cache
def plain() -> GraphQLSchema:
    """Plain resolvers only."""
    schema = basis()
    for _, _, field in fields(schema):
        field.resolve = resolver(field.type)
    return schema


@cache
def marked(variant: int) -> GraphQLSchema:
    """Each field by another kind of resolver, some behind a guard."""
    schema = basis()
    for type_, name, field in fields(schema):
        random = generate.chances(crc32(f"{variant} {type_.name} {name}".encode()))
        type_.extensions["rights"] = rights
        way = random.choice(["batch", "column", "resolve", "attribute"])
        # No attribute of None, which the roots are, and none for arguments.
        way = "resolve" if way == "attribute" and (type_.name in {"Query", "Mutation"} or field.args) else way
        marks: dict[str, Any] = {"needs": SECRET if random.random() < 0.2 else OPEN | SECRET, "convert": dict}
        marks["refuse"] = lambda parents, _: [Refusal(f"not of {parent}") for parent in parents]
        if way == "batch":
            marks["batch"] = batch(field.type)
        elif way == "column":
            marks["column"] = column(field.type)
        elif way == "resolve":
            marks["resolve"] = resolver(field.type)
        field.extensions |= marks
    executor.install(schema)
    return schema


def fields(schema: GraphQLSchema) -> list[tuple[GraphQLObjectType, str, Any]]:
    return [
        (type_, name, field)
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
    ]


def rights(objects: Sequence[Any], context: Fate) -> list[int]:
    chances = [context.of(f"{one} rights").random() for one in objects]
    return [0 if chance < 0.05 else OPEN if chance < 0.3 else OPEN | SECRET for chance in chances]


def place(parent: Any, info: Any, given: dict[str, Any]) -> str:
    return f"{parent} {info.field_name}{sorted(given.items()) if given else ''}"


def resolver(type_: Any) -> Callable[..., Any]:
    def resolve(parent: Any, info: Any, **given: Any) -> Any:
        return info.context.answer(type_, place(parent, info, given))

    return resolve


def batch(type_: Any) -> Callable[..., Any]:
    async def answer(objects: list[Any], info: Any, **given: Any) -> list[Any]:
        fate: Fate = info.context
        random = fate.of(f"{info.parent_type} {info.field_name} batch")
        for _ in range(random.randrange(3) if fate.waits else 0):
            await asyncio.sleep(0)
        if random.random() < fate.failing / 2:
            raise Wrong(f"all of {info.field_name}")
        keys = [place(one, info, given) for one in objects]
        return [fate.value(type_, key, fate.of(key)) for key in keys]

    return answer


def column(type_: Any) -> Callable[..., Any]:
    def answer(objects: list[Any], info: Any, **given: Any) -> list[Any]:
        fate: Fate = info.context
        if fate.of(f"{info.parent_type} {info.field_name} column").random() < fate.failing / 2:
            raise Wrong(f"all of {info.field_name}")
        keys = [place(one, info, given) for one in objects]
        return [fate.value(type_, key, fate.of(key)) for key in keys]

    return answer


# ---- Comparing -------------------------------------------------------------------------------


async def answers(schema: GraphQLSchema, asked: generate.Document, fate: Fate) -> tuple[Answer, Answer]:
    assert validate(schema, parse(asked.text)) == []
    options: dict[str, Any] = {"variables": asked.variables, "name": asked.name, "context": fate}
    expected = await reference(schema, asked.text, **options)
    found = await compiled(schema, asked.text, **options)
    assert orjson.dumps(found.data) == orjson.dumps(expected.data)
    return expected, found


def told(answer: Answer) -> list[Told]:
    return [(error.path, repr(error)) for error in answer.errors]


def assert_alike(expected: Answer, found: Answer) -> None:
    assert settled(found.data, told(found)) == settled(expected.data, told(expected))
    assert in_reading_order(found.data, told(found))


SEEDS = st.integers(0, 2**60)
CHANCES = st.sampled_from([0.0, 0.05, 0.15, 0.3])
ROOTS = st.sampled_from(["Query", "Query", "Query", "Mutation"])


@generate.examples(EXAMPLES)
@given(seed=SEEDS, failing=CHANCES, root=ROOTS)
async def test_plain_resolvers_without_waiting(seed: int, failing: float, root: str) -> None:
    asked = generate.write(plain(), generate.chances(seed), root=root)

    expected, found = await answers(plain(), asked, Fate(seed, waits=False, failing=failing))

    assert found.errors == expected.errors


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@generate.examples(EXAMPLES)
@given(seed=SEEDS, failing=CHANCES, root=ROOTS)
async def test_plain_resolvers_that_wait(seed: int, failing: float, root: str) -> None:
    asked = generate.write(plain(), generate.chances(seed), root=root)

    expected, found = await answers(plain(), asked, Fate(seed, waits=True, failing=failing))

    assert_alike(expected, found)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@generate.examples(EXAMPLES)
@given(seed=SEEDS, failing=CHANCES, root=ROOTS, variant=st.integers(0, 3), waits=st.booleans())
async def test_marked_fields(*, seed: int, failing: float, root: str, variant: int, waits: bool) -> None:
    schema = marked(variant)
    asked = generate.write(schema, generate.chances(seed), root=root)

    expected, found = await answers(schema, asked, Fate(seed, waits=waits, failing=failing))

    assert_alike(expected, found)


def test_documents_are_not_all_alike() -> None:
    """What the others compare is worth comparing."""
    schema = plain()
    texts = [generate.write(schema, generate.chances(seed)).text for seed in range(300)]

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
