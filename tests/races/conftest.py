"""Two servers on one database, for races between processes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from database import db
from models.tables import SCHEMA
from tests.api import Api
from tests.serving import serve


@pytest.fixture
async def servers(database_url: str) -> AsyncIterator[list[Api]]:
    """Clients of two processes; this one reads and writes their database as its owner."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(db.connection(database_url, SCHEMA, pool_size=2))
        yield [(await stack.enter_async_context(serve(database_url))).api for _ in range(2)]
