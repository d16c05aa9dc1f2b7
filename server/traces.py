"""Traces for OpenTelemetry: a span for each operation, with one for each of its statements, sent by OTLP over HTTP.

Nobody imports this unless the standard variables ask for it. A span has what the line of the log has, and statements
their first word: nothing that was typed. Spans are made when an operation has ended, so that nothing but a list
of times is kept until then, and are sent by a thread.
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

MOST_STATEMENTS: Final = 100
"""Of one operation: a subscription has no end to them."""
LAST_SECONDS: Final = 1.0
"""For sending what is left when the process ends."""
_TRACEPARENT: Final = b"traceparent"
_STANDARD: Final = {
    "kind": "graphql.operation.type",
    "name": "graphql.operation.name",
    "status": "http.response.status_code",
    "bytes": "http.response.body.size",
}
"""What OpenTelemetry has a name for; the log's other fields have theirs after `fullmakt.`."""
_LEAST_OURS: Final = 500
_OURS: Final = frozenset({errors.INTERNAL, errors.SERVICE_UNAVAILABLE})


@dataclass(slots=True)
class Trace:
    """What is noted of one operation while it runs."""

    parent: Context
    started: int = field(default_factory=time_ns)
    statements: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    """The first word of each, when it began and when it ended."""
    count: int = 0


_running: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)


class Traces:
    """Makes the spans of one process, and sends them."""

    def __init__(self) -> None:
        """Raises ValueError for a variable of OpenTelemetry that is unusable."""
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "fullmakt"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("fullmakt")

    def begin(self, scope: Scope | None = None) -> Trace:
        """Note down from now on what this task does, and those that it starts."""
        trace = Trace(Context() if scope is None else _parent(scope))
        _running.set(trace)
        return trace

    def end(self, trace: Trace, facts: Mapping[str, Any]) -> None:
        """Send what was noted."""
        # The driver tells of its last statements when the loop has turned, in their order.
        asyncio.get_running_loop().call_soon(self._send, trace, facts, time_ns())

    @staticmethod
    def statement(record: LoggedQuery) -> None:
        """Note down a statement, of which the driver tells, for the operation that it belongs to."""
        trace = _running.get()
        if trace is None:
            return
        trace.count += 1
        if trace.count <= MOST_STATEMENTS:
            ended = time_ns()
            word = record.query.split(None, 1)[0].rstrip(";").upper()
            trace.statements.append((word, ended - int(record.elapsed * 1e9), ended))

    async def close(self) -> None:
        """Send what is left, unless it takes too long."""
        sent, loop = asyncio.Event(), asyncio.get_running_loop()

        def send() -> None:
            self._provider.shutdown()
            loop.call_soon_threadsafe(sent.set)

        # No thread of the loop's own: those are waited for, and a collector may not answer at all.
        threading.Thread(target=send, daemon=True).start()
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await sent.wait()
        except TimeoutError:
            pass

    def _send(self, trace: Trace, facts: Mapping[str, Any], ended: int) -> None:
        name: str = facts.get("kind", "refused")
        found = _attributes(trace, facts)
        span = self._tracer.start_span(name, trace.parent, SpanKind.SERVER, found, start_time=trace.started)
        if facts["status"] >= _LEAST_OURS or _OURS & facts.get("codes", {}).keys():
            span.set_status(StatusCode.ERROR)
        inside = set_span_in_context(span, trace.parent)
        for word, began, finished in trace.statements:
            statement = {"db.system.name": "postgresql", "db.operation.name": word}
            self._tracer.start_span(word, inside, SpanKind.CLIENT, statement, start_time=began).end(finished)
        trace.count = MOST_STATEMENTS
        span.end(ended)


def _attributes(trace: Trace, facts: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        _STANDARD.get(name, f"fullmakt.{name}"): sorted(fact) if isinstance(fact, Counter) else fact
        for name, fact in facts.items()
        if name != "ms"
    }
    found["fullmakt.statements"] = trace.count
    return found


def _parent(scope: Scope) -> Context:
    """The span of which a proxy of ours speaks. Its tracestate and baggage can hold what anybody typed: not read."""
    if proxies.PROXIED not in scope["state"]:
        return Context()
    told = [value.decode("latin-1") for name, value in scope["headers"] if name == _TRACEPARENT]
    if len(told) != 1:
        return Context()
    return TraceContextTextMapPropagator().extract({"traceparent": told[0]}, Context())
