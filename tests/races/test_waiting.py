"""What an operation sees that had to wait for an account: what those before it left there."""

import asyncio
from typing import Any

import pytest

from resolvers import ids
from tests.api import Api, Person, codes
from tests.conftest import connect

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def after(database_url: str, change: str, api: Api, given: dict[str, Any], *, by: Person) -> dict[str, Any]:
    """The payload of an updateGrant that waits for a transaction with `change`, which holds the account."""
    other = await connect(database_url)
    try:
        held = other.transaction()
        await held.start()
        await other.execute("SELECT FROM accounts FOR NO KEY UPDATE")
        asking = asyncio.create_task(api.do("updateGrant", given, "grant { role }", by=by))
        async with asyncio.timeout(10):
            while not await other.fetchval(_WAITING):  # noqa: ASYNC110 - it happens in the database
                await asyncio.sleep(0.01)
        await other.execute(change)
        await held.commit()
        return await asking
    finally:
        await other.close()


async def test_access_that_was_taken_back_while_it_was_waited_for_is_gone(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, own = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _, grant = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    revoking = f"UPDATE grants SET status = 'REVOKED' WHERE id = '{ids.decode('Grant', own)}'"

    done = await after(database_url, revoking, api, {"grantId": grant, "role": "SIMPLE_USER"}, by=bo)

    assert codes(done) == [("NOT_FOUND", ["grantId"])]


async def test_a_role_that_was_taken_meanwhile_gives_nothing_more(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, own = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _, grant = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    demoting = f"UPDATE grants SET role = 'ACCOUNTANT' WHERE id = '{ids.decode('Grant', own)}'"

    with pytest.raises(AssertionError, match="FORBIDDEN"):
        await after(database_url, demoting, api, {"grantId": grant, "role": "SIMPLE_USER"}, by=bo)


async def test_a_grant_that_was_raised_meanwhile_is_judged_as_it_is(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _, grant = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    raising = f"UPDATE grants SET role = 'ADMINISTRATOR' WHERE id = '{ids.decode('Grant', grant)}'"

    done = await after(database_url, raising, api, {"grantId": grant, "role": "SIMPLE_USER"}, by=bo)

    assert codes(done) == [("ROLE_TOO_HIGH", ["grantId"])]


async def test_an_account_that_was_closed_meanwhile_is_not_there(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    _, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    closing = "UPDATE accounts SET closed_at = created_at"

    done = await after(database_url, closing, api, {"grantId": grant, "role": "SIMPLE_USER"}, by=anna)

    assert codes(done) == [("NOT_FOUND", ["grantId"])]
