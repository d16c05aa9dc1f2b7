"""Helpers of tests that run the scheduled jobs."""

from datetime import datetime, timedelta

from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from tests.api import KEY, Api, Person
from tests.models.refusals import mails

GUEST = "bo@example.com"
RETENTION_JOB = "old rows deleted"


async def run_jobs(api: Api) -> dict[str, int]:
    """Run every job twice and check that the second run changes nothing. Returns the counts of the first run."""
    counts_by_job = await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))
    assert set((await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))).values()) == {0}
    return {name: amount for name, amount in counts_by_job.items() if amount and name != RETENTION_JOB}


async def delete_old_rows(api: Api) -> int:
    """Run the jobs. Returns the number of deleted old rows."""
    return (await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY))))[RETENTION_JOB]


async def mail_counts(kind: str, *people: str) -> list[int]:
    return [len(await mails(email, kind)) for email in people]


async def add_guest_until(api: Api, anna: Person, **duration: float) -> tuple[Person, str, datetime]:
    until = api.clock.now + timedelta(**duration)
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT", grantValidUntil=until.isoformat())
    return bo, key, until
