"""Seats: who takes one, and what happens when none is left."""

from typing import Any

import pytest

from auth import policy
from auth.policy import Role
from database import db
from models.access import seat
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal, UserErrorCode
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.refusals import events, refused, state
from tests.resolvers.statements import counted

NONE_LEFT = "SEATS_EXHAUSTED"
TAKING = ["ADMINISTRATOR", "COLLABORATOR", "SIMPLE_USER"]
NOT_TAKING = ["ACCOUNTANT", "CONSULTANT"]


async def sell(api: Api, owner: Person, count: int) -> None:
    """What the operator does at the command line."""
    row = await Account.get(id=ids.decode("Account", owner.account_id))
    await seat.sell(Caller(now=api.clock.now, config=OperationConfig(KEY)), row.number, count)


async def firm(api: Api, count: int) -> Person:
    """The owner of an account with so many seats."""
    anna = await api.person("anna@example.com")
    await sell(api, anna, count)
    return anna


async def seats(api: Api, by: Person) -> dict[str, int]:
    """Purchased, used, reserved, available."""
    query = "query ($id: ID) { account(id: $id) { seats { purchased used reserved available } } }"
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    found: dict[str, int] = answer.data["account"]["seats"]
    return found


def offer(by: Person, email: str, role: str) -> dict[str, object]:
    return {"accountId": by.account_id, "email": email, "role": role}


async def invite(api: Api, by: Person, email: str, role: str = "COLLABORATOR") -> str:
    """The id of a new invitation."""
    done = await api.do("inviteUser", offer(by, email, role), "invitation { id }", by=by)
    assert done["errors"] == []
    return str(done["invitation"]["id"])


async def accept(api: Api, email: str) -> dict[str, Any]:
    given = {"token": await api.link(email, "invitation"), "name": "Bo Berg", "password": PASSWORD}
    return await api.do("acceptInvitation", given, "grant { id }")


# ---- What is shown ---------------------------------------------------------------------------


