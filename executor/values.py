"""Getting values: from attributes and columns, from resolvers, from what can be awaited or iterated.

Nothing here raises for what a resolver did: an exception is a value, located where it belongs later.
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

_ONE: Final = (str, bytes, bytearray, memoryview, Mapping)  # can be iterated, and are no lists all the same


def attributes(name: str, objects: Sequence[Any]) -> list[Any]:
    """The column of an attribute. Objects with keys, such as rows of a database, are read by key: faster."""
    columnar = is_columnar(objects)
    read: Callable[[Any, Any], Any] = getitem if columnar or hasattr(type(objects[0]), "keys") else getattr
    try:
        if columnar:
            column: list[Any] = objects.column(name)  # type: ignore[attr-defined]
            return column
        return [row[name] for row in objects] if read is getitem else [getattr(row, name) for row in objects]
    except Exception:  # noqa: BLE001 - some object does not have it; the others do
        return [tried(read, row, name) for row in objects]


def called(field: Field, object_: Any, info: Info, arguments: dict[str, Any]) -> Any:
    """What a plain resolver gives for one object."""
    assert field.resolve is not None  # noqa: S101 - a field has one of the three
    try:
        return field.resolve(object_, info, **arguments)
    except Exception as error:  # noqa: BLE001 - located at the field
        return error


def tried(function: Any, *arguments: Any) -> Any:
    """What a function gives; the exception where it raises one."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - located at the field
        return error


async def awaited(values: list[Any]) -> list[Any]:
    """The values, those that can be awaited awaited together; exceptions as values."""
    kinds = {kind for kind in set(map(type, values)) if _can_wait(kind)}
    if not kinds:
        return values
    waiting = [number for number, value in enumerate(values) if type(value) in kinds and isawaitable(value)]
    if waiting:
        done = await asyncio.gather(*(values[number] for number in waiting), return_exceptions=True)
        for number, value in zip(waiting, done, strict=True):
            if isinstance(value, BaseException) and not isinstance(value, Exception):
                raise value
            values[number] = value
    return values


def _can_wait(kind: type) -> bool:
    """Whether values of a type may be awaited; generators are, where they were made coroutines."""
    return issubclass(kind, GeneratorType) or hasattr(kind, "__await__")


def refusals(field: Field, objects: Sequence[Any], context: Any) -> Sequence[Exception]:
    """Why a field is refused, for each object; what went wrong where that cannot be said."""
    found = tried(field.refuse, objects, context)
    if isinstance(found, Exception):
        return [found] * len(objects)
    if len(found) != len(objects):
        return [wrong_length(f"refusals of {field.parent_type}.{field.name}", found, objects)] * len(objects)
    return cast("Sequence[Exception]", found)


def at_once(answer: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    """What a coroutine gives that does not wait for anything."""
    try:
        answer.send(None)
    except StopIteration as done:
        return cast("list[Any]", done.value)
    raise RuntimeError("A field that waits was compiled as one that does not.")


async def together(work: list[tuple[int, Coroutine[Any, Any, list[Any]]]], columns: list[list[Any]]) -> None:
    """Run the answers of independent fields concurrently; a single one needs no task."""
    if len(work) == 1:
        columns[work[0][0]] = await work[0][1]
    elif work:
        async with asyncio.TaskGroup() as group:
            tasks = [(place, group.create_task(answer)) for place, answer in work]
        for place, task in tasks:
            columns[place] = task.result()


def as_list(values: Sequence[Any]) -> list[Any]:
    """The values as a list; they are one already, but for leaves made of objects in columns."""
    return values if type(values) is list else list(values)


async def listed(field: Field, value: Any) -> Any:
    """A list of whatever can be iterated; an exception for what cannot."""
    try:
        if isinstance(value, AsyncIterable):
            return [item async for item in value]
        if isinstance(value, Iterable) and not isinstance(value, _ONE):
            return list(value)
    except Exception as error:  # noqa: BLE001 - located at the field
        return error
    where = f"{field.parent_type}.{field.name}"
    return GraphQLError(f"Expected Iterable, but did not find one for field '{where}'.")


def counted(field: Field, results: Any, objects: Sequence[Any]) -> Sequence[Any]:
    """The results of a resolver for many if there is one for each object; what is wrong with them otherwise."""
    if (isinstance(results, list | tuple) or is_columnar(results)) and len(results) == len(objects):
        return list(results) if isinstance(results, tuple) else results
    wrong = wrong_length(f"{field.parent_type}.{field.name}", results, objects)
    return [wrong] * len(objects)


def wrong_length(where: str, results: Any, objects: Sequence[Any]) -> WrongLength:
    """The error of a resolver for many that lost or invented some, or gave no list at all."""
    given = f"{len(results)} results" if isinstance(results, Sequence) else f"{inspect(results)} instead of a list"
    return WrongLength(f"{where}: {given} for {len(objects)} objects")


def no_null(field: Field) -> TypeError:
    """The error of a null where none may be."""
    return TypeError(f"Cannot return null for non-nullable field {field.parent_type}.{field.name}.")


def not_of_type(type_: GraphQLObjectType, value: Any, field: Field) -> GraphQLError:
    """The error of an object whose type denies it."""
    return GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", field.nodes)


def valid_type(
    name: Any, abstract: GraphQLAbstractType, schema: GraphQLSchema, field: Field, value: Any
) -> GraphQLObjectType | Exception:
    """The object type that a value says it has; an exception where that cannot be."""
    if isinstance(name, Exception):
        return name
    where = f"{field.parent_type}.{field.name}"
    must = f"Abstract type '{abstract}' must resolve to an Object type at runtime for field '{where}'"
    resolved = f"Abstract type '{abstract}' was resolved to a"
    if name is None:
        either = f"Either the '{abstract}' type should provide a 'resolve_type' function"
        said = f"{must}. {either} or each possible type should provide an 'is_type_of' function."
    elif not isinstance(name, str):
        received = f"received '{inspect(name)}', which is not a valid Object type name."
        said = f"{must} with value {inspect(value)}, {received}"
    elif (type_ := schema.get_type(name)) is None:
        said = f"{resolved} type '{name}' that does not exist inside the schema."
    elif not isinstance(type_, GraphQLObjectType):
        said = f"{resolved} non-object type '{name}'."
    elif not schema.is_sub_type(abstract, type_):
        said = f"Runtime Object type '{type_}' is not a possible type for '{abstract}'."
    else:
        return type_
    return GraphQLError(said, field.nodes)
