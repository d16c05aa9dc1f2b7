"""The last seat, when several reach for it at the same moment."""

from database import db
from models.access import seat
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from tests.api import KEY, Api, Person
from tests.races.racing import ROUNDS, Payload, accept, at_once, invite, outcome, outcomes

NONE_LEFT = "SEATS_EXHAUSTED"
COLLEAGUE = "COLLABORATOR"


async def firm(api: Api, count: int = 1) -> tuple[Person, list[Person]]:
    """An owner with so many seats, and two people with logins."""
    anna = await api.person("anna@example.com", accountName="Firm")
    guests = [await api.person(f"{name}@example.com") for name in ("bo", "cy")]
    await purchased(count)
    return anna, guests


async def purchased(count: int) -> None:
    await db.execute("UPDATE accounts SET purchased_seats = $1 WHERE name = 'Firm'", count)


async def taken() -> int:
    """Seats used and reserved by the rows themselves."""
    sql = """SELECT (SELECT count(*) FROM grants WHERE status = 'ACTIVE' AND role = 'COLLABORATOR')
        + (SELECT count(*) FROM invitations WHERE status = 'PENDING' AND role = 'COLLABORATOR') AS taken"""
    found: int = (await db.fetch(sql, row=db.Row))[0].taken
    return found


async def clear() -> None:
    """Make room for the next round."""
    await db.execute("UPDATE grants SET status = 'RESIGNED' WHERE role <> 'OWNER'")
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")


async def ask_in(api: Api, by: Person, email: str) -> Payload:
    return await api.do("inviteUser", {"accountId": by.account_id, "email": email, "role": COLLEAGUE}, by=by)


async def test_the_last_seat_is_reserved_for_one_of_two_who_are_invited(api: Api) -> None:
    anna, guests = await firm(api)
    for _ in range(ROUNDS):
        done = await at_once(*(ask_in(api, anna, guest.email) for guest in guests))

        assert outcomes(done) == [NONE_LEFT, "done"]
        assert await taken() == 1
        await clear()


async def test_the_last_seat_is_taken_by_one_of_two_who_accept(api: Api) -> None:
    anna, guests = await firm(api, 2)
    for _ in range(ROUNDS):
        await purchased(2)
        tokens = [(await invite(api, anna, guest.email, COLLEAGUE))[1] for guest in guests]
        await purchased(1)

        done = await at_once(*(accept(api, token, guest) for token, guest in zip(tokens, guests, strict=True)))

        assert outcomes(done) == [NONE_LEFT, "done"]
        await clear()


async def test_who_accepts_has_the_seat_that_somebody_else_is_just_invited_to(api: Api) -> None:
    anna, (bo, cy) = await firm(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email, COLLEAGUE)

        accepted, invited = await at_once(accept(api, token, bo), ask_in(api, anna, cy.email))

        assert (outcome(accepted), outcome(invited)) == ("done", NONE_LEFT)
        assert await taken() == 1
        await clear()


async def test_the_last_seat_is_given_back_to_one_or_offered_to_another(api: Api) -> None:
    anna, (bo, cy) = await firm(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email, COLLEAGUE)
        given = {"grantId": (await accept(api, token, bo))["grant"]["id"]}
        await api.do("revokeGrant", given, by=anna)

        done = await at_once(api.do("restoreGrant", given, by=anna), ask_in(api, anna, cy.email))

        assert outcomes(done) == [NONE_LEFT, "done"]
        assert await taken() == 1
        await clear()


async def test_the_last_seat_goes_to_one_of_a_new_role_and_a_new_offer(api: Api) -> None:
    anna, (bo, cy) = await firm(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email, "ACCOUNTANT")
        given = {"grantId": (await accept(api, token, bo))["grant"]["id"], "role": COLLEAGUE}

        done = await at_once(api.do("updateGrant", given, by=anna), ask_in(api, anna, cy.email))

        assert outcomes(done) == [NONE_LEFT, "done"]
        assert await taken() == 1
        await clear()


async def test_seats_are_not_taken_away_while_they_are_given(api: Api) -> None:
    anna, (bo, _) = await firm(api)
    operator = Caller(now=api.clock.now, config=OperationConfig(KEY))
    number = (await Account.get(name="Firm")).number

    async def fewer() -> Payload:
        try:
            await seat.sell(operator, number, 0)
        except Refusal as refusal:
            return {"errors": [{"code": problem.code, "field": None} for problem in refusal.problems]}
        return {"errors": []}

    for _ in range(ROUNDS):
        await purchased(1)

        invited, lowered = await at_once(ask_in(api, anna, bo.email), fewer())

        assert (outcome(invited), outcome(lowered)) in {("done", "OUT_OF_RANGE"), (NONE_LEFT, "done")}
        await clear()


async def test_two_servers_give_the_last_seat_once(servers: list[Api]) -> None:
    here, there = servers
    anna, (bo, cy) = await firm(here)
    for _ in range(ROUNDS):
        await purchased(1)
        invited = await at_once(ask_in(here, anna, bo.email), ask_in(there, anna, cy.email))

        assert outcomes(invited) == [NONE_LEFT, "done"]
        await clear()
        await purchased(2)
        tokens = [(await invite(here, anna, guest.email, COLLEAGUE))[1] for guest in (bo, cy)]
        await purchased(1)
        accepted = await at_once(accept(here, tokens[0], bo), accept(there, tokens[1], cy))

        assert outcomes(accepted) == [NONE_LEFT, "done"]
        assert await taken() == 1 + 1  # the refused one's invitation stands
        await clear()
