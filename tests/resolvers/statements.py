"""Counting what is sent to the database."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest import mock

import asyncpg

_here: ContextVar[bool] = ContextVar("_here", default=False)


@contextmanager
def counted() -> Generator[list[str]]:
    """Every statement that the block asks the driver for, in order; those of other tasks are not its own."""
    sent: list[str] = []
    token = _here.set(True)

    def noted(method: Any) -> Any:  # any of the driver's own
        async def call(self: object, query: str, *args: Any, **more: Any) -> Any:
            if _here.get():
                sent.append(query)
            return await method(self, query, *args, **more)

        return call

    driver = asyncpg.Connection
    with (
        mock.patch.object(driver, "fetch", noted(driver.fetch)),
        mock.patch.object(driver, "fetchrow", noted(driver.fetchrow)),
        mock.patch.object(driver, "fetchval", noted(driver.fetchval)),
        mock.patch.object(driver, "execute", noted(driver.execute)),
        mock.patch.object(driver, "executemany", noted(driver.executemany)),
    ):
        yield sent
    _here.reset(token)
