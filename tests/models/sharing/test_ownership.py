"""Transfer of ownership: offer, acceptance, decline, withdrawal, and exactly one owner throughout."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from models.sharing.ownership import LIFETIME, OwnershipTransfer
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person, codes
from tests.models.refusals import events, mails, refusal_codes, rejection

GUEST = "bo@example.com"
NOT_FOUND = [("NOT_FOUND", ["accountId"])]
NO_OFFER = [("INVALID_STATE", ["accountId"])]
OFFER_SELECTION = "account { ownershipTransfer { id offeredBy { name } receiver { name } expiresAt } } transfer { id }"


def offer_input(owner: Person, receiver: Person, **fields: object) -> dict[str, Any]:
    return {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD, **fields}


async def make_offer(api: Api, owner: Person, receiver: Person) -> dict[str, Any]:
    """Offer the account. Returns the input of the operations that decide the offer."""
    assert codes(await api.do("transferOwnership", offer_input(owner, receiver), by=owner)) == []
    return {"accountId": owner.account_id}


async def create_shared_account(api: Api, role: str = "ACCOUNTANT", **fields: object) -> tuple[Person, Person, str]:
    """Create an account with an owner and a guest. Returns both and the id of the guest's grant."""
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    bo, grant_id = await api.guest(anna, GUEST, role, **fields)
    return anna, bo, grant_id


async def load_roles(person: Person) -> dict[str, str]:
    """The roles of the active grants on the person's account, by email address."""
    sql = """SELECT u.email, g.role FROM grants g JOIN users u ON u.id = g.user_id
        JOIN accounts a ON a.id = g.account_id WHERE 'a' || replace(a.id::text, '-', '') = $1 AND g.status = 'ACTIVE'"""
    return {row.email: row.role for row in await db.fetch(sql, person.account_id, row=db.Row)}


async def load_offer(api: Api, person: Person, account_id: str) -> Any:
    query = "query ($id: ID!) { account(id: $id) { ownershipTransfer { id } } }"
    account = (await api.ask(query, {"id": account_id}, by=person)).data["account"]
    return account and account["ownershipTransfer"]


# ---- Transfer --------------------------------------------------------------------------------


async def test_receiver_becomes_owner_by_accepting(api: Api) -> None:
    anna, bo, grant_id = await create_shared_account(api, "SIMPLE_USER", permissions=["CONTACTS_READ"])

    payload = await api.do("transferOwnership", offer_input(anna, bo), OFFER_SELECTION, by=anna)

    assert payload["errors"] == []
    offer = payload["account"]["ownershipTransfer"]
    assert offer == {
        "id": payload["transfer"]["id"],
        "offeredBy": {"name": "Anna Nowak"},
        "receiver": {"name": "Bo Berg"},
        "expiresAt": (api.clock.now + LIFETIME).isoformat().replace("+00:00", "Z"),
    }
    assert await load_roles(anna) == {anna.email: "OWNER", GUEST: "SIMPLE_USER"}

    selection = "account { owner { name } viewerPermissions ownershipTransfer { id } } grant { id role validUntil }"
    payload = await api.do("acceptOwnership", {"accountId": anna.account_id}, selection, by=bo)

    assert payload["errors"] == []
    assert payload["account"]["owner"] == {"name": "Bo Berg"}
    assert "OWNERSHIP" in payload["account"]["viewerPermissions"]
    assert payload["account"]["ownershipTransfer"] is None
    assert payload["grant"] == {"id": grant_id, "role": "OWNER", "validUntil": None}
    assert await load_roles(anna) == {anna.email: "ADMINISTRATOR", GUEST: "OWNER"}
    assert await refusal_codes(api, "acceptOwnership", {"accountId": anna.account_id}, by=bo) == NO_OFFER


