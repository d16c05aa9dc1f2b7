"""For each mutation an input with which it succeeds for a caller with the permission."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from database import db
from models.base.caller import Caller, OperationConfig
from models.billing import voucher
from resolvers import ids
from tests.api import KEY, PASSWORD, Person
from tests.authenticator import enable_second_factor, enroll
from tests.passkey_device import Device, add_passkey, begin_registration, begin_sign_in, passkey_ids
from tests.schema.world import World, key

Input = dict[str, Any] | None
MakeInput = Callable[[World, Person], Awaitable[Input]]


@dataclass(frozen=True)
class Call:
    """A call of a mutation: the function that makes a new input for each call, and the session."""

    make_input: MakeInput
    has_other_session: bool = False
    """True if another session of the caller makes the request: the mutation ends its session."""
    is_by_new_user: bool = False
    """True if a new user is the caller: the mutation erases its caller."""


def _account(**fields: object) -> MakeInput:
    async def make(world: World, _: Person) -> Input:
        return {"accountId": world.owner.account_id, **fields}

    return make


def _no_input() -> MakeInput:
    async def make(_: World, __: Person) -> Input:
        return None

    return make


async def _register(world: World, _: Person) -> Input:
    return {"name": "Nils Ny", "email": world.new_address(), "password": PASSWORD}


async def _unknown_address(_: World, __: Person) -> Input:
    return {"email": "nobody@example.com"}


async def _activation(world: World, person: Person) -> Input:
    values = await _register(world, person)
    assert values is not None
    payload = await world.api.do("register", values, "registrationSecret")
    token = await world.api.link(values["email"], "activation")
    return {"token": token, "registrationSecret": payload["registrationSecret"]}


async def _sign_in(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    return {"email": person.email, "password": PASSWORD}


async def _reset(world: World, _: Person) -> Input:
    new = await world.api.person(world.new_address())
    await world.api.do("requestPasswordReset", {"email": new.email})
    return {"token": await world.api.link(new.email, "reset"), "password": PASSWORD + " anew"}


async def _password(_: World, __: Person) -> Input:
    return {"currentPassword": PASSWORD, "newPassword": PASSWORD}


async def _new_address(world: World, _: Person) -> Input:
    return {"newEmail": world.new_address(), "password": PASSWORD}


async def _pending_change(world: World, person: Person) -> Input:
    payload = await world.api.do("changeEmail", await _new_address(world, person), by=person)
    assert payload["errors"] == []
    return None


async def _change_link(world: World, _: Person) -> Input:
    new = await world.api.person(world.new_address())
    values = await _new_address(world, new)
    assert values is not None
    assert (await world.api.do("changeEmail", values, by=new))["errors"] == []
    return {"token": await world.api.link(values["newEmail"], "email-change")}


async def _undo_link(world: World, _: Person) -> Input:
    new = await world.api.person(world.new_address())
    values = await _new_address(world, new)
    assert values is not None
    assert (await world.api.do("changeEmail", values, by=new))["errors"] == []
    token = await world.api.link(values["newEmail"], "email-change")
    assert (await world.api.do("confirmEmailChange", {"token": token}))["errors"] == []
    return {"token": await world.api.link(new.email, "email-undo")}


async def _profile(_: World, __: Person) -> Input:
    return {"locale": "en"}


async def _other_session(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    values = {"email": person.email, "password": PASSWORD}
    payload = await world.api.do("signIn", values, "viewer { session { id } }")
    return {"sessionId": payload["viewer"]["session"]["id"]}


async def _enrollment(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    return {"password": PASSWORD}


async def _confirmation_code(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    return {"code": (await enroll(world.api, person)).code()}


async def _active_second_factor(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    _ = await enable_second_factor(world.api, person)
    return {"password": PASSWORD}


async def _device(world: World, person: Person) -> Device:
    """A device with the person's passkey, which was just added."""
    await world.remove_second_factor(person)
    return await add_passkey(world.api, person)


