"""Requests for access, when they are asked and decided at the same moment."""

from database import db
from models.sharing.access_request import MOST_PER_DAY
from resolvers import ids
from tests.api import Api, Person
from tests.models.refusals import events
from tests.races.racing import ROUNDS, Payload, accept, at_once, invite, outcome, outcomes

NUMBER = {"organizationNumber": "923609016", "country": "NO"}


async def pair(api: Api) -> tuple[Person, Person]:
    anna = await api.person("anna@example.com", **NUMBER)
    return anna, await api.person("bo@example.com")


async def ask(api: Api, by: Person) -> Payload:
    return await api.do("requestAccess", {"role": "ACCOUNTANT", **NUMBER}, by=by)


async def pending(api: Api, by: Person) -> dict[str, str]:
    """The input that names a new request."""
    assert (await ask(api, by))["errors"] == []
    shown = await api.ask("{ viewer { accessRequests(first: 1) { nodes { id } } } }", by=by)
    return {"accessRequestId": shown.data["viewer"]["accessRequests"]["nodes"][0]["id"]}


async def live() -> int:
    """How many guests are in."""
    found = await db.fetch("SELECT FROM grants WHERE role <> 'OWNER' AND status = 'ACTIVE'", row=db.Row)
    return len(found)


async def again() -> None:
    """Make room for the next round; requests go into the past, so that the day has room for more."""
    await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    await db.execute("UPDATE access_requests SET status = 'WITHDRAWN' WHERE status = 'PENDING'")
    await db.execute("UPDATE access_requests SET created_at = created_at - interval '2 days'")


async def test_two_approvals_give_one_grant(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        given = await pending(api, bo)

        done = await at_once(*(api.do("approveAccessRequest", given, by=anna) for _ in range(2)))

        assert outcomes(done) == ["INVALID_STATE", "done"]
        assert await live() == 1
        await again()
    assert len(await events("account:access-request:approve")) == ROUNDS


async def test_of_approving_declining_and_withdrawing_one_happens(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        given = await pending(api, bo)

        done = await at_once(
            api.do("approveAccessRequest", given, by=anna),
            api.do("declineAccessRequest", given, by=anna),
            api.do("withdrawAccessRequest", given, by=bo),
        )

        assert outcomes(done) == ["INVALID_STATE", "INVALID_STATE", "done"]
        assert await live() == (1 if outcome(done[0]) == "done" else 0)
        await again()


async def test_approved_and_invited_at_once_is_in_once(api: Api) -> None:
    anna, bo = await pair(api)
    for _ in range(ROUNDS):
        given = await pending(api, bo)
        _, token = await invite(api, anna, bo.email)

        done = await at_once(api.do("approveAccessRequest", given, by=anna), accept(api, token, bo))

        assert outcomes(done) == ["ALREADY_MEMBER", "done"]
        assert await live() == 1
        await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")
        await again()


async def test_the_same_asked_at_once_is_asked_once(api: Api) -> None:
    _, bo = await pair(api)
    for _ in range(ROUNDS):
        done = await at_once(*(ask(api, bo) for _ in range(3)))

        assert outcomes(done) == ["done"] * 3
        sql = "SELECT account_id FROM access_requests WHERE status = 'PENDING'"
        assert [row.account_id is None for row in await db.fetch(sql, row=db.Row)] == [False]
        await again()


async def test_no_more_than_a_days_requests_are_made_at_once(api: Api) -> None:
    _, bo = await pair(api)
    for _ in range(ROUNDS // 10):
        many = [{"role": "ACCOUNTANT", "accountNumber": 20_000_000 + place} for place in range(MOST_PER_DAY + 3)]

        done = await at_once(*(api.do("requestAccess", given, by=bo) for given in many))

        assert outcomes(done) == ["OUT_OF_RANGE"] * 3 + ["done"] * MOST_PER_DAY
        await again()


async def test_who_loses_his_right_while_he_approves_gives_nothing_afterwards(api: Api) -> None:
    anna, bo = await pair(api)
    admin, _ = await api.guest(anna, "admin@example.com", "ADMINISTRATOR")
    sql = "SELECT id FROM grants WHERE role = 'ADMINISTRATOR'"
    grant = ids.encode("Grant", (await db.fetch(sql, row=db.Row))[0].id)
    for _ in range(ROUNDS // 2):
        await db.execute("UPDATE grants SET status = 'ACTIVE', ended_at = NULL WHERE role = 'ADMINISTRATOR'")
        given = await pending(api, bo)

        approved, revoked = await at_once(
            api.do("approveAccessRequest", given, by=admin), api.do("revokeGrant", {"grantId": grant}, by=anna)
        )

        assert outcome(revoked) == "done"
        assert outcome(approved) in {"done", "NOT_FOUND"}
        assert await live() == (1 if outcome(approved) == "done" else 0)
        await again()
