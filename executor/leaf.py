"""Leaves: whole columns of scalars and enums, checked by the types of their values.

If all values of a column have the Python type that the scalar outputs unchanged, the column is used as it is. Values of
other columns are coerced one by one, as the specification says.
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

PlainCheck = Callable[[list[Any], set[type]], bool]


def is_plain(type_: GraphQLLeafType, values: list[Any]) -> bool:
    """True if `values`, apart from nulls, can go into the response as they are."""
    types = set(map(type, values))
    types.discard(_NULL)
    return not types or _plain_check(type_)(values, types)


@cache
def _plain_check(type_: GraphQLLeafType) -> PlainCheck:
    if isinstance(type_, GraphQLEnumType):
        return _plain_enum_check(type_)
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


def _plain_enum_check(type_: GraphQLEnumType) -> PlainCheck:
    """A check for strings that are both name and value of a member, as in rows of a database."""
    names: set[str | None] = {name for name, value in type_.values.items() if value.value == name}
    names.add(None)
    return lambda values, types: types == {str} and names.issuperset(set(values))


def coerce(type_: GraphQLLeafType, value: Any) -> Any:
    """A value in the form of the response. Raises the errors of the type, or TypeError."""
    output_value = type_.coerce_output_value(value)
    if output_value is None or output_value is Undefined:
        raise TypeError(
            f"Expected `{inspect(type_)}.coerce_output_value({inspect(value)})` to return non-nullable value,"
            f" returned: {inspect(output_value)}"
        )
    return output_value
