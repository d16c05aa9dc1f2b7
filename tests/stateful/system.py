"""The application under test for random scenarios."""

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
from tests.api import KEY, PUBLIC_URL, Api, Clock, Person, Response, run_application
from tests.stateful.model_rows import SUCCESS

PEOPLE: Final = 4
FREE_SEATS: Final = 3
T = TypeVar("T")


class System:
    """The application on one database. All scenarios of a run share it and its people."""

    def __init__(self, database_url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self._stack = AsyncExitStack()
        self.people: list[Person] = []
        self.api = self.run(self._open(database_url))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result."""
        return self.loop.run_until_complete(coroutine)

    async def _open(self, database_url: str) -> Api:
        config = Settings(
            env="development",
            database_url=database_url,
            secret_key=KEY,
            public_url=PUBLIC_URL,
            mail_from="Fullmakt <no-reply@example.com>",
            free_seats=FREE_SEATS,
            trials_per_user=10_000,
            accounts_per_day=10_000,
            budget=0,
        )
        application = app.create(config, clock=self.clock)
        http = await self._stack.enter_async_context(run_application(application))
        api = Api(http, self.clock)
        for number in range(PEOPLE):
            self.people.append(await api.person(f"person{number}@example.com", f"Person {number}"))
        return api

    def extend_sessions(self) -> None:
        """Make all sessions last longer than any scenario. Other tests cover their end."""
        expires_at = self.clock.now + timedelta(days=400)
        self.run(db.execute("UPDATE sessions SET last_used_at = $1, expires_at = $1", expires_at))

    def reset_rate_limits(self) -> None:
        """Forget all attempts, because the reference model has no rate limits. Other tests cover them."""
        self.run(db.execute("DELETE FROM guesses"))

    def close_accounts(self) -> None:
        """Close the accounts of earlier scenarios. Each person keeps the first account."""
        kept_ids = [ids.decode("Account", person.account_id) for person in self.people]
        sql = "UPDATE accounts SET closed_at = $1 WHERE closed_at IS NULL AND id <> ALL($2::uuid[])"
        self.run(db.execute(sql, self.clock.now, kept_ids))

    def broken_chains(self) -> list[chain.ChainReport]:
        """The reports of the event chains that are broken."""

        async def walk() -> list[chain.ChainReport]:
            return [report async for report in chain.verify() if report.first_break]

        assert self.run(chain.find_unlinked()) is None
        return self.run(walk())

    def close(self) -> None:
        """Close the application and the database connections."""
        self.run(self._stack.aclose())
        self.loop.close()


def outcome_of(answer: Response, name: str) -> tuple[str, dict[str, Any]]:
    """The outcome of a mutation, "done" or the code of its error, and its payload."""
    if answer.errors:
        assert len(set(answer.codes)) == 1, answer.body
        return answer.codes[0], {}
    payload = answer.data[name]
    error_codes = [error["code"] for error in payload["errors"]]
    return (error_codes[0] if error_codes else SUCCESS), payload
