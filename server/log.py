"""The process log: one line per entry, as JSON in production and as text in development.

An entry of an error contains the code location and the request id. It never contains the text of an exception, a
variable, a document or a token, because each of them can contain client input.
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

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

_MAX_FRAMES: Final = 8
_QUIET_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "tortoise")


class Log:
    """The log of this process. Nothing is written before `configure`: `writer` is None."""

    def __init__(self) -> None:
        self.writer: QueuedWriter | None = None
        self.format: LogFormat = "json"
        self.level = logging.INFO

    def write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        """Write one line. Used for each request, because it takes a twentieth of the time of structlog."""
        if self.writer is None or level < self.level:
            return
        now = datetime.now(UTC)
        name = _LEVEL_NAMES[level]
        if self.format == "json":
            self.writer.write(
                orjson.dumps({"timestamp": now, "level": name, "event": event, **fields}, option=_OPTIONS)
            )
            return
        pairs = " ".join(f"{key}={value}" for key, value in fields.items())
        self.writer.write(f"{now:%H:%M:%S} [{name}] {event} {pairs}\n".encode())

    def flush(self) -> None:
        """Wait until all lines are written, one second at most. A signal may end the process next."""
        if self.writer is not None:
            self.writer.flush()


_LEVEL_NAMES: Final = {logging.INFO: "info", logging.WARNING: "warning"}
_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
LOG: Final = Log()


class _Handler(logging.Handler):
    """Passes the entries of libraries and structlog to the writer."""

    def __init__(self, writer: QueuedWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._writer.write(self.format(record).encode(errors="backslashreplace") + b"\n")


def configure(*, log_format: LogFormat, level: LogLevel = "info") -> None:
    """Send all logs of this process, including those of libraries, to standard error. Call once, at start."""
    processors: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _replace_exception,
    ]
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if log_format == "text" else _json_renderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    LOG.format, LOG.level = log_format, logging.getLevelNamesMapping()[level.upper()]
    LOG.writer = writer = QueuedWriter(sys.stderr.fileno())
    handler = _Handler(writer)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=LOG.level, force=True)
    for name in _QUIET_LOGGERS:
        library_logger = logging.getLogger(name)
        library_logger.handlers.clear()
        library_logger.propagate = True
        library_logger.setLevel(max(logging.WARNING, LOG.level))


def error_location(error: BaseException) -> dict[str, Any]:
    """Return the parts of an exception that may be logged: its type and its innermost code locations."""
    frames = [f"{f.filename.rpartition('/')[2]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    return {"type": type(error).__qualname__, "where": frames[-_MAX_FRAMES:]}


def _json_renderer() -> Processor:
    return structlog.processors.JSONRenderer(sort_keys=True)


def _replace_exception(_: object, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its code location.

    Keep only the first line of a message of asyncio. Its other lines are a repr, which can contain client input.
    """
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, BaseException):
        event.update(error_location(error))
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event
