"""Races between access requests and decisions about them."""

from collections.abc import Mapping

from database import db
from models.outbox.mail_limit import NEW
from resolvers import ids
from tests.api import Api, Person
from tests.models.refusals import events
from tests.races.rounds import ROUNDS, Payload, accept, invite, outcome, outcomes, run_concurrently

NUMBER = {"organizationNumber": "923609016", "country": "NO"}


async def register_pair(api: Api) -> tuple[Person, Person]:
    anna = await api.person("anna@example.com", **NUMBER)
    return anna, await api.person("bo@example.com")


async def ask(api: Api, by: Person) -> Payload:
    return await api.do("requestAccess", {"role": "ACCOUNTANT", **NUMBER}, by=by)


async def create_request(api: Api, by: Person) -> dict[str, str]:
    """Create an access request. Returns the input that identifies it."""
    assert (await ask(api, by))["errors"] == []
    answer = await api.ask("{ viewer { accessRequests(first: 1) { nodes { id } } } }", by=by)
    return {"accessRequestId": answer.data["viewer"]["accessRequests"]["nodes"][0]["id"]}


async def count_guests() -> int:
    """The number of active grants of guests."""
    rows = await db.fetch("SELECT FROM grants WHERE role <> 'OWNER' AND status = 'ACTIVE'", row=db.Row)
    return len(rows)


async def reset() -> None:
    """End all grants and requests, and move the requests to an earlier day because of the daily limit."""
    await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    await db.execute("UPDATE access_requests SET status = 'WITHDRAWN' WHERE status = 'PENDING'")
    await db.execute("UPDATE access_requests SET created_at = created_at - interval '2 days'")


async def test_concurrent_approvals_create_one_grant(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        arguments = await create_request(api, bo)

        payloads = await run_concurrently(*(api.do("approveAccessRequest", arguments, by=anna) for _ in range(2)))

        assert outcomes(payloads) == ["INVALID_STATE", "done"]
        assert await count_guests() == 1
        await reset()
    assert len(await events("account:access-request:approve")) == ROUNDS


async def test_one_of_approval_decline_and_withdrawal_succeeds(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        arguments = await create_request(api, bo)

        payloads = await run_concurrently(
            api.do("approveAccessRequest", arguments, by=anna),
            api.do("declineAccessRequest", arguments, by=anna),
            api.do("withdrawAccessRequest", arguments, by=bo),
        )

        assert outcomes(payloads) == ["INVALID_STATE", "INVALID_STATE", "done"]
        assert await count_guests() == (1 if outcome(payloads[0]) == "done" else 0)
        await reset()


async def test_concurrent_approval_and_acceptance_create_one_grant(api: Api) -> None:
    anna, bo = await register_pair(api)
    for _ in range(ROUNDS):
        arguments = await create_request(api, bo)
        _, token = await invite(api, anna, bo.email)

        payloads = await run_concurrently(api.do("approveAccessRequest", arguments, by=anna), accept(api, token, bo))

        assert outcomes(payloads) == ["ALREADY_MEMBER", "done"]
        assert await count_guests() == 1
        await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")
        await reset()


async def test_concurrent_equal_requests_create_one(api: Api) -> None:
    _, bo = await register_pair(api)
    for _ in range(ROUNDS):
        payloads = await run_concurrently(*(ask(api, bo) for _ in range(3)))

        assert outcomes(payloads) == ["done"] * 3
        sql = "SELECT account_id FROM access_requests WHERE status = 'PENDING'"
        assert [row.account_id is None for row in await db.fetch(sql, row=db.Row)] == [False]
        await reset()


async def request_access(api: Api, person: Person, request_input: Mapping[str, object]) -> Payload:
    """Request access. A top-level error becomes an error of the payload."""
    mutation = "mutation ($input: RequestAccessInput!) { requestAccess(input: $input) { errors { code field } } }"
    response = await api.ask(mutation, {"input": request_input}, by=person)
    return response.partial["requestAccess"] or {"errors": [{"code": code, "field": []} for code in response.codes]}


async def test_concurrent_requests_do_not_exceed_daily_limit(api: Api) -> None:
    _, bo = await register_pair(api)
    for _ in range(ROUNDS // 10):
        inputs = [
            {"role": "ACCOUNTANT", "accountNumber": 20_000_000 + index}
            for index in range(NEW.access_requests.max_attempts + 3)
        ]

        payloads = await run_concurrently(*(request_access(api, bo, request_input) for request_input in inputs))

        assert outcomes(payloads) == ["RATE_LIMITED"] * 3 + ["done"] * NEW.access_requests.max_attempts
        await reset()


async def test_approval_after_revocation_of_approver_is_refused(api: Api) -> None:
    anna, bo = await register_pair(api)
    admin, _ = await api.guest(anna, "admin@example.com", "ADMINISTRATOR")
    sql = "SELECT id FROM grants WHERE role = 'ADMINISTRATOR'"
    grant = ids.encode("Grant", (await db.fetch(sql, row=db.Row))[0].id)
    for _ in range(ROUNDS // 2):
        await db.execute("UPDATE grants SET status = 'ACTIVE', ended_at = NULL WHERE role = 'ADMINISTRATOR'")
        arguments = await create_request(api, bo)

        approve_payload, revoke_payload = await run_concurrently(
            api.do("approveAccessRequest", arguments, by=admin), api.do("revokeGrant", {"grantId": grant}, by=anna)
        )

        assert outcome(revoke_payload) == "done"
        assert outcome(approve_payload) in {"done", "NOT_FOUND"}
        assert await count_guests() == (1 if outcome(approve_payload) == "done" else 0)
        await reset()
