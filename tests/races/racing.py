"""How the races are run: many rounds, each with requests that start at almost the same moment.

The requests go through one application, whose pool gives each a connection of its own, so that
PostgreSQL sees them as different clients. One race runs through two servers. CI runs 50 rounds of
each; RACE_ROUNDS=2000 makes a campaign of them:

    RACE_ROUNDS=2000 .venv/bin/python -m pytest tests/races
"""

import asyncio
import os
import random
from collections.abc import Coroutine
from typing import Any, Final

from database import db
from tests.api import Api, Person, codes

ROUNDS: Final = int(os.environ.get("RACE_ROUNDS", "50"))
SPREAD_SECONDS: Final = 0.004

Payload = dict[str, Any]


async def at_once(*calls: Coroutine[Any, Any, Payload]) -> list[Payload]:
    """Run calls together, in an order and with a spread that differ from round to round."""
    await another_day()

    async def late(call: Coroutine[Any, Any, Payload]) -> Payload:
        await asyncio.sleep(random.random() * SPREAD_SECONDS)  # noqa: S311 - not a secret
        return await call

    return await asyncio.gather(*map(late, calls))


async def another_day() -> None:
    """Let no round be refused for the mails of those before; what was guessed stays counted."""
    await db.execute("UPDATE guesses SET tried = '{}' WHERE kind NOT IN ('code', 'voucher', 'password')")


def outcome(payload: Payload) -> str:
    """The code of a payload's one error, or "done"."""
    found = [code for code, _ in codes(payload)]
    assert len(found) <= 1
    return found[0] if found else "done"


def outcomes(payloads: list[Payload]) -> list[str]:
    """The outcomes, sorted: who came first does not matter."""
    return sorted(map(outcome, payloads))


async def invite(api: Api, by: Person, email: str, role: str = "ACCOUNTANT") -> tuple[str, str]:
    """The id of a new invitation, and its link's token."""
    await another_day()
    given = {"accountId": by.account_id, "email": email, "role": role}
    done = await api.do("inviteUser", given, "invitation { id }", by=by)
    assert done["errors"] == []
    return done["invitation"]["id"], await api.link(email, "invitation")


async def accept(api: Api, token: str, by: Person | None = None, *, login: dict[str, str] | None = None) -> Payload:
    """Accept an invitation by its link, with a login that is there or a new one."""
    return await api.do("acceptInvitation", {"token": token, **(login or {})}, "grant { id }", by=by)
