"""The access log: one line for each operation, and one line for each request without an operation.

A line contains ids, a hash and numbers. The only client text in it is the operation name, a GraphQL name of limited
length. The hash is the hash of a valid document without its literals and comments. A hash of the full text would let
a reader of the log guess a password in it offline. For a document without literals and comments, the hash is the
SHA-256 that the client knows. E-mail and IP addresses are not logged. They are in events, which need a permission.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal

from graphql import OperationType
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resolvers.context import Context
from server.graph import Operation
from server.log import LOG
from server.metrics import Metrics

if TYPE_CHECKING:
    from server.traces import Trace, Traces

LogFilter = Literal["all", "notable", "none"]

MAX_NAME_LENGTH: Final = 64
MAX_CACHED_LENGTH: Final = 8 * 1024
"""Hashes of longer documents are not cached."""
_MIN_ERROR_STATUS: Final = 400

# Each alternative also matches up to the end of the text, so that the time is linear in the length.
_LITERALS: Final = re.compile(
    r'"""(?:\\"""|[^"]|"(?!""))*(?:"""|\Z)|"(?:[^"\\\n]|\\.)*"?|#[^\n]*|(?<![_A-Za-z0-9])-?\d[\d.eE+-]*'
)


@dataclass(slots=True)
class LogEntry:
    """The facts about one operation or request, filled in while it runs."""

    request_id: str
    started_at: float = field(default_factory=perf_counter)
    operation: Operation | None = None
    context: Context | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    status: int = 0
    bytes: int = 0
    trace: "Trace | None" = None

    @property
    def is_subscription(self) -> bool:
        """True for a subscription. Its duration is chosen by the client and says nothing about the server."""
        return self.operation is not None and self.operation.kind is OperationType.SUBSCRIPTION

    @property
    def is_logged(self) -> bool:
        """True for operations and errors. Successful probes and pages are not logged."""
        return self.operation is not None or self.status >= _MIN_ERROR_STATUS


def entry_of(scope: Scope) -> LogEntry:
    """Return the entry of an HTTP request."""
    entry: LogEntry = scope["state"]["entry"]
    return entry


class AccessLog:
    """Writes log lines, metrics and traces. The code that runs an operation calls `begin` and `end`."""

    def __init__(
        self,
        *,
        log_filter: LogFilter,
        slow_seconds: float,
        metrics: Metrics | None = None,
        traces: "Traces | None" = None,
    ) -> None:
        self._filter = log_filter
        self._slow_seconds = slow_seconds
        self._metrics = metrics
        self._traces = traces

    def begin(self, request_id: str, scope: Scope | None = None, *, status: int = 0) -> LogEntry:
        """Return a new entry. `scope` is the ASGI scope of an HTTP request, or None on a socket."""
        entry = LogEntry(request_id, status=status)
        if self._traces is not None:
            entry.trace = self._traces.begin(scope)
        return entry

    def end(self, entry: LogEntry) -> None:
        """Record the result of the operation."""
        seconds = perf_counter() - entry.started_at
        is_slow = seconds >= self._slow_seconds and not entry.is_subscription
        is_notable = is_slow or entry.status >= _MIN_ERROR_STATUS or bool(entry.errors)
        if self._metrics is not None:
            _count(self._metrics, entry, seconds)
        is_logged = self._filter == "all" or (self._filter == "notable" and is_notable)
        if not entry.is_logged or (entry.trace is None and not is_logged):
            return
        fields = _log_fields(entry, seconds)
        if self._traces is not None and entry.trace is not None:
            self._traces.end(entry.trace, fields)
        if is_logged:
            LOG.write(logging.WARNING if is_slow else logging.INFO, _event(entry, is_slow=is_slow), fields)


class AccessLogMiddleware:
    """Creates a log entry for each HTTP request to an application. The entry is in `scope["state"]["entry"]`."""

    def __init__(self, app: ASGIApp, access_log: AccessLog) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application and record its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = scope["state"]["entry"] = self._access_log.begin(scope["state"]["request_id"], scope)

        async def send_and_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            else:
                entry.bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        finally:
            self._access_log.end(entry)


def _count(metrics: Metrics, entry: LogEntry, seconds: float) -> None:
    if entry.status:
        metrics.count_response(entry.status)
    if entry.operation is not None and not entry.is_subscription:
        metrics.record_operation(entry.operation.kind.value, seconds)
    if entry.errors:
        metrics.count_errors(_codes(entry))
    if entry.context is not None and entry.context.refusal_codes:
        metrics.count_refusals(Counter(entry.context.refusal_codes))


def _codes(entry: LogEntry) -> Counter[str]:
    return Counter(error["extensions"]["code"] for error in entry.errors)


def _event(entry: LogEntry, *, is_slow: bool) -> str:
    if entry.operation is None:
        return "refused"
    return "slow operation" if is_slow else "operation"


def _log_fields(entry: LogEntry, seconds: float) -> dict[str, Any]:
    fields: dict[str, Any] = {"request_id": entry.request_id}
    if (operation := entry.operation) is not None:
        fields["kind"] = operation.kind.value
        if operation.definition.name is not None:
            fields["name"] = operation.definition.name.value[:MAX_NAME_LENGTH]
        fields["hash"] = digest(operation.request.query)
        fields["cost"] = operation.cost
    if (context := entry.context) is not None:
        if context.caller.user_id is not None:
            fields["user"] = str(context.caller.user_id)
        if context.current_access is not None:
            fields["account"] = str(context.current_access.account_id)
    fields |= {"status": entry.status, "ms": round(seconds * 1000, 2), "bytes": entry.bytes}
    if entry.errors:
        fields["codes"] = _codes(entry)
    if context is not None and context.refusal_codes:
        fields["refused"] = Counter(context.refusal_codes)
    return fields


def digest(document: str) -> str:
    """SHA-256 as hex of a document without its literals and comments."""
    return _cached_digest(document) if len(document) <= MAX_CACHED_LENGTH else _digest(document)


def _digest(document: str) -> str:
    return hashlib.sha256(_LITERALS.sub("", document).encode(errors="surrogatepass")).hexdigest()


_cached_digest = lru_cache(maxsize=500)(_digest)
