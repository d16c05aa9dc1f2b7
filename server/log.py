"""The log: one line an entry, JSON in production, readable in development; no secret in either.

What is logged is where something went wrong and under which request id. Never an exception's text,
a variable, a document or a token: any of them can hold what a client typed.
"""

import logging
import sys
import traceback
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

_DEEPEST: Final = 8
_QUIET: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "tortoise")


def configure(*, development: bool) -> None:
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
    shown = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if development else _json()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shown]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _QUIET:
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
        theirs.setLevel(logging.WARNING)


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
