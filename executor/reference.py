"""The reference: graphql-core runs the operation, and this adapter lends it guards and batches.

graphql-core walks depth first and asks for one field of one object at a time. The adapter answers a
batched field with a future, collects every object that is asked for in the same turn of the event
loop, and calls the batch resolver once for all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema

from executor import values
from executor.errors import WrongLength

Batch = Callable[..., Awaitable[list[Any]]]
Resolve = Callable[..., Any]


def install(schema: GraphQLSchema) -> None:
    """Make graphql-core obey the marks of the schema's types and fields, see the package."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, field_ in type_.fields.items():
                field_.resolve = _guarded(type_, field_, _answer(name, field_.extensions))
                if "source" in field_.extensions:
                    field_.subscribe = _guarded(type_, field_, _source(field_.extensions["source"]))


def _guarded(type_: GraphQLObjectType, field_: GraphQLField, answer: Callable[..., object]) -> Resolve:
    marks = field_.extensions
    rights, needs, refuse = type_.extensions["rights"], marks["needs"], marks["refuse"]
    convert: Callable[[dict[str, Any]], dict[str, Any]] = marks["convert"]

    def resolve(parent: object, info: GraphQLResolveInfo[Any], **arguments: Any) -> object:
        (held,) = rights([parent], info.context)
        if not held & needs:
            raise refuse([parent], info.context)[0]
        return answer(parent, info, convert(arguments) if arguments else arguments)

    return resolve


def _source(source: Resolve) -> Callable[[object, Any, dict[str, Any]], object]:
    return lambda root, info, arguments: source(root, info, **arguments)


def _answer(name: str, marks: dict[str, Any]) -> Callable[[object, Any, dict[str, Any]], object]:
    batch: Batch | None = marks.get("batch")
    resolve: Resolve | None = marks.get("resolve")
    column: Resolve | None = marks.get("column")
    if column is not None:
        return lambda parent, info, arguments: column([parent], info, **arguments)[0]
    if batch is not None:
        return lambda parent, info, arguments: _collect(batch, parent, info, arguments)
    if resolve is not None:
        return lambda parent, info, arguments: resolve(parent, info, **arguments)
    attribute: str = marks.get("attribute", name)
    return lambda parent, _info, _arguments: values.attributes(attribute, [parent])[0]


# ---- Collecting ------------------------------------------------------------------------------


class _Collected:
    """The objects whose field is asked for in one turn of the loop, each with its future."""

    __slots__ = ("futures", "parents", "task")

    def __init__(self) -> None:
        self.parents: list[object] = []
        self.futures: list[asyncio.Future[object]] = []
        self.task: asyncio.Task[None] | None = None

    async def answer(self, batch: Batch, info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> None:
        """Ask the batch resolver once, and hand every object its own result or error."""
        try:
            results: list[Any] = await batch(self.parents, info, **arguments)
            _check_length(results, self.parents, info)
        except Exception as error:  # noqa: BLE001 - located at each field; nothing is swallowed
            results = [error] * len(self.parents)
        for future, result in zip(self.futures, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
                future.exception()  # seen: where its field is gone already, the log is not told of it
            else:
                future.set_result(result)

    def abandon(self, _: object) -> None:
        """Stop when nobody waits any more: a cancelled request leaves no task behind."""
        if self.task is not None and all(future.cancelled() for future in self.futures):
            self.task.cancel()


def _check_length(results: list[Any], parents: list[object], info: GraphQLResolveInfo[Any]) -> None:
    if len(results) != len(parents):
        place = f"{info.parent_type}.{info.field_name}"
        raise WrongLength(f"{place}: {len(results)} results for {len(parents)} objects")


# By request and field; an entry lives for one turn of the loop.
_collecting: Final[dict[object, _Collected]] = {}


def _collect(
    batch: Batch, parent: object, info: GraphQLResolveInfo[Any], arguments: dict[str, Any]
) -> "asyncio.Future[object]":
    loop = asyncio.get_running_loop()
    place = (id(info.context), id(info.field_nodes[0]), batch)
    collected = _collecting.get(place)
    if collected is None:
        collected = _collecting[place] = _Collected()

        def start() -> None:
            full = _collecting.pop(place)
            full.task = loop.create_task(full.answer(batch, info, arguments))

        loop.call_soon(start)
    future: asyncio.Future[object] = loop.create_future()
    future.add_done_callback(collected.abandon)
    collected.parents.append(parent)
    collected.futures.append(future)
    return future
