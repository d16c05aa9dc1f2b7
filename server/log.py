"""The log: one line an entry, JSON in production, readable in development; no secret in either.

What is logged is where something went wrong and under which request id. Never an exception's text,
a variable, a document or a token: any of them can hold what a client typed.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor

from server.queued_writer import QueuedWriter

Form = Literal["json", "text"]
Level = Literal["debug", "info", "warning", "error"]

_DEEPEST: Final = 8
_QUIET: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "tortoise")


class Log:
    """Where the lines of this process go, and which: nowhere until it is configured."""

    def __init__(self) -> None:
        self.lines: QueuedWriter | None = None
        self.form: Form = "json"
        self.level = logging.INFO

    def entry(self, level: int, event: str, facts: dict[str, Any]) -> None:
        """Write one line; the way for what happens with every request, at a twentieth of structlog's cost."""
        if self.lines is None or level < self.level:
            return
        at = datetime.now(UTC)
        name = _NAMES[level]
        if self.form == "json":
            self.lines.write(orjson.dumps({"timestamp": at, "level": name, "event": event, **facts}, option=_OPTIONS))
            return
        told = " ".join(f"{key}={value}" for key, value in facts.items())
        self.lines.write(f"{at:%H:%M:%S} [{name}] {event} {told}\n".encode())

    def flush(self) -> None:
        """Wait, for a second at most, until what was said is written: a signal may end the process next."""
        if self.lines is not None:
            self.lines.flush()


_NAMES: Final = {logging.INFO: "info", logging.WARNING: "warning"}
_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
LOG: Final = Log()


class _Handler(logging.Handler):
    """Hands what libraries and structlog log to the same lines."""

    def __init__(self, lines: QueuedWriter) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._lines.write(self.format(record).encode(errors="backslashreplace") + b"\n")


def configure(*, form: Form, level: Level = "info") -> None:
    """Send every log of this process, libraries' too, to standard error; once, when it starts."""
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_text,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    shown = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if form == "text" else _json()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shown]
    )
    LOG.form, LOG.level = form, logging.getLevelNamesMapping()[level.upper()]
    LOG.lines = lines = QueuedWriter(sys.stderr.fileno())
    handler = _Handler(lines)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=LOG.level, force=True)
    for name in _QUIET:
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
        theirs.setLevel(max(logging.WARNING, LOG.level))


def place(error: BaseException) -> dict[str, Any]:
    """What of an exception may be logged: its type, and the innermost places it came through."""
    frames = [f"{f.filename.rpartition('/')[2]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    return {"type": type(error).__qualname__, "where": frames[-_DEEPEST:]}


def _json() -> Processor:
    return structlog.processors.JSONRenderer(sort_keys=True)


def _without_text(_: object, __: str, event: EventDict) -> EventDict:
    """An exception's place instead of its text; of asyncio's complaints the first line, for the rest is a repr."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event.update(place(error))
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event
