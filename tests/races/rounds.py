"""Helpers of race tests. A race test runs many rounds; in each round, requests start at almost the same time.

The requests go through one application. Its pool gives each request its own database connection, so PostgreSQL sees
different clients. Some races run on two servers. The default is 50 rounds of each test; more with RACE_ROUNDS:

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


async def run_concurrently(*calls: Coroutine[Any, Any, Payload]) -> list[Payload]:
    """Run calls concurrently, each after a random delay of at most SPREAD_SECONDS. Returns payloads in call order."""
    await reset_mail_limits()

    async def run_late(call: Coroutine[Any, Any, Payload]) -> Payload:
        await asyncio.sleep(random.random() * SPREAD_SECONDS)  # noqa: S311 - not a secret
        return await call

    return await asyncio.gather(*map(run_late, calls))


async def reset_mail_limits() -> None:
    """Reset all throttles except those of secrets, so that the mails of earlier rounds do not count."""
    await db.execute("UPDATE guesses SET tried = '{}' WHERE kind NOT IN ('code', 'voucher', 'password')")


def outcome(payload: Payload) -> str:
    """The code of a payload's one error, or "done"."""
    error_codes = [code for code, _ in codes(payload)]
    assert len(error_codes) <= 1
    return error_codes[0] if error_codes else "done"


def outcomes(payloads: list[Payload]) -> list[str]:
    """The outcomes in alphabetical order, because any call may be first."""
    return sorted(map(outcome, payloads))


async def invite(api: Api, by: Person, email: str, role: str = "ACCOUNTANT") -> tuple[str, str]:
    """Create an invitation. Returns its id and the token of its link."""
    await reset_mail_limits()
    invite_input = {"accountId": by.account_id, "email": email, "role": role}
    payload = await api.do("inviteUser", invite_input, "invitation { id }", by=by)
    assert payload["errors"] == []
    return payload["invitation"]["id"], await api.link(email, "invitation")


async def accept(api: Api, token: str, by: Person | None = None, *, login: dict[str, str] | None = None) -> Payload:
    """Accept an invitation by its link: as user `by`, or with a new `login`."""
    return await api.do("acceptInvitation", {"token": token, **(login or {})}, "grant { id }", by=by)
