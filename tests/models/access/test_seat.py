"""Seats: roles that need one, and refusals when none is available."""

from typing import Any

import pytest

from auth import policy
from auth.policy import Role
from database import db
from models.access import seat
from models.access.grant import Grant
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal, UserErrorCode
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import add_staff, assign, engage, register_bureau
from tests.models.refusals import events, refusal_codes, state
from tests.resolvers.statements import record_statements

SEATS_EXHAUSTED = "SEATS_EXHAUSTED"
ROLES_WITH_SEAT = ["ADMINISTRATOR", "COLLABORATOR", "CONSULTANT", "SIMPLE_USER"]
SEATLESS_ROLES = ["ACCOUNTANT"]


async def sell(api: Api, owner: Person, count: int) -> None:
    """Sell seats as the operator does at the command line."""
    row = await Account.get(id=ids.decode("Account", owner.account_id))
    await seat.sell(Caller(now=api.clock.now, config=OperationConfig(KEY)), row.number, count)


async def create_firm(api: Api, count: int) -> Person:
    """The owner of a new account with `count` seats."""
    anna = await api.person("anna@example.com")
    await sell(api, anna, count)
    return anna


async def load_seats(api: Api, by: Person) -> dict[str, int]:
    """The numbers of purchased, used, reserved and available seats."""
    query = "query ($id: ID) { account(id: $id) { seats { purchased used reserved available } } }"
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    seat_counts: dict[str, int] = answer.data["account"]["seats"]
    return seat_counts


def invitation_input(by: Person, email: str, role: str) -> dict[str, object]:
    return {"accountId": by.account_id, "email": email, "role": role}


async def invite(api: Api, by: Person, email: str, role: str = "COLLABORATOR") -> str:
    """The id of a new invitation."""
    payload = await api.do("inviteUser", invitation_input(by, email, role), "invitation { id }", by=by)
    assert payload["errors"] == []
    return str(payload["invitation"]["id"])


async def accept(api: Api, email: str) -> dict[str, Any]:
    arguments = {"token": await api.link(email, "invitation"), "name": "Bo Berg", "password": PASSWORD}
    return await api.do("acceptInvitation", arguments, "grant { id }")


# ---- Counting --------------------------------------------------------------------------------