async def test_former_owner_is_administrator_and_can_be_revoked(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    assert codes(await api.do("acceptOwnership", await make_offer(api, anna, bo), by=bo)) == []

    response = await rejection(api, "transferOwnership", offer_input(anna, bo), by=anna)
    assert response.codes == ["FORBIDDEN"]
    (former_owner_grant,) = await Grant.filter(role="ADMINISTRATOR")
    assert former_owner_grant.last_used_at is not None
    arguments = {"grantId": f"g{former_owner_grant.id.hex}"}
    assert codes(await api.do("revokeGrant", arguments, by=bo)) == []
    assert await load_offer(api, anna, anna.account_id) is None


async def test_grant_of_the_new_owner_loses_its_end(api: Api) -> None:
    until = (api.clock.now + timedelta(days=3)).isoformat()
    anna, bo, _ = await create_shared_account(api, "CONSULTANT", permissions=["DOCUMENTS_READ"], grantValidUntil=until)

    assert codes(await api.do("acceptOwnership", await make_offer(api, anna, bo), by=bo)) == []

    api.clock.forward(days=4)
    response = await api.ask("{ viewer { currentGrant { role status validUntil } } }", by=bo)
    assert response.data["viewer"]["currentGrant"] == {"role": "OWNER", "status": "ACTIVE", "validUntil": None}


async def test_each_step_is_mailed_to_both_sides_and_recorded(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    account = await make_offer(api, anna, bo)
    await api.do("withdrawOwnership", account, by=anna)
    await make_offer(api, anna, bo)
    await api.do("declineOwnership", account, by=bo)
    await make_offer(api, anna, bo)
    await api.do("acceptOwnership", account, by=bo)

    for email in (anna.email, GUEST):
        mail_counts = [
            len(await mails(email, f"ownership-{step}")) for step in ("offered", "withdrawn", "declined", "accepted")
        ]
        assert mail_counts == [3, 1, 1, 1]
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


async def test_transfer_works_after_the_subscription_expired(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    api.clock.forward(days=400)
    anna, bo = await api.sign_in(anna), await api.sign_in(bo)

    assert codes(await api.do("acceptOwnership", await make_offer(api, anna, bo), by=bo)) == []


# ---- Permissions and receivers ---------------------------------------------------------------


async def test_offer_needs_the_owners_password(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)

    error_codes = await refusal_codes(
        api, "transferOwnership", offer_input(anna, bo, password="not the password"), by=anna
    )

    assert error_codes == [("INVALID_CREDENTIALS", ["password"])]


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT", "SIMPLE_USER"])
async def test_only_the_owner_can_offer_and_withdraw(api: Api, role: str) -> None:
    anna, bo, _ = await create_shared_account(api, role)
    account = await make_offer(api, anna, bo)

    for mutation, arguments in (("transferOwnership", offer_input(anna, bo)), ("withdrawOwnership", account)):
        assert (await rejection(api, mutation, arguments, by=bo)).codes == ["FORBIDDEN"]


async def test_account_is_not_found_for_users_without_access(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    eve = await api.person("eve@example.com")
    await make_offer(api, anna, bo)

    for account_id in (anna.account_id, UNKNOWN_ID, anna.user_id, "x"):
        arguments = {**offer_input(anna, bo, password="wrong"), "accountId": account_id}
        assert await refusal_codes(api, "transferOwnership", arguments, by=eve) == NOT_FOUND
        for mutation in ("acceptOwnership", "declineOwnership", "withdrawOwnership"):
            assert await refusal_codes(api, mutation, {"accountId": account_id}, by=eve) == NOT_FOUND
    assert await load_offer(api, eve, anna.account_id) is None


async def test_receiver_needs_access_to_the_account(api: Api) -> None:
    anna, bo, grant_id = await create_shared_account(api)
    eve = await api.person("eve@example.com")

    for user_id in (eve.user_id, UNKNOWN_ID, "x"):
        error_codes = await refusal_codes(api, "transferOwnership", offer_input(anna, eve, userId=user_id), by=anna)
        assert error_codes == [("NOT_FOUND", ["userId"])]
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, anna), by=anna) == [("INVALID", ["userId"])]
    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, bo), by=anna) == [
        ("INVALID_STATE", ["userId"])
    ]


