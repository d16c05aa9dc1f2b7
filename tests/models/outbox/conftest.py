"""A database without a server, for tests of the outbox by itself."""

from collections.abc import AsyncIterator

import pytest

from database import db
from models.tables import SCHEMA


@pytest.fixture
async def outbox(database_url: str) -> AsyncIterator[None]:
    async with db.connection(database_url, SCHEMA, pool_size=4):
        yield
