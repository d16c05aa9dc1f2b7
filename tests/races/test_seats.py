"""Races for the last seat of an account."""

from database import db
from models.access import seat
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from tests.api import KEY, Api, Person
from tests.races.rounds import ROUNDS, Payload, accept, invite, outcome, outcomes, run_concurrently

SEATS_EXHAUSTED = "SEATS_EXHAUSTED"
SEAT_ROLE = "COLLABORATOR"


async def register_firm(api: Api, count: int = 1) -> tuple[Person, list[Person]]:
    """Register an owner with `count` seats and two other users."""
    anna = await api.person("anna@example.com", accountName="Firm")
    guests = [await api.person(f"{name}@example.com") for name in ("bo", "cy")]
    await set_purchased_seats(count)
    return anna, guests


async def set_purchased_seats(count: int) -> None:
    await db.execute("UPDATE accounts SET purchased_seats = $1 WHERE name = 'Firm'", count)


async def count_taken_seats() -> int:
    """The number of used and reserved seats, counted from grants and invitations."""
    sql = """SELECT (SELECT count(*) FROM grants WHERE status = 'ACTIVE' AND role = 'COLLABORATOR')
        + (SELECT count(*) FROM invitations WHERE status = 'PENDING' AND role = 'COLLABORATOR') AS taken"""
    count: int = (await db.fetch(sql, row=db.Row))[0].taken
    return count


async def clear() -> None:
    """End all grants of guests and all pending invitations."""
    await db.execute("UPDATE grants SET status = 'RESIGNED' WHERE role <> 'OWNER'")
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE status = 'PENDING'")


async def try_invite(api: Api, by: Person, email: str) -> Payload:
    return await api.do("inviteUser", {"accountId": by.account_id, "email": email, "role": SEAT_ROLE}, by=by)


async def test_last_seat_is_reserved_for_one_of_two_invitees(api: Api) -> None:
    anna, guests = await register_firm(api)
    for _ in range(ROUNDS):
        payloads = await run_concurrently(*(try_invite(api, anna, guest.email) for guest in guests))

        assert outcomes(payloads) == [SEATS_EXHAUSTED, "done"]
        assert await count_taken_seats() == 1
        await clear()


async def test_last_seat_is_reserved_for_one_of_two_consultants(api: Api) -> None:
    anna, guests = await register_firm(api)
    for _ in range(ROUNDS):
        payloads = await run_concurrently(
            *(
                api.do("inviteUser", {"accountId": anna.account_id, "email": g.email, "role": "CONSULTANT"}, by=anna)
                for g in guests
            )
        )

        assert outcomes(payloads) == [SEATS_EXHAUSTED, "done"]
        await clear()


async def test_last_seat_is_used_by_one_of_two_acceptances(api: Api) -> None:
    anna, guests = await register_firm(api, 2)
    for _ in range(ROUNDS):
        await set_purchased_seats(2)
        tokens = [(await invite(api, anna, guest.email, SEAT_ROLE))[1] for guest in guests]
        await set_purchased_seats(1)

        payloads = await run_concurrently(
            *(accept(api, token, guest) for token, guest in zip(tokens, guests, strict=True))
        )

        assert outcomes(payloads) == [SEATS_EXHAUSTED, "done"]
        await clear()


async def test_acceptance_keeps_reserved_seat_during_new_invitation(api: Api) -> None:
    anna, (bo, cy) = await register_firm(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email, SEAT_ROLE)

        accept_payload, invite_payload = await run_concurrently(accept(api, token, bo), try_invite(api, anna, cy.email))

        assert (outcome(accept_payload), outcome(invite_payload)) == ("done", SEATS_EXHAUSTED)
        assert await count_taken_seats() == 1
        await clear()


async def test_last_seat_goes_to_restored_grant_or_to_new_invitation(api: Api) -> None:
    anna, (bo, cy) = await register_firm(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email, SEAT_ROLE)
        arguments = {"grantId": (await accept(api, token, bo))["grant"]["id"]}
        await api.do("revokeGrant", arguments, by=anna)

        payloads = await run_concurrently(api.do("restoreGrant", arguments, by=anna), try_invite(api, anna, cy.email))

        assert outcomes(payloads) == [SEATS_EXHAUSTED, "done"]
        assert await count_taken_seats() == 1
        await clear()


async def test_last_seat_goes_to_role_change_or_to_new_invitation(api: Api) -> None:
    anna, (bo, cy) = await register_firm(api)
    for _ in range(ROUNDS):
        _, token = await invite(api, anna, bo.email, "ACCOUNTANT")
        arguments = {"grantId": (await accept(api, token, bo))["grant"]["id"], "role": SEAT_ROLE}

        payloads = await run_concurrently(api.do("updateGrant", arguments, by=anna), try_invite(api, anna, cy.email))

        assert outcomes(payloads) == [SEATS_EXHAUSTED, "done"]
        assert await count_taken_seats() == 1
        await clear()


async def test_seats_cannot_be_reduced_below_concurrent_reservation(api: Api) -> None:
    anna, (bo, _) = await register_firm(api)
    operator = Caller(now=api.clock.now, config=OperationConfig(KEY))
    number = (await Account.get(name="Firm")).number

    async def lower_seats() -> Payload:
        try:
            await seat.sell(operator, number, 0)
        except Refusal as refusal:
            return {"errors": [{"code": problem.code, "field": None} for problem in refusal.problems]}
        return {"errors": []}

    for _ in range(ROUNDS):
        await set_purchased_seats(1)

        invite_payload, lower_payload = await run_concurrently(try_invite(api, anna, bo.email), lower_seats())

        assert (outcome(invite_payload), outcome(lower_payload)) in {
            ("done", "OUT_OF_RANGE"),
            (SEATS_EXHAUSTED, "done"),
        }
        await clear()


async def test_two_servers_use_the_last_seat_once(servers: list[Api]) -> None:
    first_server, second_server = servers
    anna, (bo, cy) = await register_firm(first_server)
    for _ in range(ROUNDS):
        await set_purchased_seats(1)
        invite_payloads = await run_concurrently(
            try_invite(first_server, anna, bo.email), try_invite(second_server, anna, cy.email)
        )

        assert outcomes(invite_payloads) == [SEATS_EXHAUSTED, "done"]
        await clear()
        await set_purchased_seats(2)
        tokens = [(await invite(first_server, anna, guest.email, SEAT_ROLE))[1] for guest in (bo, cy)]
        await set_purchased_seats(1)
        accept_payloads = await run_concurrently(
            accept(first_server, tokens[0], bo), accept(second_server, tokens[1], cy)
        )

        assert outcomes(accept_payloads) == [SEATS_EXHAUSTED, "done"]
        assert await count_taken_seats() == 1 + 1  # the invitation of the refused acceptance stays pending
        await clear()
