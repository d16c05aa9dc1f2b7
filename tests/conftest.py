"""Fixtures for all tests: a PostgreSQL server, a database for each test, and the application with a client.

postgres      one server for the whole run, without durability and therefore fast
template      a migrated database on it, without connections after its creation
database_url  a copy of the template, without the rows of the tests before; see kept_database.py
clock, api    the application on this database with a clock that the test moves, and a client of it

Password hashing is cheap in the test process, because thousands of users register there. Tests of the hashing cost
use `costly_passwords`. Server processes that tests start have the production cost.
"""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import argon2
import msgspec
import pytest
from starlette.applications import Starlette

import app
import embedded
from auth import passwords
from mailer import scheduler
from settings import Settings
from tests.api import KEY, PUBLIC_URL, Api, Clock, run_application
from tests.databases import connect as connect
from tests.databases import database_address as database_address
from tests.databases import execute_outside_transaction as execute_outside_transaction
from tests.kept_database import KeptDatabase, keep_database

MIN_MEMORY = 4 * 2**30
"""Free bytes in memory that a run needs: for its databases, and for the tables of the largest tests."""
# `make test-reference` runs the tests of the API a second time, with graphql-core as the executor.
REFERENCE = os.environ.get("TEST_EXECUTOR") == "reference"
EXECUTOR: Literal["compiled", "reference"] = "reference" if REFERENCE else "compiled"


def memory_folder() -> str | None:
    """A file system in memory with room for the databases of this run, or None. A copy of a database takes 13 ms there.

    Containers often have only 64 MiB of it.
    """
    folder = Path("/dev/shm")  # noqa: S108 - mkdtemp creates a new folder in it
    has_room = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= MIN_MEMORY
    return str(folder) if has_room else None


def pytest_collection_finish() -> None:
    """Collect garbage as seldom as the server does, see app.factory. Else this is a tenth of the time of many tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def _scheduler_sleeps() -> Iterator[None]:
    """Let no scheduled job run by itself. After a minute, it would write rows in the middle of a test."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("INTERVAL_SECONDS", "STEP_INTERVAL_SECONDS"):
            monkeypatch.setattr(scheduler, name, 24 * 3600)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of the PostgreSQL server of this run.

    Its folder is not in pytest's tmp_path: only the user who runs pytest can open that, and as root the server runs as
    another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="fullmakt-tests-", dir=memory_folder()))
    folder.chmod(0o711)
    try:
        with embedded.postgres(folder, durable=False) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """The name of a database with all migrations."""
    from database import migrate
    from models.tables import SCHEMA

    name = "template_fullmakt"

    async def prepare() -> None:
        await execute_outside_transaction(postgres, f"CREATE DATABASE {name}")
        await migrate.migrate(database_address(postgres, name), SCHEMA, server_role=embedded.SERVER_ROLE)

    asyncio.run(prepare())
    return name


@pytest.fixture(scope="session")
async def kept_database(postgres: str, template: str) -> AsyncIterator[KeptDatabase]:
    """The database that the tests use one after the other."""
    async with keep_database(postgres, template) as database:
        yield database


@pytest.fixture
async def database_url(kept_database: KeptDatabase) -> AsyncIterator[str]:
    """The address of a migrated database without rows. The next test sees no change that this test makes."""
    yield await kept_database.address()
    await kept_database.reset()


# Argon2id with the minimum of memory and time. All other code for passwords is unchanged.
PRODUCTION_HASHING = passwords._HASHER, passwords._DUMMY_HASH
CHEAP_HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
passwords._HASHER, passwords._DUMMY_HASH = CHEAP_HASHER, CHEAP_HASHER.hash("a dummy password")  # type: ignore[misc]


@pytest.fixture
def costly_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id with the production parameters."""
    hasher, dummy_hash = PRODUCTION_HASHING
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    monkeypatch.setattr(passwords, "_DUMMY_HASH", dummy_hash)


@pytest.fixture
def clock() -> Clock:
    """The clock of the application. It stands still until the test moves it."""
    return Clock()


def create_application(database_url: str, clock: Clock, **limits: int | str) -> Starlette:
    """The complete application. It uses the database as the database role of the server."""
    settings = Settings(
        env="development",
        database_url=embedded.as_server(database_url),
        secret_key=KEY,
        public_url=PUBLIC_URL,
        mail_from="Fullmakt <no-reply@example.com>",
        executor=EXECUTOR,
        max_fields=500,  # Some tests select more fields than a front end does.
    )
    return app.create(msgspec.structs.replace(settings, **limits), clock=clock)


@pytest.fixture
async def api(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """A client of the application with its own database. Only tests of seats, trials and numbers reach their limits."""
    application = create_application(database_url, clock, free_seats=1000, trials_per_user=1000, accounts_per_day=1000)
    async with run_application(application) as http:
        yield Api(http, clock, application)


@pytest.fixture
async def limited_api(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """A client of the application with the limits of a new installation: of seats, trials and accounts."""
    application = create_application(database_url, clock)
    async with run_application(application) as http:
        yield Api(http, clock, application)
