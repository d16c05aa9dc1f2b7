"""Test harness: small schemas, and operations that both executors run and that are compared.

The two executors are ours, "compiled", and graphql-core, "reference".
"""

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
    """The error of a refused field."""


@dataclass(frozen=True)
class ErrorSummary:
    """One error of a response."""

    message: str
    path: Path | None
    locations: tuple[tuple[int, int], ...]


@dataclass
class Response:
    """The result of an operation."""

    data: Any
    errors: list[ErrorSummary]

    @property
    def located_messages(self) -> list[tuple[str, Path | None]]:
        """The errors by message and path."""
        return [(error.message, error.path) for error in self.errors]


@dataclass
class CallLog:
    """A context that records the calls of resolvers."""

    calls: list[Any] = field(default_factory=list[Any])


# ---- Building --------------------------------------------------------------------------------


def plain_schema(sdl: str, resolvers: Resolvers | None = None) -> GraphQLSchema:
    """A schema with plain resolvers.

    The keys of `resolvers` are "Type.field", "Type" for `resolve_type` of an abstract type, "Type.is" for `is_type_of`,
    and "Type.subscribe" for the source of the type's only field.
    """
    schema = build_schema(sdl)
    for coordinate, resolve in (resolvers or {}).items():
        type_name, _, name = coordinate.partition(".")
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


def guarded_schema(
    sdl: str,
    metadata: Mapping[str, Mapping[str, Any]],
    *,
    rights: Mapping[str, Callable[..., Any]] | None = None,
) -> GraphQLSchema:
    """A schema for both executors, with the metadata of fields by "Type.field".

    A field without metadata is an attribute, and OPEN is enough to read it. `rights` has a function by type name.
    Without a function, callers have all rights on the objects of the type.
    """
    schema = build_schema(sdl)
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            type_.extensions["rights"] = (rights or {}).get(name, all_rights)
            for field_name, field_ in type_.fields.items():
                field_metadata = metadata.get(f"{name}.{field_name}", {})
                field_.extensions |= {"needs": OPEN, "refuse": refuse, "convert": dict, **field_metadata}
    executor.install(schema)
    return schema


def all_rights(objects: Sequence[Any], _: object) -> list[int]:
    """All rights on each object."""
    return [OPEN | SECRET for _ in objects]


def refuse(parents: Sequence[object], _: object) -> list[Exception]:
    """A refusal for each parent."""
    return [Refusal(f"not of {parent}") for parent in parents]


def set_enum_values(schema: GraphQLSchema, name: str, **values: object) -> None:
    """Set the internal values of an enum."""
    type_ = cast("GraphQLEnumType", schema.type_map[name])
    enum_type = GraphQLEnumType(name, values)
    type_.values = enum_type.values
    type_.__dict__.pop("_value_lookup", None)


def set_scalar(schema: GraphQLSchema, name: str, serialize: Callable[[Any], Any], **metadata: Any) -> None:
    """Set the serialization and the metadata of a scalar."""
    type_ = cast("GraphQLScalarType", schema.type_map[name])
    type_.coerce_output_value = serialize  # the constructor sets the same attribute
    type_.extensions |= metadata


# ---- Execution -------------------------------------------------------------------------------


def no_context() -> Any:
    """No context."""
    return None


async def execute_compiled(
    schema: GraphQLSchema, query: str, *, engine: Engine | None = None, context: Any = None, **options: Any
) -> Response:
    """The response of our executor."""
    parameter_names = {"root": "root_value", "name": "operation_name"}
    engine_options = {parameter_names.get(name, name): value for name, value in options.items()}
    return _response(await (engine or Engine(schema)).execute(parse(query), query, context=context, **engine_options))


async def execute_reference(schema: GraphQLSchema, query: str, *, context: Any = None, **options: Any) -> Response:
    """The response of graphql-core."""
    parameter_names = {"root": "root_value", "name": "operation_name", "variables": "variable_values"}
    core_options = {parameter_names.get(name, name): value for name, value in options.items()}
    result = execute(schema, parse(query), context_value=context, **core_options)
    return _response(await result if isawaitable(result) else result)


async def execute_both(
    schema: GraphQLSchema,
    query: str,
    *,
    context: Callable[[], Any] = no_context,
    valid: bool = True,
    in_order: bool = True,
    **options: Any,
) -> Response:
    """The response of our executor. Asserts that the response of graphql-core is the same.

    The data has the same bytes. The errors are the same, in the same order. If resolvers wait, graphql-core reports
    errors in the order in which the resolvers ended. Such cases pass `in_order=False` and are compared without order.
    `valid` is false for documents that validation rejects.
    """
    if valid:
        assert validate(schema, parse(query)) == []
    expected = await execute_reference(schema, query, context=context(), **options)
    actual = await execute_compiled(schema, query, context=context(), **options)
    assert orjson.dumps(actual.data) == orjson.dumps(expected.data)
    if in_order:
        assert actual.errors == expected.errors
    else:
        assert sorted(actual.errors, key=_path_key) == sorted(expected.errors, key=_path_key)
    return actual


def _response(result: ExecutionResult) -> Response:
    errors = [
        ErrorSummary(
            error.message,
            tuple(error.path) if error.path is not None else None,
            tuple((location.line, location.column) for location in error.locations or ()),
        )
        for error in result.errors or ()
    ]
    return Response(result.data, errors)


def _path_key(error: ErrorSummary) -> tuple[list[str], str]:
    return [str(key) for key in error.path or ()], error.message
