"""The log of operations: one line for each, by ids, a hash and figures; and one for each request that came to none.

Of what a client typed a line holds the operation's name alone, a name in GraphQL's sense, cut short. The hash is that
of a valid document without its literals and comments: a hash of a text in which only a password is unknown would let
whoever reads the log try passwords at leisure. A document without literals has the hash by which its client knows it.
Addresses, of people or machines, are in events, which only their readers see.
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

Which = Literal["all", "notable", "none"]

LONGEST_NAME: Final = 64
LONGEST_KEPT: Final = 8 * 1024
"""The hash of a longer document is computed each time."""
_LEAST_REFUSED: Final = 400

# Each always finds its end, if only that of the text: no document is read twice for it.
_LITERALS: Final = re.compile(
    r'"""(?:\\"""|[^"]|"(?!""))*(?:"""|\Z)|"(?:[^"\\\n]|\\.)*"?|#[^\n]*|(?<![_A-Za-z0-9])-?\d[\d.eE+-]*'
)


@dataclass(slots=True)
class LogEntry:
    """What is seen of one operation, filled in as it becomes known."""

    request_id: str
    started: float = field(default_factory=perf_counter)
    operation: Operation | None = None
    context: Context | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    status: int = 0
    bytes: int = 0
    trace: "Trace | None" = None

    @property
    def is_followed(self) -> bool:
        """Whether it lasts as long as its client likes."""
        return self.operation is not None and self.operation.kind is OperationType.SUBSCRIPTION

    @property
    def is_logged(self) -> bool:
        """Whether it is worth a line: a probe or a page that was answered is not."""
        return self.operation is not None or self.status >= _LEAST_REFUSED


def of(scope: Scope) -> LogEntry:
    """The entry of an HTTP request."""
    found: LogEntry = scope["state"]["entry"]
    return found


class AccessLog:
    """Writes the lines. Whoever runs operations begins an entry for each, and ends it."""

    def __init__(
        self, *, which: Which, slow_seconds: float, metrics: Metrics | None = None, traces: "Traces | None" = None
    ) -> None:
        self._which = which
        self._slow_seconds = slow_seconds
        self._metrics = metrics
        self._traces = traces

    def begin(self, request_id: str, scope: Scope | None = None, *, status: int = 0) -> LogEntry:
        """A new entry; of an HTTP request, with its scope."""
        entry = LogEntry(request_id, status=status)
        if self._traces is not None:
            entry.trace = self._traces.begin(scope)
        return entry

    def end(self, entry: LogEntry) -> None:
        """Write down what became of it."""
        seconds = perf_counter() - entry.started
        is_slow = seconds >= self._slow_seconds and not entry.is_followed
        is_notable = is_slow or entry.status >= _LEAST_REFUSED or bool(entry.errors)
        if self._metrics is not None:
            _count(self._metrics, entry, seconds)
        is_logged = self._which == "all" or (self._which == "notable" and is_notable)
        if not entry.is_logged or (entry.trace is None and not is_logged):
            return
        facts = _facts(entry, seconds)
        if self._traces is not None and entry.trace is not None:
            self._traces.end(entry.trace, facts)
        if is_logged:
            LOG.entry(logging.WARNING if is_slow else logging.INFO, _event(entry, is_slow=is_slow), facts)


class AccessLogMiddleware:
    """Wraps an application: whatever it answers over HTTP is an entry, `scope["state"]["entry"]` inside."""

    def __init__(self, app: ASGIApp, journal: AccessLog) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = scope["state"]["entry"] = self._journal.begin(scope["state"]["request_id"], scope)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            else:
                entry.bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._journal.end(entry)


def _count(metrics: Metrics, entry: LogEntry, seconds: float) -> None:
    if entry.status:
        metrics.answered(entry.status)
    if entry.operation is not None and not entry.is_followed:
        metrics.operated(entry.operation.kind.value, seconds)
    if entry.errors:
        metrics.failed(_codes(entry))
    if entry.context is not None and entry.context.refused:
        metrics.refused(Counter(entry.context.refused))


def _codes(entry: LogEntry) -> Counter[str]:
    return Counter(error["extensions"]["code"] for error in entry.errors)


def _event(entry: LogEntry, *, is_slow: bool) -> str:
    if entry.operation is None:
        return "refused"
    return "slow operation" if is_slow else "operation"


def _facts(entry: LogEntry, seconds: float) -> dict[str, Any]:
    facts: dict[str, Any] = {"request_id": entry.request_id}
    if (operation := entry.operation) is not None:
        facts["kind"] = operation.kind.value
        if operation.chosen.name is not None:
            facts["name"] = operation.chosen.name.value[:LONGEST_NAME]
        facts["hash"] = digest(operation.asked.query)
        facts["cost"] = operation.cost
    if (context := entry.context) is not None:
        if context.caller.user_id is not None:
            facts["user"] = str(context.caller.user_id)
        if context.current is not None:
            facts["account"] = str(context.current.account_id)
    facts |= {"status": entry.status, "ms": round(seconds * 1000, 2), "bytes": entry.bytes}
    if entry.errors:
        facts["codes"] = _codes(entry)
    if context is not None and context.refused:
        facts["refused"] = Counter(context.refused)
    return facts


def digest(document: str) -> str:
    """SHA-256, hex, of a document without its literals and comments."""
    return _kept(document) if len(document) <= LONGEST_KEPT else _digest(document)


def _digest(document: str) -> str:
    return hashlib.sha256(_LITERALS.sub("", document).encode(errors="surrogatepass")).hexdigest()


_kept = lru_cache(maxsize=500)(_digest)
