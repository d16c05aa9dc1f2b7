"""Subscriptions over WebSocket: the protocol graphql-transport-ws, each of its rules, and no other protocol.

    connect --connection_init--> acknowledged --subscribe--> next, next, ... --> complete, or error
                (10 seconds)                                                      each operation by its id

A socket is somebody's: it is acknowledged for who is signed in, and closed when that session ends. An
operation whose own right is gone ends alone. Queries and mutations are refused: they belong to POST,
where what they cost is counted.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

import orjson
from graphql import OperationType
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from models.live.hub import Hub, ShuttingDown, Stream
from server import client_info, error_response, errors
from server.access_log import AccessLog, LogEntry
from server.client_info import ClientInfo
from server.credentials import Browsers
from server.errors import Rejected
from server.graph import Graph
from server.request import MAX_BODY, asked
from server.stream import SEND_SECONDS, Gone

PROTOCOL: Final = "graphql-transport-ws"
INIT_SECONDS: Final = 10.0
LAST_WORDS_SECONDS: Final = 0.2
"""How long the operations of a session that has ended have to say so."""
MOST_SOCKETS: Final = 2000
MOST_OPERATIONS: Final = 50
LONGEST_ID: Final = 80
_GOING: Final = "This server goes; connect again."


class Code(IntEnum):
    """Why a socket is closed: those of the protocol, and of WebSocket itself."""

    GOING_AWAY = 1001
    TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INITIALISATION_REQUESTS = 4429
    INTERNAL = 4500


_OF_STATUS: Final = {
    401: Code.FORBIDDEN,
    403: Code.FORBIDDEN,
    429: Code.TRY_AGAIN_LATER,
    503: Code.TRY_AGAIN_LATER,
    500: Code.INTERNAL,
}


class Closed(Exception):
    """The socket is to be closed, with a code and a reason of at most 123 bytes."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketServices:
    """What all sockets share: the graph, who looks after streams, who writes down, and the limits."""

    graph: Graph
    hub: Hub
    journal: AccessLog
    browsers: Browsers
    init_seconds: float = INIT_SECONDS
    send_seconds: float = SEND_SECONDS
    most_sockets: int = MOST_SOCKETS
    most_operations: int = MOST_OPERATIONS


