"""The application on one database, with its people, for all the sequences of a run."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final, TypeVar

import app
from database import db
from models.audit import chain
from resolvers import ids
from settings import Settings
from tests.api import KEY, PUBLIC_URL, Api, Clock, Person, running

PEOPLE: Final = 4
FREE_SEATS: Final = 3
T = TypeVar("T")


class House:
    """The application on one database, with its people, for all the sequences of a run."""

    def __init__(self, database_url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self._stack = AsyncExitStack()
        self.people: list[Person] = []
        self.api = self.run(self._open(database_url))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of something asynchronous."""
        return self.loop.run_until_complete(work)

    async def _open(self, database_url: str) -> Api:
        chosen = Settings(
            env="development",
            database_url=database_url,
            secret_key=KEY,
            public_url=PUBLIC_URL,
            mail_from="Fullmakt <no-reply@example.com>",
            free_seats=FREE_SEATS,
        )
        application = app.create(chosen, clock=self.clock)
        http = await self._stack.enter_async_context(running(application))
        api = Api(http, self.clock)
        for number in range(PEOPLE):
            self.people.append(await api.person(f"person{number}@example.com", f"Person {number}"))
        return api

    def keep_signed_in(self) -> None:
        """Sessions that outlast any sequence: how they end is told elsewhere."""
        far = self.clock.now + timedelta(days=400)
        self.run(db.execute("UPDATE sessions SET last_used_at = $1, expires_at = $1", far))

    def clear(self) -> None:
        """Put the accounts of earlier sequences away; everybody keeps the one that he registered with."""
        homes = [ids.decode("Account", person.account_id) for person in self.people]
        sql = "UPDATE accounts SET closed_at = $1 WHERE closed_at IS NULL AND id <> ALL($2::uuid[])"
        self.run(db.execute(sql, self.clock.now, homes))

    def broken_chains(self) -> list[chain.Checked]:
        """The chains of events that are not whole."""

        async def walk() -> list[chain.Checked]:
            return [one async for one in chain.verify() if one.broken]

        assert self.run(chain.unlinked()) is None
        return self.run(walk())

    def close(self) -> None:
        """Let go of the database."""
        self.run(self._stack.aclose())
        self.loop.close()
