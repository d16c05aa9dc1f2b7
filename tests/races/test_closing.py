"""Races of closing an account with what others do in it at the same moment."""

from dataclasses import replace
from datetime import timedelta

from database import db
from models.access.grant import Grant
from models.accounts.account import Account
from models.base.caller import Caller
from models.scheduled import jobs
from resolvers import ids
from tests.api import PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import register_trio
from tests.models.bureaus.client_accounts import account_key
from tests.models.closing.closing_setup import close, operator
from tests.models.refusals import attempt
from tests.races.rounds import ROUNDS, Payload, outcome, outcomes, run_concurrently


async def try_to_close(api: Api, owner: Person) -> Payload:
    """A closing by a user who may no longer be the owner."""
    arguments = {"accountId": owner.account_id, "password": PASSWORD}
    response = await attempt(api, "closeAccount", arguments, by=owner)
    payload: Payload | None = response.partial["closeAccount"]
    return payload or {"errors": [{"code": code, "field": None} for code in response.codes]}


async def reopen_all() -> None:
    """Reopen all accounts."""
    await db.execute("UPDATE accounts SET closes_at = NULL WHERE closed_at IS NULL")


async def is_closing(owner: Person) -> bool:
    """True if the account waits for its closing."""
    return (await Account.get(id=account_key(owner.account_id))).closes_at is not None


async def positions(owner: Person, event_type: str) -> list[int]:
    """The positions of the events of a type in the account's chain."""
    sql = """SELECT l.position FROM events e JOIN event_links l ON l.event_id = e.id
        WHERE e.account_id = $1 AND e.type = $2 ORDER BY l.position"""
    return [row.position for row in await db.fetch(sql, account_key(owner.account_id), event_type, row=db.Row)]


async def test_account_is_closed_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        payloads = await run_concurrently(*(try_to_close(api, anna) for _ in range(3)))

        assert outcomes(payloads) == ["ALREADY_CLOSING", "ALREADY_CLOSING", "done"]
        await reopen_all()
    assert len(await positions(anna, "account:account:close-request")) == ROUNDS


async def test_account_closes_or_gets_another_owner(api: Api) -> None:
    owner = await api.person("anna@example.com")
    receiver, _ = await api.guest(owner, "bo@example.com", "ADMINISTRATOR")
    for _ in range(ROUNDS):
        offer = {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD}
        assert codes(await api.do("transferOwnership", offer, by=owner)) == []
        acceptance_call = api.do("acceptOwnership", {"accountId": owner.account_id}, by=receiver)

        close_code, accept_code = map(outcome, await run_concurrently(try_to_close(api, owner), acceptance_call))

        assert (close_code, accept_code) in {("done", "ACCOUNT_CLOSING"), ("FORBIDDEN", "done")}
        assert await is_closing(owner) == (close_code == "done")
        if accept_code == "done":
            owner, receiver = receiver, owner
        await reopen_all()


async def test_no_user_is_invited_after_the_closing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_count = 0
    for number in range(ROUNDS):
        invitation = {"accountId": anna.account_id, "email": f"guest{number}@example.com", "role": "ACCOUNTANT"}

        close_code, invite_code = map(
            outcome, await run_concurrently(try_to_close(api, anna), api.do("inviteUser", invitation, by=anna))
        )

        assert close_code == "done"
        assert invite_code in {"done", "ACCOUNT_CLOSING"}
        issue_positions = await positions(anna, "account:invitation:issue")
        invitation_count += invite_code == "done"
        assert len(issue_positions) == invitation_count
        closed_at = (await positions(anna, "account:account:close-request"))[-1]
        assert all(position < closed_at for position in issue_positions)
        await reopen_all()


async def test_consultant_is_assigned_until_the_closing_or_not_at_all(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    assign_input = {"userId": consultant.user_id, "clientAccountIds": [anna.account_id]}

    async def assign() -> Payload:
        values = {"bureauAccountId": bureau.account_id, **assign_input}
        payload = await api.do("assignConsultant", values, "outcomes { errors { code field } }", by=bureau)
        errors = [error for item in payload["outcomes"] or [] for error in item["errors"]]
        return {"errors": payload["errors"] + errors}

    for _ in range(ROUNDS):
        close_code, assign_code = map(outcome, await run_concurrently(try_to_close(api, bureau), assign()))

        assert close_code == "done"
        assert assign_code in {"done", "ACCOUNT_CLOSING"}
        closes_at = (await Account.get(id=account_key(bureau.account_id))).closes_at
        grants = await Grant.filter(engagement_id__isnull=False, status__in=["ACTIVE", "AWAITING_PERMISSIONS"])
        assert [grant.valid_until for grant in grants] == ([closes_at] if assign_code == "done" else [])
        await db.execute("UPDATE grants SET status = 'REVOKED', ended_at = now() WHERE engagement_id IS NOT NULL")
        await reopen_all()


async def run_jobs(caller: Caller) -> Payload:
    """Run the jobs, as a call of a race."""
    _ = await jobs.run(caller)
    return {"errors": []}


async def test_account_is_reopened_or_closed_by_the_job(api: Api) -> None:
    """The request starts a second before the date, the job runs at the date."""
    closes_at = api.clock.now + timedelta(seconds=1)
    for number in range(ROUNDS):
        anna = await api.person(f"anna{number}@example.com")
        _, grant_id = await api.guest(anna, f"bo{number}@example.com", "ACCOUNTANT")
        await close(api, anna)
        await db.execute("UPDATE accounts SET closes_at = $1 WHERE closes_at IS NOT NULL", closes_at)
        reopen = api.do("reopenAccount", {"accountId": anna.account_id}, by=anna)

        payload, _ = await run_concurrently(reopen, run_jobs(replace(operator(api), now=closes_at)))

        assert outcome(payload) in {"done", "NOT_FOUND"}
        is_open = outcome(payload) == "done"
        account = await Account.get(id=account_key(anna.account_id))
        grant = await Grant.get(id=ids.decode("Grant", grant_id))
        assert (account.closed_at is None, account.closes_at, grant.status == "ACTIVE") == (is_open, None, is_open)
