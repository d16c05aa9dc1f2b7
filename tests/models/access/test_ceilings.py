"""The ceiling: no path gives, passes on, changes or takes a right that the caller could not give there.

Each actor tries each path with each target. The expectation is computed here, from the permission table alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from auth import policy
from auth.policy import Permission, Role
from database import db
from models.access.grant import Grant
from resolvers import ids
from tests.api import PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import add_staff, assign, can_enter, engage, register_bureau, register_trio
from tests.models.refusals import attempt, refusal_codes

P = Permission
USERS: Final = {P.ACCOUNT_READ, P.USERS_READ, P.USERS_WRITE}
CONTACTS: Final = {P.ACCOUNT_READ, P.CONTACTS_READ}


@dataclass(frozen=True)
class Access:
    """A role with an allowlist, as actors and targets have it."""

    role: Role
    permissions: frozenset[Permission] | None = None

    @property
    def allowlist(self) -> int | None:
        return None if self.permissions is None else policy.mask(self.permissions)

    @property
    def bits(self) -> int:
        return policy.ROLES[self.role] & (-1 if self.allowlist is None else self.allowlist)

    @property
    def input(self) -> dict[str, Any]:
        permissions = None if self.permissions is None else sorted(self.permissions)
        return {"role": self.role.value, "permissions": permissions}

    @property
    def change(self) -> dict[str, Any]:
        """The input of a change from another allowlist."""
        return {**self.input, "removePermissionList": self.permissions is None}


FULL_CONSULTANT: Final = Access(Role.CONSULTANT, frozenset(policy.permissions(policy.ROLES[Role.CONSULTANT])))
ACTORS: Final = {
    "owner": Access(Role.OWNER),
    "administrator": Access(Role.ADMINISTRATOR),
    "collaborator": Access(Role.COLLABORATOR),
    "accountant": Access(Role.ACCOUNTANT),
    "full consultant": FULL_CONSULTANT,
    "users consultant": Access(Role.CONSULTANT, frozenset(USERS)),
    "contacts consultant": Access(Role.CONSULTANT, frozenset(USERS | CONTACTS)),
    "simple user": Access(Role.SIMPLE_USER),
}
TARGETS: Final = {
    "administrator": Access(Role.ADMINISTRATOR),
    "collaborator": Access(Role.COLLABORATOR),
    "accountant": Access(Role.ACCOUNTANT),
    "full consultant": FULL_CONSULTANT,
    "contacts consultant": Access(Role.CONSULTANT, frozenset(CONTACTS)),
    "simple user": Access(Role.SIMPLE_USER),
    "contacts user": Access(Role.SIMPLE_USER, frozenset(CONTACTS)),
}
SMALL: Final = Access(Role.SIMPLE_USER, frozenset({P.ACCOUNT_READ}))


def expected_outcome(actor: Access, target: Access) -> str:
    """The outcome of giving or taking `target`, by the permission table."""
    if not actor.bits & policy.mask([P.USERS_WRITE]):
        return "FORBIDDEN"
    if target.role is Role.ADMINISTRATOR and actor.role is not Role.OWNER:
        return "ROLE_TOO_HIGH"
    return "ROLE_TOO_HIGH" if target.bits & ~actor.bits else "done"


@dataclass(frozen=True)
class Account:
    """An account with an owner, an actor, a guest, an invitation and an access request. The test sets their rights."""

    api: Api
    owner: Person
    actor: Person
    actor_grant: str
    guest_grant: str
    requester: Person
    invitation: str
    request: str

    @classmethod
    async def create(cls, api: Api) -> "Account":
        owner = await api.person("anna@example.com")
        await db.execute("UPDATE accounts SET purchased_seats = 100")
        actor, actor_grant = await api.guest(owner, "actor@example.com", "ACCOUNTANT")
        _, guest_grant = await api.guest(owner, "guest@example.com", "ACCOUNTANT")
        requester = await api.person("requester@example.com")
        invite_input = {"accountId": owner.account_id, "email": "invitee@example.com", "role": "ACCOUNTANT"}
        payload = await api.do("inviteUser", invite_input, "invitation { id }", by=owner)
        viewer = (await api.ask("{ viewer { currentAccount { number } } }", by=owner)).data["viewer"]
        request_input = {"accountNumber": viewer["currentAccount"]["number"], "role": "COLLABORATOR"}
        assert codes(await api.do("requestAccess", request_input, by=requester)) == []
        query = "{ viewer { accessRequests { nodes { id } } } }"
        (request,) = (await api.ask(query, by=requester)).data["viewer"]["accessRequests"]["nodes"]
        invitation: str = payload["invitation"]["id"]
        return cls(api, owner, actor, actor_grant, guest_grant, requester, invitation, request["id"])

    async def set_grant(self, grant_id: str, access: Access, status: str = "ACTIVE") -> None:
        sql = """UPDATE grants SET role = $2, listed = $3, status = $4,
            ended_at = CASE WHEN $4 = 'ACTIVE' THEN NULL ELSE created_at END WHERE id = $1"""
        await db.execute(sql, ids.decode("Grant", grant_id), access.role, access.allowlist, status)

    async def set_actor(self, access: Access) -> Person:
        """Give the actor these rights. Returns the user who acts: the owner for the owner's rights."""
        if access.role is Role.OWNER:
            return self.owner
        await self.set_grant(self.actor_grant, access)
        return self.actor

    async def set_invitation(self, access: Access, inviter: Person | None = None) -> None:
        sql = """UPDATE invitations SET role = $2, listed = $3, status = 'PENDING', invited_by_id = $4, grant_id = NULL
            WHERE id = $1"""
        inviter_id = ids.decode("User", (inviter or self.owner).user_id)
        await db.execute(sql, ids.decode("Invitation", self.invitation), access.role, access.allowlist, inviter_id)


