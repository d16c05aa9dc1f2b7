"""What a Prometheus server can ask for at /metrics: figures of all processes together, whichever is asked.

Labels have few values: kinds, statuses and codes are ours; names of operations are a client's, and no label. Several
processes keep their figures in files of one folder, which the command that starts them makes and names to the library
before this module is imported.
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
from models.outbox import message
from server.log import LOG

PATH: Final = "/metrics"
FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable; set where there are several processes."""
LOOK_SECONDS: Final = 5
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """The figures of one application."""

    def __init__(self, sizes: Callable[[], Mapping[str, int]], open_streams: Callable[[], int]) -> None:
        """`sizes` tells how large what is kept in memory is, in bytes, by its name."""
        self._sizes = sizes
        self._open_streams = open_streams
        self.registry = one = CollectorRegistry()
        self._answers = Counter(
            "fullmakt_answers",
            "Answers, by HTTP status.",
            ["status"],
            registry=one,
        )
        self._seconds = Histogram(
            "fullmakt_operation_seconds", "Operations, by how long they took.", ["kind"], buckets=_SECONDS, registry=one
        )
        self._errors = Counter("fullmakt_errors", "Top-level errors.", ["code"], registry=one)
        self._refusals = Counter("fullmakt_refusals", "What operations said no with.", ["code"], registry=one)
        self._streams = _gauge(one, "streams", "Open streams of live updates.")
        self._pool = _gauge(one, "database_connections", "Connections to the database, by what they do.", "state")
        # Of each process: the sum would hide the one that grows.
        self._memory = Gauge("fullmakt_memory_bytes", "Resident memory.", registry=one, multiprocess_mode="liveall")
        self._kept = _gauge(one, "cache_bytes", "What is kept in memory, by the text that it stands for.", "cache")
        self._lost = _gauge(one, "log_lines_lost", "Lines of the log that found no way out since the start.")
        self._jobs = Gauge(
            "fullmakt_job_last_success_seconds",
            "When a job last ended well, in seconds since 1970.",
            ["job"],
            registry=one,
            multiprocess_mode="max",
        )

    def answered(self, status: int) -> None:
        """Count an HTTP answer."""
        self._answers.labels(str(status)).inc()

    def operated(self, kind: str, seconds: float) -> None:
        """Count an operation."""
        self._seconds.labels(kind).observe(seconds)

    def failed(self, errors: Mapping[str, int]) -> None:
        """Count top-level errors by their codes."""
        for code, times in errors.items():
            self._errors.labels(code).inc(times)

    def refused(self, refused: Mapping[str, int]) -> None:
        """Count what operations said no with, by its codes."""
        for code, times in refused.items():
            self._refusals.labels(code).inc(times)

    def job_done(self, name: str, at: datetime) -> None:
        """Note when a job ended well."""
        self._jobs.labels(name).set(at.timestamp())

    def look(self) -> None:
        """Take the figures that nothing counts as they change: what this process holds just now."""
        used, idle = db.pool_use()
        self._pool.labels("used").set(used)
        self._pool.labels("idle").set(idle)
        self._streams.set(self._open_streams())
        self._memory.set(_resident())
        self._lost.set(LOG.lines.lost if LOG.lines else 0)
        for name, size in self._sizes().items():
            self._kept.labels(name).set(size)

    @property
    def is_shared(self) -> bool:
        """Whether other processes' figures are told with these."""
        return FOLDER in os.environ

    async def keep_looking(self) -> None:
        """Look every few seconds, for as long as nobody cancels it."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def told(self, now: datetime) -> bytes:
        """All of it in Prometheus' text form. The outbox is read from the database; without one it is left out."""
        self.look()
        outbox = CollectorRegistry()
        with suppress(*db.UNAVAILABLE):
            waiting = await message.backlog(now)
            count = Gauge(
                "fullmakt_outbox",
                "Mails that wait, and those of three days that were given up.",
                ["status"],
                registry=outbox,
            )
            count.labels("queued").set(waiting.queued)
            count.labels("failed").set(waiting.failed)
            age = Gauge("fullmakt_outbox_oldest_seconds", "How long the oldest mail has waited.", registry=outbox)
            age.set(waiting.oldest_seconds)
        return generate_latest(_of_all_processes() or self.registry) + generate_latest(outbox)


class MetricsEndpoint:
    """Answers /metrics to whoever brings the token, and is not there for anybody else."""

    def __init__(self, metrics: Metrics, token: str, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._expected = f"Bearer {token}".encode()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET."""
        given = Request(scope).headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, self._expected) or scope["method"] != "GET":
            raise HTTPException(404)
        response = Response(await self._metrics.told(self._clock()), headers={"Content-Type": _TYPE})
        await response(scope, receive, send)


def _gauge(registry: CollectorRegistry, name: str, help_: str, *labels: str) -> Gauge:
    """A figure of this moment; those of processes that live are added up."""
    return Gauge(f"fullmakt_{name}", help_, labels, registry=registry, multiprocess_mode="livesum")


def _of_all_processes() -> CollectorRegistry | None:
    """What all have written down; None where this one is alone."""
    folder = os.environ.get(FOLDER)
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


def _resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not tell it like Linux."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
