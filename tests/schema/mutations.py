"""How each mutation of the schema is called so that it succeeds, by whoever may."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from models.base.caller import Caller, OperationConfig
from models.billing import voucher
from tests.api import KEY, PASSWORD, Person
from tests.authenticator import enrolled, set_up
from tests.schema.world import World

Input = dict[str, Any] | None
Make = Callable[[World, Person], Awaitable[Input]]


@dataclass(frozen=True)
class Call:
    """The input, made afresh for each call, and whether another session than the person's asks."""

    make: Make
    aside: bool = False
    newcomer: bool = False
    """Whether somebody new asks in the place of whoever is signed in: who does it is no more."""


def _account(**more: object) -> Make:
    async def make(world: World, _: Person) -> Input:
        return {"accountId": world.owner.account_id, **more}

    return make


def _nothing() -> Make:
    async def make(_: World, __: Person) -> Input:
        return None

    return make


async def _register(world: World, _: Person) -> Input:
    return {"name": "Nils Ny", "email": world.address(), "password": PASSWORD}


async def _somebody(_: World, __: Person) -> Input:
    return {"email": "nobody@example.com"}


async def _activation(world: World, person: Person) -> Input:
    given = await _register(world, person)
    assert given is not None
    await world.api.do("register", given)
    return {"token": await world.api.link(given["email"], "activation")}


async def _sign_in(world: World, person: Person) -> Input:
    await world.without_factor(person)
    return {"email": person.email, "password": PASSWORD}


async def _reset(world: World, _: Person) -> Input:
    new = await world.api.person(world.address())
    await world.api.do("requestPasswordReset", {"email": new.email})
    return {"token": await world.api.link(new.email, "reset"), "password": PASSWORD + " anew"}


async def _password(_: World, __: Person) -> Input:
    return {"currentPassword": PASSWORD, "newPassword": PASSWORD}


async def _profile(_: World, __: Person) -> Input:
    return {"locale": "en"}


async def _session(world: World, person: Person) -> Input:
    await world.without_factor(person)
    given = {"email": person.email, "password": PASSWORD}
    done = await world.api.do("signIn", given, "viewer { session { id } }")
    return {"sessionId": done["viewer"]["session"]["id"]}


async def _enrollment(world: World, person: Person) -> Input:
    await world.without_factor(person)
    return {"password": PASSWORD}


async def _code(world: World, person: Person) -> Input:
    await world.without_factor(person)
    return {"code": (await enrolled(world.api, person)).code()}


async def _factor(world: World, person: Person) -> Input:
    await world.without_factor(person)
    _ = await set_up(world.api, person)
    return {"password": PASSWORD}


async def _name(_: World, __: Person) -> Input:
    return {"name": "One more AS"}


async def _invitation_for(world: World, _: Person) -> Input:
    given = {"email": world.address(), "role": "SIMPLE_USER", "permissions": ["DOCUMENTS_READ"]}
    return {"accountId": world.owner.account_id, **given}


async def _invitation(world: World, _: Person) -> Input:
    return {"invitationId": await world.invited()}


async def _changed_invitation(world: World, _: Person) -> Input:
    return {"invitationId": await world.invited(), "permissions": ["DOCUMENTS_READ"]}


async def _offer(world: World, person: Person) -> Input:
    return {"invitationId": await world.offered(person)}


async def _grant(world: World, _: Person) -> Input:
    permissions = ["DOCUMENTS_READ", "EXPENSES_READ"]
    _, grant = await world.api.guest(world.owner, world.address(), "SIMPLE_USER", permissions=permissions)
    return {"grantId": grant}


async def _changed_grant(world: World, person: Person) -> Input:
    return {**(await _grant(world, person) or {}), "permissions": ["DOCUMENTS_READ"]}


async def _revoked_grant(world: World, person: Person) -> Input:
    given = await _grant(world, person)
    assert (await world.api.do("revokeGrant", given, by=world.owner))["errors"] == []
    return given


async def _own_grant(world: World, person: Person) -> Input:
    return {"grantId": await world.joined(person)}


async def _ownership(world: World, _: Person) -> Input:
    receiver = world.somebody("collaborator")
    return {"accountId": world.owner.account_id, "userId": receiver.user_id, "password": PASSWORD}


async def _offered_account(world: World, _: Person) -> Input:
    await world.api.do("transferOwnership", await _ownership(world, world.owner), by=world.owner)
    return {"accountId": world.owner.account_id}


async def _account_for(world: World, person: Person) -> Input:
    return {"accountId": await world.offered_account(person)}


async def _ask(world: World, _: Person) -> Input:
    return {"accountNumber": 200_000 + next(world.fresh), "role": "ACCOUNTANT", "message": "Good day"}