async def test_new_account_has_the_configured_free_seats(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await load_seats(api, anna) == {"purchased": 1000, "used": 0, "reserved": 0, "available": 1000}


async def test_roles_that_need_a_seat() -> None:
    assert policy.SEAT_ROLES == (Role.ADMINISTRATOR, Role.COLLABORATOR, Role.CONSULTANT, Role.SIMPLE_USER)


@pytest.mark.parametrize("role", ROLES_WITH_SEAT + SEATLESS_ROLES)
async def test_invitation_reserves_the_seat_that_acceptance_uses(api: Api, role: str) -> None:
    anna = await create_firm(api, 3)
    seat_count = int(role in ROLES_WITH_SEAT)

    await invite(api, anna, "bo@example.com", role)

    assert await load_seats(api, anna) == {
        "purchased": 3,
        "used": 0,
        "reserved": seat_count,
        "available": 3 - seat_count,
    }
    assert codes(await accept(api, "bo@example.com")) == []
    assert await load_seats(api, anna) == {
        "purchased": 3,
        "used": seat_count,
        "reserved": 0,
        "available": 3 - seat_count,
    }


@pytest.mark.parametrize("ending", ["revokeInvitation", "declineInvitation"])
async def test_ended_invitation_frees_its_seat(api: Api, ending: str) -> None:
    anna = await create_firm(api, 1)
    key = await invite(api, anna, "bo@example.com")
    by_link = {"token": await api.link("bo@example.com", "invitation")}

    await api.do(ending, by_link if ending == "declineInvitation" else {"invitationId": key}, by=anna)

    assert (await load_seats(api, anna))["available"] == 1


async def test_invitation_frees_its_seat_at_its_exact_expiry(api: Api) -> None:
    anna = await create_firm(api, 1)
    await invite(api, anna, "bo@example.com")

    api.clock.forward(days=7, seconds=-1)
    assert (await load_seats(api, anna))["available"] == 0
    api.clock.forward(seconds=1)
    assert (await load_seats(api, anna))["available"] == 1


async def test_grant_frees_its_seat_at_its_exact_end(api: Api) -> None:
    anna = await create_firm(api, 1)
    end = api.clock.now.replace(microsecond=0)
    await api.guest(anna, "bo@example.com", "COLLABORATOR", grantValidUntil=end.replace(year=end.year + 1).isoformat())

    api.clock.now = end.replace(year=end.year + 1, second=end.second)
    me = await api.do("signIn", {"email": anna.email, "password": PASSWORD}, "accessToken")
    anna = Person(anna.email, me["accessToken"], anna.user_id, anna.account_id)

    assert await load_seats(api, anna) == {"purchased": 1, "used": 0, "reserved": 0, "available": 1}


async def test_grant_awaiting_permissions_uses_a_seat(api: Api) -> None:
    anna = await create_firm(api, 1)
    await invite(api, anna, "bo@example.com", "SIMPLE_USER")
    await accept(api, "bo@example.com")

    await db.execute("UPDATE grants SET status = 'AWAITING_PERMISSIONS', listed = 0 WHERE role = 'SIMPLE_USER'")

    assert (await load_seats(api, anna))["used"] == 1


async def test_accountant_cannot_read_seats(api: Api) -> None:
    anna = await create_firm(api, 1)
    ada, _ = await api.guest(anna, "ada@example.com", "ACCOUNTANT")

    answer = await api.ask("{ viewer { accounts { nodes { name seats { used } } } } }", by=ada)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.partial["viewer"]["accounts"]["nodes"][0]["seats"] is None


async def test_seats_of_many_accounts_take_one_statement(api: Api) -> None:
    anna = await create_firm(api, 1)
    for index in range(3):
        await api.do("createAccount", {"name": f"Firm {index}"}, by=anna)
    query = "{ viewer { accounts { nodes { name %s } } } }"
    await api.ask(query % "seats { available }", by=anna)  # records the use of the accounts, once a minute

    with record_statements() as without_seats:
        await api.ask(query % "", by=anna)
    with record_statements() as with_seats:
        answer = await api.ask(query % "seats { available }", by=anna)

    assert len(answer.data["viewer"]["accounts"]["nodes"]) == 4
    assert len(with_seats) == len(without_seats) + 1


# ---- No available seat -----------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES_WITH_SEAT)
async def test_invitation_without_available_seat_is_rejected(api: Api, role: str) -> None:
    anna = await create_firm(api, 1)
    await invite(api, anna, "bo@example.com")

    assert await refusal_codes(api, "inviteUser", invitation_input(anna, "cy@example.com", role), by=anna) == [
        (SEATS_EXHAUSTED, ["role"])
    ]
    await sell(api, anna, 2)
    assert codes(await api.do("inviteUser", invitation_input(anna, "cy@example.com", role), by=anna)) == []


async def test_second_invitation_reports_already_invited_before_seats(api: Api) -> None:
    anna = await create_firm(api, 1)
    await invite(api, anna, "bo@example.com")

    error_codes = await refusal_codes(
        api, "inviteUser", invitation_input(anna, "bo@example.com", "COLLABORATOR"), by=anna
    )

    assert error_codes == [("ALREADY_INVITED", ["email"])]


@pytest.mark.parametrize("role", SEATLESS_ROLES)
async def test_role_without_seat_can_be_invited_without_available_seats(api: Api, role: str) -> None:
    anna = await create_firm(api, 0)

    await invite(api, anna, "bo@example.com", role)

    assert codes(await accept(api, "bo@example.com")) == []


async def test_acceptance_is_rejected_when_all_seats_are_used(api: Api) -> None:
    anna = await create_firm(api, 2)
    await api.guest(anna, "bo@example.com", "COLLABORATOR")
    await invite(api, anna, "cy@example.com")
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    before = await state()
    assert codes(await accept(api, "cy@example.com")) == [(SEATS_EXHAUSTED, None)]
    assert await state() == before


async def test_first_acceptance_gets_the_last_seat(api: Api) -> None:
    anna = await create_firm(api, 2)
    for email in ("bo@example.com", "cy@example.com"):
        await invite(api, anna, email)
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    assert codes(await accept(api, "cy@example.com")) == []
    assert codes(await accept(api, "bo@example.com")) == [(SEATS_EXHAUSTED, None)]


async def test_restoring_without_available_seat_is_rejected(api: Api) -> None:
    anna = await create_firm(api, 1)
    _, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    await api.do("revokeGrant", {"grantId": grant}, by=anna)
    key = await invite(api, anna, "cy@example.com")

    assert await refusal_codes(api, "restoreGrant", {"grantId": grant}, by=anna) == [(SEATS_EXHAUSTED, ["grantId"])]
    await api.do("revokeInvitation", {"invitationId": key}, by=anna)
    assert codes(await api.do("restoreGrant", {"grantId": grant}, by=anna)) == []


async def test_role_change_without_available_seat_is_rejected(api: Api) -> None:
    anna = await create_firm(api, 1)
    _, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await api.guest(anna, "cy@example.com", "COLLABORATOR")
    arguments = {"grantId": grant, "role": "COLLABORATOR"}

    assert await refusal_codes(api, "updateGrant", arguments, by=anna) == [(SEATS_EXHAUSTED, ["role"])]
    await sell(api, anna, 2)
    assert codes(await api.do("updateGrant", arguments, by=anna)) == []


async def test_user_with_seat_can_change_role_without_available_seats(api: Api) -> None:
    anna = await create_firm(api, 1)
    _, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")

    assert codes(await api.do("updateGrant", {"grantId": grant, "role": "SIMPLE_USER"}, by=anna)) == []
    await db.execute("UPDATE accounts SET purchased_seats = 0")
    assert codes(await api.do("updateGrant", {"grantId": grant, "role": "COLLABORATOR"}, by=anna)) == []
    assert codes(await api.do("updateGrant", {"grantId": grant, "role": "ACCOUNTANT"}, by=anna)) == []


async def test_invitation_change_without_available_seat_is_rejected(api: Api) -> None:
    anna = await create_firm(api, 1)
    bo_invitation = await invite(api, anna, "bo@example.com", "ACCOUNTANT")
    cy_invitation = await invite(api, anna, "cy@example.com")
    arguments = {"invitationId": bo_invitation, "role": "COLLABORATOR"}

    assert await refusal_codes(api, "updateInvitation", arguments, by=anna) == [(SEATS_EXHAUSTED, ["role"])]
    assert (
        codes(await api.do("updateInvitation", {"invitationId": cy_invitation, "role": "SIMPLE_USER"}, by=anna)) == []
    )
    await sell(api, anna, 2)
    assert codes(await api.do("updateInvitation", arguments, by=anna)) == []


async def test_reserved_seat_stays_reserved_when_seats_are_exceeded(api: Api) -> None:
    anna = await create_firm(api, 1)
    key = await invite(api, anna, "bo@example.com")
    await db.execute("UPDATE accounts SET purchased_seats = 0")

    assert codes(await api.do("updateInvitation", {"invitationId": key, "role": "SIMPLE_USER"}, by=anna)) == []
    assert codes(await api.do("resendInvitation", {"invitationId": key}, by=anna)) == []


async def test_resending_expired_invitation_without_available_seat_is_rejected(api: Api) -> None:
    anna = await create_firm(api, 1)
    key = await invite(api, anna, "bo@example.com")
    assert codes(await api.do("resendInvitation", {"invitationId": key}, by=anna)) == []
    api.clock.forward(days=7)
    await invite(api, anna, "cy@example.com")

    assert await refusal_codes(api, "resendInvitation", {"invitationId": key}, by=anna) == [
        (SEATS_EXHAUSTED, ["invitationId"])
    ]


# ---- Consultants -----------------------------------------------------------------------------

NEARLY_ALL: list[str] = [str(permission) for permission in policy.permissions(policy.ROLES[Role.CONSULTANT])]


async def test_twenty_invited_consultants_need_twenty_seats(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    refused_count = 0
    for number in range(20):
        arguments = {**invitation_input(anna, f"c{number}@example.com", "CONSULTANT"), "permissions": NEARLY_ALL}
        payload = await limited_api.do("inviteUser", arguments, by=anna)
        refused_count += codes(payload) == [(SEATS_EXHAUSTED, ["role"])]

    assert refused_count == 15
    assert await load_seats(limited_api, anna) == {"purchased": 5, "used": 0, "reserved": 5, "available": 0}


async def engaged_consultant(api: Api, anna: Person) -> tuple[str, str]:
    """A consultant of a bureau at Anna's account. Returns the ids of the engagement and the grant."""
    bureau = await register_bureau(api)
    engagement_id = await engage(api, bureau, anna)
    staff, _ = await add_staff(api, bureau, "staff@example.com")
    (outcome,) = await assign(api, bureau, staff, [anna.account_id])
    grant_id = str(outcome["grant"]["id"])
    assert codes(await api.do("updateGrant", {"grantId": grant_id, "permissions": NEARLY_ALL}, by=anna)) == []
    return engagement_id, grant_id


async def test_consultant_of_a_bureau_uses_no_seat(api: Api) -> None:
    anna = await create_firm(api, 0)

    _, grant = await engaged_consultant(api, anna)

    assert await load_seats(api, anna) == {"purchased": 0, "used": 0, "reserved": 0, "available": 0}
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    assert codes(await api.do("restoreGrant", {"grantId": grant}, by=anna)) == []


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "COLLABORATOR", "SIMPLE_USER"])
async def test_consultant_of_a_bureau_in_another_role_needs_a_seat(api: Api, role: str) -> None:
    anna = await create_firm(api, 0)
    _, grant = await engaged_consultant(api, anna)
    arguments = {"grantId": grant, "role": role}

    assert await refusal_codes(api, "updateGrant", arguments, by=anna) == [(SEATS_EXHAUSTED, ["role"])]
    await sell(api, anna, 1)
    assert codes(await api.do("updateGrant", arguments, by=anna)) == []
    assert (await load_seats(api, anna))["used"] == 1


