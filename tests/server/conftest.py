"""The application as it stands in production, and what a test sends to it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

import app
from settings import Settings
from tests.api import KEY, Api, running
from tests.browser import Browser
from tests.server.sockets import GATE, Listening, listen

PRODUCTION_URL = "https://fullmakt.example.com"

Send = Callable[..., Any]


@pytest.fixture
async def production(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in production; the application's own failures come as answers."""
    application = app.create(Settings(database_url=database_url, secret_key=KEY, public_url=PRODUCTION_URL))
    async with running(application, PRODUCTION_URL, raise_app_exceptions=False) as http:
        yield http


@pytest.fixture
def browser(api: Api) -> Browser:
    """A browser that nobody has signed in with."""
    return Browser(api.http)


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    """A server that has no patience with connections."""
    async with listen(GATE) as found:
        yield found
