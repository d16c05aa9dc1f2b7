"""Subscriptions over HTTP: Server-Sent Events in the distinct connections mode of graphql-sse.

    event: next          data: a result            for each result
    event: complete      data:                     after the last result
    :                                              a heartbeat, so that proxies keep the connection open

An error before the execution is JSON with its status, as for any other request. When this process shuts down, the
stream ends without `complete`, so that the client connects again to another process.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext, suppress
from typing import Final

import orjson
from graphql import OperationType
from starlette.types import Message, Receive, Scope, Send

from models.live.hub import ShuttingDown
from resolvers.context import Context
from server import errors
from server.access_log import LogEntry
from server.graph import Graph, GraphQLResponse, Operation
from server.stream_slots import Slot

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 12.0
SEND_SECONDS: Final = 10.0
"""The connection is closed if the client reads nothing for this time."""
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # Without it nginx buffers the events.
]
_HEARTBEAT: Final = b":\n\n"
_COMPLETE: Final = b"event: complete\ndata:\n\n"


class ClientDisconnect(Exception):
    """The client has disconnected or reads too slowly."""


def is_accepted(accept: str | None) -> bool:
    """True if the Accept header of a client allows event streams."""
    return accept is not None and EVENT_STREAM in accept.lower()


class EventStreamResponse:
    """A response as an event stream: the results of a subscription, or the one result of another operation."""

    def __init__(
        self, graph: Graph, operation: Operation, context: Context, entry: LogEntry, slot: Slot | None
    ) -> None:
        """`slot` is the slot of a subscription. It is released at the end of the response."""
        self._graph = graph
        self._operation = operation
        self._context = context
        self._entry = entry
        self._slot = slot

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send events until the operation ends or the client disconnects. All tasks are finished on return."""
        with self._slot or nullcontext():
            await self._run(receive, send)

    async def _run(self, receive: Receive, send: Send) -> None:
        tasks = [
            asyncio.create_task(coroutine)
            for coroutine in (
                self._write_stream(send),
                _send_heartbeats(send),
                _wait_for_disconnect(receive),
            )
        ]
        try:
            # The first task that ends stops the others.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_stream(self, send: Send) -> None:
        with suppress(ClientDisconnect):
            await _send_message(send, {"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await _send_message(send, _chunk(_HEARTBEAT))  # The client sees that the stream is open.
            with suppress(ShuttingDown):
                await self._write_responses(send)
                await _send_message(send, _chunk(_COMPLETE))
            await _send_message(send, {"type": "http.response.body", "body": b""})

    async def _write_responses(self, send: Send) -> None:
        try:
            async with aclosing(self._responses()) as responses:
                async for response in responses:
                    await _send_message(send, _chunk(_next_event(response)))
        except (ShuttingDown, ClientDisconnect):
            raise
        except Exception as error:  # noqa: BLE001 - request boundary: the client gets a masked error with a code, the log the details
            request_id = self._entry.request_id
            response = errors.to_request_error(error, request_id, self._context.caller.locale).to_response(request_id)
            self._entry.errors = response["errors"]
            await _send_message(send, _chunk(_next_event(response)))

    async def _responses(self) -> AsyncGenerator[GraphQLResponse]:
        operation, context, request_id = self._operation, self._context, self._entry.request_id
        if operation.kind is not OperationType.SUBSCRIPTION:
            yield await self._graph.run(operation, context, request_id)
            return
        async with aclosing(self._graph.subscribe(operation, context, request_id)) as responses:
            async for response in responses:
                yield response


async def _send_message(send: Send, message: Message) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)
    except OSError:  # The connection is closed, or the client reads too slowly.
        raise ClientDisconnect from None


def _chunk(text: bytes) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": True}


def _next_event(response: GraphQLResponse) -> bytes:
    return b"event: next\ndata: " + orjson.dumps(response, option=orjson.OPT_UTC_Z) + b"\n\n"


async def _send_heartbeats(send: Send) -> None:
    with suppress(ClientDisconnect):
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await _send_message(send, _chunk(_HEARTBEAT))


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
