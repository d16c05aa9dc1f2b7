"""Recording of the SQL statements that a test sends to the database."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest import mock

import asyncpg

_is_recording: ContextVar[bool] = ContextVar("_is_recording", default=False)


@contextmanager
def record_statements() -> Generator[list[str]]:
    """The statements that the block sends to the driver, in order, without those of other tasks."""
    statements: list[str] = []
    token = _is_recording.set(True)

    def record(method: Any) -> Any:  # an untyped method of the driver
        async def call(self: object, query: str, *args: Any, **kwargs: Any) -> Any:
            if _is_recording.get():
                statements.append(query)
            return await method(self, query, *args, **kwargs)

        return call

    driver = asyncpg.Connection
    with (
        mock.patch.object(driver, "fetch", record(driver.fetch)),
        mock.patch.object(driver, "fetchrow", record(driver.fetchrow)),
        mock.patch.object(driver, "fetchval", record(driver.fetchval)),
        mock.patch.object(driver, "execute", record(driver.execute)),
        mock.patch.object(driver, "executemany", record(driver.executemany)),
    ):
        yield statements
    _is_recording.reset(token)
