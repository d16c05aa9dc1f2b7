"""An HTTP/1.1 connection with limits on time and size. The connection of uvicorn has none.

    idle --first byte--> head --blank line--> body --last byte--> idle (while the response is sent, then as before)

A client has ten seconds for the head of a request and ten more for its body. Between requests it may be idle for
`keep_alive_seconds`. A request is rejected if it is not valid HTTP, too long, too slow or for another host, or if there
is no room for its connection (`server/connection_limits.py`). The application sends the rejection, so that it has the
same format, headers and order as other responses. Then the connection is closed. WebSocket handshakes pass the same
checks.
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final, cast

import httptools
from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from server import connection_limits, proxies, request_guard, shutdown
from server.connection_limits import ConnectionLimits
from server.errors import RATE_LIMITED, RequestError, rate_limit
from server.lingering_close import LingeringClose
from server.request import MAX_BODY
from server.request_guard import MAX_HEAD_BYTES, MAX_HEADERS, MAX_PIPELINED_REQUESTS, MAX_TARGET_BYTES, RequestGuard
from server.shutdown import Shutdown

STATE_KEY: Final = "request_guard"
"""The key of the RequestGuard in the lifespan state of the application."""
MAX_WIRE_BODY: Final = 8 * MAX_BODY
"""Maximum bytes of a body on the wire, with chunk sizes and trailers. The application limits the content itself."""
MIN_READ_BYTES: Final = 8 * 1024
"""Minimum bytes of a response that a client must read within `RequestGuard.timeout_seconds`."""


_UPGRADE_OPTIONS: Final = frozenset({b"upgrade", b"http2-settings"})
"""Headers of an offered protocol. They are options of the header Connection, too."""


class Phase(Enum):
    """The part of the next request that is read now."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()