async def _request(world: World, _: Person) -> Input:
    return {"accessRequestId": await world.requested(await world.api.person(world.address()), world.number)}


async def _own_request(world: World, person: Person) -> Input:
    return {"accessRequestId": await world.requested(person, 300_000 + next(world.fresh))}


async def _days(world: World, person: Person) -> Input:
    _ = await world.joined(person)
    return {"accountId": world.side, "payerAccountId": world.owner.account_id, "days": 10}


async def _wish(world: World, _: Person) -> Input:
    number = (await world.partners())[1]
    return {"bureauAccountId": world.owner.account_id, "clientNumber": number}


async def _asked(world: World, _: Person) -> Input:
    return {"engagementId": await world.asked()}


async def _voucher(world: World, _: Person) -> Input:
    (code,) = voucher.new_codes(1)
    caller = Caller(now=world.api.clock(), config=OperationConfig(KEY))
    await voucher.issue(caller, [code], days=1, reference=world.address())
    return {"accountId": world.owner.account_id, "code": code}


def _consultant(*, assigned: bool) -> Make:
    async def make(world: World, _: Person) -> Input:
        someone = world.somebody("collaborator").user_id
        clients = [await world.client()]
        given = {"bureauAccountId": world.owner.account_id, "userId": someone, "clientAccountIds": clients}
        if assigned:
            assert (await world.api.do("assignConsultant", given, by=world.owner))["errors"] == []
        return given

    return make


async def _replacement(world: World, _: Person) -> Input:
    given = await _consultant(assigned=True)(world, world.owner)
    assert given is not None
    users = {"fromUserId": given["userId"], "toUserId": world.somebody("administrator").user_id}
    return {"bureauAccountId": world.owner.account_id, **users}


async def _client_account(world: World, _: Person) -> Input:
    owner = {"ownerName": "Kim Kunde", "ownerEmail": world.address()}
    return {"bureauAccountId": world.owner.account_id, "name": "Kunde AS", **owner}


async def _waiting_client(world: World, person: Person) -> Input:
    given = await _client_account(world, person)
    done = await world.api.do("createClientAccount", given, "account { id }", by=world.owner)
    assert done["errors"] == []
    return {"bureauAccountId": world.owner.account_id, "clientAccountId": done["account"]["id"]}


CALLS: Final = {
    "register": Call(_register),
    "activate": Call(_activation),
    "resendActivation": Call(_somebody),
    "signIn": Call(_sign_in),
    "signOut": Call(_nothing(), aside=True),
    "requestPasswordReset": Call(_somebody),
    "resetPassword": Call(_reset),
    "changePassword": Call(_password),
    "updateProfile": Call(_profile),
    "revokeSession": Call(_session),
    "revokeOtherSessions": Call(_nothing()),
    "enrollSecondFactor": Call(_enrollment),
    "confirmSecondFactor": Call(_code),
    "disableSecondFactor": Call(_factor),
    "regenerateRecoveryCodes": Call(_factor),
    "exportMyData": Call(_enrollment),
    "eraseMe": Call(_enrollment, newcomer=True),
    "createAccount": Call(_name),
    "updateAccount": Call(_account(name="Nowak AS")),
    "updateAccountSettings": Call(_account(invoicePrefix="N")),
    "switchAccount": Call(_account()),
    "transferOwnership": Call(_ownership),
    "withdrawOwnership": Call(_offered_account),
    "acceptOwnership": Call(_account_for),
    "declineOwnership": Call(_account_for),
    "inviteUser": Call(_invitation_for),
    "updateInvitation": Call(_changed_invitation),
    "resendInvitation": Call(_invitation),
    "revokeInvitation": Call(_invitation),
    "acceptInvitation": Call(_offer),
    "declineInvitation": Call(_offer),
    "updateGrant": Call(_changed_grant),
    "revokeGrant": Call(_grant),
    "restoreGrant": Call(_revoked_grant),
    "resignGrant": Call(_own_grant),
    "engageBureau": Call(_wish),
    "acceptEngagement": Call(_asked),
    "declineEngagement": Call(_asked),
    "endEngagement": Call(_asked),
    "createClientAccount": Call(_client_account),
    "resendClientActivation": Call(_waiting_client),
    "assignConsultant": Call(_consultant(assigned=False)),
    "unassignConsultant": Call(_consultant(assigned=True)),
    "replaceConsultant": Call(_replacement),
    "requestAccess": Call(_ask),
    "approveAccessRequest": Call(_request),
    "declineAccessRequest": Call(_request),
    "withdrawAccessRequest": Call(_own_request),
    "extendSubscription": Call(_days),
    "redeemVoucher": Call(_voucher),
}
