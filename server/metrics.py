"""Metrics for Prometheus at /metrics. Each process serves the metrics of all processes of this server.

Labels have few values: operation kinds, HTTP statuses and error codes. Operation names are chosen by clients and are
never labels. Several processes share their metrics through files in one folder. The command that starts them creates
the folder and sets FOLDER_VARIABLE before this module is imported.
"""

import asyncio
import hmac
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from database import db
from models.outbox import delivery
from models.outbox.message_kind import Lane
from server.log import LOG

PATH: Final = "/metrics"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of prometheus_client. Set only if there are several processes."""
SAMPLE_INTERVAL_SECONDS: Final = 5
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """The metrics of one application."""

    def __init__(self, sizes: Callable[[], Mapping[str, int]], open_streams: Callable[[], int]) -> None:
        """Create the metrics. `sizes` returns the bytes of each in-memory cache by its name."""
        self._sizes = sizes
        self._open_streams = open_streams
        self.registry = registry = CollectorRegistry()
        self._responses = Counter(
            "fullmakt_answers",
            "HTTP responses by status.",
            ["status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "fullmakt_operation_seconds",
            "Duration of operations by kind.",
            ["kind"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._errors = Counter("fullmakt_errors", "Top-level errors by code.", ["code"], registry=registry)
        self._refusals = Counter(
            "fullmakt_refusals", "Expected errors in payloads of operations by code.", ["code"], registry=registry
        )
        self._streams = _gauge(registry, "streams", "Open streams of live updates.")
        self._pool = _gauge(registry, "database_connections", "Database connections by state.", "state")
        # One value per process, because a sum would hide a single process that grows.
        self._memory = Gauge(
            "fullmakt_memory_bytes", "Resident memory.", registry=registry, multiprocess_mode="liveall"
        )
        self._cache_bytes = _gauge(registry, "cache_bytes", "Size of the in-memory caches.", "cache")
        self._lost_lines = _gauge(registry, "log_lines_lost", "Log lines lost since the start.")
        self._jobs = Gauge(
            "fullmakt_job_last_success_seconds",
            "Time of the last success of a job, in seconds since 1970.",
            ["job"],
            registry=registry,
            multiprocess_mode="max",
        )

    def count_response(self, status: int) -> None:
        """Count an HTTP response."""
        self._responses.labels(str(status)).inc()

    def record_operation(self, kind: str, seconds: float) -> None:
        """Record the duration of an operation."""
        self._seconds.labels(kind).observe(seconds)

    def count_errors(self, errors: Mapping[str, int]) -> None:
        """Count top-level errors. `errors` is the number of each code."""
        for code, times in errors.items():
            self._errors.labels(code).inc(times)

    def count_refusals(self, codes: Mapping[str, int]) -> None:
        """Count expected errors in payloads. `codes` is the number of each code."""
        for code, times in codes.items():
            self._refusals.labels(code).inc(times)

    def record_job_success(self, name: str, at: datetime) -> None:
        """Record the time of a job's success."""
        self._jobs.labels(name).set(at.timestamp())

    def sample(self) -> None:
        """Update the gauges with the current values of this process."""
        in_use, idle = db.pool_use()
        self._pool.labels("used").set(in_use)
        self._pool.labels("idle").set(idle)
        self._streams.set(self._open_streams())
        self._memory.set(_resident_bytes())
        self._lost_lines.set(LOG.writer.lost_lines if LOG.writer else 0)
        for name, size in self._sizes().items():
            self._cache_bytes.labels(name).set(size)

    @property
    def is_multiprocess(self) -> bool:
        """True if the metrics of several processes are combined."""
        return FOLDER_VARIABLE in os.environ

    async def sample_periodically(self) -> None:
        """Update the gauges every SAMPLE_INTERVAL_SECONDS until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_INTERVAL_SECONDS)

    async def render(self, now: datetime) -> bytes:
        """Return all metrics in the Prometheus text format.

        The outbox is read from the database. Its metrics are omitted if the database does not answer.
        """
        self.sample()
        outbox = CollectorRegistry()
        with suppress(*db.UNAVAILABLE):
            backlog = await delivery.backlog(now)
            count = Gauge(
                "fullmakt_outbox",
                "Queued mails, and mails that failed in the last three days.",
                ["status"],
                registry=outbox,
            )
            count.labels("queued").set(backlog.queued_count)
            count.labels("failed").set(backlog.failed_count)
            age = Gauge("fullmakt_outbox_oldest_seconds", "Age of the oldest queued mail.", registry=outbox)
            age.set(backlog.oldest_seconds)
            lane_age = Gauge(
                "fullmakt_outbox_lane_oldest_seconds",
                "Age of the oldest queued mail by lane.",
                ["lane"],
                registry=outbox,
            )
            for lane in Lane:
                lane_age.labels(lane.lower()).set(backlog.oldest_in_lane_seconds(lane))
        return generate_latest(_multiprocess_registry() or self.registry) + generate_latest(outbox)


class MetricsEndpoint:
    """The endpoint /metrics. It answers 404 without the token."""

    def __init__(self, metrics: Metrics, token: str, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._expected_authorization = f"Bearer {token}".encode()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET with the token; raise a 404 otherwise."""
        authorization = Request(scope).headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(authorization, self._expected_authorization) or scope["method"] != "GET":
            raise HTTPException(404)
        response = Response(await self._metrics.render(self._clock()), headers={"Content-Type": _CONTENT_TYPE})
        await response(scope, receive, send)


def _gauge(registry: CollectorRegistry, name: str, help_: str, *labels: str) -> Gauge:
    """Return a gauge that is summed over the live processes."""
    return Gauge(f"fullmakt_{name}", help_, labels, registry=registry, multiprocess_mode="livesum")


def _multiprocess_registry() -> CollectorRegistry | None:
    """Return the combined metrics of all processes, or None if there is only one process."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return None
    for pid in {int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("gauge_live*.db")}:
        if not _is_alive(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _resident_bytes() -> int:
    """Return the resident memory in bytes, or 0 if the system has no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