class HTTPConnection(HttpToolsProtocol):
    """One HTTP/1.1 connection of a client."""

    # The types of uvicorn are too narrow for these. `parser` and `cycle` are None at the start.
    app: Any
    ws_protocol_class: Any
    parser: Any
    cycle: Any

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guard: RequestGuard = app_state[STATE_KEY]
        self._limits: ConnectionLimits = app_state[connection_limits.STATE_KEY]
        self._shutdown: Shutdown = app_state[shutdown.STATE_KEY]
        self._phase = Phase.IDLE
        self._received_at = self.loop.time()
        self.deadline = self._received_at + self._guard.timeout_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._chunk_bytes = 0
        self._size_bytes = 0
        self._ignores_input = False
        self._closing: LingeringClose | None = None
        self._is_handshake = False
        self._is_upgrade_ignored = False
        self._is_behind_proxy = False
        self._unsent_bytes = 0
        self._measured_at = self._received_at

    # ---- The connection ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer and apply the limits on connections."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = proxies.normalize(self.client[0]), self.client[1]
            self._is_behind_proxy = self._guard.proxies.is_trusted(self.client[0])
        self._timer = self.loop.call_later(self._guard.timeout_seconds, self._check_deadlines)
        self._limits.add(self, self.client[0] if self.client is not None and not self._is_behind_proxy else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        super().connection_lost(exc)
        self._limits.remove(self)
        self._cancel_timer()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes."""
        if self._ignores_input:
            if self._closing is not None:
                self._closing.discard(len(data))
            return
        self._received_at = self.loop.time()
        self._chunk_bytes = len(data)
        self._size_bytes += self._chunk_bytes
        try:
            self._parse(data)
        except httptools.HttpParserInvalidMethodError:
            self._reject(request_guard.unknown_method())
        except httptools.HttpParserError:
            self._reject(RequestError(400, "This is not a valid HTTP/1.1 request."))
        else:
            self._check_size()

    def _parse(self, data: bytes) -> None:
        """Parse bytes. An offer of another protocol than WebSocket is ignored, as RFC 9110 (section 7.8) says.

        The parser takes such a request for complete after its head. So a new parser gets the head again without the
        offer, and then the body.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._ignores_input or not self._is_upgrade_ignored:
                    self._upgrade()
                    return
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self._is_upgrade_ignored = False
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
            else:
                return

    def on_response_complete(self) -> None:
        """Start the next request in the pipeline, or wait for the client."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._phase is not Phase.BODY or self.pipeline:
            timeout_seconds = (
                self._guard.keep_alive_seconds if self._phase is Phase.IDLE else self._guard.timeout_seconds
            )
            self.deadline = self.loop.time() + timeout_seconds
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._is_behind_proxy and not self._is_responding:
            self._limits.unassign(self)

    # ---- Time --------------------------------------------------------------------------------

    @property
    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_waiting(self) -> bool:
        """True if the server waits for the client. The body of a pipelined request is not read yet."""
        if self._phase is Phase.BODY:
            return not self.pipeline
        return not self._is_responding

    def _check_deadlines(self) -> None:
        """Close the connection if the client is too slow. Otherwise schedule the next check: one timer in all."""
        now = self.loop.time()
        if self._is_client_stalled(now):
            self.transport.abort()
            return
        if now >= self.deadline and self.is_waiting and not self._ignores_input:
            self._time_out()
        else:
            next_check_at = now + self._guard.timeout_seconds
            if self.is_waiting and not self._ignores_input:
                next_check_at = min(next_check_at, self.deadline)
            self._timer = self.loop.call_at(next_check_at, self._check_deadlines)

    def _time_out(self) -> None:
        self._timer = self.loop.call_later(self._guard.timeout_seconds, self._check_deadlines)
        if self._phase is Phase.IDLE or (self._phase is Phase.BODY and self.cycle.response_started):
            self.transport.close()
        else:
            part = "head of the request" if self._phase is Phase.HEAD else "body"
            self._reject(RequestError(408, f"The {part} did not arrive within {self._guard.timeout_seconds} seconds."))

    def _is_client_stalled(self, now: float) -> bool:
        """True if the client read fewer than MIN_READ_BYTES of a response since the last measurement."""
        if now - self._measured_at < self._guard.timeout_seconds:
            return False
        before, self._unsent_bytes, self._measured_at = self._unsent_bytes, self.transport.get_write_buffer_size(), now
        return before > 0 and self._unsent_bytes > max(0, before - MIN_READ_BYTES)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- Reading -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Handle the first byte of a request."""
        if self._ignores_input:
            return
        super().on_message_begin()
        self._phase = Phase.HEAD
        if self.cycle is not None:
            self.deadline = self._received_at + self._guard.timeout_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header without blanks around its value (RFC 9110, section 5.5). The parser keeps those after it."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Check the head, which is complete now. Start the application or reject the request."""
        if self._ignores_input:
            return
        is_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        self._is_handshake = is_upgrade and self._should_upgrade()
        self._is_upgrade_ignored = is_upgrade and not self._is_handshake
        if self._is_upgrade_ignored:
            return
        if self._is_behind_proxy:
            self._set_proxied_client()
        rejection = self._check_head() or self._check_room()
        if rejection is None:
            super().on_headers_complete()
            if (self._shutdown.is_draining and not self._is_handshake) or self._limits.is_surplus(self):
                self.cycle.keep_alive = False
            self._phase = Phase.BODY
            self.deadline = self._received_at + self._guard.timeout_seconds
            self._size_bytes = self._chunk_bytes
        else:
            self._reject(rejection)
        # Trailers must not become headers: they would bypass the checks of the head.
        self.headers = self.headers.copy()

    def _set_proxied_client(self) -> None:
        """Set the client's IP address to the one that the trusted proxy names."""
        self.scope["state"] = {**self.scope.get("state", {}), proxies.BEHIND_PROXY: True}
        forwarded_for = [value for name, value in self.headers if name == b"x-forwarded-for"]
        if forwarded_for and self.client is not None:
            self.scope["client"] = self._guard.proxies.client(self.client[0], forwarded_for), 0

    def on_message_complete(self) -> None:
        """Handle the last byte of a request. The next request may follow at once."""
        if self._ignores_input or self._is_handshake or self._is_upgrade_ignored:
            return
        super().on_message_complete()
        self._phase = Phase.IDLE
        self.deadline = self._received_at + self._guard.keep_alive_seconds
        self._size_bytes = self._chunk_bytes

    def _check_size(self) -> None:
        if self._phase is Phase.HEAD and self._size_bytes > MAX_HEAD_BYTES:
            if len(self.url) > MAX_TARGET_BYTES:
                self._reject(request_guard.target_too_long())
            elif self._size_bytes > MAX_HEAD_BYTES + MAX_TARGET_BYTES:
                self._reject(request_guard.head_too_large())
        elif self._phase is Phase.BODY and self._size_bytes > MAX_WIRE_BODY:
            self._reject(RequestError(413, f"The body has more than {MAX_BODY} bytes."))

    def _check_head(self) -> RequestError | None:
        """Return the reason to reject a request with this head, or None."""
        headers = self.headers
        # The bytes received are an upper bound, so the exact size is computed only if they are many.
        if self._size_bytes > MAX_TARGET_BYTES or len(headers) > MAX_HEADERS:
            if len(self.url) > MAX_TARGET_BYTES:
                return request_guard.target_too_long()
            if request_guard.head_size(headers) > MAX_HEAD_BYTES or len(headers) > MAX_HEADERS:
                return request_guard.head_too_large()
        version, method = self.parser.get_http_version(), self.parser.get_method()
        rejection = self._guard.check(method, version, self.url, headers)
        if rejection is None and self._is_handshake:
            rejection = request_guard.check_handshake(method, version, headers)
            if self._is_responding:
                rejection = RequestError(400, "Open a WebSocket on a connection of its own.")
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            rejection = RequestError(
                429,
                "Wait for responses before you send more requests.",
                RATE_LIMITED,
                **rate_limit("PIPELINED_REQUESTS", 1),
            )
        return rejection

    def _check_room(self) -> RequestError | None:
        """Return the reason to reject a request because there are too many connections, or None. Probes are served."""
        if not self._is_handshake and request_guard.is_probe(self.parser.get_method(), self.url):
            return None
        rejection = self._limits.check(self)
        if rejection is None and self._is_behind_proxy and (client := self.scope["client"]) is not None:
            return self._limits.assign(self, client[0])
        return rejection

    # ---- WebSockets --------------------------------------------------------------------------

    def _upgrade(self) -> None:
        """Start a WebSocket, unless its handshake was rejected."""
        if not self._ignores_input:
            self._ignores_input = True
            self._cancel_timer()
            self.handle_websocket_upgrade()

    def _head_without_upgrade(self) -> bytes:
        """The head of the current request without the offer of another protocol."""
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                options = [option.strip() for option in value.split(b",")]
                other_options = [option for option in options if option.lower() not in _UPGRADE_OPTIONS]
                if other_options:
                    lines.append(name + b": " + b", ".join(other_options))
            elif name not in _UPGRADE_OPTIONS:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection, the handshake and the client's address to the WebSocket protocol."""
        self.connections.discard(self)
        lines = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.scope["headers"]:
            lines += [name, b": ", value, b"\r\n"]
        protocol: Any = self.ws_protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        protocol.connection_made(self.transport)
        protocol.follow_loss(self._limits.remove)
        self._limits.replace(self, protocol)
        protocol.client = self.scope["client"]
        protocol.data_received(b"".join([*lines, b"\r\n"]))
        self.transport.set_protocol(protocol)

    # ---- Rejections --------------------------------------------------------------------------

    def _reject(self, rejection: RequestError) -> None:
        """Let the application reject the current request, after earlier responses. Nothing more is read."""
        self._ignores_input = True
        is_first = not self._is_responding
        if self._phase is Phase.BODY:
            # The application has this request already, or it is in the pipeline.
            if self.pipeline:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self.transport.close()
                return
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                is_first = True
        self.cycle = self._rejection_cycle(rejection)
        if is_first:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def _rejection_cycle(self, rejection: RequestError) -> RequestResponseCycle:
        scope = {
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            **self.scope,
            "rejection": rejection,
        }
        self._closing = LingeringClose(self.transport, self.loop)
        return RequestResponseCycle(
            scope=cast("HTTPScope", scope),  # with one more key, which our application reads
            transport=cast("asyncio.Transport", self._closing),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
