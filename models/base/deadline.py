"""The deadline of a running GraphQL operation, for work that can stop in time and go on in another request."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_ENDS_AT: Final[ContextVar[float | None]] = ContextVar("operation_ends_at", default=None)
WITHOUT_LIMIT: Final = 10.0
"""The seconds that `seconds_left` returns outside of a GraphQL operation."""


@contextmanager
def within(seconds: float) -> Generator[None]:
    """Run the block as an operation that is stopped after `seconds`. This function does not stop it."""
    token = _ENDS_AT.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _ENDS_AT.reset(token)


def seconds_left() -> float:
    """The seconds until the operation is stopped. Not negative."""
    ends_at = _ENDS_AT.get()
    return WITHOUT_LIMIT if ends_at is None else max(0.0, ends_at - asyncio.get_running_loop().time())