Attempt = Callable[[Account, Person, Access], Awaitable[str]]


async def run(api: Api, mutation: str, input_: dict[str, Any], by: Person | None) -> str:
    """Run a mutation. Returns the code of its refusal, or "done"."""
    answer = await attempt(api, mutation, input_, by=by)
    if answer.errors:
        return str(answer.codes[0])
    error_codes = [str(error["code"]) for error in answer.data[mutation]["errors"]]
    return error_codes[0] if error_codes else "done"


async def invite(account: Account, by: Person, target: Access) -> str:
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE email LIKE 'new%'")
    invite_input = {"accountId": account.owner.account_id, "email": "new@example.com", **target.input}
    return await run(account.api, "inviteUser", invite_input, by)


async def raise_invitation(account: Account, by: Person, target: Access) -> str:
    await account.set_invitation(SMALL)
    return await run(account.api, "updateInvitation", {"invitationId": account.invitation, **target.change}, by)


async def resend_invitation(account: Account, by: Person, target: Access) -> str:
    await account.set_invitation(target)
    return await run(account.api, "resendInvitation", {"invitationId": account.invitation}, by)


async def raise_grant(account: Account, by: Person, target: Access) -> str:
    await account.set_grant(account.guest_grant, SMALL)
    return await run(account.api, "updateGrant", {"grantId": account.guest_grant, **target.change}, by)


async def restore_grant(account: Account, by: Person, target: Access) -> str:
    await account.set_grant(account.guest_grant, target, "REVOKED")
    return await run(account.api, "restoreGrant", {"grantId": account.guest_grant}, by)


async def approve_request(account: Account, by: Person, target: Access) -> str:
    await db.execute("UPDATE access_requests SET status = 'PENDING', grant_id = NULL, role = 'COLLABORATOR'")
    requester_id = ids.decode("User", account.requester.user_id)
    account_id = ids.decode("Account", account.owner.account_id)
    sql = "UPDATE grants SET status = 'REVOKED', ended_at = created_at WHERE user_id = $1 AND account_id = $2"
    await db.execute(sql, requester_id, account_id)
    approve_input = {"accessRequestId": account.request, **target.input}
    return await run(account.api, "approveAccessRequest", approve_input, by)


async def lower_invitation(account: Account, by: Person, target: Access) -> str:
    await account.set_invitation(target)
    return await run(account.api, "updateInvitation", {"invitationId": account.invitation, **SMALL.input}, by)


async def revoke_invitation(account: Account, by: Person, target: Access) -> str:
    await account.set_invitation(target)
    return await run(account.api, "revokeInvitation", {"invitationId": account.invitation}, by)


async def lower_grant(account: Account, by: Person, target: Access) -> str:
    await account.set_grant(account.guest_grant, target)
    small = {"role": "SIMPLE_USER", "permissions": ["ACCOUNT_READ"]}
    return await run(account.api, "updateGrant", {"grantId": account.guest_grant, **small}, by)


async def shorten_grant(account: Account, by: Person, target: Access) -> str:
    await account.set_grant(account.guest_grant, target)
    until = account.api.clock.now.replace(year=account.api.clock.now.year + 1).isoformat()
    return await run(account.api, "updateGrant", {"grantId": account.guest_grant, "validUntil": until}, by)


async def revoke_grant(account: Account, by: Person, target: Access) -> str:
    await account.set_grant(account.guest_grant, target)
    return await run(account.api, "revokeGrant", {"grantId": account.guest_grant}, by)


