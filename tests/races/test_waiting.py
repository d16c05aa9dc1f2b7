"""An operation that waited for the account's lock uses the state after the concurrent transaction."""

import asyncio
from typing import Any

import pytest

from resolvers import ids
from tests.api import Api, Person, codes
from tests.conftest import connect

_LOCK_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def update_grant_after(
    database_url: str, change: str, api: Api, arguments: dict[str, Any], *, by: Person
) -> dict[str, Any]:
    """Run updateGrant while a transaction with `change` has locked the account. Returns its payload."""
    blocker = await connect(database_url)
    try:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM accounts FOR NO KEY UPDATE")
        request = asyncio.create_task(api.do("updateGrant", arguments, "grant { role }", by=by))
        async with asyncio.timeout(10):
            while not await blocker.fetchval(_LOCK_WAITS):  # noqa: ASYNC110 - the state of another process
                await asyncio.sleep(0.01)
        await blocker.execute(change)
        await transaction.commit()
        return await request
    finally:
        await blocker.close()


async def test_access_revoked_during_the_wait_is_refused(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, own_grant_id = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _, grant_id = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    revoke_sql = f"UPDATE grants SET status = 'REVOKED' WHERE id = '{ids.decode('Grant', own_grant_id)}'"

    payload = await update_grant_after(
        database_url, revoke_sql, api, {"grantId": grant_id, "role": "SIMPLE_USER"}, by=bo
    )

    assert codes(payload) == [("NOT_FOUND", ["grantId"])]


async def test_role_demoted_during_the_wait_is_refused(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, own_grant_id = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _, grant_id = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    demote_sql = f"UPDATE grants SET role = 'ACCOUNTANT' WHERE id = '{ids.decode('Grant', own_grant_id)}'"

    with pytest.raises(AssertionError, match="FORBIDDEN"):
        await update_grant_after(database_url, demote_sql, api, {"grantId": grant_id, "role": "SIMPLE_USER"}, by=bo)


async def test_grant_promoted_during_the_wait_is_protected_by_its_new_role(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _, grant_id = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    promote_sql = f"UPDATE grants SET role = 'ADMINISTRATOR' WHERE id = '{ids.decode('Grant', grant_id)}'"

    payload = await update_grant_after(
        database_url, promote_sql, api, {"grantId": grant_id, "role": "SIMPLE_USER"}, by=bo
    )

    assert codes(payload) == [("ROLE_TOO_HIGH", ["grantId"])]


async def test_account_closed_during_the_wait_is_not_found(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    _, grant_id = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    close_sql = "UPDATE accounts SET closed_at = created_at"

    payload = await update_grant_after(
        database_url, close_sql, api, {"grantId": grant_id, "role": "SIMPLE_USER"}, by=anna
    )

    assert codes(payload) == [("NOT_FOUND", ["grantId"])]
