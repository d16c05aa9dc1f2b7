"""Ownership: offered, accepted, declined, withdrawn; exactly one owner all the while."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from models.sharing.ownership import LASTS, OwnershipTransfer
from tests.api import NOWHERE, PASSWORD, Api, Person, codes
from tests.models.refusals import events, mails, refused, rejected

GUEST = "bo@example.com"
NOT_FOUND = [("NOT_FOUND", ["accountId"])]
NO_OFFER = [("INVALID_STATE", ["accountId"])]
OFFERED = "account { ownershipTransfer { id offeredBy { name } receiver { name } expiresAt } } transfer { id }"


def to(owner: Person, receiver: Person, **more: object) -> dict[str, Any]:
    return {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD, **more}


async def offered(api: Api, owner: Person, receiver: Person) -> dict[str, Any]:
    """The account, as the input of whoever answers."""
    assert codes(await api.do("transferOwnership", to(owner, receiver), by=owner)) == []
    return {"accountId": owner.account_id}


async def shared(api: Api, role: str = "ACCOUNTANT", **more: object) -> tuple[Person, Person, str]:
    """An owner, a member of her account, and his grant."""
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    bo, key = await api.guest(anna, GUEST, role, **more)
    return anna, bo, key


async def roles(person: Person) -> dict[str, str]:
    """Who is what in the account, by address; live grants only."""
    sql = """SELECT u.email, g.role FROM grants g JOIN users u ON u.id = g.user_id
        JOIN accounts a ON a.id = g.account_id WHERE 'a' || replace(a.id::text, '-', '') = $1 AND g.status = 'ACTIVE'"""
    return {row.email: row.role for row in await db.fetch(sql, person.account_id, row=db.Row)}


async def seen_offer(api: Api, person: Person, account_id: str) -> Any:
    query = "query ($id: ID!) { account(id: $id) { ownershipTransfer { id } } }"
    account = (await api.ask(query, {"id": account_id}, by=person)).data["account"]
    return account and account["ownershipTransfer"]


# ---- Two steps -------------------------------------------------------------------------------


async def test_the_owner_offers_and_the_receiver_owns(api: Api) -> None:
    anna, bo, key = await shared(api, "SIMPLE_USER", permissions=["CONTACTS_READ"])

    done = await api.do("transferOwnership", to(anna, bo), OFFERED, by=anna)

    assert done["errors"] == []
    offer = done["account"]["ownershipTransfer"]
    assert offer == {
        "id": done["transfer"]["id"],
        "offeredBy": {"name": "Anna Nowak"},
        "receiver": {"name": "Bo Berg"},
        "expiresAt": (api.clock.now + LASTS).isoformat().replace("+00:00", "Z"),
    }
    assert await roles(anna) == {anna.email: "OWNER", GUEST: "SIMPLE_USER"}

    shown = "account { owner { name } viewerPermissions ownershipTransfer { id } } grant { id role validUntil }"
    done = await api.do("acceptOwnership", {"accountId": anna.account_id}, shown, by=bo)

    assert done["errors"] == []
    assert done["account"]["owner"] == {"name": "Bo Berg"}
    assert "OWNERSHIP" in done["account"]["viewerPermissions"]
    assert done["account"]["ownershipTransfer"] is None
    assert done["grant"] == {"id": key, "role": "OWNER", "validUntil": None}
    assert await roles(anna) == {anna.email: "ADMINISTRATOR", GUEST: "OWNER"}
    assert await refused(api, "acceptOwnership", {"accountId": anna.account_id}, by=bo) == NO_OFFER


async def test_the_former_owner_administers_and_can_be_put_out(api: Api) -> None:
    anna, bo, _ = await shared(api)
    assert codes(await api.do("acceptOwnership", await offered(api, anna, bo), by=bo)) == []

    answer = await rejected(api, "transferOwnership", to(anna, bo), by=anna)
    assert answer.codes == ["FORBIDDEN"]
    (hers,) = await Grant.filter(role="ADMINISTRATOR")
    assert hers.last_used_at is not None
    given = {"grantId": f"g{hers.id.hex}"}
    assert codes(await api.do("revokeGrant", given, by=bo)) == []
    assert await seen_offer(api, anna, anna.account_id) is None


async def test_a_grant_with_an_end_loses_it_with_the_ownership(api: Api) -> None:
    until = (api.clock.now + timedelta(days=3)).isoformat()
    anna, bo, _ = await shared(api, "CONSULTANT", permissions=["DOCUMENTS_READ"], grantValidUntil=until)

    assert codes(await api.do("acceptOwnership", await offered(api, anna, bo), by=bo)) == []

    api.clock.forward(days=4)
    seen = await api.ask("{ viewer { currentGrant { role status validUntil } } }", by=bo)
    assert seen.data["viewer"]["currentGrant"] == {"role": "OWNER", "status": "ACTIVE", "validUntil": None}


async def test_both_sides_are_told_and_the_account_remembers(api: Api) -> None:
    anna, bo, _ = await shared(api)
    account = await offered(api, anna, bo)
    await api.do("withdrawOwnership", account, by=anna)
    await offered(api, anna, bo)
    await api.do("declineOwnership", account, by=bo)
    await offered(api, anna, bo)
    await api.do("acceptOwnership", account, by=bo)

    for email in (anna.email, GUEST):
        told = [
            len(await mails(email, f"ownership-{step}")) for step in ("offered", "withdrawn", "declined", "accepted")
        ]
        assert told == [3, 1, 1, 1]
    steps = [
        (row.type.rpartition(":")[2], row.actor_role)
        for row in await db.fetch("SELECT * FROM events WHERE type LIKE 'account:ownership:%' ORDER BY id", row=db.Row)
    ]
    assert steps == [
        ("offer", "OWNER"),
        ("withdraw", "OWNER"),
        ("offer", "OWNER"),
        ("decline", "ACCOUNTANT"),
        ("offer", "OWNER"),
        ("accept", "ACCOUNTANT"),
    ]
    assert len(await events("account:grant:update")) == 2
    assert PASSWORD not in str(await db.fetch("SELECT * FROM events", row=db.Row))


async def test_an_expired_subscription_hinders_no_transfer(api: Api) -> None:
    anna, bo, _ = await shared(api)
    api.clock.forward(days=400)
    anna, bo = await signed_in(api, anna), await signed_in(api, bo)

    assert codes(await api.do("acceptOwnership", await offered(api, anna, bo), by=bo)) == []


async def signed_in(api: Api, person: Person) -> Person:
    done = await api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return Person(person.email, done["accessToken"], person.user_id, person.account_id)


# ---- Who may, and to whom --------------------------------------------------------------------


async def test_the_password_is_asked_again(api: Api) -> None:
    anna, bo, _ = await shared(api)

    found = await refused(api, "transferOwnership", to(anna, bo, password="not the password"), by=anna)

    assert found == [("INVALID_CREDENTIALS", ["password"])]


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT", "SIMPLE_USER"])
async def test_only_the_owner_offers_and_withdraws(api: Api, role: str) -> None:
    anna, bo, _ = await shared(api, role)
    account = await offered(api, anna, bo)

    for mutation, given in (("transferOwnership", to(anna, bo)), ("withdrawOwnership", account)):
        assert (await rejected(api, mutation, given, by=bo)).codes == ["FORBIDDEN"]


async def test_strangers_find_no_account_whatever_they_send(api: Api) -> None:
    anna, bo, _ = await shared(api)
    eve = await api.person("eve@example.com")
    await offered(api, anna, bo)

    for account_id in (anna.account_id, NOWHERE, anna.user_id, "x"):
        given = {**to(anna, bo, password="wrong"), "accountId": account_id}
        assert await refused(api, "transferOwnership", given, by=eve) == NOT_FOUND
        for mutation in ("acceptOwnership", "declineOwnership", "withdrawOwnership"):
            assert await refused(api, mutation, {"accountId": account_id}, by=eve) == NOT_FOUND
    assert await seen_offer(api, eve, anna.account_id) is None


async def test_only_who_can_enter_the_account_can_receive_it(api: Api) -> None:
    anna, bo, key = await shared(api)
    eve = await api.person("eve@example.com")

    for user_id in (eve.user_id, NOWHERE, "x"):
        found = await refused(api, "transferOwnership", to(anna, eve, userId=user_id), by=anna)
        assert found == [("NOT_FOUND", ["userId"])]
    assert await refused(api, "transferOwnership", to(anna, anna), by=anna) == [("INVALID", ["userId"])]
    await api.do("revokeGrant", {"grantId": key}, by=anna)
    assert await refused(api, "transferOwnership", to(anna, bo), by=anna) == [("INVALID_STATE", ["userId"])]


async def test_who_waits_for_permissions_or_whose_time_is_over_receives_nothing(api: Api) -> None:
    anna, bo, key = await shared(api)
    await api.do("updateGrant", {"grantId": key, "role": "CONSULTANT"}, by=anna)
    assert await refused(api, "transferOwnership", to(anna, bo), by=anna) == [("INVALID_STATE", ["userId"])]
    until = (api.clock.now + timedelta(hours=1)).isoformat()
    await api.do("updateGrant", {"grantId": key, "role": "ACCOUNTANT", "validUntil": until}, by=anna)
    account = await offered(api, anna, bo)
    api.clock.forward(hours=1)

    assert await refused(api, "acceptOwnership", account, by=bo) == NOT_FOUND
    assert await refused(api, "transferOwnership", to(anna, bo), by=anna) == [("INVALID_STATE", ["userId"])]
    assert await seen_offer(api, anna, anna.account_id) is None


async def test_a_login_or_an_account_that_is_not_activated_has_no_part_in_it(api: Api) -> None:
    anna, bo, _ = await shared(api)
    await db.execute("UPDATE users SET activated_at = NULL WHERE email = $1", GUEST)
    assert await refused(api, "transferOwnership", to(anna, bo), by=anna) == [("NOT_ACTIVATED", ["userId"])]
    await db.execute("UPDATE users SET activated_at = created_at")
    await db.execute("UPDATE accounts SET activated_at = NULL")
    assert await refused(api, "transferOwnership", to(anna, bo), by=anna) == [("INVALID_STATE", ["accountId"])]


async def test_an_offer_is_seen_by_its_two_sides_alone(api: Api) -> None:
    anna, bo, _ = await shared(api)
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    await offered(api, anna, bo)

    found = await seen_offer(api, anna, anna.account_id)
    assert found == await seen_offer(api, bo, anna.account_id) is not None
    assert await seen_offer(api, ada, anna.account_id) is None
    query = "query ($id: ID!) { node(id: $id) { id } }"
    assert [(await api.ask(query, found, by=one)).data["node"] for one in (anna, bo, ada)] == [found, found, None]
    for mutation in ("acceptOwnership", "declineOwnership"):
        assert await refused(api, mutation, {"accountId": anna.account_id}, by=ada) == NO_OFFER
        assert await refused(api, mutation, {"accountId": anna.account_id}, by=anna) == NO_OFFER


# ---- How an offer ends -----------------------------------------------------------------------


async def test_an_offer_is_judged_when_it_is_used(api: Api) -> None:
    anna, bo, _ = await shared(api)
    account = await offered(api, anna, bo)

    api.clock.forward(days=7)

    for mutation, by in (("acceptOwnership", bo), ("declineOwnership", bo), ("withdrawOwnership", anna)):
        assert await refused(api, mutation, account, by=by) == NO_OFFER
    assert await seen_offer(api, anna, anna.account_id) is None
    await offered(api, anna, bo)
    assert [row.status for row in await OwnershipTransfer.all().order_by("id")] == ["EXPIRED", "PENDING"]
    assert len(await events("account:ownership:expire")) == 1
    assert [len(await mails(email, "ownership-expired")) for email in (anna.email, GUEST)] == [1, 1]


async def test_a_second_before_its_end_an_offer_is_good(api: Api) -> None:
    anna, bo, _ = await shared(api)
    account = await offered(api, anna, bo)

    api.clock.forward(days=7, seconds=-1)

    assert codes(await api.do("acceptOwnership", account, by=bo)) == []


async def test_a_new_offer_replaces_the_old_and_its_receiver_is_told(api: Api) -> None:
    anna, bo, _ = await shared(api)
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    await offered(api, anna, bo)

    account = await offered(api, anna, ada)

    assert await refused(api, "acceptOwnership", account, by=bo) == NO_OFFER
    assert len(await mails(GUEST, "ownership-withdrawn")) == 1
    assert codes(await api.do("acceptOwnership", account, by=ada)) == []


@pytest.mark.parametrize("mutation", ["revokeGrant", "resignGrant"])
async def test_an_offer_ends_with_its_receivers_access(api: Api, mutation: str) -> None:
    anna, bo, key = await shared(api)
    account = await offered(api, anna, bo)

    await api.do(mutation, {"grantId": key}, by=anna if mutation == "revokeGrant" else bo)

    (transfer,) = await OwnershipTransfer.all()
    assert transfer.status == "LAPSED"
    assert await refused(api, "acceptOwnership", account, by=bo) == NOT_FOUND
    if mutation == "revokeGrant":
        assert codes(await api.do("restoreGrant", {"grantId": key}, by=anna)) == []
        assert await refused(api, "acceptOwnership", account, by=bo) == NO_OFFER


async def test_an_administrator_whom_the_former_owner_invited_needs_a_new_invitation(api: Api) -> None:
    anna, bo, _ = await shared(api)
    given = {"accountId": anna.account_id, "email": "ada@example.com", "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", given, by=anna)) == []
    await api.do("acceptOwnership", await offered(api, anna, bo), by=bo)

    token = await api.link("ada@example.com", "invitation")
    new = {"token": token, "name": "Ada Lund", "password": PASSWORD}

    assert await refused(api, "acceptInvitation", new) == [("ROLE_TOO_HIGH", None)]


# ---- Numbers that have one owner -------------------------------------------------------------

NIP, IBAN = "5260250274", "PL61109010140000071219812874"


async def numbered(api: Api, owner: Person) -> None:
    given = {"accountId": owner.account_id, "country": "PL", "organizationNumber": NIP}
    assert codes(await api.do("updateAccount", given, by=owner)) == []
    given = {"accountId": owner.account_id, "bankAccountNumber": IBAN}
    assert codes(await api.do("updateAccountSettings", given, by=owner)) == []


async def test_numbers_come_along(api: Api) -> None:
    anna, bo, _ = await shared(api)
    await numbered(api, anna)

    assert codes(await api.do("acceptOwnership", await offered(api, anna, bo), by=bo)) == []

    more = {"name": "Second", "country": "PL", "organizationNumber": NIP, "bankAccountNumber": IBAN}
    assert await refused(api, "createAccount", more, by=anna) == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
    assert codes(await api.do("createAccount", more, by=bo)) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"country": "PL", "organizationNumber": NIP}, "ORGANIZATION_NUMBER_TAKEN"),
        ({"country": "PL", "bankAccountNumber": IBAN}, "BANK_ACCOUNT_TAKEN"),
    ],
)
async def test_a_number_of_two_accounts_stays_with_their_owner(api: Api, given: dict[str, str], code: str) -> None:
    anna, bo, _ = await shared(api)
    await numbered(api, anna)
    account = await offered(api, anna, bo)
    assert codes(await api.do("createAccount", {"name": "Second", **given}, by=anna)) == []

    assert await refused(api, "acceptOwnership", account, by=bo) == [(code, ["accountId"])]
    assert await refused(api, "transferOwnership", to(anna, bo), by=anna) == [(code, ["accountId"])]


# ---- Seats -----------------------------------------------------------------------------------


async def test_the_former_owner_needs_a_seat(api: Api) -> None:
    anna, bo, _ = await shared(api, "ACCOUNTANT")
    account = await offered(api, anna, bo)
    await db.execute("UPDATE accounts SET purchased_seats = 0")
    assert await refused(api, "acceptOwnership", account, by=bo) == [("SEATS_EXHAUSTED", ["accountId"])]
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    assert codes(await api.do("acceptOwnership", account, by=bo)) == []


async def test_the_former_owner_takes_the_seat_of_the_receiver(api: Api) -> None:
    anna, bo, _ = await shared(api, "SIMPLE_USER")
    await db.execute("UPDATE accounts SET purchased_seats = 1")
    account = await offered(api, anna, bo)

    assert codes(await api.do("acceptOwnership", account, by=bo)) == []


# ---- Held by the database --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE grants SET role = 'ADMINISTRATOR' WHERE role = 'OWNER'", "has no owner"),
        ("UPDATE grants SET status = 'REVOKED' WHERE role = 'OWNER'", "has no owner"),
        ("DELETE FROM grants WHERE role = 'OWNER'", "has no owner"),
        ("UPDATE accounts SET owner_id = (SELECT id FROM users WHERE email = 'bo@example.com')", "has no owner"),
        ("UPDATE ownership_transfers SET receiver_id = owner_id", "ownership_transfers_to_somebody_else"),
        (
            """INSERT INTO ownership_transfers SELECT gen_random_uuid(), account_id, owner_id, receiver_id, grant_id,
            status, created_at, expires_at FROM ownership_transfers""",
            "ownership_transfers_one_pending",
        ),
    ],
)
async def test_the_database_holds_it_too(api: Api, statement: str, constraint: str) -> None:
    anna, bo, _ = await shared(api)
    await offered(api, anna, bo)

    with pytest.raises(Exception, match=constraint):
        await db.execute(statement)

    assert await roles(anna) == {anna.email: "OWNER", GUEST: "ACCOUNTANT"}
