"""Fixtures: the application in production mode, a browser, and a bare connection server."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

import app
from settings import Settings
from tests.api import KEY, Api, run_application
from tests.browser import Browser
from tests.server.sockets import GUARD, EchoServer, run_server

PRODUCTION_URL = "https://fullmakt.example.com"

Send = Callable[..., Any]


@pytest.fixture
async def production(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in production mode. Internal errors become responses."""
    application = app.create(Settings(database_url=database_url, secret_key=KEY, public_url=PRODUCTION_URL))
    async with run_application(application, PRODUCTION_URL, raise_app_exceptions=False) as http:
        yield http


@pytest.fixture
def browser(api: Api) -> Browser:
    """A browser without a session."""
    return Browser(api.http)


@pytest.fixture
async def echo_server() -> AsyncIterator[EchoServer]:
    """A connection server with short timeouts."""
    async with run_server(GUARD) as server:
        yield server
