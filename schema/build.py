"""Making the executable schema: every field checked for its rule, and marked for the executor."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, cast

import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

import executor
from auth.rules import explain
from database import db
from resolvers import ids
from resolvers.mutation_resolver import MutationResolver
from resolvers.rights import refusals
from schema.account import Account
from schema.declare import TYPE_RULES, Declared, TypeRule
from schema.event import Event, Message
from schema.live import Subscription
from schema.mutation import Mutation
from schema.query import Query
from schema.scalars import SCALARS, WRITTEN, sanitize
from schema.subscription import SubscriptionEntry

BACKREF: Final = "strawberry-definition"


class MissingRule(Exception):
    """A field declares no rule, neither itself nor by its type: such a schema must not start."""


class UnsizedList(Exception):
    """A list of objects does not say how many it has: what asks for it would cost nothing."""


class UnfitInput(Exception):
    """An input and the operation that takes it do not have the same fields."""


def strawberry_schema(
    query: type = Query,
    mutation: type | None = Mutation,
    subscription: type | None = Subscription,
    types: tuple[type, ...] = (),
) -> strawberry.Schema:
    """The schema as it is written, not yet checked."""
    return strawberry.Schema(
        query,
        mutation,
        subscription,
        types=(Account, SubscriptionEntry, Event, Message, *types),
        config=StrawberryConfig(scalar_map=SCALARS),
    )


@cache
def build() -> GraphQLSchema:
    """The executable schema. Raises BareField, UnsizedList or UnfitInput."""
    return annotate(strawberry_schema())


def annotate(written: strawberry.Schema) -> GraphQLSchema:
    """Check every field of a schema, and tell the executor how to run it."""
    schema = written._schema  # noqa: SLF001 - the graphql-core schema that Strawberry wrote
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            _mark_type(type_)
        elif isinstance(type_, GraphQLInterfaceType):
            type_.resolve_type = _type_of_row
    for scalar, python_type in WRITTEN.items():
        if scalar in schema.type_map:
            schema.type_map[scalar].extensions["written"] = python_type
    executor.install(schema)
    return schema


def _type_of_row(row: db.Row, *_: object) -> str:
    """The object type of a row, for fields of an interface type."""
    return row.graphql_type


def _mark_type(type_: GraphQLObjectType) -> None:
    type_.is_type_of = None
    type_rule = _type_rule(type_)
    type_.extensions |= {"rights": type_rule.rights, "rule": type_rule.rule, "counts": type_rule.counts}
    for name, field in type_.fields.items():
        _mark_field(type_, name, field, type_rule)


def _type_rule(type_: GraphQLObjectType) -> TypeRule:
    definition = type_.extensions[BACKREF]
    while definition.origin not in TYPE_RULES and definition.concrete_of is not None:
        definition = definition.concrete_of
    found = TYPE_RULES.get(definition.origin)
    if found is None:
        raise MissingRule(f"{type_.name} is not declared with its rule.")
    return found


def _mark_field(type_: GraphQLObjectType, name: str, field: GraphQLField, type_rule: TypeRule) -> None:
    written: StrawberryField = field.extensions[BACKREF]
    declared = cast("Declared", written.metadata.get("declared", Declared()))
    rule = declared.rule or type_rule.rule
    if rule is None:
        raise MissingRule(f"{type_.name}.{name} declares no rule.")
    field.description = " ".join(filter(None, [field.description, explain(rule)]))
    if _lists_objects(field) and "size" not in declared.metadata:
        raise UnsizedList(f"{type_.name}.{name} declares no size.")
    rights = type_rule.rights
    field.extensions |= {
        "rule": rule,
        "needs": rule.bits,
        "refuse": lambda rows, context: refusals(rights, rule, rows, context),
        "convert": _convert,
        "attribute": (written.python_name or name).rstrip("_"),
        **declared.metadata,
    }
    performed = declared.metadata.get("performed")
    if isinstance(performed, MutationResolver):
        field.extensions["resolve"] = _perform(performed)
        _check_input(name, performed, field)


def _lists_objects(field: GraphQLField) -> bool:
    bare = field.type.of_type if is_non_null_type(field.type) else field.type
    return is_list_type(bare) and is_composite_type(get_named_type(bare))


def _perform(performed: MutationResolver) -> Callable[..., Any]:
    async def resolve(_: object, info: Any, input: dict[str, Any] | None = None) -> object:  # noqa: A002
        return await performed(info.context, **(input or {}))

    return resolve


# ---- Arguments -------------------------------------------------------------------------------


_AS_GIVEN: Final = frozenset({"id", "ids", "token"})


def _convert(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments from the graph's names to Python's, ids decoded, nothing strange let through."""
    sanitize(arguments)
    return {snake(name): value if name in _AS_GIVEN else _converted(value) for name, value in arguments.items()}


def _converted(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    plain = {snake(name): entry for name, entry in value.items()}
    return {
        name: ids.decode(ids.type_of_argument(name), entry) if name.endswith("_id") and entry is not None else entry
        for name, entry in plain.items()
    }


@cache
def snake(name: str) -> str:
    """A name of the graph as Python spells it."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _check_input(name: str, performed: MutationResolver, field: GraphQLField) -> None:
    """The operation must take exactly what its input has: said when building, not at the first call."""
    taken = list(inspect.signature(performed.operation).parameters.values())[1:]
    fields: Mapping[str, Any] = {}
    if "input" in field.args:
        input_type = get_named_type(field.args["input"].type)
        assert isinstance(input_type, GraphQLInputObjectType)  # noqa: S101 - our own schema
        fields = input_type.fields
    given = {snake(key) for key in fields}
    if given != {parameter.name for parameter in taken}:
        raise UnfitInput(f"{name}: the input has {sorted(given)}, the operation takes {taken}.")
    for key in given:
        if key.endswith("_id") and ids.type_of_argument(key) not in ids.TYPES:
            raise UnfitInput(f"{name}: no type is known for the id {key}.")