async def test_consultant_without_engagement_is_not_restored_without_a_seat(api: Api) -> None:
    anna = await create_firm(api, 0)
    engagement_id, grant = await engaged_consultant(api, anna)
    assert codes(await api.do("endEngagement", {"engagementId": engagement_id}, by=anna)) == []

    assert await refusal_codes(api, "restoreGrant", {"grantId": grant}, by=anna) == [("INVALID_STATE", ["grantId"])]
    arguments = invitation_input(anna, "staff@example.com", "CONSULTANT")
    assert await refusal_codes(api, "inviteUser", arguments, by=anna) == [(SEATS_EXHAUSTED, ["role"])]


@pytest.mark.parametrize("former_role", ["ACCOUNTANT", "CONSULTANT"])
async def test_role_of_consultant_needs_a_seat(api: Api, former_role: str) -> None:
    anna = await create_firm(api, 1)
    invitation = await invite(api, anna, "cy@example.com", former_role)
    _, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await db.execute("UPDATE accounts SET purchased_seats = 0")
    error_codes = [] if former_role == "CONSULTANT" else [(SEATS_EXHAUSTED, ["role"])]

    update_input = {"invitationId": invitation, "role": "CONSULTANT"}
    assert codes(await api.do("updateInvitation", update_input, by=anna)) == error_codes
    update_grant_input = {"grantId": grant, "role": "CONSULTANT"}
    assert await refusal_codes(api, "updateGrant", update_grant_input, by=anna) == [(SEATS_EXHAUSTED, ["role"])]


