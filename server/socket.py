"""Subscriptions over WebSocket with the protocol graphql-transport-ws.

    connect --connection_init--> acknowledged --subscribe--> next, next, ... --> complete, or error
                (10 seconds)                                                      each operation by its id

A socket belongs to a session. It is acknowledged for a signed-in user and closed when the session ends. If a user
loses the access to one subscription, only this subscription ends. Queries and mutations are rejected: they must use
POST, where their cost is charged.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import aclosing, suppress
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
from server.errors import RequestError
from server.graph import Graph
from server.request import MAX_BODY, parse_request
from server.stream import SEND_SECONDS, ClientDisconnect
from server.stream_slots import Slot, StreamSlots

PROTOCOL: Final = "graphql-transport-ws"
INIT_SECONDS: Final = 10.0
FINAL_MESSAGES_SECONDS: Final = 0.2
"""Maximum time for the operations of an ended session to send their errors."""
MAX_OPERATIONS: Final = 50
MAX_ID_LENGTH: Final = 80
_EVICTION_REASON: Final = "Too many open streams. Connect again later."
_SHUTDOWN_REASON: Final = "The server is shutting down. Connect again."


class CloseCode(IntEnum):
    """Codes for closing a socket, of graphql-transport-ws (44xx, 4500) and of WebSocket (10xx)."""

    GOING_AWAY = 1001
    TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_REQUESTS = 4429
    INTERNAL = 4500


_CODE_BY_STATUS: Final = {
    401: CloseCode.FORBIDDEN,
    403: CloseCode.FORBIDDEN,
    429: CloseCode.TOO_MANY_REQUESTS,
    503: CloseCode.TRY_AGAIN_LATER,
    500: CloseCode.INTERNAL,
}


class SocketClosure(Exception):
    """Closes the socket with a code and a reason of at most 123 bytes."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketServices:
    """The services and limits that all sockets share."""

    graph: Graph
    hub: Hub
    access_log: AccessLog
    browsers: Browsers
    slots: StreamSlots
    init_seconds: float = INIT_SECONDS
    send_seconds: float = SEND_SECONDS
    max_operations: int = MAX_OPERATIONS