async def test_receiver_with_waiting_or_expired_access_is_refused(api: Api) -> None:
    anna, bo, grant_id = await create_shared_account(api)
    await api.do("updateGrant", {"grantId": grant_id, "role": "CONSULTANT"}, by=anna)
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, bo), by=anna) == [
        ("INVALID_STATE", ["userId"])
    ]
    until = (api.clock.now + timedelta(hours=1)).isoformat()
    await api.do("updateGrant", {"grantId": grant_id, "role": "ACCOUNTANT", "validUntil": until}, by=anna)
    account = await make_offer(api, anna, bo)
    api.clock.forward(hours=1)

    assert await refusal_codes(api, "acceptOwnership", account, by=bo) == NOT_FOUND
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, bo), by=anna) == [
        ("INVALID_STATE", ["userId"])
    ]
    assert await load_offer(api, anna, anna.account_id) is None


async def test_receiver_and_account_have_to_be_activated(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    await db.execute("UPDATE users SET activated_at = NULL WHERE email = $1", GUEST)
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, bo), by=anna) == [
        ("NOT_ACTIVATED", ["userId"])
    ]
    await db.execute("UPDATE users SET activated_at = created_at")
    await db.execute("UPDATE accounts SET activated_at = NULL")
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, bo), by=anna) == [
        ("INVALID_STATE", ["accountId"])
    ]


