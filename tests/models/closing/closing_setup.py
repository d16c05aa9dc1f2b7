"""Closing of accounts in tests: the request, the job, and what may be done meanwhile."""

from typing import Any

from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from tests.api import KEY, PASSWORD, Api, Person


def operator(api: Api) -> Caller:
    """The caller of jobs and of the command line."""
    return Caller(now=api.clock(), config=OperationConfig(KEY))


async def close(api: Api, owner: Person, selection: str = "") -> Any:
    """Let the owner's account close. Returns the payload."""
    payload = await api.do("closeAccount", {"accountId": owner.account_id, "password": PASSWORD}, selection, by=owner)
    assert payload["errors"] == []
    return payload


async def decide(api: Api, by: Person, permission: str) -> Any:
    """The decision about a permission of a user in the account of `by`."""
    query = f"""query ($id: ID!) {{ account(id: $id) {{
        viewerCan(permission: {permission}) {{ allowed reason grantableBy }} }} }}"""
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    return answer.data["account"]["viewerCan"]


async def wait_for_closing(api: Api, *, with_job: bool = True) -> dict[str, int]:
    """Move the clock to the date of a closing that was just requested, and run the jobs. Returns their counts."""
    api.clock.forward(days=30)
    return await jobs.run(operator(api)) if with_job else {}