class Sockets:
    """The ASGI application for WebSockets to /graphql."""

    def __init__(self, services: SocketServices) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept or reject a socket, and serve it until it is closed."""
        _ = await receive()
        if self._services.browsers.is_foreign(Headers(scope=scope).get):
            rejection = RequestError(403, "This origin may not open a socket.", errors.FORBIDDEN)
            await _reject(rejection, scope, receive, send)
            return
        if PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(
                _close_event(SocketClosure(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"Use the subprotocol {PROTOCOL}."))
            )
            return
        try:
            connection = SocketConnection(self._services, scope, receive, send)
        except RequestError as error:
            await _reject(error, scope, receive, send)
            return
        with connection.slot, suppress(OSError):  # The client may disconnect before the first message.
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
            await connection.run()


class SocketConnection:
    """One accepted socket."""

    def __init__(self, services: SocketServices, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a slot for the socket. The caller releases it. Raises RequestError if no slot is free."""
        self._services = services
        self._scope = scope
        self._receive = receive
        self._emit = send
        self._client: ClientInfo | None = None
        self._session: Stream[None] | None = None
        self._is_acknowledged = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._send_lock = asyncio.Lock()
        self._closure: asyncio.Future[SocketClosure | None] = asyncio.get_running_loop().create_future()
        self.slot: Slot = services.slots.take_for_socket(client_info.address_of(scope), self._evict)

    async def run(self) -> None:
        """Serve the socket until it is closed. All tasks and streams are finished on return."""
        reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait({reader, self._closure}, return_when=asyncio.FIRST_COMPLETED)
            closure = self._closure.result() if self._closure.done() else reader.result()
            if closure is not None:
                async with asyncio.timeout(self._services.send_seconds):
                    await self._emit(_close_event(closure))
        finally:
            tasks = {reader, *self._tasks}
            for task in tasks:
                task.cancel()
            _ = await asyncio.gather(*tasks, return_exceptions=True)
            if self._session is not None:
                await self._session.aclose()

    def _evict(self) -> None:
        """Close the socket, which has no session yet, because another stream needs its slot."""
        self._stop(SocketClosure(CloseCode.TRY_AGAIN_LATER, _EVICTION_REASON))

    def _stop(self, closure: SocketClosure | None) -> None:
        if not self._closure.done():
            self._closure.set_result(closure)

    # ---- Receiving ---------------------------------------------------------------------------

    async def _read(self) -> SocketClosure | None:
        """Handle messages until the end. Returns how to close the socket, or None if the client disconnected."""
        try:
            await self._wait_for_init()
            while True:
                await self._handle(await self._receive_message())
        except SocketClosure as closure:
            return closure
        except ClientDisconnect:
            return None
        except Exception as error:  # noqa: BLE001 - socket boundary: the client gets a masked error with a code, the log the details
            return _closure_for(error)

    async def _wait_for_init(self) -> None:
        limit = asyncio.timeout(self._services.init_seconds)
        try:
            async with limit:
                while not self._is_acknowledged:
                    await self._handle(await self._receive_message())
        except TimeoutError:
            if limit.expired():
                raise SocketClosure(CloseCode.INITIALISATION_TIMEOUT, "Connection initialisation timeout.") from None
            raise

    async def _receive_message(self) -> dict[str, Any]:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise ClientDisconnect
        text = event.get("text")
        if text is None:
            raise SocketClosure(CloseCode.BAD_REQUEST, "A message must be text.")
        if len(text) > MAX_BODY or len(text.encode(errors="replace")) > MAX_BODY:
            raise SocketClosure(CloseCode.TOO_BIG, f"A message has at most {MAX_BODY} bytes.")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise SocketClosure(CloseCode.BAD_REQUEST, "A message is a JSON object with a type.")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        """Handle one message."""
        match message["type"]:
            case "connection_init":
                await self._handle_init(_payload(message))
            case "ping":
                _ = _payload(message)
                await self._send({"type": "pong"})
            case "pong":
                _ = _payload(message)
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                task = self._operations.pop(_operation_id(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise SocketClosure(CloseCode.BAD_REQUEST, "Unknown message type.")

    async def _handle_init(self, payload: Mapping[str, Any]) -> None:
        if self._client is not None:
            raise SocketClosure(CloseCode.TOO_MANY_REQUESTS, "Too many initialisation requests.")
        request_id = _new_request_id()
        try:
            self._client = client_info.of_socket(self._scope, payload, request_id, self._services.browsers)
            context = await self._services.graph.authenticate(self._client)
            self.slot.assign(context.caller.user())
            self._session = session = await self._services.hub.follow_session(context.caller)
        except Exception as error:  # noqa: BLE001 - socket boundary: the socket is closed with a masked reason, the log has the details
            raise _closure_for(error, request_id) from None
        _ = self._start_task(self._close_with_session(session))
        self._is_acknowledged = True
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if not self._is_acknowledged:
            raise SocketClosure(CloseCode.UNAUTHORIZED, "Unauthorized")
        operation_id, payload = _operation_id(message), message.get("payload")
        if not isinstance(payload, dict):
            raise SocketClosure(CloseCode.BAD_REQUEST, "A subscribe message has a payload.")
        if operation_id in self._operations:
            raise SocketClosure(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {operation_id} already exists")
        if len(self._operations) >= self._services.max_operations:
            reason = f"A socket has at most {self._services.max_operations} subscriptions."
            extensions = errors.rate_limit("SUBSCRIPTIONS", 1)
            error = RequestError(429, reason, errors.RATE_LIMITED, **extensions)
            await self._send_error(operation_id, error, _new_request_id())
            return
        self._operations[operation_id] = self._start_task(self._run_operation(operation_id, payload))

    def _start_task(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- Sending -----------------------------------------------------------------------------

    async def _run_operation(self, operation_id: str, payload: dict[str, Any]) -> None:
        """Run one operation until it completes or fails."""
        entry = self._services.access_log.begin(_new_request_id(), status=200)
        try:
            await self._send_responses(operation_id, payload, entry)
            self._release_id(operation_id)
            await self._send({"id": operation_id, "type": "complete"})
        except ClientDisconnect:
            self._stop(None)
        except ShuttingDown:
            self._stop(SocketClosure(CloseCode.GOING_AWAY, _SHUTDOWN_REASON))
        except Exception as error:  # noqa: BLE001 - socket boundary: the client gets a masked error with a code, the log the details
            self._release_id(operation_id)
            rejection = errors.to_request_error(error, entry.request_id, self._locale(entry))
            entry.status, entry.errors = rejection.status, rejection.to_response(entry.request_id)["errors"]
            await self._send_error(operation_id, rejection, entry.request_id)
        finally:
            self._services.access_log.end(entry)

    async def _send_responses(self, operation_id: str, payload: dict[str, Any], entry: LogEntry) -> None:
        assert self._client is not None  # noqa: S101 - set before the acknowledgement
        graph = self._services.graph
        document = await graph.resolve_persisted(parse_request(payload), self._client)
        entry.operation = operation = await graph.prepare(document, self._client.ip_address)
        if operation.kind is not OperationType.SUBSCRIPTION:
            raise RequestError(400, f"A socket is for subscriptions; send a {operation.kind.value} by POST.")
        context = await graph.authorize(operation, replace(self._client, request_id=entry.request_id))
        entry.context = context
        slot = self._services.slots.take(context.caller.ip_address, context.viewer_id, holds_connection=False)
        with slot:
            async with aclosing(graph.subscribe(operation, context, entry.request_id)) as responses:
                async for response in responses:
                    entry.bytes += await self._send({"id": operation_id, "type": "next", "payload": response})

    def _locale(self, entry: LogEntry) -> str:
        """Return the locale for error messages of an operation."""
        assert self._client is not None  # noqa: S101 - set before the acknowledgement
        return entry.context.caller.locale if entry.context else self._client.locale

    def _release_id(self, operation_id: str) -> None:
        """Let the client use the id again. Call this before the client is told that the operation has ended."""
        if self._operations.get(operation_id) is asyncio.current_task():
            del self._operations[operation_id]

    async def _send_error(self, operation_id: str, rejection: RequestError, request_id: str) -> None:
        try:
            await self._send(
                {"id": operation_id, "type": "error", "payload": rejection.to_response(request_id)["errors"]}
            )
        except ClientDisconnect:
            self._stop(None)

    async def _close_with_session(self, session: Stream[None]) -> None:
        """Close the socket when its session ends, after its operations have sent their errors."""
        reason = await session.wait_for_end()
        if isinstance(reason, ShuttingDown):
            self._stop(SocketClosure(CloseCode.GOING_AWAY, _SHUTDOWN_REASON))
            return
        if self._operations:
            await asyncio.wait(self._operations.values(), timeout=FINAL_MESSAGES_SECONDS)
        self._stop(_closure_for(reason))

    async def _send(self, message: dict[str, Any]) -> int:
        """Send a message and return its length in bytes. Raises ClientDisconnect."""
        text = orjson.dumps(message, option=orjson.OPT_UTC_Z)
        try:
            async with asyncio.timeout(self._services.send_seconds), self._send_lock:
                await self._emit({"type": "websocket.send", "text": text.decode()})
        except OSError:  # The connection is closed, or the client reads too slowly.
            raise ClientDisconnect from None
        return len(text)


async def _reject(rejection: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a handshake with an error instead of a socket."""
    response = error_response.json_response(
        rejection.status, rejection.to_response(_new_request_id()), rejection.headers
    )
    await response(scope, receive, send)


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise SocketClosure(CloseCode.BAD_REQUEST, "A payload is a JSON object.")
    return payload or {}


def _operation_id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not 0 < len(operation_id) <= MAX_ID_LENGTH or not operation_id.isascii():
        raise SocketClosure(CloseCode.BAD_REQUEST, f"An id has 1 to {MAX_ID_LENGTH} ASCII characters.")
    return operation_id


def _closure_for(error: Exception, request_id: str | None = None) -> SocketClosure:
    """Return how to close a socket after an error."""
    rejection = errors.to_request_error(error, request_id or _new_request_id())
    return SocketClosure(_CODE_BY_STATUS.get(rejection.status, CloseCode.BAD_REQUEST), str(rejection)[:120])


def _close_event(closure: SocketClosure) -> dict[str, Any]:
    return {"type": "websocket.close", "code": int(closure.code), "reason": closure.reason}


def _new_request_id() -> str:
    return os.urandom(16).hex()
