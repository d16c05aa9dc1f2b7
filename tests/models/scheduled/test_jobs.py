"""The scheduled jobs. Each change is stored once and mailed once, however often the jobs run."""

from models.scheduled import jobs
from models.sharing.ownership import OwnershipTransfer
from tests.api import PASSWORD, Api, codes
from tests.models.refusals import events
from tests.models.scheduled.job_runs import GUEST, mail_counts, run_jobs


def test_modules_add_jobs_and_steps() -> None:
    assert jobs.all_jobs().keys() > jobs.JOBS.keys()
    assert "exports ended" in jobs.all_jobs()
    assert "parts of exports written" in jobs.steps()


async def test_ownership_offer_expires_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "ACCOUNTANT")
    arguments = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", arguments, by=anna)) == []
    api.clock.forward(days=7)

    assert await run_jobs(api) == {"offers of ownership expired": 1}

    assert [row.status for row in await OwnershipTransfer.all()] == ["EXPIRED"]
    assert await mail_counts("ownership-expired", GUEST, anna.email) == [1, 1]
    assert len(await events("account:ownership:expire")) == 1
