"""Traces for OpenTelemetry: one span for each operation and one for each of its SQL statements, sent over OTLP/HTTP.

This module is imported only if the standard variables of OpenTelemetry enable traces. A span has the fields of the
log line. A statement has only its first keyword. Neither contains client input. Spans are created when the operation
has ended: until then only a list of times is in memory. A thread sends them.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, Final

from asyncpg.connection import LoggedQuery
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from server import errors, proxies

MAX_STATEMENTS: Final = 100
"""Maximum recorded statements of one operation. A subscription may run any number of them."""
FLUSH_SECONDS: Final = 1.0
"""Maximum time to send the remaining spans when the process ends."""
_TRACEPARENT: Final = b"traceparent"
_STANDARD_ATTRIBUTES: Final = {
    "kind": "graphql.operation.type",
    "name": "graphql.operation.name",
    "status": "http.response.status_code",
    "bytes": "http.response.body.size",
}
"""Log fields with a standard attribute name in OpenTelemetry. Other fields get the prefix `fullmakt.`."""
_MIN_SERVER_ERROR: Final = 500
_SERVER_ERROR_CODES: Final = frozenset({errors.INTERNAL, errors.SERVICE_UNAVAILABLE})


@dataclass(slots=True)
class Trace:
    """The record of one running operation."""

    parent: Context
    start_ns: int = field(default_factory=time_ns)
    statements: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    """The first keyword, the start and the end of each statement, in nanoseconds since 1970."""
    statement_count: int = 0


_current_trace: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)


class Traces:
    """Creates and sends the spans of one process."""

    def __init__(self) -> None:
        """Read the variables of OpenTelemetry. Raises ValueError for an invalid one."""
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "fullmakt"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("fullmakt")

    def begin(self, scope: Scope | None = None) -> Trace:
        """Start a trace of this task and of the tasks that it starts."""
        trace = Trace(Context() if scope is None else _parent_context(scope))
        _current_trace.set(trace)
        return trace

    def end(self, trace: Trace, fields: Mapping[str, Any]) -> None:
        """Create and send the spans of a trace."""
        # The driver reports its last statements in the next iteration of the event loop.
        asyncio.get_running_loop().call_soon(self._send, trace, fields, time_ns())

    @staticmethod
    def record_statement(record: LoggedQuery) -> None:
        """Record a statement that the driver reports, in the trace of its operation."""
        trace = _current_trace.get()
        if trace is None:
            return
        trace.statement_count += 1
        if trace.statement_count <= MAX_STATEMENTS:
            end_ns = time_ns()
            keyword = record.query.split(None, 1)[0].rstrip(";").upper()
            trace.statements.append((keyword, end_ns - int(record.elapsed * 1e9), end_ns))

    async def close(self) -> None:
        """Send the remaining spans, but wait no longer than FLUSH_SECONDS."""
        is_sent, loop = asyncio.Event(), asyncio.get_running_loop()

        def send() -> None:
            self._provider.shutdown()
            loop.call_soon_threadsafe(is_sent.set)

        # Not a thread of the event loop: the loop waits for its threads, and the collector may never answer.
        threading.Thread(target=send, daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await is_sent.wait()
        except TimeoutError:
            pass

    def _send(self, trace: Trace, fields: Mapping[str, Any], end_ns: int) -> None:
        name: str = fields.get("kind", "refused")
        attributes = _attributes(trace, fields)
        span = self._tracer.start_span(name, trace.parent, SpanKind.SERVER, attributes, start_time=trace.start_ns)
        if fields["status"] >= _MIN_SERVER_ERROR or _SERVER_ERROR_CODES & fields.get("codes", {}).keys():
            span.set_status(StatusCode.ERROR)
        span_context = set_span_in_context(span, trace.parent)
        for keyword, statement_start_ns, statement_end_ns in trace.statements:
            statement = {"db.system.name": "postgresql", "db.operation.name": keyword}
            self._tracer.start_span(
                keyword, span_context, SpanKind.CLIENT, statement, start_time=statement_start_ns
            ).end(statement_end_ns)
        trace.statement_count = MAX_STATEMENTS
        span.end(end_ns)


def _attributes(trace: Trace, fields: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        _STANDARD_ATTRIBUTES.get(name, f"fullmakt.{name}"): sorted(fact) if isinstance(fact, Counter) else fact
        for name, fact in fields.items()
        if name != "ms"
    }
    attributes["fullmakt.statements"] = trace.statement_count
    return attributes


def _parent_context(scope: Scope) -> Context:
    """Return the parent span that a trusted proxy names.

    The headers tracestate and baggage are ignored, because they can contain client input.
    """
    if proxies.BEHIND_PROXY not in scope["state"]:
        return Context()
    traceparents = [value.decode("latin-1") for name, value in scope["headers"] if name == _TRACEPARENT]
    if len(traceparents) != 1:
        return Context()
    return TraceContextTextMapPropagator().extract({"traceparent": traceparents[0]}, Context())
