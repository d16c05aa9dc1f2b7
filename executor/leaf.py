"""Leaves: whole columns of scalars and enums, checked by their types at once.

A column whose values all have the one Python type that its scalar writes as it is stays untouched.
Only the values of other columns are coerced one by one, as the specification has it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import inspect

_NULL: Final = type(None)
_INT_LIMIT: Final = 2**31

Plain = Callable[[list[Any], set[type]], bool]


def is_plain(type_: GraphQLLeafType, values: list[Any]) -> bool:
    """Whether `values`, nulls aside, can go into the answer as they are."""
    types = set(map(type, values))
    types.discard(_NULL)
    return not types or _plain(type_)(values, types)


@cache
def _plain(type_: GraphQLLeafType) -> Plain:
    if isinstance(type_, GraphQLEnumType):
        return _plain_enum(type_)
    if type_ is GraphQLString or type_ is GraphQLID:
        return lambda _, types: types == {str}
    if type_ is GraphQLBoolean:
        return lambda _, types: types == {bool}
    if type_ is GraphQLInt:
        return lambda values, types: (
            types == {int} and all(-_INT_LIMIT <= value < _INT_LIMIT for value in values if value is not None)
        )
    if type_ is GraphQLFloat:
        return lambda _, __: False
    # A scalar of the application. Its JSON encoder writes values of the type `serialized_as` as the scalar does.
    serialized_as: type | None = type_.extensions.get("serialized_as")
    return lambda _, types: types == {serialized_as}


def _plain_enum(type_: GraphQLEnumType) -> Plain:
    """Strings that are both name and value of a member, as rows from a database have them."""
    names: set[str | None] = {name for name, value in type_.values.items() if value.value == name}
    names.add(None)
    return lambda values, types: types == {str} and names.issuperset(set(values))


def coerce(type_: GraphQLLeafType, value: Any) -> Any:
    """One value as the answer has it. Raises what the type raises, or TypeError."""
    coerced = type_.coerce_output_value(value)
    if coerced is None or coerced is Undefined:
        raise TypeError(
            f"Expected `{inspect(type_)}.coerce_output_value({inspect(value)})` to return non-nullable value,"
            f" returned: {inspect(coerced)}"
        )
    return coerced
