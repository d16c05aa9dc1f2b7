"""Fixture of races between processes: two servers on one database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from database import db
from models.tables import SCHEMA
from tests.api import Api
from tests.serving import run_process


@pytest.fixture
async def servers(database_url: str) -> AsyncIterator[list[Api]]:
    """API clients of two server processes. The test process is connected to their database as its owner."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(db.connection(database_url, SCHEMA, pool_size=2))
        yield [(await stack.enter_async_context(run_process(database_url))).api for _ in range(2)]