GIVING_PATHS: Final[list[Attempt]] = [
    invite,
    raise_invitation,
    resend_invitation,
    raise_grant,
    restore_grant,
    approve_request,
]
TAKING_PATHS: Final[list[Attempt]] = [lower_invitation, revoke_invitation, lower_grant, shorten_grant, revoke_grant]


@pytest.mark.parametrize("path", [*GIVING_PATHS, *TAKING_PATHS], ids=lambda path: path.__name__)
async def test_each_path_has_the_ceiling(api: Api, path: Attempt) -> None:
    account = await Account.create(api)
    outcomes: dict[tuple[str, str], str] = {}
    expected_outcomes: dict[tuple[str, str], str] = {}
    for actor_name, actor_access in ACTORS.items():
        actor = await account.set_actor(actor_access)
        for target_name, target in TARGETS.items():
            if path is approve_request and target.bits & ~policy.ROLES[Role.COLLABORATOR]:
                continue  # More than requested. Covered by the tests of approval.
            await db.execute("DELETE FROM guesses")  # rate limits are not the subject
            outcomes[actor_name, target_name] = await path(account, actor, target)
            expected_outcomes[actor_name, target_name] = expected_outcome(actor_access, target)

    assert outcomes == expected_outcomes
    assert {*outcomes.values()} == {"done", "ROLE_TOO_HIGH", "FORBIDDEN"}


async def test_acceptance_has_the_ceiling_of_the_inviter(api: Api) -> None:
    """The inviter may have lost rights since the invitation."""
    account = await Account.create(api)
    token = {"token": await api.link("invitee@example.com", "invitation"), "name": "Ivo", "password": PASSWORD}
    outcomes: dict[tuple[str, str], bool] = {}
    expected_outcomes: dict[tuple[str, str], bool] = {}
    for actor_name, actor_access in ACTORS.items():
        actor = await account.set_actor(actor_access)
        for target_name, target in TARGETS.items():
            is_allowed = expected_outcomes[actor_name, target_name] = expected_outcome(actor_access, target) == "done"
            if is_allowed:
                outcomes[actor_name, target_name] = True  # Each link works once. The tests of acceptance follow it.
                continue
            await account.set_invitation(target, inviter=actor)
            outcomes[actor_name, target_name] = (
                await run(account.api, "acceptInvitation", token, None) != "ROLE_TOO_HIGH"
            )

    assert outcomes == expected_outcomes


# ---- Bureaus ---------------------------------------------------------------------------------


async def set_derived(api: Api, client: Person, user: Person, access: Access) -> None:
    """Give a consultant's grant at a client these rights, as the client's owner can."""
    await db.execute("UPDATE accounts SET purchased_seats = 100")
    sql = """UPDATE grants SET role = $3, listed = $4, status = 'ACTIVE' WHERE account_id = $1 AND user_id = $2
        AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')"""
    keys = ids.decode("Account", client.account_id), ids.decode("User", user.user_id)
    assert await db.execute(sql, *keys, access.role, access.allowlist) == 1


async def replace(api: Api, bureau: Person, by: Person, former: Person, new: Person) -> list[Any]:
    """Replace a consultant. Returns the outcomes."""
    users = {"fromUserId": former.user_id, "toUserId": new.user_id}
    replace_input = {"bureauAccountId": bureau.account_id, **users}
    selection = "outcomes { grant { role status permissions user { id } } errors { code } }"
    payload = await api.do("replaceConsultant", replace_input, selection, by=by)
    assert codes(payload) == []
    outcomes: list[Any] = payload["outcomes"]
    return outcomes


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
async def test_replacement_passes_on_nothing_to_strangers_of_the_client(api: Api, target: Access) -> None:
    """The bureau's owner has no access to the client: the new consultant waits for permissions."""
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    await assign(api, bureau, kari, [anna.account_id])
    await set_derived(api, anna, kari, target)

    (outcome,) = await replace(api, bureau, bureau, kari, nils)

    waiting_grant = {"role": "CONSULTANT", "status": "AWAITING_PERMISSIONS", "permissions": []}
    assert outcome == {"grant": {**waiting_grant, "user": {"id": nils.user_id}}, "errors": []}
    assert [await can_enter(api, user, anna.account_id) for user in (kari, nils)] == [False, False]