async def test_account_above_its_seats_keeps_its_users_and_gets_no_more(api: Api) -> None:
    """Accounts from before consultants needed seats."""
    anna = await create_firm(api, 3)
    guests = [await api.guest(anna, f"c{number}@example.com", "CONSULTANT", permissions=NEARLY_ALL) for number in "123"]
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    assert await load_seats(api, anna) == {"purchased": 1, "used": 3, "reserved": 0, "available": 0}
    answer = await api.ask("{ viewer { accounts { totalCount } } }", by=guests[0][0])
    assert answer.data["viewer"]["accounts"]["totalCount"] == 1
    change = {"grantId": guests[0][1], "permissions": ["DOCUMENTS_READ"]}
    assert codes(await api.do("updateGrant", change, by=anna)) == []
    arguments = invitation_input(anna, "dy@example.com", "CONSULTANT")
    assert await refusal_codes(api, "inviteUser", arguments, by=anna) == [(SEATS_EXHAUSTED, ["role"])]
    await sell(api, anna, 2)
    with pytest.raises(Refusal, match="3 are used"):
        await sell(api, anna, 1)


async def test_former_owner_does_not_get_the_seat_of_a_bureaus_consultant(api: Api) -> None:
    anna = await create_firm(api, 0)
    _, grant = await engaged_consultant(api, anna)
    staff = await Grant.get(id=ids.decode("Grant", grant))
    offer = {"accountId": anna.account_id, "userId": ids.encode("User", staff.user_id), "password": PASSWORD}
    assert codes(await api.do("transferOwnership", offer, by=anna)) == []
    sign_in = await api.do("signIn", {"email": "staff@example.com", "password": PASSWORD}, "accessToken")

    accept_input = {"accountId": anna.account_id}
    error_codes = await refusal_codes(api, "acceptOwnership", accept_input, by=sign_in["accessToken"])

    assert error_codes == [(SEATS_EXHAUSTED, ["accountId"])]


