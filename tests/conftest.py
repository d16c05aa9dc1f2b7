"""What every test can ask for: a database of its own.

postgres      one server for the whole run, forgetful and fast
template      one migrated database on it, never connected to again
database_url  a copy of the template for one test, dropped afterwards
clock, api    the application on such a database, its time in the test's hands, and a client of it

Passwords cost next to nothing here, where thousands of people sign up in one process; tests that are
about their cost ask for `costly_passwords`, and server processes of their own have them anyway.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import argon2
import asyncpg
import pytest

import app
import embedded
from auth import passwords
from settings import Settings
from tests.api import KEY, PUBLIC_URL, Api, Clock, running

NUMBERS = count(1)
# `make test-reference` runs the tests of the API a second time, through graphql-core.
REFERENCE = os.environ.get("TEST_EXECUTOR") == "reference"
EXECUTOR: Literal["compiled", "reference"] = "reference" if REFERENCE else "compiled"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of the run's own server.

    Not under pytest's tmp_path: pytest closes that to others, and as root the server runs as another.
    """
    folder = Path(tempfile.mkdtemp(prefix="fullmakt-tests-"))
    folder.chmod(0o711)
    try:
        with embedded.postgres(folder, durable=False) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """The name of a database that has every migration."""
    from database import migrate
    from models.tables import SCHEMA

    name = "template_fullmakt"

    async def prepare() -> None:
        await administer(postgres, f"CREATE DATABASE {name}")
        await migrate.migrate(at(postgres, name), SCHEMA, server_role=embedded.SERVER_ROLE)

    asyncio.run(prepare())
    return name


@pytest.fixture
async def database_url(postgres: str, template: str) -> AsyncIterator[str]:
    """The address of a migrated database that only this test sees. About 40 ms; STRATEGY FILE_COPY would be slower."""
    name = f"test_{next(NUMBERS)}"
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield at(postgres, name)
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def at(url: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A bare connection, for what a test must see or break behind the models' back."""
    return await asyncpg.connect(url.replace("asyncpg:", "postgresql:", 1))


async def administer(url: str, statement: str) -> None:
    """Run a statement that no transaction may hold."""
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


# Argon2id with the least memory and time that it takes; everything else about passwords is as it is.
COSTLY = passwords._HASHER, passwords._DUMMY_HASH
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
passwords._HASHER, passwords._DUMMY_HASH = CHEAP, CHEAP.hash("the password of nobody")  # type: ignore[misc]


@pytest.fixture
def costly_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id as it is served."""
    hasher, nobody = COSTLY
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    monkeypatch.setattr(passwords, "_DUMMY_HASH", nobody)


@pytest.fixture
def clock() -> Clock:
    """The application's time; stands still until the test moves it."""
    return Clock()


@pytest.fixture
async def api(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """A client of the whole application, on a database of its own, as the role that serves."""
    application = app.create(
        Settings(
            env="development",
            database_url=embedded.as_server(database_url),
            secret_key=KEY,
            public_url=PUBLIC_URL,
            mail_from="Fullmakt <no-reply@example.com>",
            executor=EXECUTOR,
            free_seats=1000,  # Tests of other things never run out of them.
            max_fields=500,  # Some ask for everything at once, more than a front end would.
        ),
        clock=clock,
    )
    async with running(application) as http:
        yield Api(http, clock, application)