async def _new_passkey(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    return {"credential": Device().create(await begin_registration(world.api, person)), "name": "Phone"}


async def _passkey(world: World, person: Person) -> Input:
    _ = await _device(world, person)
    return {"passkeyId": (await passkey_ids(world.api, person))[0]}


async def _renamed_passkey(world: World, person: Person) -> Input:
    return {**(await _passkey(world, person) or {}), "name": "Tablet"}


async def _passkey_sign_in(world: World, person: Person) -> Input:
    device = await _device(world, person)
    return {"credential": device.sign(await begin_sign_in(world.api))}


async def _few_passkeys(world: World, person: Person) -> Input:
    await world.remove_second_factor(person)
    return None


async def _some_passkey(world: World, person: Person) -> Input:
    _ = await _device(world, person)
    return None


async def _name(_: World, __: Person) -> Input:
    return {"name": "One more AS"}


async def _invitation_for(world: World, _: Person) -> Input:
    values = {"email": world.new_address(), "role": "SIMPLE_USER", "permissions": ["DOCUMENTS_READ"]}
    return {"accountId": world.owner.account_id, **values}


async def _invitation(world: World, _: Person) -> Input:
    return {"invitationId": await world.invite()}


async def _changed_invitation(world: World, _: Person) -> Input:
    return {"invitationId": await world.invite(), "permissions": ["DOCUMENTS_READ"]}


async def _invitation_of_caller(world: World, person: Person) -> Input:
    return {"invitationId": await world.ensure_invitation(person)}


async def _grant(world: World, _: Person) -> Input:
    permissions = ["DOCUMENTS_READ", "EXPENSES_READ"]
    _, grant = await world.api.guest(world.owner, world.new_address(), "SIMPLE_USER", permissions=permissions)
    return {"grantId": grant}


async def _changed_grant(world: World, person: Person) -> Input:
    return {**(await _grant(world, person) or {}), "permissions": ["DOCUMENTS_READ"]}


async def _revoked_grant(world: World, person: Person) -> Input:
    values = await _grant(world, person)
    assert (await world.api.do("revokeGrant", values, by=world.owner))["errors"] == []
    return values


async def _own_grant(world: World, person: Person) -> Input:
    return {"grantId": await world.ensure_grant(person)}


async def _closing_account(world: World, _: Person) -> Input:
    values = {"accountId": world.owner.account_id}
    assert (await world.api.do("closeAccount", {**values, "password": PASSWORD}, by=world.owner))["errors"] == []
    return values


async def _ownership(world: World, _: Person) -> Input:
    receiver = world.person("collaborator")
    return {"accountId": world.owner.account_id, "userId": receiver.user_id, "password": PASSWORD}


async def _account_with_offer(world: World, _: Person) -> Input:
    await world.api.do("transferOwnership", await _ownership(world, world.owner), by=world.owner)
    return {"accountId": world.owner.account_id}


async def _account_for(world: World, person: Person) -> Input:
    return {"accountId": await world.offer_account(person)}


async def _access_request(world: World, _: Person) -> Input:
    return {"accountNumber": 200_000 + next(world.counter), "role": "ACCOUNTANT", "message": "Good day"}


async def _request(world: World, _: Person) -> Input:
    return {
        "accessRequestId": await world.request_access(await world.api.person(world.new_address()), world.account_number)
    }


async def _own_request(world: World, person: Person) -> Input:
    return {"accessRequestId": await world.request_access(person, 300_000 + next(world.counter))}


async def _days(world: World, person: Person) -> Input:
    _ = await world.ensure_grant(person)
    return {"accountId": world.side_account_id, "payerAccountId": world.owner.account_id, "days": 10}


async def _engagement_request(world: World, _: Person) -> Input:
    number = (await world.create_partner_account())[1]
    return {"bureauAccountId": world.owner.account_id, "clientNumber": number}


async def _blind_request(world: World, person: Person) -> Input:
    values = await _engagement_request(world, person)
    assert (await world.api.do("engageBureau", values, by=world.owner))["errors"] == []
    row = await db.fetch_one("SELECT id FROM engagement_requests ORDER BY id DESC LIMIT 1", row=db.Row)
    assert row is not None
    return {"engagementRequestId": ids.encode("EngagementRequest", row.id)}


async def _pending_engagement(world: World, _: Person) -> Input:
    return {"engagementId": await world.request_engagement()}


async def _account_kind(world: World, _: Person) -> Input:
    await db.execute("UPDATE accounts SET kind = 'BUSINESS' WHERE id = $1", key(world.owner.account_id))
    return {"accountId": world.owner.account_id, "kind": "BUREAU"}


async def _changed_engagement(world: World, person: Person) -> Input:
    return {**(await _pending_engagement(world, person) or {}), "consultantPermissions": ["DOCUMENTS_READ"]}


async def _voucher(world: World, _: Person) -> Input:
    (code,) = voucher.new_codes(1)
    caller = Caller(now=world.api.clock(), config=OperationConfig(KEY))
    await voucher.issue(caller, [code], days=1, reference=world.new_address())
    return {"accountId": world.owner.account_id, "code": code}


def _consultant(*, is_assigned: bool) -> MakeInput:
    async def make(world: World, _: Person) -> Input:
        user_id = world.person("collaborator").user_id
        clients = [await world.create_client()]
        values = {"bureauAccountId": world.owner.account_id, "userId": user_id, "clientAccountIds": clients}
        if is_assigned:
            assert (await world.api.do("assignConsultant", values, by=world.owner))["errors"] == []
        return values

    return make


async def _replacement(world: World, _: Person) -> Input:
    values = await _consultant(is_assigned=True)(world, world.owner)
    assert values is not None
    users = {"fromUserId": values["userId"], "toUserId": world.person("administrator").user_id}
    return {"bureauAccountId": world.owner.account_id, **users}


async def _client_account(world: World, _: Person) -> Input:
    owner = {"ownerName": "Kim Kunde", "ownerEmail": world.new_address()}
    return {"bureauAccountId": world.owner.account_id, "name": "Kunde AS", **owner}


async def _waiting_client(world: World, person: Person) -> Input:
    values = await _client_account(world, person)
    payload = await world.api.do("createClientAccount", values, "account { id }", by=world.owner)
    assert payload["errors"] == []
    return {"bureauAccountId": world.owner.account_id, "clientAccountId": payload["account"]["id"]}


async def _corrected_client(world: World, person: Person) -> Input:
    return {**(await _waiting_client(world, person) or {}), "ownerEmail": world.new_address()}


def _contact(**fields: object) -> MakeInput:
    async def make(world: World, _: Person) -> Input:
        return {"contactId": await world.create("Contact", name="Kunde AS"), **fields}

    return make


def _product(**fields: object) -> MakeInput:
    async def make(world: World, _: Person) -> Input:
        return {"productId": await world.create("Product", name="Paper", price="9.90", vatRate="25"), **fields}

    return make


AMOUNTS: Final = [{"vatRate": "25", "netAmount": "100"}]


def _expense(**fields: object) -> MakeInput:
    async def make(world: World, _: Person) -> Input:
        return {"expenseId": await world.create("Expense", spentOn="2026-03-01", amounts=AMOUNTS), **fields}

    return make


LINE: Final = {"quantity": "2", "description": "Paper", "unitPrice": "9.90", "vatRate": "25"}


def _draft(**fields: object) -> MakeInput:
    async def make(world: World, person: Person) -> Input:
        return {"documentId": await world.create_draft(person), **fields}

    return make


def _issued(**fields: object) -> MakeInput:
    async def make(world: World, person: Person) -> Input:
        document = await world.create_draft(person)
        assert (await world.api.do("issueDocument", {"documentId": document}, by=world.owner))["errors"] == []
        return {"documentId": document, **fields}

    return make


def _line(**fields: object) -> MakeInput:
    async def make(world: World, person: Person) -> Input:
        values = {"documentId": await world.create_draft(person), **LINE}
        payload = await world.api.do("addDocumentLine", values, "line { id }", by=world.owner)
        return {"documentLineId": payload["line"]["id"], **fields}

    return make


async def _export(world: World, __: Person) -> Input:
    _ = await db.execute("DELETE FROM exports WHERE status = 'QUEUED'")  # an account has few exports at once
    return {"accountId": world.owner.account_id, "kind": "CONTACTS", "format": "CSV"}


async def _ready_export(world: World, person: Person) -> Input:
    return {"exportId": await world.create_export(person)}


CALLS: Final = {
    "register": Call(_register),
    "activate": Call(_activation),
    "resendActivation": Call(_unknown_address),
    "signIn": Call(_sign_in),
    "reauthenticate": Call(_enrollment),
    "beginPasskeyRegistration": Call(_few_passkeys),
    "addPasskey": Call(_new_passkey),
    "renamePasskey": Call(_renamed_passkey),
    "removePasskey": Call(_passkey),
    "beginPasskeySignIn": Call(_no_input()),
    "signInWithPasskey": Call(_passkey_sign_in),
    "beginPasskeyReauthentication": Call(_some_passkey),
    "signOut": Call(_no_input(), has_other_session=True),
    "requestPasswordReset": Call(_unknown_address),
    "resetPassword": Call(_reset),
    "changePassword": Call(_password),
    "changeEmail": Call(_new_address),
    "cancelEmailChange": Call(_pending_change),
    "confirmEmailChange": Call(_change_link),
    "undoEmailChange": Call(_undo_link),
    "updateProfile": Call(_profile),
    "revokeSession": Call(_other_session),
    "revokeOtherSessions": Call(_no_input()),
    "enrollSecondFactor": Call(_enrollment),
    "confirmSecondFactor": Call(_confirmation_code),
    "disableSecondFactor": Call(_active_second_factor),
    "regenerateRecoveryCodes": Call(_active_second_factor),
    "exportMyData": Call(_enrollment),
    "eraseMe": Call(_enrollment, is_by_new_user=True),
    "createAccount": Call(_name),
    "updateAccount": Call(_account(name="Nowak AS")),
    "changeAccountKind": Call(_account_kind),
    "updateAccountSettings": Call(_account(invoicePrefix="N")),
    "closeAccount": Call(_account(password=PASSWORD)),
    "reopenAccount": Call(_closing_account),
    "switchAccount": Call(_account()),
    "transferOwnership": Call(_ownership),
    "withdrawOwnership": Call(_account_with_offer),
    "acceptOwnership": Call(_account_for),
    "declineOwnership": Call(_account_for),
    "inviteUser": Call(_invitation_for),
    "updateInvitation": Call(_changed_invitation),
    "resendInvitation": Call(_invitation),
    "revokeInvitation": Call(_invitation),
    "acceptInvitation": Call(_invitation_of_caller),
    "declineInvitation": Call(_invitation_of_caller),
    "updateGrant": Call(_changed_grant),
    "revokeGrant": Call(_grant),
    "restoreGrant": Call(_revoked_grant),
    "resignGrant": Call(_own_grant),
    "engageBureau": Call(_engagement_request),
    "acceptEngagement": Call(_pending_engagement),
    "updateEngagement": Call(_changed_engagement),
    "declineEngagement": Call(_pending_engagement),
    "withdrawEngagementRequest": Call(_blind_request),
    "endEngagement": Call(_pending_engagement),
    "createClientAccount": Call(_client_account),
    "resendClientActivation": Call(_waiting_client),
    "correctClientOwner": Call(_corrected_client),
    "withdrawClientAccount": Call(_waiting_client),
    "assignConsultant": Call(_consultant(is_assigned=False)),
    "unassignConsultant": Call(_consultant(is_assigned=True)),
    "replaceConsultant": Call(_replacement),
    "requestAccess": Call(_access_request),
    "approveAccessRequest": Call(_request),
    "declineAccessRequest": Call(_request),
    "withdrawAccessRequest": Call(_own_request),
    "extendSubscription": Call(_days),
    "redeemVoucher": Call(_voucher),
    "createContact": Call(_account(name="Kunde AS", email="kunde@example.com")),
    "updateContact": Call(_contact(name="Kunde Ny AS")),
    "archiveContact": Call(_contact()),
    "createProduct": Call(_account(name="Paper", price="9.90", vatRate="25")),
    "updateProduct": Call(_product(price="10.50")),
    "archiveProduct": Call(_product()),
    "createExpense": Call(_account(spentOn="2026-03-01", amounts=AMOUNTS)),
    "updateExpense": Call(_expense(note="Paper")),
    "archiveExpense": Call(_expense()),
    "createDocument": Call(_account(note="Thank you")),
    "updateDocument": Call(_draft(note="Thank you")),
    "deleteDocument": Call(_draft()),
    "addDocumentLine": Call(_draft(**LINE)),
    "updateDocumentLine": Call(_line(quantity="4")),
    "removeDocumentLine": Call(_line()),
    "issueDocument": Call(_draft()),
    "sendDocument": Call(_issued(email="buyer@example.com")),
    "createCreditNote": Call(_issued()),
    "recordPayment": Call(_issued(amount="1")),
    "createExport": Call(_export),
    "createExportLink": Call(_ready_export),
}
