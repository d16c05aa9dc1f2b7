"""Requests that nobody should send: bodies with damaged bytes, odd JSON, and documents made from the schema, their
arguments hostile. The same seed gives the same requests.
"""

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_introspection_query,
    get_named_type,
    is_leaf_type,
)

from schema.build import build

SCHEMA: Final = build()
ROOTS: Final = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
# What would leave nobody signed in, or wait for a password's hash each time.
LEFT_OUT: Final = frozenset({"signOut", "revokeOtherSessions"})

GOOD: Final[list[dict[str, Any]]] = [
    {"query": "query ($n: Int) { account(number: $n) { name } }", "variables": {"n": 7}},
    {"query": "{ viewer { user { name } accounts(first: 3) { edges { cursor node { id } } } } }"},
    {"query": "query A { roles { role } } query B { __typename }", "operationName": "B", "extensions": {"cost": True}},
    {"query": 'mutation { updateProfile(input: { name: "Łódź" }) { user { ...F } errors { code } } } '
              "fragment F on User { id name }"},
    {"query": get_introspection_query(descriptions=False)},
]  # fmt: skip

HOSTILE: Final[list[Any]] = [
    None, True, 0, -1, 1.5, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**30, 1e300, "", " ", "\0", "a\0b",
    "\ud800", "\udfff\ud800", "\u202eRTL", "\ufeff", "\u200b", "🙂" * 2000, "x" * 9_999, "x" * 10_001, "%", "_",
    "'; DROP TABLE users; --", "{{7*7}}", "../../etc/passwd", "\r\nBcc: a@example.com", "null", "NaN", "-0", "1e999",
    "QWNjb3VudDox", "====", [], {}, [[]], [[[[[[[[[[[[1]]]]]]]]]]]], [None], ["\0"], [1] * 101, {"a": {"b": [{}]}},
    {"__proto__": 1}, {"\0": 1}, "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z",
]  # fmt: skip


def request(seed: int, known: list[str]) -> bytes:
    """The body of one request; `known` are ids of objects that exist."""
    chance = random.Random(seed)  # noqa: S311 - the same damage each time
    kinds: list[Callable[[random.Random, list[str]], bytes]] = [_bytes, _json, _document, _document, _tokens]
    return chance.choice(kinds)(chance, known)


