"""A connection with bounds: uvicorn's own waits for ever, and reads whatever comes.

    silent --first byte--> head --blank line--> body --last byte--> silent, until the answer is given, and on

Between requests a client may be silent for a while; for a head it has ten seconds, for a body ten more. What is no
HTTP, too long, too slow or meant for another host is refused through the application, so that the answer has the
form, the headers and the place in line of any other; then the connection ends. Handshakes of WebSockets pass the
same gate.
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final, cast

import httptools
from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from server import proxies, request_guard, shutdown
from server.errors import RATE_LIMITED, SERVICE_UNAVAILABLE, Rejected
from server.request import MAX_BODY
from server.request_guard import LONGEST_HEAD, LONGEST_TARGET, MOST_HEADERS, MOST_IN_LINE, RequestGuard
from server.shutdown import Shutdown

STATE: Final = "gate"
"""Where the application leaves its Gate for us, in the state of its lifespan."""
LONGEST_BODY: Final = 8 * MAX_BODY
"""As it is sent, in chunks and with trailers; the application counts what is in it."""
SLOWEST: Final = 8 * 1024
"""Bytes of an answer that have to be taken while the gate waits."""


class Phase(Enum):
    """What we read of a client's next request."""

    SILENT = auto()
    HEAD = auto()
    BODY = auto()


