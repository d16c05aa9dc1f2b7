"""The expiry of grants: stored once and mailed once, however often the job runs."""

from datetime import timedelta

from models.access.grant import Grant
from tests.api import Api, codes
from tests.models.refusals import events
from tests.models.scheduled.job_runs import GUEST, add_guest_until, mail_counts, run_jobs


async def test_expired_grant_is_stored_recorded_and_mailed_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _, until = await add_guest_until(api, anna, days=2)
    query = "query ($id: ID!) { account(id: $id) { name } }"
    api.clock.now = until - timedelta(seconds=1)
    assert await run_jobs(api) == {}
    assert (await api.ask(query, {"id": anna.account_id}, by=bo)).data["account"] is not None

    api.clock.now = until

    # Refused before any job has run.
    assert (await api.ask(query, {"id": anna.account_id}, by=bo)).data["account"] is None
    assert await run_jobs(api) == {"grants expired": 1}
    (grant,) = await Grant.filter(role="ACCOUNTANT")
    assert (grant.status, grant.ended_at) == ("EXPIRED", until)
    (event,) = await events("account:grant:expire")
    assert (event.actor_id, event.occurred_at) == (None, until)
    assert await mail_counts("grant-expired", GUEST, anna.email) == [1, 0]


async def test_new_invitation_stores_expiry_of_old_grant_before_the_job(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await add_guest_until(api, anna, days=2)
    api.clock.forward(days=2)

    arguments = {"accountId": anna.account_id, "email": GUEST, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", arguments, by=anna)) == []

    assert await run_jobs(api) == {}
    (event,) = await events("account:grant:expire")
    assert event.actor_id is None
    assert await mail_counts("grant-expired", GUEST) == [1]


async def test_revoked_grant_is_neither_announced_nor_expired(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key, until = await add_guest_until(api, anna, days=20)
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []

    api.clock.now = until - timedelta(days=1)
    assert await run_jobs(api) == {}
    api.clock.now = until
    assert await run_jobs(api) == {}