class Sockets:
    """Answers WebSockets to /graphql."""

    def __init__(self, house: SocketServices) -> None:
        self._house = house
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let somebody in, and talk until one of the two closes."""
        _ = await receive()
        refused = self._refused(scope)
        if refused is not None:
            await error_response.as_json(refused.status, refused.answer(_fresh_id()))(scope, receive, send)
            return
        if PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(_close(Closed(Code.SUBPROTOCOL_NOT_ACCEPTABLE, f"Speak {PROTOCOL}.")))
            return
        self._open += 1
        try:
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
            await SocketConnection(self._house, scope, receive, send).hold()
        except OSError:
            pass  # it was gone before anything was said
        finally:
            self._open -= 1

    def _refused(self, scope: Scope) -> Rejected | None:
        if self._house.browsers.is_foreign(Headers(scope=scope).get):
            return Rejected(403, "No socket is opened from this origin.", errors.FORBIDDEN)
        if self._open >= self._house.most_sockets:
            return errors.unavailable()
        return None


class SocketConnection:
    """One socket, from its acceptance to its end."""

    def __init__(self, house: SocketServices, scope: Scope, receive: Receive, send: Send) -> None:
        self._house = house
        self._scope = scope
        self._receive = receive
        self._emit = send
        self._origin: ClientInfo | None = None
        self._session: Stream[None] | None = None
        self._is_acknowledged = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self._end: asyncio.Future[Closed | None] = asyncio.get_running_loop().create_future()

    async def hold(self) -> None:
        """Talk until the end, and leave nothing behind."""
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({reading, self._end}, return_when=asyncio.FIRST_COMPLETED)
            closed = self._end.result() if self._end.done() else reading.result()
            if closed is not None:
                async with asyncio.timeout(self._house.send_seconds):
                    await self._emit(_close(closed))
        finally:
            left = {reading, *self._tasks}
            for task in left:
                task.cancel()
            _ = await asyncio.gather(*left, return_exceptions=True)
            if self._session is not None:
                await self._session.aclose()

    def _stop(self, closed: Closed | None) -> None:
        if not self._end.done():
            self._end.set_result(closed)

    # ---- What the client says ----------------------------------------------------------------

    async def _read(self) -> Closed | None:
        """Take message by message; why the socket is to be closed, or None when the client has gone."""
        try:
            await self._begin()
            while True:
                await self._take(await self._message())
        except Closed as closed:
            return closed
        except Gone:
            return None
        except Exception as error:  # noqa: BLE001 - the last line of defence: coded, masked, logged
            return _refusing(error)

    async def _begin(self) -> None:
        limit = asyncio.timeout(self._house.init_seconds)
        try:
            async with limit:
                while not self._is_acknowledged:
                    await self._take(await self._message())
        except TimeoutError:
            if limit.expired():
                raise Closed(Code.INITIALISATION_TIMEOUT, "Connection initialisation timeout.") from None
            raise

    async def _message(self) -> dict[str, Any]:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise Gone
        text = event.get("text")
        if text is None:
            raise Closed(Code.BAD_REQUEST, "Messages are text.")
        if len(text) > MAX_BODY or len(text.encode(errors="replace")) > MAX_BODY:
            raise Closed(Code.TOO_BIG, f"A message has at most {MAX_BODY} bytes.")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(Code.BAD_REQUEST, "A message is a JSON object with a type.")
        return message

    async def _take(self, message: dict[str, Any]) -> None:
        """Do what a message asks for."""
        match message["type"]:
            case "connection_init":
                await self._init(_payload(message))
            case "ping":
                _ = _payload(message)
                await self._send({"type": "pong"})
            case "pong":
                _ = _payload(message)
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                running = self._running.pop(_id(message), None)
                if running is not None:
                    running.cancel()
            case _:
                raise Closed(Code.BAD_REQUEST, "This type of message is not known here.")

    async def _init(self, given: Mapping[str, Any]) -> None:
        if self._origin is not None:
            raise Closed(Code.TOO_MANY_INITIALISATION_REQUESTS, "Too many initialisation requests.")
        request_id = _fresh_id()
        try:
            self._origin = client_info.of_socket(self._scope, given, request_id, self._house.browsers)
            context = await self._house.graph.enter(self._origin)
            self._session = session = await self._house.hub.session(context.caller)
        except Exception as error:  # noqa: BLE001 - as above
            raise _refusing(error, request_id) from None
        _ = self._start(self._until_signed_out(session))
        self._is_acknowledged = True
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if not self._is_acknowledged:
            raise Closed(Code.UNAUTHORIZED, "Unauthorized")
        key, payload = _id(message), message.get("payload")
        if not isinstance(payload, dict):
            raise Closed(Code.BAD_REQUEST, "A subscribe message has a payload.")
        if key in self._running:
            raise Closed(Code.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {key} already exists")
        if len(self._running) >= self._house.most_operations:
            many = f"A socket has at most {self._house.most_operations} subscriptions."
            await self._refuse(key, Rejected(429, many, errors.RATE_LIMITED), _fresh_id())
            return
        self._running[key] = self._start(self._answer(key, payload))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- What it is told ---------------------------------------------------------------------

    async def _answer(self, key: str, payload: dict[str, Any]) -> None:
        """Run one operation to its end."""
        entry = self._house.journal.begin(_fresh_id(), status=200)
        try:
            await self._follow(key, payload, entry)
            self._forget(key)
            await self._send({"id": key, "type": "complete"})
        except Gone:
            self._stop(None)
        except ShuttingDown:
            self._stop(Closed(Code.GOING_AWAY, _GOING))
        except Exception as error:  # noqa: BLE001 - the last line of defence: coded, masked, logged
            self._forget(key)
            rejected = errors.rejected(error, entry.request_id, self._locale(entry))
            entry.status, entry.errors = rejected.status, rejected.answer(entry.request_id)["errors"]
            await self._refuse(key, rejected, entry.request_id)
        finally:
            self._house.journal.end(entry)

    async def _follow(self, key: str, payload: dict[str, Any], entry: LogEntry) -> None:
        assert self._origin is not None  # noqa: S101 - acknowledged
        graph = self._house.graph
        named = await graph.named(asked(payload), self._origin)
        entry.operation = operation = graph.operation(named, self._origin.ip_address)
        if operation.kind is not OperationType.SUBSCRIPTION:
            raise Rejected(400, f"A socket is for subscriptions; send a {operation.kind.value} by POST.")
        context = await graph.context(operation, replace(self._origin, request_id=entry.request_id))
        entry.context = context
        async with aclosing(graph.subscribe(operation, context, entry.request_id)) as answers:
            async for answer in answers:
                entry.bytes += await self._send({"id": key, "type": "next", "payload": answer})

    def _locale(self, entry: LogEntry) -> str:
        """The language of whoever asks."""
        assert self._origin is not None  # noqa: S101 - acknowledged
        return entry.context.caller.locale if entry.context else self._origin.locale

    def _forget(self, key: str) -> None:
        """Let the client use an id again, before it can know that it may."""
        if self._running.get(key) is asyncio.current_task():
            del self._running[key]

    async def _refuse(self, key: str, rejected: Rejected, request_id: str) -> None:
        try:
            await self._send({"id": key, "type": "error", "payload": rejected.answer(request_id)["errors"]})
        except Gone:
            self._stop(None)

    async def _until_signed_out(self, session: Stream[None]) -> None:
        """Close the socket when its session ends, once its operations have said so."""
        why = await session.over()
        if isinstance(why, ShuttingDown):
            self._stop(Closed(Code.GOING_AWAY, _GOING))
            return
        if self._running:
            await asyncio.wait(self._running.values(), timeout=LAST_WORDS_SECONDS)
        self._stop(_refusing(why))

    async def _send(self, message: dict[str, Any]) -> int:
        """Send a message, and tell its length. Raises Gone."""
        text = orjson.dumps(message, option=orjson.OPT_UTC_Z)
        try:
            async with asyncio.timeout(self._house.send_seconds), self._sending:
                await self._emit({"type": "websocket.send", "text": text.decode()})
        except OSError:  # cut, or too slow
            raise Gone from None
        return len(text)


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise Closed(Code.BAD_REQUEST, "A payload is a JSON object.")
    return payload or {}


def _id(message: dict[str, Any]) -> str:
    key = message.get("id")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_ID or not key.isascii():
        raise Closed(Code.BAD_REQUEST, f"An id has 1 to {LONGEST_ID} ASCII characters.")
    return key


def _refusing(error: Exception, request_id: str | None = None) -> Closed:
    """How a socket is closed whose opening was refused, or that broke."""
    rejected = errors.rejected(error, request_id or _fresh_id())
    return Closed(_OF_STATUS.get(rejected.status, Code.BAD_REQUEST), str(rejected)[:120])


def _close(closed: Closed) -> dict[str, Any]:
    return {"type": "websocket.close", "code": int(closed.code), "reason": closed.reason}


def _fresh_id() -> str:
    return os.urandom(16).hex()
