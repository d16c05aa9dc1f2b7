"""The executable schema: each element is checked for rule and description, and annotated for the executor."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, wraps
from typing import Any, Final, Protocol, cast

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
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
import modules
from auth.policy import Permission
from auth.rules import explain
from database import db
from database.rows import column
from resolvers import ids
from resolvers.mutation_resolver import MutationResolver
from resolvers.rights import field_errors
from schema import descriptions
from schema.account import Account
from schema.connection import Node
from schema.declare import TYPE_RULES, FieldDeclaration, TypeRule
from schema.event import Event
from schema.live import Subscription
from schema.message import Message
from schema.mutation import Mutation
from schema.query import Query
from schema.row_columns import check_columns
from schema.scalars import SCALARS, SERIALIZED_AS, sanitize
from schema.subscription import SubscriptionEntry

STRAWBERRY_DEFINITION: Final = "strawberry-definition"


class MissingRule(Exception):
    """A field has no rule, neither its own nor that of its type."""


class MissingDescription(Exception):
    """An element of the schema has no description."""


class UnsizedList(Exception):
    """A list of objects has no cost size: reading it would cost nothing."""


class UnfitInput(Exception):
    """An input and its operation differ in their fields."""


def strawberry_schema(
    query: type = Query,
    mutation: type | None = Mutation,
    subscription: type | None = Subscription,
    types: tuple[type, ...] = (),
) -> strawberry.Schema:
    """The schema as declared, with the parts of modules, not checked yet."""
    for type_, name in ((Account, "ACCOUNT"), (Query, "QUERY"), (Mutation, "MUTATION")):
        _extend(type_, name)
    module_types = [type_ for part in modules.graph_parts("TYPES") for type_ in part]
    for type_ in module_types:
        _require_node_parts(type_)
    return strawberry.Schema(
        query,
        mutation,
        subscription,
        types=(Account, SubscriptionEntry, Event, Message, *module_types, *types),
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def _extend(type_: type, name: str) -> None:
    """Add the fields that the classes `name` of modules declare to a type, once.

    Raises InvalidModule for a field without a rule, or with the name of a field of the type.
    """
    fields = _fields_of(type_)
    for part in modules.graph_parts(name):
        for new_field in _fields_of(part):
            if any(new_field is present for present in fields):
                continue
            declaration = new_field.metadata.get("declaration")
            if not isinstance(declaration, FieldDeclaration) or declaration.rule is None:
                raise modules.InvalidModule(f"{part.__module__}: {new_field.python_name} declares no rule.")
            if any(new_field.python_name == present.python_name for present in fields):
                raise modules.InvalidModule(f"{part.__module__}: {type_.__name__} has {new_field.python_name} already.")
            fields.append(new_field)


def _require_node_parts(type_: type) -> None:
    """Raise InvalidModule for a type of a module with an id, but without a prefix, a loader or the rights on its rows.

    Without these rights a payload would show a row that does not exist for the caller.
    """
    name: str = getattr(type_, "__strawberry_definition__").name  # noqa: B009 - set by Strawberry
    if not issubclass(type_, Node):
        return
    names = {
        "prefix of ids in MODULE": {*ids.TYPES},
        "loader in LOADERS": {name for part in modules.graph_parts("LOADERS") for name in part},
        "row class in ROW_RIGHTS": {row.graphql_type for part in modules.graph_parts("ROW_RIGHTS") for row in part},
    }
    for kind, type_names in names.items():
        if name not in type_names:
            raise modules.InvalidModule(f"{type_.__module__}: the type {name} has no {kind}.")


def _fields_of(type_: type) -> list[StrawberryField]:
    """The fields of a declared type. Strawberry reads this list when it builds a schema, so it can grow until then."""
    fields: list[StrawberryField] = getattr(type_, "__strawberry_definition__").fields  # noqa: B009 - set by Strawberry
    return fields


@cache
def build() -> GraphQLSchema:
    """The executable schema. Raises MissingRule, MissingDescription, MissingColumn, UnsizedList or UnfitInput."""
    return annotate(strawberry_schema())


def annotate(declared_schema: strawberry.Schema) -> GraphQLSchema:
    """Check each element of a schema, and add the metadata with which the executor runs it. Raises as `build`."""
    schema = declared_schema._schema  # noqa: SLF001 - Strawberry gives no other access to its graphql-core schema
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            _annotate_type(type_)
        elif isinstance(type_, GraphQLInterfaceType):
            type_.resolve_type = _type_of_row
    for scalar, python_type in SERIALIZED_AS.items():
        if scalar in schema.type_map:
            schema.type_map[scalar].extensions["serialized_as"] = python_type
    check_columns(schema)
    _describe(schema)
    executor.install(schema)
    return schema


def _type_of_row(row: db.Row, *_: object) -> str:
    """The object type of a row, for fields of an interface type."""
    return row.graphql_type


def _annotate_type(type_: GraphQLObjectType) -> None:
    type_.is_type_of = None
    type_rule = _type_rule(type_)
    type_.extensions |= {"rights": type_rule.rights, "rule": type_rule.rule, "has_cost": type_rule.has_cost}
    for name, field in type_.fields.items():
        _annotate_field(type_, name, field, type_rule)


def _type_rule(type_: GraphQLObjectType) -> TypeRule:
    definition = type_.extensions[STRAWBERRY_DEFINITION]
    while definition.origin not in TYPE_RULES and definition.concrete_of is not None:
        definition = definition.concrete_of
    type_rule = TYPE_RULES.get(definition.origin)
    if type_rule is None:
        raise MissingRule(f"{type_.name} is not declared with its rule.")
    return type_rule


def _annotate_field(type_: GraphQLObjectType, name: str, field: GraphQLField, type_rule: TypeRule) -> None:
    definition: StrawberryField = field.extensions[STRAWBERRY_DEFINITION]
    declaration = cast("FieldDeclaration", definition.metadata.get("declaration", FieldDeclaration()))
    rule = declaration.rule or type_rule.rule
    if rule is None:
        raise MissingRule(f"{type_.name}.{name} declares no rule.")
    if field.description:
        field.description = " ".join(filter(None, [field.description, explain(rule)]))
    if _lists_objects(field) and "cost_size" not in declaration.metadata:
        raise UnsizedList(f"{type_.name}.{name} has no cost size.")
    rights = type_rule.rights
    field.extensions |= {
        "rule": rule,
        "needs": rule.bits,
        "refuse": lambda rows, context: field_errors(rights, rule, rows, context),
        "convert": _convert,
        "attribute": (definition.python_name or name).rstrip("_"),
        **declaration.metadata,
    }
    if type_.name == "Account" and rule.permission not in _SHOWN_IN_MENU:
        _note_use(field.extensions)
    resolver = declaration.metadata.get("mutation_resolver")
    if isinstance(resolver, MutationResolver):
        field.extensions["resolve"] = _with_input(resolver)
        _check_input(name, resolver, field)


_SHOWN_IN_MENU: Final = {Permission.ACCOUNT_READ, Permission.SUBSCRIPTION_READ}
"""The permissions of the fields with which a menu lists accounts. Listing accounts uses none of them."""


def _note_use(extensions: dict[str, Any]) -> None:
    """Let a field of accounts note the use of the caller's grants on them."""
    kind = "batch" if "batch" in extensions else "column"
    if kind not in extensions:  # The field is a column of the row.
        attribute: str = extensions["attribute"]
        extensions |= {"column": lambda rows, _info: column(rows, attribute), "columns": (attribute,)}
    extensions[kind] = _with_use(extensions[kind])


