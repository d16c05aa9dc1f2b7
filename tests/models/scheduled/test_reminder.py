"""Reminders before the ends of grants and subscriptions."""

from datetime import datetime, timedelta

import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, codes
from tests.models.bureaus.bureau_setup import assign_with_permissions, register_bureau, register_trio
from tests.models.closing.closing_setup import close
from tests.models.scheduled.job_runs import (
    GUEST,
    add_guest_until,
    mail_counts,
    run_jobs,
)

# ---- Ends of grants --------------------------------------------------------------------------


async def test_grant_end_is_announced_to_holder_and_owner_a_week_before(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key, until = await add_guest_until(api, anna, days=15)
    api.clock.now = until - timedelta(days=7, seconds=1)
    assert await run_jobs(api) == {}

    api.clock.now = until - timedelta(days=7)

    assert await run_jobs(api) == {"grants announced to end": 1}
    assert await mail_counts("grant-ending", GUEST, anna.email) == [1, 1]
    api.clock.forward(days=1)
    earlier = (until - timedelta(days=1)).isoformat()
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": earlier}, by=anna)) == []
    assert await run_jobs(api) == {"grants announced to end": 1}
    later = until + timedelta(days=20)
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": later.isoformat()}, by=anna)) == []
    assert await run_jobs(api) == {}
    api.clock.now = later - timedelta(days=7)
    assert (await run_jobs(api))["grants announced to end"] == 1
    assert await mail_counts("grant-ending", GUEST, anna.email) == [3, 3]


async def test_grant_for_less_than_a_week_is_not_announced(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key, until = await add_guest_until(api, anna, days=5)

    assert await run_jobs(api) == {}
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []
    end = (until + timedelta(days=1)).isoformat()
    assert codes(await api.do("restoreGrant", {"grantId": key, "validUntil": end}, by=anna)) == []
    assert await run_jobs(api) == {}


@pytest.mark.parametrize("first_days", [None, 15])
async def test_end_of_new_grant_that_comes_near_is_announced(api: Api, first_days: int | None) -> None:
    anna = await api.person("anna@example.com")
    arguments = {"grantValidUntil": (api.clock.now + timedelta(days=first_days)).isoformat()} if first_days else {}
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT", **arguments)
    api.clock.forward(hours=1)

    for index, days in enumerate((3, 2)):
        end = (api.clock.now + timedelta(days=days)).isoformat()
        assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": end}, by=anna)) == []
        assert await run_jobs(api) == {"grants announced to end": 1}
        assert await mail_counts("grant-ending", GUEST, anna.email) == [index + 1, index + 1]


async def test_owner_without_activated_login_gets_no_grant_reminder(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, _, until = await add_guest_until(api, anna, days=15)
    await db.execute("UPDATE users SET activated_at = NULL WHERE email = $1", anna.email)

    api.clock.now = until - timedelta(days=7)

    assert await run_jobs(api) == {"grants announced to end": 1}
    assert await mail_counts("grant-ending", GUEST, anna.email) == [1, 0]


async def test_end_of_a_consultants_grant_with_the_bureau_is_announced_at_once_and_not_again(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    _ = await assign_with_permissions(api, bureau, kari, anna)

    await close(api, bureau)
    api.clock.forward(days=23)

    assert "grants announced to end" not in await run_jobs(api)
    assert await mail_counts("grant-ending", kari.email, anna.email) == [0, 0]
    assert await mail_counts("account-closing", kari.email, anna.email) == [1, 1]


# ---- Ends of subscriptions -------------------------------------------------------------------


async def set_subscription_end(until: datetime) -> None:
    """Set the end of all subscriptions without a ledger entry, as if it had been set long ago."""
    await db.execute("UPDATE accounts SET subscription_until = $1", until)


async def test_subscription_end_is_announced_three_times(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=60)
    await set_subscription_end(until)
    for index, days in enumerate((30, 7, 1)):
        api.clock.now = until - timedelta(days=days, seconds=1)
        assert await run_jobs(api) == {}
        api.clock.now = until - timedelta(days=days)
        assert await run_jobs(api) == {"subscriptions announced to end": 1}
        assert await mail_counts("subscription-ending", anna.email) == [index + 1]
        assert await mail_counts("subscription-ended", anna.email) == [0]
    api.clock.now = until

    assert await run_jobs(api) == {"subscriptions announced to end": 1}

    assert await mail_counts("subscription-ending", anna.email) == [3]
    assert await mail_counts("subscription-ended", anna.email) == [1]


async def test_end_of_subscription_long_ago_and_account_without_days_are_not_announced(api: Api) -> None:
    anna = await api.person("anna@example.com")
    assert codes(await api.do("createAccount", {"name": "Second"}, by=anna)) == []
    assert await run_jobs(api) == {}

    await set_subscription_end(api.clock.now - timedelta(days=8))

    assert await run_jobs(api) == {}


async def test_end_that_comes_near_by_a_transfer_is_announced_for_each_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    transfer = {"accountId": payload["account"]["id"], "payerAccountId": anna.account_id}
    await db.execute("UPDATE accounts SET trial_until = NULL WHERE id = $1", ids.decode("Account", anna.account_id))

    for index, days in enumerate((10, 11)):  # 20 and 9 days are left
        assert codes(await api.do("extendSubscription", {**transfer, "days": days}, by=anna)) == []
        assert (await run_jobs(api)).get("subscriptions announced to end") == 1
        assert await mail_counts("subscription-ending", anna.email) == [index + 1]
    api.clock.forward(hours=1)
    back = {"accountId": anna.account_id, "payerAccountId": transfer["accountId"], "days": 10}
    assert codes(await api.do("extendSubscription", back, by=anna)) == []
    assert await run_jobs(api) == {}  # 19 days are left, which the owner knows


async def test_account_whose_trial_is_taken_back_is_announced_as_read_only(limited_api: Api) -> None:
    """The client has had a trial before. The account ends with what is left of the day."""
    api = limited_api
    client = await api.person("cy@example.com")
    bureau = await register_bureau(api)
    arguments = {"bureauAccountId": bureau.account_id, "name": "Client AS"}
    arguments |= {"ownerName": "Cy Client", "ownerEmail": client.email}
    assert codes(await api.do("createClientAccount", arguments, by=bureau)) == []
    assert await run_jobs(api) == {}
    api.clock.forward(hours=1)
    token = await api.link(client.email, "activation")
    assert codes(await api.do("activate", {"token": token}, by=client)) == []

    assert await run_jobs(api) == {"subscriptions announced to end": 1}
    assert await mail_counts("subscription-ending", client.email, bureau.email) == [1, 1]
    api.clock.forward(days=1)

    assert await run_jobs(api) == {"subscriptions announced to end": 1}
    assert await mail_counts("subscription-ended", client.email, bureau.email) == [1, 1]


async def test_only_nearest_of_overdue_reminders_is_sent(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=60)
    await set_subscription_end(until)

    api.clock.now = until - timedelta(hours=5)

    assert await run_jobs(api) == {"subscriptions announced to end": 1}
    assert await mail_counts("subscription-ending", anna.email) == [1]


async def test_extension_makes_reminders_due_again(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=60)
    await set_subscription_end(until)
    for days in (30, 7):
        api.clock.now = until - timedelta(days=days)
        assert len(await run_jobs(api)) == 1

    await set_subscription_end(until + timedelta(days=60))

    for index, days in enumerate((30, 7, 1)):
        api.clock.now = until + timedelta(days=60 - days)
        assert await run_jobs(api) == {"subscriptions announced to end": 1}
        assert await mail_counts("subscription-ending", anna.email) == [index + 3]


async def test_reminder_due_when_end_was_set_is_not_sent(api: Api) -> None:
    """A trial of 30 days does not begin with a reminder."""
    anna = await api.person("anna@example.com")
    assert await run_jobs(api) == {}

    api.clock.forward(days=23)

    assert await run_jobs(api) == {"subscriptions announced to end": 1}
    assert await mail_counts("subscription-ending", anna.email) == [1]


async def test_unactivated_registration_and_closed_account_get_no_reminder(api: Api) -> None:
    arguments = {"name": "Nils Ny", "email": "nils@example.com", "password": PASSWORD}
    assert codes(await api.do("register", arguments)) == []
    api.clock.forward(days=29)
    await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))
    assert await mail_counts("subscription-ending", "nils@example.com") == [0]
    anna = await api.person("anna@example.com")
    await db.execute("UPDATE accounts SET closed_at = $1", api.clock.now)
    api.clock.forward(days=29)

    assert "subscriptions announced to end" not in await run_jobs(api)
    assert await mail_counts("subscription-ending", anna.email) == [0]


async def test_bureau_that_opened_account_gets_reminders_while_engaged(api: Api) -> None:
    bureau = await register_bureau(api)
    arguments = {"bureauAccountId": bureau.account_id, "name": "Client AS"}
    arguments |= {"ownerName": "Cy Client", "ownerEmail": "cy@example.com"}
    assert codes(await api.do("createClientAccount", arguments, by=bureau)) == []
    until = api.clock.now + timedelta(days=60)
    await set_subscription_end(until)

    api.clock.now = until - timedelta(days=30)

    # One for the bureau's own account and one for the client account, whose owner has not activated the login.
    assert await run_jobs(api) == {"subscriptions announced to end": 2}
    assert await mail_counts("subscription-ending", bureau.email, "cy@example.com") == [2, 0]
    await db.execute("UPDATE engagements SET status = 'ENDED', ended_at = created_at")
    api.clock.now = until - timedelta(days=7)
    await run_jobs(api)
    assert await mail_counts("subscription-ending", bureau.email, "cy@example.com") == [3, 0]