# ---- The operator ----------------------------------------------------------------------------


async def test_sold_seats_are_available_at_once(api: Api) -> None:
    anna = await create_firm(api, 2)
    await invite(api, anna, "bo@example.com")

    await sell(api, anna, 7)

    assert await load_seats(api, anna) == {"purchased": 7, "used": 0, "reserved": 1, "available": 6}
    first, second = await events("operator:seats:set")
    assert (first.before, first.after) == ('{"purchased": 1000}', '{"purchased": 2}')
    assert (second.before, second.after) == ('{"purchased": 2}', '{"purchased": 7}')
    assert (second.actor_id, second.account_id) == (None, ids.decode("Account", anna.account_id))


async def test_seats_cannot_be_reduced_below_used_and_reserved(api: Api) -> None:
    anna = await create_firm(api, 5)
    await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    await invite(api, anna, "cy@example.com")
    before = await state()

    with pytest.raises(Refusal, match="1 are used, 1 are reserved") as refusal:
        await sell(api, anna, 1)

    assert refusal.value.problems[0].code is UserErrorCode.OUT_OF_RANGE
    assert await state() == before
    await sell(api, anna, 2)
    assert (await load_seats(api, anna))["available"] == 0


@pytest.mark.parametrize("count", [-1, 100_001])
async def test_seat_count_out_of_range_is_rejected(api: Api, count: int) -> None:
    anna = await create_firm(api, 5)

    with pytest.raises(Refusal, match="from 0 to 100000"):
        await sell(api, anna, count)

    assert (await load_seats(api, anna))["purchased"] == 5


async def test_unchanged_seat_count_records_no_event(api: Api) -> None:
    anna = await create_firm(api, 5)

    await sell(api, anna, 5)

    assert len(await events("operator:seats:set")) == 1


async def test_unknown_account_number_is_rejected(api: Api) -> None:
    with pytest.raises(Refusal, match="No account has this number"):
        await seat.sell(Caller(now=api.clock.now, config=OperationConfig(KEY)), 99, 5)