async def test_a_new_account_has_the_free_seats_of_the_installation(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await seats(api, anna) == {"purchased": 1000, "used": 0, "reserved": 0, "available": 1000}


async def test_roles_take_seats_as_the_requirements_say() -> None:
    assert policy.SEATED == (Role.ADMINISTRATOR, Role.COLLABORATOR, Role.SIMPLE_USER)


@pytest.mark.parametrize("role", TAKING + NOT_TAKING)
async def test_an_invitation_reserves_what_its_acceptance_uses(api: Api, role: str) -> None:
    anna = await firm(api, 3)
    taken = int(role in TAKING)

    await invite(api, anna, "bo@example.com", role)

    assert await seats(api, anna) == {"purchased": 3, "used": 0, "reserved": taken, "available": 3 - taken}
    assert codes(await accept(api, "bo@example.com")) == []
    assert await seats(api, anna) == {"purchased": 3, "used": taken, "reserved": 0, "available": 3 - taken}


@pytest.mark.parametrize("ending", ["revokeInvitation", "declineInvitation"])
async def test_an_invitation_that_comes_to_nothing_gives_its_seat_back(api: Api, ending: str) -> None:
    anna = await firm(api, 1)
    key = await invite(api, anna, "bo@example.com")
    by_link = {"token": await api.link("bo@example.com", "invitation")}

    await api.do(ending, by_link if ending == "declineInvitation" else {"invitationId": key}, by=anna)

    assert (await seats(api, anna))["available"] == 1


async def test_a_seat_is_free_at_the_instant_at_which_an_invitation_expires(api: Api) -> None:
    anna = await firm(api, 1)
    await invite(api, anna, "bo@example.com")

    api.clock.forward(days=7, seconds=-1)
    assert (await seats(api, anna))["available"] == 0
    api.clock.forward(seconds=1)
    assert (await seats(api, anna))["available"] == 1


async def test_a_seat_is_free_at_the_instant_at_which_a_grant_ends(api: Api) -> None:
    anna = await firm(api, 1)
    end = api.clock.now.replace(microsecond=0)
    await api.guest(anna, "bo@example.com", "COLLABORATOR", grantValidUntil=end.replace(year=end.year + 1).isoformat())

    api.clock.now = end.replace(year=end.year + 1, second=end.second)
    me = await api.do("signIn", {"email": anna.email, "password": PASSWORD}, "accessToken")
    anna = Person(anna.email, me["accessToken"], anna.user_id, anna.account_id)

    assert await seats(api, anna) == {"purchased": 1, "used": 0, "reserved": 0, "available": 1}


async def test_a_grant_that_waits_for_permissions_has_its_seat(api: Api) -> None:
    anna = await firm(api, 1)
    await invite(api, anna, "bo@example.com", "SIMPLE_USER")
    await accept(api, "bo@example.com")

    await db.execute("UPDATE grants SET status = 'AWAITING_PERMISSIONS', listed = 0 WHERE role = 'SIMPLE_USER'")

    assert (await seats(api, anna))["used"] == 1


async def test_an_accountant_does_not_see_the_seats(api: Api) -> None:
    anna = await firm(api, 1)
    ada, _ = await api.guest(anna, "ada@example.com", "ACCOUNTANT")

    answer = await api.ask("{ viewer { accounts { nodes { name seats { used } } } } }", by=ada)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.partial["viewer"]["accounts"]["nodes"][0]["seats"] is None


async def test_the_seats_of_many_accounts_are_one_statement(api: Api) -> None:
    anna = await firm(api, 1)
    for place in range(3):
        await api.do("createAccount", {"name": f"Firm {place}"}, by=anna)
    query = "{ viewer { accounts { nodes { name %s } } } }"

    with counted() as without:
        await api.ask(query % "", by=anna)
    with counted() as found:
        answer = await api.ask(query % "seats { available }", by=anna)

    assert len(answer.data["viewer"]["accounts"]["nodes"]) == 4
    assert len(found) == len(without) + 1


# ---- When none is left -----------------------------------------------------------------------


@pytest.mark.parametrize("role", TAKING)
async def test_nobody_is_invited_to_a_seat_that_is_not_there(api: Api, role: str) -> None:
    anna = await firm(api, 1)
    await invite(api, anna, "bo@example.com")

    assert await refused(api, "inviteUser", offer(anna, "cy@example.com", role), by=anna) == [(NONE_LEFT, ["role"])]
    await sell(api, anna, 2)
    assert codes(await api.do("inviteUser", offer(anna, "cy@example.com", role), by=anna)) == []


async def test_who_is_invited_already_is_told_so_rather_than_that_no_seat_is_left(api: Api) -> None:
    anna = await firm(api, 1)
    await invite(api, anna, "bo@example.com")

    found = await refused(api, "inviteUser", offer(anna, "bo@example.com", "COLLABORATOR"), by=anna)

    assert found == [("ALREADY_INVITED", ["email"])]


@pytest.mark.parametrize("role", NOT_TAKING)
async def test_who_takes_no_seat_is_invited_to_an_account_without_any(api: Api, role: str) -> None:
    anna = await firm(api, 0)

    await invite(api, anna, "bo@example.com", role)

    assert codes(await accept(api, "bo@example.com")) == []


async def test_who_accepts_is_refused_where_more_seats_are_used_than_there_are(api: Api) -> None:
    anna = await firm(api, 2)
    await api.guest(anna, "bo@example.com", "COLLABORATOR")
    await invite(api, anna, "cy@example.com")
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    before = await state()
    assert codes(await accept(api, "cy@example.com")) == [(NONE_LEFT, None)]
    assert await state() == before


async def test_of_more_invitations_than_seats_the_first_to_accept_have_them(api: Api) -> None:
    anna = await firm(api, 2)
    for email in ("bo@example.com", "cy@example.com"):
        await invite(api, anna, email)
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    assert codes(await accept(api, "cy@example.com")) == []
    assert codes(await accept(api, "bo@example.com")) == [(NONE_LEFT, None)]


async def test_a_grant_is_not_restored_to_a_seat_that_is_not_there(api: Api) -> None:
    anna = await firm(api, 1)
    _, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    await api.do("revokeGrant", {"grantId": grant}, by=anna)
    key = await invite(api, anna, "cy@example.com")

    assert await refused(api, "restoreGrant", {"grantId": grant}, by=anna) == [(NONE_LEFT, ["grantId"])]
    await api.do("revokeInvitation", {"invitationId": key}, by=anna)
    assert codes(await api.do("restoreGrant", {"grantId": grant}, by=anna)) == []


async def test_a_role_that_takes_no_seat_is_not_changed_to_one_that_is_not_there(api: Api) -> None:
    anna = await firm(api, 1)
    _, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await api.guest(anna, "cy@example.com", "COLLABORATOR")
    given = {"grantId": grant, "role": "COLLABORATOR"}

    assert await refused(api, "updateGrant", given, by=anna) == [(NONE_LEFT, ["role"])]
    await sell(api, anna, 2)
    assert codes(await api.do("updateGrant", given, by=anna)) == []


async def test_who_sits_changes_his_role_while_no_seat_is_left(api: Api) -> None:
    anna = await firm(api, 1)
    _, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")

    assert codes(await api.do("updateGrant", {"grantId": grant, "role": "SIMPLE_USER"}, by=anna)) == []
    await db.execute("UPDATE accounts SET purchased_seats = 0")
    assert codes(await api.do("updateGrant", {"grantId": grant, "role": "COLLABORATOR"}, by=anna)) == []
    assert codes(await api.do("updateGrant", {"grantId": grant, "role": "ACCOUNTANT"}, by=anna)) == []


async def test_an_invitation_is_not_changed_to_a_seat_that_is_not_there(api: Api) -> None:
    anna = await firm(api, 1)
    key = await invite(api, anna, "bo@example.com", "ACCOUNTANT")
    other = await invite(api, anna, "cy@example.com")
    given = {"invitationId": key, "role": "COLLABORATOR"}

    assert await refused(api, "updateInvitation", given, by=anna) == [(NONE_LEFT, ["role"])]
    assert codes(await api.do("updateInvitation", {"invitationId": other, "role": "SIMPLE_USER"}, by=anna)) == []
    await sell(api, anna, 2)
    assert codes(await api.do("updateInvitation", given, by=anna)) == []


async def test_what_is_reserved_stays_so_while_more_is_given_than_there_is(api: Api) -> None:
    anna = await firm(api, 1)
    key = await invite(api, anna, "bo@example.com")
    await db.execute("UPDATE accounts SET purchased_seats = 0")

    assert codes(await api.do("updateInvitation", {"invitationId": key, "role": "SIMPLE_USER"}, by=anna)) == []
    assert codes(await api.do("resendInvitation", {"invitationId": key}, by=anna)) == []


async def test_an_expired_invitation_is_not_resent_for_a_seat_that_is_not_there(api: Api) -> None:
    anna = await firm(api, 1)
    key = await invite(api, anna, "bo@example.com")
    assert codes(await api.do("resendInvitation", {"invitationId": key}, by=anna)) == []
    api.clock.forward(days=7)
    await invite(api, anna, "cy@example.com")

    assert await refused(api, "resendInvitation", {"invitationId": key}, by=anna) == [(NONE_LEFT, ["invitationId"])]


# ---- The operator ----------------------------------------------------------------------------


async def test_seats_that_are_sold_are_there_at_once(api: Api) -> None:
    anna = await firm(api, 2)
    await invite(api, anna, "bo@example.com")

    await sell(api, anna, 7)

    assert await seats(api, anna) == {"purchased": 7, "used": 0, "reserved": 1, "available": 6}
    first, second = await events("operator:seats:set")
    assert (first.before, first.after) == ('{"purchased": 1000}', '{"purchased": 2}')
    assert (second.before, second.after) == ('{"purchased": 2}', '{"purchased": 7}')
    assert (second.actor_id, second.account_id) == (None, ids.decode("Account", anna.account_id))


async def test_there_are_never_fewer_than_are_used_and_reserved(api: Api) -> None:
    anna = await firm(api, 5)
    await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    await invite(api, anna, "cy@example.com")
    before = await state()

    with pytest.raises(Refusal, match="1 are used, 1 reserved") as refusal:
        await sell(api, anna, 1)

    assert refusal.value.problems[0].code is UserErrorCode.OUT_OF_RANGE
    assert await state() == before
    await sell(api, anna, 2)
    assert (await seats(api, anna))["available"] == 0


@pytest.mark.parametrize("count", [-1, 100_001])
async def test_so_many_cannot_be_sold(api: Api, count: int) -> None:
    anna = await firm(api, 5)

    with pytest.raises(Refusal, match="from 0 to 100000"):
        await sell(api, anna, count)

    assert (await seats(api, anna))["purchased"] == 5


async def test_the_same_number_again_is_no_change(api: Api) -> None:
    anna = await firm(api, 5)

    await sell(api, anna, 5)

    assert len(await events("operator:seats:set")) == 1


async def test_nobody_has_this_number(api: Api) -> None:
    with pytest.raises(Refusal, match="No account has this number"):
        await seat.sell(Caller(now=api.clock.now, config=OperationConfig(KEY)), 99, 5)