async def test_offer_is_visible_to_owner_and_receiver_only(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    await make_offer(api, anna, bo)

    error_codes = await load_offer(api, anna, anna.account_id)
    assert error_codes == await load_offer(api, bo, anna.account_id) is not None
    assert await load_offer(api, ada, anna.account_id) is None
    query = "query ($id: ID!) { node(id: $id) { id } }"
    assert [(await api.ask(query, error_codes, by=person)).data["node"] for person in (anna, bo, ada)] == [
        error_codes,
        error_codes,
        None,
    ]
    for mutation in ("acceptOwnership", "declineOwnership"):
        assert await refusal_codes(api, mutation, {"accountId": anna.account_id}, by=ada) == NO_OFFER
        assert await refusal_codes(api, mutation, {"accountId": anna.account_id}, by=anna) == NO_OFFER


# ---- End of an offer -------------------------------------------------------------------------


async def test_offer_expires_after_seven_days(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    account = await make_offer(api, anna, bo)

    api.clock.forward(days=7)

    for mutation, by in (("acceptOwnership", bo), ("declineOwnership", bo), ("withdrawOwnership", anna)):
        assert await refusal_codes(api, mutation, account, by=by) == NO_OFFER
    assert await load_offer(api, anna, anna.account_id) is None
    await make_offer(api, anna, bo)
    assert [row.status for row in await OwnershipTransfer.all().order_by("id")] == ["EXPIRED", "PENDING"]
    assert len(await events("account:ownership:expire")) == 1
    assert [len(await mails(email, "ownership-expired")) for email in (anna.email, GUEST)] == [1, 1]


async def test_offer_works_a_second_before_its_expiry(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    account = await make_offer(api, anna, bo)

    api.clock.forward(days=7, seconds=-1)

    assert codes(await api.do("acceptOwnership", account, by=bo)) == []


async def test_new_offer_withdraws_the_former_and_mails_its_receiver(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    await make_offer(api, anna, bo)

    account = await make_offer(api, anna, ada)

    assert await refusal_codes(api, "acceptOwnership", account, by=bo) == NO_OFFER
    assert len(await mails(GUEST, "ownership-withdrawn")) == 1
    assert codes(await api.do("acceptOwnership", account, by=ada)) == []


@pytest.mark.parametrize("mutation", ["revokeGrant", "resignGrant"])
async def test_offer_lapses_with_the_receivers_access(api: Api, mutation: str) -> None:
    anna, bo, grant_id = await create_shared_account(api)
    account = await make_offer(api, anna, bo)

    await api.do(mutation, {"grantId": grant_id}, by=anna if mutation == "revokeGrant" else bo)

    (transfer,) = await OwnershipTransfer.all()
    assert transfer.status == "LAPSED"
    assert await refusal_codes(api, "acceptOwnership", account, by=bo) == NOT_FOUND
    if mutation == "revokeGrant":
        assert codes(await api.do("restoreGrant", {"grantId": grant_id}, by=anna)) == []
        assert await refusal_codes(api, "acceptOwnership", account, by=bo) == NO_OFFER


async def test_administrator_invited_by_the_former_owner_needs_a_new_invitation(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    arguments = {"accountId": anna.account_id, "email": "ada@example.com", "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", arguments, by=anna)) == []
    await api.do("acceptOwnership", await make_offer(api, anna, bo), by=bo)

    token = await api.link("ada@example.com", "invitation")
    new = {"token": token, "name": "Ada Lund", "password": PASSWORD}

    assert await refusal_codes(api, "acceptInvitation", new) == [("ROLE_TOO_HIGH", None)]


# ---- Registered numbers ----------------------------------------------------------------------

NIP, IBAN = "5260250274", "PL61109010140000071219812874"


async def set_numbers(api: Api, owner: Person) -> None:
    arguments = {"accountId": owner.account_id, "country": "PL", "organizationNumber": NIP}
    assert codes(await api.do("updateAccount", arguments, by=owner)) == []
    arguments = {"accountId": owner.account_id, "bankAccountNumber": IBAN}
    assert codes(await api.do("updateAccountSettings", arguments, by=owner)) == []


async def test_numbers_move_to_the_new_owner(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api)
    await set_numbers(api, anna)

    assert codes(await api.do("acceptOwnership", await make_offer(api, anna, bo), by=bo)) == []

    arguments = {"name": "Second", "country": "PL", "organizationNumber": NIP, "bankAccountNumber": IBAN}
    assert await refusal_codes(api, "createAccount", arguments, by=anna) == [
        ("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])
    ]
    assert codes(await api.do("createAccount", arguments, by=bo)) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"country": "PL", "organizationNumber": NIP}, "ORGANIZATION_NUMBER_TAKEN"),
        ({"country": "PL", "bankAccountNumber": IBAN}, "BANK_ACCOUNT_TAKEN"),
    ],
)
async def test_transfer_of_a_shared_number_is_refused(api: Api, arguments: dict[str, str], code: str) -> None:
    anna, bo, _ = await create_shared_account(api)
    await set_numbers(api, anna)
    account = await make_offer(api, anna, bo)
    assert codes(await api.do("createAccount", {"name": "Second", **arguments}, by=anna)) == []

    assert await refusal_codes(api, "acceptOwnership", account, by=bo) == [(code, ["accountId"])]
    assert await refusal_codes(api, "transferOwnership", offer_input(anna, bo), by=anna) == [(code, ["accountId"])]


# ---- Seats -----------------------------------------------------------------------------------


async def test_former_owner_needs_a_seat(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api, "ACCOUNTANT")
    account = await make_offer(api, anna, bo)
    await db.execute("UPDATE accounts SET purchased_seats = 0")
    assert await refusal_codes(api, "acceptOwnership", account, by=bo) == [("SEATS_EXHAUSTED", ["accountId"])]
    await db.execute("UPDATE accounts SET purchased_seats = 1")

    assert codes(await api.do("acceptOwnership", account, by=bo)) == []


async def test_former_owner_takes_the_seat_of_the_receiver(api: Api) -> None:
    anna, bo, _ = await create_shared_account(api, "SIMPLE_USER")
    await db.execute("UPDATE accounts SET purchased_seats = 1")
    account = await make_offer(api, anna, bo)

    assert codes(await api.do("acceptOwnership", account, by=bo)) == []


# ---- Database constraints --------------------------------------------------------------------


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
async def test_database_enforces_one_owner_and_one_pending_offer(api: Api, statement: str, constraint: str) -> None:
    anna, bo, _ = await create_shared_account(api)
    await make_offer(api, anna, bo)

    with pytest.raises(Exception, match=constraint):
        await db.execute(statement)

    assert await load_roles(anna) == {anna.email: "OWNER", GUEST: "ACCOUNTANT"}
