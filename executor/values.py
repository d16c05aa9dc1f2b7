"""Reading values from attributes, columns, resolvers, awaitables and iterables.

Functions here do not raise the exception of a resolver. They return it as a value, and it is located later.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping, Sequence
from inspect import isawaitable
from operator import getitem
from types import GeneratorType
from typing import Any, Final, cast

from graphql import GraphQLAbstractType, GraphQLError, GraphQLObjectType, GraphQLSchema
from graphql.pyutils import inspect

from executor.columnar import is_columnar
from executor.errors import WrongLength
from executor.info import Info
from executor.plan import Field

_NOT_LISTS: Final = (str, bytes, bytearray, memoryview, Mapping)  # iterable, but not lists


def attributes(name: str, objects: Sequence[Any]) -> list[Any]:
    """The column of an attribute. Objects with keys, such as rows of a database, are read by key, which is faster."""
    columnar = is_columnar(objects)
    read: Callable[[Any, Any], Any] = getitem if columnar or hasattr(type(objects[0]), "keys") else getattr
    try:
        if columnar:
            column: list[Any] = objects.column(name)  # type: ignore[attr-defined]
            return column
        return [row[name] for row in objects] if read is getitem else [getattr(row, name) for row in objects]
    except Exception:  # noqa: BLE001 - located at the objects that lack the attribute
        return [attempt(read, row, name) for row in objects]


def call(field: Field, object_: Any, info: Info, arguments: dict[str, Any]) -> Any:
    """The result of a plain resolver for one object, or its exception."""
    assert field.resolve is not None  # noqa: S101 - a field has one of the three
    try:
        return field.resolve(object_, info, **arguments)
    except Exception as error:  # noqa: BLE001 - located at the field
        return error


def attempt(function: Any, *arguments: Any) -> Any:
    """The result of a function, or its exception."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - located at the field
        return error


async def await_all(values: list[Any]) -> list[Any]:
    """The values after awaiting all awaitables concurrently. Exceptions are values."""
    kinds = {kind for kind in set(map(type, values)) if _is_awaitable_type(kind)}
    if not kinds:
        return values
    numbers = [number for number, value in enumerate(values) if type(value) in kinds and isawaitable(value)]
    if numbers:
        results = await asyncio.gather(*(values[number] for number in numbers), return_exceptions=True)
        for number, value in zip(numbers, results, strict=True):
            if isinstance(value, BaseException) and not isinstance(value, Exception):
                raise value
            values[number] = value
    return values


def _is_awaitable_type(kind: type) -> bool:
    """True if values of a type may be awaitable. Generators are, if `types.coroutine` made them coroutines."""
    return issubclass(kind, GeneratorType) or hasattr(kind, "__await__")


def refusals(field: Field, objects: Sequence[Any], context: Any) -> Sequence[Exception]:
    """The error of a refused field for each object. If computing the errors fails, that failure for each object."""
    errors = attempt(field.refuse, objects, context)
    if isinstance(errors, Exception):
        return [errors] * len(objects)
    if len(errors) != len(objects):
        return [wrong_length(f"refusals of {field.parent_type}.{field.name}", errors, objects)] * len(objects)
    return cast("Sequence[Exception]", errors)


def run_without_waiting(coroutine: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("list[Any]", stop.value)
    raise RuntimeError("A field that waits was compiled as a field that never waits.")


async def run_concurrently(work: list[tuple[int, Coroutine[Any, Any, list[Any]]]], columns: list[list[Any]]) -> None:
    """Complete independent fields concurrently. A single field needs no task."""
    if len(work) == 1:
        columns[work[0][0]] = await work[0][1]
    elif work:
        async with asyncio.TaskGroup() as group:
            tasks = [(place, group.create_task(answer)) for place, answer in work]
        for place, task in tasks:
            columns[place] = task.result()


def as_list(values: Sequence[Any]) -> list[Any]:
    """The values as a list. Only leaves of columnar objects are not a list already."""
    return values if type(values) is list else list(values)


async def iterate(field: Field, value: Any) -> Any:
    """The items of an iterable as a list, or an exception if the value is not iterable."""
    try:
        if isinstance(value, AsyncIterable):
            return [item async for item in value]
        if isinstance(value, Iterable) and not isinstance(value, _NOT_LISTS):
            return list(value)
    except Exception as error:  # noqa: BLE001 - located at the field
        return error
    where = f"{field.parent_type}.{field.name}"
    return GraphQLError(f"Expected Iterable, but did not find one for field '{where}'.")


def check_count(field: Field, results: Any, objects: Sequence[Any]) -> Sequence[Any]:
    """The results of a batch resolver if there is one for each object, else an error for each object."""
    if (isinstance(results, list | tuple) or is_columnar(results)) and len(results) == len(objects):
        return list(results) if isinstance(results, tuple) else results
    error = wrong_length(f"{field.parent_type}.{field.name}", results, objects)
    return [error] * len(objects)


def wrong_length(where: str, results: Any, objects: Sequence[Any]) -> WrongLength:
    """The error of a batch resolver that returned too few or too many results, or no list."""
    results_text = (
        f"{len(results)} results" if isinstance(results, Sequence) else f"{inspect(results)} instead of a list"
    )
    return WrongLength(f"{where}: {results_text} for {len(objects)} objects")


def null_error(field: Field) -> TypeError:
    """The error of a null for a non-null field."""
    return TypeError(f"Cannot return null for non-nullable field {field.parent_type}.{field.name}.")


def type_error(type_: GraphQLObjectType, value: Any, field: Field) -> GraphQLError:
    """The error of an object that is not of its type."""
    return GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", field.nodes)


def check_type(
    name: Any, abstract: GraphQLAbstractType, schema: GraphQLSchema, field: Field, value: Any
) -> GraphQLObjectType | Exception:
    """The object type with the resolved name, or an exception if it is not a possible type."""
    if isinstance(name, Exception):
        return name
    where = f"{field.parent_type}.{field.name}"
    must = f"Abstract type '{abstract}' must resolve to an Object type at runtime for field '{where}'"
    prefix = f"Abstract type '{abstract}' was resolved to a"
    if name is None:
        hint = f"Either the '{abstract}' type should provide a 'resolve_type' function"
        message = f"{must}. {hint} or each possible type should provide an 'is_type_of' function."
    elif not isinstance(name, str):
        detail = f"received '{inspect(name)}', which is not a valid Object type name."
        message = f"{must} with value {inspect(value)}, {detail}"
    elif (type_ := schema.get_type(name)) is None:
        message = f"{prefix} type '{name}' that does not exist inside the schema."
    elif not isinstance(type_, GraphQLObjectType):
        message = f"{prefix} non-object type '{name}'."
    elif not schema.is_sub_type(abstract, type_):
        message = f"Runtime Object type '{type_}' is not a possible type for '{abstract}'."
    else:
        return type_
    return GraphQLError(message, field.nodes)