class Connection(HttpToolsProtocol):
    """One connection of a client, over HTTP/1."""

    # Each can be something else at times than uvicorn's types say; the last two are None in the beginning.
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
        self._gate: RequestGuard = app_state[STATE]
        self._leaving: Shutdown = app_state[shutdown.STATE]
        self._phase = Phase.SILENT
        self._now = self.loop.time()
        self.until = self._now + self._gate.seconds
        self._timer: asyncio.TimerHandle | None = None
        self._chunk = 0
        self._size = 0
        self._is_deaf = False
        self._is_handshake = False
        self._is_behind_proxy = False
        self._unsent = 0
        self._measured_at = self._now

    # ---- The connection ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = proxies.plain(self.client[0]), self.client[1]
            self._is_behind_proxy = self._gate.proxies.trust(self.client[0])
        self._timer = self.loop.call_later(self._gate.seconds, self._look)
        if len(self.connections) > self._gate.most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """He is gone."""
        super().connection_lost(exc)
        self._forget()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._is_deaf:
            return
        self._now = self.loop.time()
        self._chunk = len(data)
        self._size += self._chunk
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserInvalidMethodError:
            self._refuse(request_guard.unknown_method())
        except httptools.HttpParserError:
            self._refuse(Rejected(400, "This is no request in HTTP/1.1."))
        else:
            self._check_size()

    def on_response_complete(self) -> None:
        """What was asked is answered: the next one's turn, or the client's."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._phase is not Phase.BODY or self.pipeline:
            patience = self._gate.keep_alive_seconds if self._phase is Phase.SILENT else self._gate.seconds
            self.until = self.loop.time() + patience
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def _make_room(self) -> None:
        """Cut off whose time would be over first; where nobody is waited for, the one who came last has to go."""
        waited_for = [
            one for one in self.connections if isinstance(one, Connection) and one is not self and one.is_waiting
        ]
        if waited_for:
            min(waited_for, key=lambda one: one.until).transport.abort()
        else:
            self.on_message_begin()
            busy = Rejected(
                503, "Too many connections. Try again in a moment.", SERVICE_UNAVAILABLE, headers={"Retry-After": "1"}
            )
            self._refuse(busy)

    # ---- Time --------------------------------------------------------------------------------

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_waiting(self) -> bool:
        """Whether it is the client's turn. The body of a request that stands in line is not read yet."""
        if self._phase is Phase.BODY:
            return not self.pipeline
        return not self._is_answering

    def _look(self) -> None:
        """Cut who is too slow, and look again when somebody could be. One timer does for all requests."""
        now = self.loop.time()
        if self._does_not_read(now):
            self.transport.abort()
            return
        if now >= self.until and self.is_waiting and not self._is_deaf:
            self._give_up()
        else:
            soonest = now + self._gate.seconds
            if self.is_waiting and not self._is_deaf:
                soonest = min(soonest, self.until)
            self._timer = self.loop.call_at(soonest, self._look)

    def _give_up(self) -> None:
        self._timer = self.loop.call_later(self._gate.seconds, self._look)
        if self._phase is Phase.SILENT or (self._phase is Phase.BODY and self.cycle.response_started):
            self.transport.close()
        else:
            missing = "head of the request" if self._phase is Phase.HEAD else "body"
            self._refuse(Rejected(408, f"The {missing} did not arrive within {self._gate.seconds} seconds."))

    def _does_not_read(self, now: float) -> bool:
        """Whether an answer has lain here for a while, and next to nothing of it was taken."""
        if now - self._measured_at < self._gate.seconds:
            return False
        before, self._unsent, self._measured_at = self._unsent, self.transport.get_write_buffer_size(), now
        return before > 0 and self._unsent > max(0, before - SLOWEST)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- What is read ------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._is_deaf:
            return
        super().on_message_begin()
        self._phase = Phase.HEAD
        if self.cycle is not None:
            self.until = self._now + self._gate.seconds

    def on_headers_complete(self) -> None:
        """The blank line: the application is started, unless there is something against it."""
        if self._is_deaf:
            return
        refused = self._objection()
        if refused is None:
            if self._is_behind_proxy:
                self._pass_on()
            super().on_headers_complete()
            if self._leaving.is_draining and not self._is_handshake:
                self.cycle.keep_alive = False
            self._phase = Phase.BODY
            self.until = self._now + self._gate.seconds
            self._size = self._chunk
        else:
            self._refuse(refused)
        # What comes as a trailer is no header: it decides nothing, and would get past whoever looks at headers.
        self.headers = self.headers.copy()

    def _pass_on(self) -> None:
        """Name the client of whom a proxy of ours speaks."""
        self.scope["state"] = {**self.scope.get("state", {}), proxies.PROXIED: True}
        told = [value for name, value in self.headers if name == b"x-forwarded-for"]
        if told and self.client is not None:
            self.scope["client"] = self._gate.proxies.client(self.client[0], told), 0

    def on_message_complete(self) -> None:
        """The last byte of a request. Another one may follow at once."""
        if self._is_deaf or self._is_handshake:
            return
        super().on_message_complete()
        self._phase = Phase.SILENT
        self.until = self._now + self._gate.keep_alive_seconds
        self._size = self._chunk

    def _check_size(self) -> None:
        if self._phase is Phase.HEAD and self._size > LONGEST_HEAD:
            if len(self.url) > LONGEST_TARGET:
                self._refuse(request_guard.long_target())
            elif self._size > LONGEST_HEAD + LONGEST_TARGET:
                self._refuse(request_guard.large_head())
        elif self._phase is Phase.BODY and self._size > LONGEST_BODY:
            self._refuse(Rejected(413, f"The body has more than {MAX_BODY} bytes."))

    def _objection(self) -> Rejected | None:
        """What there is against a request whose head is here."""
        headers = self.headers
        # What has arrived is an upper bound: only where that is much, it is counted.
        if self._size > LONGEST_TARGET or len(headers) > MOST_HEADERS:
            if len(self.url) > LONGEST_TARGET:
                return request_guard.long_target()
            if request_guard.size(headers) > LONGEST_HEAD or len(headers) > MOST_HEADERS:
                return request_guard.large_head()
        version, method = self.parser.get_http_version(), self.parser.get_method()
        found = self._gate.objection(method, version, self.url, headers)
        self._is_handshake = self.parser.should_upgrade() and self._should_upgrade()
        if found is None and self._is_handshake:
            found = request_guard.handshake(method, version, headers)
            if self._is_answering:
                found = Rejected(400, "Open a WebSocket on a connection of its own.")
        if len(self.pipeline) >= MOST_IN_LINE:
            found = Rejected(429, "Wait for answers before you ask for more.", RATE_LIMITED)
        return found

    # ---- WebSockets --------------------------------------------------------------------------

    def _upgrade(self) -> None:
        """What follows is no HTTP. Unless it is a WebSocket, the request is answered, and nothing more is read."""
        if self._is_deaf:
            return
        self._is_deaf = True
        if self._is_handshake:
            self._forget()
            self.handle_websocket_upgrade()
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, the handshake once more, and who the client is."""
        self.connections.discard(self)
        lines = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.scope["headers"]:
            lines += [name, b": ", value, b"\r\n"]
        protocol: Any = self.ws_protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        protocol.connection_made(self.transport)
        protocol.client = self.scope["client"]
        protocol.data_received(b"".join([*lines, b"\r\n"]))
        self.transport.set_protocol(protocol)

    # ---- Refusals ----------------------------------------------------------------------------

    def _refuse(self, refused: Rejected) -> None:
        """Let the application refuse what is being read, when its turn comes; nothing after it is read."""
        self._is_deaf = True
        is_first = not self._is_answering
        if self._phase is Phase.BODY:
            # The application has it already, or will when its turn comes.
            if self.pipeline:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self.transport.close()
                return
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                is_first = True
        self.cycle = self._cycle(refused)
        if is_first:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def _cycle(self, refused: Rejected) -> RequestResponseCycle:
        scope = {"method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", **self.scope, "refused": refused}
        return RequestResponseCycle(
            scope=cast("HTTPScope", scope),  # with one name more: who answers is our own application
            transport=self.transport,
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