@pytest.mark.parametrize("actor_name", ["administrator", "full consultant", "users consultant", "contacts consultant"])
async def test_replacement_passes_on_what_the_caller_may_give(api: Api, actor_name: str) -> None:
    bureau, kari, anna = await register_trio(api)
    ada, _ = await api.guest(anna, "ada@example.com", "ACCOUNTANT")
    invite_input = {"accountId": bureau.account_id, "email": ada.email, "role": "ADMINISTRATOR"}
    await api.do("inviteUser", invite_input, by=bureau)
    await api.do("acceptInvitation", {"token": await api.link(ada.email, "invitation")}, by=ada)
    await set_derived(api, anna, ada, ACTORS[actor_name])
    users = [kari, (await add_staff(api, bureau, "nils@example.com"))[0]]
    await assign(api, bureau, kari, [anna.account_id])
    for target in TARGETS.values():
        await set_derived(api, anna, users[0], target)

        (outcome,) = await replace(api, bureau, ada, users[0], users[1])

        is_copy = expected_outcome(ACTORS[actor_name], target) == "done"
        assert outcome["grant"]["role"] == (target.role if is_copy else "CONSULTANT")
        assert outcome["grant"]["status"] == ("ACTIVE" if is_copy else "AWAITING_PERMISSIONS")
        expected_permissions = policy.permissions(target.bits) if is_copy else []
        assert outcome["grant"]["permissions"] == expected_permissions
        users.reverse()


@pytest.mark.parametrize("actor_name", [name for name in ACTORS if name != "owner"])
async def test_client_side_ends_an_engagement_within_the_ceiling(api: Api, actor_name: str) -> None:
    bureau, kari, anna = await register_trio(api)
    actor, _ = await api.guest(anna, "actor@example.com", "ACCOUNTANT")
    await set_derived(api, anna, actor, ACTORS[actor_name])
    outcomes: list[str] = []
    for target in TARGETS.values():
        await assign(api, bureau, kari, [anna.account_id])
        await set_derived(api, anna, kari, target)
        query = "query ($id: ID!) { account(id: $id) { engagements { nodes { id status } } } }"
        answer = await api.ask(query, {"id": anna.account_id}, by=anna)
        nodes = answer.data["account"]["engagements"]["nodes"]
        (engagement,) = [node["id"] for node in nodes if node["status"] == "ACTIVE"]
        outcomes.append(await run(api, "endEngagement", {"engagementId": engagement}, actor))
        if outcomes[-1] != "done":
            assert await can_enter(api, kari, anna.account_id)
            assert codes(await api.do("endEngagement", {"engagementId": engagement}, by=bureau)) == []
        assert not await can_enter(api, kari, anna.account_id)
        await db.execute("DELETE FROM guesses")
        await engage(api, bureau, anna)

    assert outcomes == [expected_outcome(ACTORS[actor_name], target) for target in TARGETS.values()]


async def test_bureau_gives_access_to_an_unclaimed_account_up_to_collaborator(api: Api) -> None:
    bureau = await register_bureau(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    client = {"name": "Kunde AS", "ownerName": "Kim Kunde", "ownerEmail": "kim@example.com"}
    client_input = {"bureauAccountId": bureau.account_id, **client}
    payload = await api.do("createClientAccount", client_input, "account { id } grant { role }", by=bureau)
    assert payload["grant"] == {"role": "COLLABORATOR"}

    (outcome,) = await replace(api, bureau, bureau, bureau, nils)

    assert (outcome["grant"]["role"], outcome["grant"]["status"]) == ("COLLABORATOR", "ACTIVE")


# ---- Ends ------------------------------------------------------------------------------------


async def test_permissions_of_a_consultant_do_not_outlast_the_user_who_gave_them(api: Api) -> None:
    """A longer base grant lengthens a derived grant only up to the end that the client's user could give."""
    bureau, kari, anna = await register_trio(api)
    base_end = api.clock.now.replace(year=api.clock.now.year + 1)
    base = await Grant.get(user_id=ids.decode("User", kari.user_id))
    await db.execute("UPDATE grants SET valid_until = $2 WHERE id = $1", base.id, base_end)
    (assignment,) = await assign(api, bureau, kari, [anna.account_id])
    permissions = ["USERS_READ", "USERS_WRITE", "CONTACTS_READ"]
    later = base_end.replace(year=base_end.year + 1).isoformat()
    ada, _ = await api.guest(anna, "ada@example.com", "CONSULTANT", permissions=permissions, grantValidUntil=later)
    grant_input = {"grantId": assignment["grant"]["id"], "permissions": ["CONTACTS_READ"]}

    refused_codes = await refusal_codes(api, "updateGrant", grant_input, by=ada)
    payload = await api.do("updateGrant", {**grant_input, "validUntil": later}, by=ada)

    assert refused_codes == [("ROLE_TOO_HIGH", ["validUntil"])]
    assert codes(payload) == []
    base_input = {"grantId": ids.encode("Grant", base.id), "removeEnd": True}
    assert codes(await api.do("updateGrant", base_input, by=bureau)) == []
    derived_grant = await Grant.get(id=ids.decode("Grant", assignment["grant"]["id"]))
    assert derived_grant.valid_until is not None
    assert derived_grant.valid_until.isoformat() == later
