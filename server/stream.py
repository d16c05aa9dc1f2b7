"""Subscriptions over HTTP: Server-Sent Events, as graphql-sse has them in its distinct connections mode.

    event: next          data: an answer           as often as there is one
    event: complete      data:                     there will be no more
    :                                              nothing, so that whoever stands between stays patient

A refusal before anything was executed is JSON with its status, as for any other request. Where this
process ends, so does the stream, without `complete`: the client comes back to another one.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

import orjson
from graphql import OperationType
from starlette.types import Message, Receive, Scope, Send

from models.live.hub import ShuttingDown
from resolvers.context import Context
from server import errors
from server.access_log import LogEntry
from server.graph import Answer, Graph, Operation

EVENT_STREAM: Final = "text/event-stream"
BEAT_SECONDS: Final = 12.0
SEND_SECONDS: Final = 10.0
"""A client that takes nothing for so long is cut."""
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # nginx would collect them
]
_BEAT: Final = b":\n\n"
_COMPLETE: Final = b"event: complete\ndata:\n\n"


class Gone(Exception):
    """There is nobody any more to whom anything could be said."""


def is_accepted(accept: str | None) -> bool:
    """Whether a client can follow events."""
    return accept is not None and EVENT_STREAM in accept.lower()


class Following:
    """The response to an operation whose answers are events: those of a subscription, or the one of another."""

    def __init__(self, graph: Graph, operation: Operation, context: Context, entry: LogEntry) -> None:
        self._graph = graph
        self._operation = operation
        self._context = context
        self._entry = entry

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send until there is no more, or nobody; leave nothing behind."""
        tasks = [
            asyncio.create_task(work)
            for work in (self._tell(send), _beat(send), _until_gone(receive))  # whichever ends first ends all
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        with suppress(Gone):
            await _put(send, {"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await _put(send, _part(_BEAT))  # so that the client sees that it is open
            with suppress(ShuttingDown):
                await self._tell_all(send)
                await _put(send, _part(_COMPLETE))
            await _put(send, {"type": "http.response.body", "body": b""})

    async def _tell_all(self, send: Send) -> None:
        try:
            async with aclosing(self._answers()) as answers:
                async for answer in answers:
                    await _put(send, _part(_next(answer)))
        except (ShuttingDown, Gone):
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: coded, masked, logged
            request_id = self._entry.request_id
            answer = errors.rejected(error, request_id, self._context.caller.locale).answer(request_id)
            self._entry.errors = answer["errors"]
            await _put(send, _part(_next(answer)))

    async def _answers(self) -> AsyncGenerator[Answer]:
        operation, context, request_id = self._operation, self._context, self._entry.request_id
        if operation.kind is not OperationType.SUBSCRIPTION:
            yield await self._graph.run(operation, context, request_id)
            return
        async with aclosing(self._graph.subscribe(operation, context, request_id)) as answers:
            async for answer in answers:
                yield answer


async def _put(send: Send, message: Message) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)
    except OSError:  # cut, or too slow
        raise Gone from None


def _part(text: bytes) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": True}


def _next(answer: Answer) -> bytes:
    return b"event: next\ndata: " + orjson.dumps(answer, option=orjson.OPT_UTC_Z) + b"\n\n"


async def _beat(send: Send) -> None:
    with suppress(Gone):
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await _put(send, _part(_BEAT))


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