def _with_use(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """A resolver of a field of accounts that notes the use of the caller's grants on them."""

    @wraps(resolve)
    def run(rows: Sequence[Any], info: Any, **arguments: Any) -> Any:
        info.context.note_use(column(rows, "id"))
        return resolve(rows, info, **arguments)

    return run


def _lists_objects(field: GraphQLField) -> bool:
    nullable_type = field.type.of_type if is_non_null_type(field.type) else field.type
    return is_list_type(nullable_type) and is_composite_type(get_named_type(nullable_type))


def _with_input(resolver: MutationResolver) -> Callable[..., Any]:
    async def resolve(_: object, info: Any, input: dict[str, Any] | None = None) -> object:  # noqa: A002
        return await resolver(info.context, **(input or {}))

    return resolve


# ---- Descriptions ----------------------------------------------------------------------------


class _Element(Protocol):
    description: str | None


def _describe(schema: GraphQLSchema) -> None:
    """Add the shared descriptions. Raises MissingDescription for an element that has none even so."""
    schema.description = descriptions.SCHEMA
    for coordinate, name, element in _elements(schema):
        if not element.description and isinstance(element, GraphQLArgument | GraphQLInputField):
            element.description = descriptions.SHARED.get(name)
        if not element.description:
            raise MissingDescription(f"{coordinate} has no description.")


def _elements(schema: GraphQLSchema) -> Iterator[tuple[str, str, _Element]]:
    """Each directive, type, field, argument and enum value: its coordinate, its name, and the element."""
    for directive in schema.directives:
        yield f"@{directive.name}", directive.name, directive
        yield from ((f"@{directive.name}({name}:)", name, argument) for name, argument in directive.args.items())
    for type_ in schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        yield type_.name, type_.name, type_
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{type_.name}.{name}", name, value) for name, value in type_.values.items())
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in type_.fields.items():
                yield f"{type_.name}.{name}", name, field
                for argument, definition in getattr(field, "args", {}).items():
                    yield f"{type_.name}.{name}({argument}:)", argument, definition


# ---- Arguments -------------------------------------------------------------------------------


_RAW_ARGUMENTS: Final = frozenset({"id", "ids", "token"})


def _convert(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments by Python name, global ids decoded. Raises BadInput."""
    sanitize(arguments)
    return {
        snake(name): value if name in _RAW_ARGUMENTS else _convert_value(value) for name, value in arguments.items()
    }


def _convert_value(value: Any) -> Any:
    """A value of an argument, or of a field of an input, at any depth."""
    if isinstance(value, list):
        return [_convert_value(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    fields = {snake(name): entry for name, entry in value.items()}
    return {
        name: ids.decode(ids.type_of_argument(name), entry)
        if name.endswith("_id") and entry is not None
        else _convert_value(entry)
        for name, entry in fields.items()
    }


@cache
def snake(name: str) -> str:
    """A GraphQL name in snake case."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _check_input(name: str, resolver: MutationResolver, field: GraphQLField) -> None:
    """Check that the operation takes the fields of its input, and knows the type of each id. Raises UnfitInput."""
    parameters = list(inspect.signature(resolver.operation).parameters.values())[1:]
    fields: Mapping[str, Any] = {}
    if "input" in field.args:
        input_type = get_named_type(field.args["input"].type)
        assert isinstance(input_type, GraphQLInputObjectType)  # noqa: S101 - our own schema
        fields = input_type.fields
    input_names = {snake(key) for key in fields}
    if input_names != {parameter.name for parameter in parameters}:
        raise UnfitInput(f"{name}: the input has {sorted(input_names)}, the operation takes {parameters}.")
    for key in input_names:
        if key.endswith("_id") and ids.type_of_argument(key) not in ids.TYPES:
            raise UnfitInput(f"{name}: the type of the id {key} is unknown.")
