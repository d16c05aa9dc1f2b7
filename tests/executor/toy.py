"""Small schemas that know no account, and operations run by both executors and compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, cast

import orjson
from graphql import (
    ExecutionResult,
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    execute,
    parse,
    validate,
)

import executor
from executor import Engine

Resolvers = Mapping[str, Callable[..., Any]]
Path = tuple[str | int, ...]
OPEN, SECRET = 1, 2


class Refusal(Exception):
    """What a refused field raises."""


@dataclass(frozen=True)
class Failure:
    """One error of an answer."""

    message: str
    path: Path | None
    locations: tuple[tuple[int, int], ...]


@dataclass
class Answer:
    """What came of an operation."""

    data: Any
    errors: list[Failure]

    @property
    def said(self) -> list[tuple[str, Path | None]]:
        """The errors by message and path."""
        return [(error.message, error.path) for error in self.errors]


@dataclass
class Asked:
    """A context that remembers which resolvers were called, and with what."""

    calls: list[Any] = field(default_factory=list[Any])


# ---- Building --------------------------------------------------------------------------------


def toy(sdl: str, resolvers: Resolvers | None = None) -> GraphQLSchema:
    """A schema with plain resolvers by "Type.field"; of abstract types by "Type" alone."""
    schema = build_schema(sdl)
    for place, resolve in (resolvers or {}).items():
        type_name, _, name = place.partition(".")
        type_ = schema.type_map[type_name]
        if name == "is":
            cast("GraphQLObjectType", type_).is_type_of = resolve
        elif name == "subscribe":
            next(iter(cast("GraphQLObjectType", type_).fields.values())).subscribe = resolve
        elif name:
            cast("GraphQLObjectType", type_).fields[name].resolve = resolve
        else:
            cast("GraphQLAbstractType", type_).resolve_type = resolve
    return schema


def guarded(
    sdl: str,
    marks: Mapping[str, Mapping[str, Any]],
    *,
    rights: Mapping[str, Callable[..., Any]] | None = None,
) -> GraphQLSchema:
    """A schema with marks by "Type.field", for both executors; a field without any is an attribute for anyone."""
    schema = build_schema(sdl)
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            type_.extensions["rights"] = (rights or {}).get(name, everything)
            for field_name, field_ in type_.fields.items():
                own = marks.get(f"{name}.{field_name}", {})
                field_.extensions |= {"needs": OPEN, "refuse": refuse, "convert": dict, **own}
    executor.install(schema)
    return schema


def everything(objects: Sequence[Any], _: object) -> list[int]:
    """The rights of whom nothing is kept from."""
    return [OPEN | SECRET for _ in objects]


def refuse(parents: Sequence[object], _: object) -> list[Exception]:
    """Why nothing is shown."""
    return [Refusal(f"not of {parent}") for parent in parents]


def enum(schema: GraphQLSchema, name: str, **values: object) -> None:
    """Give the members of an enum values of Python's."""
    type_ = cast("GraphQLEnumType", schema.type_map[name])
    again = GraphQLEnumType(name, values)
    type_.values = again.values
    type_.__dict__.pop("_value_lookup", None)


def scalar(schema: GraphQLSchema, name: str, write: Callable[[Any], Any], **marks: Any) -> None:
    """Say how a scalar is written."""
    type_ = cast("GraphQLScalarType", schema.type_map[name])
    type_.coerce_output_value = write  # as its constructor does
    type_.extensions |= marks


# ---- Running ---------------------------------------------------------------------------------


def nothing() -> Any:
    """A context that knows nothing."""
    return None


async def compiled(
    schema: GraphQLSchema, query: str, *, engine: Engine | None = None, context: Any = None, **more: Any
) -> Answer:
    """The answer of our executor."""
    renamed = {"root": "root_value", "name": "operation_name"}
    options = {renamed.get(name, name): value for name, value in more.items()}
    return _answer(await (engine or Engine(schema)).execute(parse(query), query, context=context, **options))


async def reference(schema: GraphQLSchema, query: str, *, context: Any = None, **more: Any) -> Answer:
    """The answer of graphql-core."""
    renamed = {"root": "root_value", "name": "operation_name", "variables": "variable_values"}
    options = {renamed.get(name, name): value for name, value in more.items()}
    result = execute(schema, parse(query), context_value=context, **options)
    return _answer(await result if isawaitable(result) else result)


async def both(
    schema: GraphQLSchema,
    query: str,
    *,
    context: Callable[[], Any] = nothing,
    valid: bool = True,
    in_order: bool = True,
    **more: Any,
) -> Answer:
    """The answer of our executor, if graphql-core gives the same: each byte, each error, and in this order.

    Where resolvers wait, the order in which graphql-core reports is that in which they happened to
    end: such cases are compared without it.
    """
    if valid:
        assert validate(schema, parse(query)) == []
    expected = await reference(schema, query, context=context(), **more)
    found = await compiled(schema, query, context=context(), **more)
    assert orjson.dumps(found.data) == orjson.dumps(expected.data)
    if in_order:
        assert found.errors == expected.errors
    else:
        assert sorted(found.errors, key=_by_path) == sorted(expected.errors, key=_by_path)
    return found


def _answer(result: ExecutionResult) -> Answer:
    errors = [
        Failure(
            error.message,
            tuple(error.path) if error.path is not None else None,
            tuple((place.line, place.column) for place in error.locations or ()),
        )
        for error in result.errors or ()
    ]
    return Answer(result.data, errors)


def _by_path(error: Failure) -> tuple[list[str], str]:
    return [str(key) for key in error.path or ()], error.message
