"""Malformed requests for fuzzing: damaged bytes, unexpected JSON, and documents of the schema with hostile arguments.

The same seed gives the same requests.
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
# These mutations would end the session of the test or hash a password each time.
EXCLUDED_FIELDS: Final = frozenset({"signOut", "revokeOtherSessions"})

VALID_REQUESTS: Final[list[dict[str, Any]]] = [
    {"query": "query ($n: Int) { account(number: $n) { name } }", "variables": {"n": 7}},
    {"query": "{ viewer { user { name } accounts(first: 3) { edges { cursor node { id } } } } }"},
    {"query": "query A { roles { role } } query B { __typename }", "operationName": "B", "extensions": {"cost": True}},
    {"query": 'mutation { updateProfile(input: { name: "Łódź" }) { user { ...F } errors { code } } } '
              "fragment F on User { id name }"},
    {"query": get_introspection_query(descriptions=False)},
]  # fmt: skip

HOSTILE_VALUES: Final[list[Any]] = [
    None, True, 0, -1, 1.5, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**30, 1e300, "", " ", "\0", "a\0b",
    "\ud800", "\udfff\ud800", "\u202eRTL", "\ufeff", "\u200b", "🙂" * 2000, "x" * 9_999, "x" * 10_001, "%", "_",
    "'; DROP TABLE users; --", "{{7*7}}", "../../etc/passwd", "\r\nBcc: a@example.com", "null", "NaN", "-0", "1e999",
    "QWNjb3VudDox", "====", [], {}, [[]], [[[[[[[[[[[[1]]]]]]]]]]]], [None], ["\0"], [1] * 101, {"a": {"b": [{}]}},
    {"__proto__": 1}, {"\0": 1}, "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z",
]  # fmt: skip


def request(seed: int, node_ids: list[str]) -> bytes:
    """The body of one request. `node_ids` are ids of existing objects."""
    random_source = random.Random(seed)  # noqa: S311 - reproducible
    kinds: list[Callable[[random.Random, list[str]], bytes]] = [_bytes, _json, _document, _document, _tokens]
    return random_source.choice(kinds)(random_source, node_ids)


def _bytes(random_source: random.Random, node_ids: list[str]) -> bytes:
    """A valid request after one to eight changes, deletions, repetitions or insertions of bytes."""
    del node_ids
    body = bytearray(_encode(random_source.choice(VALID_REQUESTS)))
    for _ in range(random_source.randint(1, 8)):
        index = random_source.randrange(len(body) or 1)
        match random_source.randrange(5):
            case 0:
                body[index : index + 1] = bytes([random_source.randrange(256)])
            case 1:
                del body[index : index + random_source.randint(1, 4)]
            case 2:
                body[index:index] = body[index : index + random_source.randint(1, 8)]
            case 3:
                del body[index + random_source.randrange(40) :]
            case _:
                insertions = [
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
                body[index:index] = random_source.choice(insertions)
    return bytes(body)


def _json(random_source: random.Random, node_ids: list[str]) -> bytes:
    """A valid request with some values replaced by hostile ones."""
    del node_ids
    body: Any = json.loads(_encode(random_source.choice(VALID_REQUESTS)))
    for _ in range(random_source.randint(1, 3)):
        if not isinstance(body, dict):
            break
        key = random_source.choice([*body, "query", "variables", "operationName", "extensions", "id"])
        match random_source.randrange(4):
            case 0:
                body[key] = random_source.choice(HOSTILE_VALUES)
            case 1:
                body[key] = {
                    str(random_source.choice(HOSTILE_VALUES)): random_source.choice(HOSTILE_VALUES) for _ in range(3)
                }
            case 2:
                body.pop(key, None)
            case _:
                hostile_value = deepcopy(random_source.choice(HOSTILE_VALUES))  # the next round may change it
                body = random_source.choice([body, body, [body], hostile_value])
    return _encode(body)


def _document(random_source: random.Random, node_ids: list[str]) -> bytes:
    """A document of the schema, sometimes with hostile arguments."""
    return _encode(_RequestBuilder(random_source, node_ids).request())


def _tokens(random_source: random.Random, node_ids: list[str]) -> bytes:
    """A document of the schema with words deleted, repeated, swapped or inserted."""
    body = _RequestBuilder(random_source, node_ids).request()
    words = str(body["query"]).split(" ")
    for _ in range(random_source.randint(1, 5)):
        index, source_index = random_source.randrange(len(words)), random_source.randrange(len(words))
        match random_source.randrange(4):
            case 0:
                words[index] = ""
            case 1:
                words[index] += f" {words[source_index]}"
            case 2:
                words[index], words[source_index] = words[source_index], words[index]
            case _:
                insertions = [
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
                words[index] = random_source.choice(insertions)
    return _encode(body | {"query": " ".join(words)})


class _RequestBuilder:
    """Builds one request with a document of the schema."""

    def __init__(self, random_source: random.Random, node_ids: list[str]) -> None:
        self._random = random_source
        self._node_ids = node_ids
        self._hostile_rate = random_source.choice([0, 0.2, 1])
        self._variables: dict[str, Any] = {}
        self._variable_definitions: list[str] = []

    def request(self) -> dict[str, Any]:
        kind = self._random.choice(["query", "query", "mutation", "mutation", "subscription"])
        root = ROOTS[kind]
        assert root is not None
        body = self._selection(root, self._random.randint(1, 5), is_single=kind == "subscription")
        definitions = f" ( {' '.join(self._variable_definitions)} )" if self._variable_definitions else ""
        return {"query": f"{kind}{definitions} {body}", "variables": self._variables}

    def _selection(self, type_: GraphQLObjectType, depth: int, *, is_single: bool = False) -> str:
        fields = [
            (name, field)
            for name, field in type_.fields.items()
            if name not in EXCLUDED_FIELDS and (depth > 0 or is_leaf_type(get_named_type(field.type)))
        ]
        if not fields:
            return "{ __typename }"
        selections: list[str] = []
        for index in range(1 if is_single else self._random.randint(1, 4)):
            name, field = self._random.choice(fields)
            arguments = self._arguments(field.args)
            field_type: Any = get_named_type(field.type)
            subselection = ""
            if isinstance(field_type, GraphQLObjectType):
                subselection = self._selection(field_type, depth - 1)
            elif not is_leaf_type(field_type):
                objects = SCHEMA.get_possible_types(field_type)
                object_type = self._random.choice(list(objects))
                subselection = f"{{ __typename ... on {object_type.name} {self._selection(object_type, depth - 1)} }}"
            selections.append(f"a{index} : {name}{arguments} {subselection}")
        return "{ " + " ".join(selections) + " }"

    def _arguments(self, arguments: dict[str, GraphQLArgument]) -> str:
        texts = [
            f"{name} : {self._argument(argument)}"
            for name, argument in arguments.items()
            if isinstance(argument.type, GraphQLNonNull) or self._random.random() < 0.5
        ]
        return f" ( {' '.join(texts)} )" if texts else ""

    def _argument(self, argument: GraphQLArgument) -> str:
        value = self._value(argument.type)
        if self._random.random() < 0.5:
            name = f"v{len(self._variables)}"
            self._variables[name] = value
            self._variable_definitions.append(f"${name} : {argument.type}")
            return f"${name}"
        return literal(value, get_named_type(argument.type))

    def _value(self, type_: Any) -> Any:
        if self._random.random() < self._hostile_rate / 3:
            return self._random.choice(HOSTILE_VALUES)
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type) for _ in range(self._random.randint(0, 3))]
        if isinstance(type_, GraphQLEnumType):
            return self._random.choice(list(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            return {
                name: self._value(field.type)
                for name, field in type_.fields.items()
                if isinstance(field.type, GraphQLNonNull) or self._random.random() < 0.4
            }
        scalars: dict[str, list[Any]] = {
            "Int": [1, 10, 50, 100, 365, 0, -1, 10_000_000],
            "Boolean": [True, False],
            "ID": [*self._node_ids, "x", "1", ""],
            "DateTime": ["2026-11-21T12:00:00Z", "2027-01-01T00:00:00+01:00"],
        }
        texts = ["x", "Anna Nowak", "a@example.com", "kestrel orbit lantern", "7740001454", "PL", "nb", "*", "%"]
        return self._random.choice(scalars.get(type_.name, texts))


def literal(value: Any, type_: Any) -> str:
    """A value as a GraphQL literal. Enum values become names."""
    if isinstance(value, list):
        return f"[ {' '.join(literal(entry, type_) for entry in value)} ]"
    if isinstance(value, dict):
        fields = type_.fields if isinstance(type_, GraphQLInputObjectType) else {}
        field_types = {name: get_named_type(fields[name].type) if name in fields else None for name in value}
        return "{ " + " ".join(f"{name} : {literal(entry, field_types[name])}" for name, entry in value.items()) + " }"
    if isinstance(type_, GraphQLEnumType) and isinstance(value, str) and value in type_.values:
        return value
    return json.dumps(value)


def _encode(value: Any) -> bytes:
    """JSON with escaped lone surrogates, which orjson would reject."""
    return json.dumps(value).encode()