def _bytes(chance: random.Random, known: list[str]) -> bytes:
    """A good request with one to eight bytes changed, lost, doubled, put in."""
    del known
    left = bytearray(_encoded(chance.choice(GOOD)))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(left) or 1)
        match chance.randrange(5):
            case 0:
                left[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del left[at : at + chance.randint(1, 4)]
            case 2:
                left[at:at] = left[at : at + chance.randint(1, 8)]
            case 3:
                del left[at + chance.randrange(40) :]
            case _:
                odd = [
                    b"\\u0000",
                    b"\xff",
                    b"\xed\xa0\x80",
                    b"[" * 2000,
                    b"9" * 400,
                    b'"',
                    b"{",
                    b"1e999",
                    b"\x00",
                    b"\\ud800",
                ]
                left[at:at] = chance.choice(odd)
    return bytes(left)


def _json(chance: random.Random, known: list[str]) -> bytes:
    """A good request in which something has become something else."""
    del known
    found: Any = json.loads(_encoded(chance.choice(GOOD)))
    for _ in range(chance.randint(1, 3)):
        if not isinstance(found, dict):
            break
        key = chance.choice([*found, "query", "variables", "operationName", "extensions", "id"])
        match chance.randrange(4):
            case 0:
                found[key] = chance.choice(HOSTILE)
            case 1:
                found[key] = {str(chance.choice(HOSTILE)): chance.choice(HOSTILE) for _ in range(3)}
            case 2:
                found.pop(key, None)
            case _:
                other = deepcopy(chance.choice(HOSTILE))  # it may be changed in the next round
                found = chance.choice([found, found, [found], other])
    return _encoded(found)


def _document(chance: random.Random, known: list[str]) -> bytes:
    """A document of the schema; with hostile values in its arguments, or not."""
    return _encoded(_Writer(chance, known).request())


def _tokens(chance: random.Random, known: list[str]) -> bytes:
    """The same with words lost, doubled, swapped or put in."""
    made = _Writer(chance, known).request()
    words = str(made["query"]).split(" ")
    for _ in range(chance.randint(1, 5)):
        at, other = chance.randrange(len(words)), chance.randrange(len(words))
        match chance.randrange(4):
            case 0:
                words[at] = ""
            case 1:
                words[at] += f" {words[other]}"
            case 2:
                words[at], words[other] = words[other], words[at]
            case _:
                odd = [
                    "{",
                    "}",
                    "(",
                    ")",
                    "...",
                    "... on Query",
                    "@skip(if: 1)",
                    "$v",
                    "!",
                    ":",
                    '"',
                    '"""',
                    "#",
                    "&",
                    "fragment F on F { f }",
                ]
                words[at] = chance.choice(odd)
    return _encoded(made | {"query": " ".join(words)})


class _Writer:
    """Writes one request."""

    def __init__(self, chance: random.Random, known: list[str]) -> None:
        self._chance = chance
        self._known = known
        self._hostile = chance.choice([0, 0.2, 1])
        self._variables: dict[str, Any] = {}
        self._declared: list[str] = []

    def request(self) -> dict[str, Any]:
        kind = self._chance.choice(["query", "query", "mutation", "mutation", "subscription"])
        root = ROOTS[kind]
        assert root is not None
        body = self._selection(root, self._chance.randint(1, 5), one=kind == "subscription")
        declared = f" ( {' '.join(self._declared)} )" if self._declared else ""
        return {"query": f"{kind}{declared} {body}", "variables": self._variables}

    def _selection(self, type_: GraphQLObjectType, depth: int, *, one: bool = False) -> str:
        fields = [
            (name, field)
            for name, field in type_.fields.items()
            if name not in LEFT_OUT and (depth > 0 or is_leaf_type(get_named_type(field.type)))
        ]
        if not fields:
            return "{ __typename }"
        written: list[str] = []
        for place in range(1 if one else self._chance.randint(1, 4)):
            name, field = self._chance.choice(fields)
            given = self._arguments(field.args)
            inner: Any = get_named_type(field.type)
            below = ""
            if isinstance(inner, GraphQLObjectType):
                below = self._selection(inner, depth - 1)
            elif not is_leaf_type(inner):
                objects = SCHEMA.get_possible_types(inner)
                chosen = self._chance.choice(list(objects))
                below = f"{{ __typename ... on {chosen.name} {self._selection(chosen, depth - 1)} }}"
            written.append(f"a{place} : {name}{given} {below}")
        return "{ " + " ".join(written) + " }"

    def _arguments(self, arguments: dict[str, GraphQLArgument]) -> str:
        given = [
            f"{name} : {self._argument(argument)}"
            for name, argument in arguments.items()
            if isinstance(argument.type, GraphQLNonNull) or self._chance.random() < 0.5
        ]
        return f" ( {' '.join(given)} )" if given else ""

    def _argument(self, argument: GraphQLArgument) -> str:
        value = self._value(argument.type)
        if self._chance.random() < 0.5:
            name = f"v{len(self._variables)}"
            self._variables[name] = value
            self._declared.append(f"${name} : {argument.type}")
            return f"${name}"
        return literal(value, get_named_type(argument.type))

    def _value(self, type_: Any) -> Any:
        if self._chance.random() < self._hostile / 3:
            return self._chance.choice(HOSTILE)
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type) for _ in range(self._chance.randint(0, 3))]
        if isinstance(type_, GraphQLEnumType):
            return self._chance.choice(list(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            return {
                name: self._value(field.type)
                for name, field in type_.fields.items()
                if isinstance(field.type, GraphQLNonNull) or self._chance.random() < 0.4
            }
        plain: dict[str, list[Any]] = {
            "Int": [1, 10, 50, 100, 365, 0, -1, 10_000_000],
            "Boolean": [True, False],
            "ID": [*self._known, "x", "1", ""],
            "DateTime": ["2026-11-21T12:00:00Z", "2027-01-01T00:00:00+01:00"],
        }
        texts = ["x", "Anna Nowak", "a@example.com", "kestrel orbit lantern", "7740001454", "PL", "nb", "*", "%"]
        return self._chance.choice(plain.get(type_.name, texts))


def literal(value: Any, type_: Any) -> str:
    """A value as GraphQL writes it; what is an enum's, as a name."""
    if isinstance(value, list):
        return f"[ {' '.join(literal(entry, type_) for entry in value)} ]"
    if isinstance(value, dict):
        fields = type_.fields if isinstance(type_, GraphQLInputObjectType) else {}
        named = {name: get_named_type(fields[name].type) if name in fields else None for name in value}
        return "{ " + " ".join(f"{name} : {literal(entry, named[name])}" for name, entry in value.items()) + " }"
    if isinstance(type_, GraphQLEnumType) and isinstance(value, str) and value in type_.values:
        return value
    return json.dumps(value)


def _encoded(value: Any) -> bytes:
    """As JSON; lone surrogates escaped, for orjson would not write them."""
    return json.dumps(value).encode()
