"""The database's clock, and servers whose clocks differ."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette

import app
import embedded
from database import clock, db
from database.clock import DatabaseClock
from models.people.session import MAX_PER_USER, Session
from models.tables import SCHEMA
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, codes, run_application


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[None]:
    """A connection to the database."""
    async with db.connection(database_url, SCHEMA, pool_size=2):
        yield


@pytest.mark.usefixtures("database")
async def test_clock_of_a_wrong_machine_shows_the_time_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    fast_machine = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(hours=1))
    monkeypatch.setattr(clock, "datetime", fast_machine)
    database_clock = DatabaseClock()
    assert database_clock() - datetime.now(UTC) > timedelta(minutes=59)

    async with database_clock.synchronized():
        assert abs(database_clock() - await clock.read()) < timedelta(seconds=1)


@pytest.mark.usefixtures("database")
async def test_clock_is_synchronized_again_and_survives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[datetime | OSError] = [
        datetime(2030, 1, 1, tzinfo=UTC),
        OSError(),
        datetime(2031, 1, 1, tzinfo=UTC),
    ]
    years: list[int] = []

    async def read() -> datetime:
        years.append(database_clock().year)
        reading = readings.pop(0)
        if isinstance(reading, OSError):
            raise reading
        if not readings:
            finished.set()
        return reading

    finished = asyncio.Event()
    monkeypatch.setattr(clock, "read", read)
    monkeypatch.setattr(clock, "INTERVAL_SECONDS", 0.01)
    database_clock = DatabaseClock()

    async with database_clock.synchronized():
        await asyncio.wait_for(finished.wait(), 5)
        await asyncio.sleep(0)

        assert years[1:] == [2030, 2030]
        assert database_clock().year == 2031


def create_application(database_url: str, machine_clock: Clock) -> Starlette:
    settings = Settings(
        env="development",
        database_url=embedded.as_server(database_url),
        secret_key=KEY,
        public_url=PUBLIC_URL,
        mail_from="Fullmakt <no-reply@example.com>",
    )
    return app.create(settings, clock=machine_clock)


@pytest.mark.parametrize("skew", [timedelta(minutes=3), timedelta(hours=5), timedelta(days=-20)])
async def test_sign_ins_work_on_servers_whose_clocks_differ(api: Api, database_url: str, skew: timedelta) -> None:
    anna = await api.person("anna@example.com")
    second_clock = Clock(api.clock.now - skew)
    input_ = {"email": anna.email, "password": PASSWORD}
    selection = "accessToken viewer { user { email } session { id } }"
    async with run_application(create_application(database_url, second_clock)) as http:
        second_server = Api(http, second_clock)
        for server in [api] * MAX_PER_USER + [second_server] * (MAX_PER_USER + 1) + [api, second_server]:
            payload = await server.do("signIn", input_, selection)

            assert codes(payload) == []
            response = await server.ask("{ viewer { user { email } } }", by=payload["accessToken"])
            assert response.data["viewer"]["user"]["email"] == anna.email


async def test_25_sessions_opened_at_once_leave_20_open(api: Api) -> None:
    anna = await api.person("anna@example.com")
    started_at = api.clock.now
    # Each request arrives before the one that opened the session before it.
    for index in range(25):
        api.clock.now = started_at - timedelta(milliseconds=index)
        payload = await api.do(
            "signIn", {"email": anna.email, "password": PASSWORD}, "accessToken viewer { session { id } }"
        )
        assert codes(payload) == []

    assert await Session.filter(ended_at=None).count() == MAX_PER_USER
