"""The reference executor: graphql-core runs the operation, and this adapter adds guards and batches.

graphql-core executes depth first and resolves one field of one object at a time. The adapter returns a future for a
batched field, collects the objects of the same turn of the event loop, and calls the batch resolver once for all.
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
    """Make graphql-core use the metadata of the schema's types and fields; see the package."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, field_ in type_.fields.items():
                field_.resolve = _guard(type_, field_, _answer(name, field_.extensions))
                if "source" in field_.extensions:
                    field_.subscribe = _guard(type_, field_, _source(field_.extensions["source"]))


def _guard(type_: GraphQLObjectType, field_: GraphQLField, answer: Callable[..., object]) -> Resolve:
    metadata = field_.extensions
    rights_of, needs, refuse = type_.extensions["rights"], metadata["needs"], metadata["refuse"]
    convert: Callable[[dict[str, Any]], dict[str, Any]] = metadata["convert"]

    def resolve(parent: object, info: GraphQLResolveInfo[Any], **arguments: Any) -> object:
        (rights,) = rights_of([parent], info.context)
        if not rights & needs:
            raise refuse([parent], info.context)[0]
        return answer(parent, info, convert(arguments) if arguments else arguments)

    return resolve


def _source(source: Resolve) -> Callable[[object, Any, dict[str, Any]], object]:
    return lambda root, info, arguments: source(root, info, **arguments)


def _answer(name: str, metadata: dict[str, Any]) -> Callable[[object, Any, dict[str, Any]], object]:
    batch: Batch | None = metadata.get("batch")
    resolve: Resolve | None = metadata.get("resolve")
    column: Resolve | None = metadata.get("column")
    if column is not None:
        return lambda parent, info, arguments: column([parent], info, **arguments)[0]
    if batch is not None:
        return lambda parent, info, arguments: _collect(batch, parent, info, arguments)
    if resolve is not None:
        return lambda parent, info, arguments: resolve(parent, info, **arguments)
    attribute: str = metadata.get("attribute", name)
    return lambda parent, _info, _arguments: values.attributes(attribute, [parent])[0]


# ---- Collecting ------------------------------------------------------------------------------


class _Batch:
    """The objects whose field is resolved in one turn of the event loop, each with its future."""

    __slots__ = ("futures", "parents", "task")

    def __init__(self) -> None:
        self.parents: list[object] = []
        self.futures: list[asyncio.Future[object]] = []
        self.task: asyncio.Task[None] | None = None

    async def answer(self, batch: Batch, info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> None:
        """Call the batch resolver once, and give each object its result or error."""
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
                future.exception()  # marks it as retrieved: asyncio would log it if its field was cancelled
            else:
                future.set_result(result)

    def abandon(self, _: object) -> None:
        """Cancel the task when no future is awaited any more: a cancelled request leaves no task."""
        if self.task is not None and all(future.cancelled() for future in self.futures):
            self.task.cancel()


def _check_length(results: list[Any], parents: list[object], info: GraphQLResolveInfo[Any]) -> None:
    if len(results) != len(parents):
        name = f"{info.parent_type}.{info.field_name}"
        raise WrongLength(f"{name}: {len(results)} results for {len(parents)} objects")


# By request and field. An entry lives for one turn of the event loop.
_open_batches: Final[dict[object, _Batch]] = {}


def _collect(
    batch: Batch, parent: object, info: GraphQLResolveInfo[Any], arguments: dict[str, Any]
) -> "asyncio.Future[object]":
    loop = asyncio.get_running_loop()
    key = (id(info.context), id(info.field_nodes[0]), batch)
    open_batch = _open_batches.get(key)
    if open_batch is None:
        open_batch = _open_batches[key] = _Batch()

        def start() -> None:
            full_batch = _open_batches.pop(key)
            full_batch.task = loop.create_task(full_batch.answer(batch, info, arguments))

        loop.call_soon(start)
    future: asyncio.Future[object] = loop.create_future()
    future.add_done_callback(open_batch.abandon)
    open_batch.parents.append(parent)
    open_batch.futures.append(future)
    return future
