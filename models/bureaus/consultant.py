"""Consultants: holders of a grant on a bureau, which assigns them to its clients.

    assign --> ACTIVE (if the caller may grant permissions at the client)    unassign --> REVOKED
       `-----> AWAITING_PERMISSIONS --update, by the client--> ACTIVE

Each client is changed in its own transaction and has its own outcome. A refusal for one client does not undo the
changes for the others. The grants are derived from the engagement: `models/access/derived_grant.py`.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from auth import policy
from auth.policy import Permission, Role
from database import db
from i18n import mark
from models.access import access, derived_grant, grant, grant_rules, grant_store, reauthentication, seat
from models.access.access import Access
from models.access.derived_grant import DerivedGrantRow
from models.access.grant import Grant
from models.access.grant_rules import Exemption, Permit, Terms
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.audit import event
from models.audit.event_type import EventType
from models.base import idempotency, locks
from models.base.caller import Caller
from models.base.errors import Forbidden, Problem, Refusal, UserErrorCode, not_found, refuse
from models.base.idempotency import Parts
from models.base.validation import Validation
from models.bureaus import client_coverage, engagement, pending_client
from models.bureaus.engagement import EngagementRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one client: a grant, or problems. `grant_id` is None if there are problems."""

    client_id: UUID
    grant_id: UUID | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """An active engagement with both accounts locked, and the caller's access to these accounts."""

    caller: Caller
    engagement: EngagementRow
    access_by_account: dict[UUID, Access]

    @property
    def client_id(self) -> UUID:
        """The client account."""
        client_id: UUID = self.engagement.client_id
        return client_id

    @property
    def giver(self) -> Access | None:
        """The caller's access to the client if it has USERS_WRITE there, else None."""
        client_access = self.access_by_account.get(self.client_id)
        return client_access if engagement.may_act(client_access) else None

    async def record(self, event_type: EventType, **after: object) -> None:
        """Record an event on the bureau. It names the client and contains the facts in `after`."""
        bureau_id = self.engagement.bureau_id
        facts = {"client": str(self.client_id), **after}
        role = self.access_by_account[bureau_id].role
        await event.record(self.caller, event_type, account_id=bureau_id, role=role, after=facts)


# ---- Assigning -------------------------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE, EventType.CONSULTANT_ASSIGN, reauthentication=ReauthenticationCase.ALWAYS)
async def assign(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    user_id: UUID,
    client_account_ids: Sequence[UUID],
    permissions: list[Permission] | None = None,
    idempotency_key: str | None = None,
) -> list[Outcome]:
    """Assign a consultant to at most 100 clients. Returns one outcome for each.

    If the caller may grant `permissions` at the client, the grant is active at once. So it is, with the permissions of
    a COLLABORATOR at most, in an account that the bureau opened and the client has not claimed. Otherwise the grant
    waits until a user of the client grants permissions, and `permissions` is ignored.

    Raises:
        Refusal: NOT_FOUND for the bureau, or for a user without an active grant on it; an error of the input. In
            outcomes: NOT_FOUND, ALREADY_MEMBER, ROLE_TOO_HIGH.
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await _require_bureau_access(caller, bureau_account_id)
    await reauthentication.require(caller)
    with Validation() as check:
        _require_clients(check, client_account_ids)
        requested_allowlist = grant_rules.check_allowlist(check, Role.CONSULTANT, permissions)
    await _require_consultant(caller, bureau_account_id, user_id, "user_id")
    parts = await idempotency.start_parts(
        caller,
        "assignConsultant",
        idempotency_key,
        bureau=bureau_account_id,
        user=user_id,
        clients=client_account_ids,
        permissions=permissions,
    )

    async def assign_to(client_id: UUID) -> UUID:
        client = await lock_client(caller, bureau_account_id, client_id)
        await _require_consultant(caller, bureau_account_id, user_id, "user_id")
        giver = client.giver
        if giver is None:
            terms = Terms(Role.CONSULTANT, requested_allowlist, None)
            is_giver = terms.bits and await pending_client.is_pending(bureau_account_id, client_id)
            permit = (
                grant_rules.permit(Exemption.UNCLAIMED, None, terms, field="permissions")
                if is_giver
                else grant_rules.permit(Exemption.ASSIGNMENT, None, _WAITING_TERMS)
            )
        else:
            # A grant may not outlast the access of the user who grants it.
            terms = Terms(Role.CONSULTANT, requested_allowlist, giver.valid_until)
            permit = grant_rules.permit(giver, None, terms, field="permissions")
        grant_id = await create_derived(client.caller, client.engagement, user_id, permit)
        await client.record(EventType.CONSULTANT_ASSIGN, user=str(user_id), grant=str(grant_id))
        await derived_grant.mail_assigned(caller, grant_id)
        return grant_id

    return await _run_per_client(client_account_ids, assign_to, parts)


_WAITING_TERMS: Final = Terms(Role.CONSULTANT, None, None)
"""The terms of a consultant who waits for permissions."""


async def create_derived(caller: Caller, engagement_row: EngagementRow, user_id: UUID, permit: Permit) -> UUID:
    """Create a grant that is derived from an active engagement. Both accounts must be locked. Returns its id.

    Raises Refusal: ALREADY_MEMBER, SEATS_EXHAUSTED.
    """
    if await grant.is_member(caller, user_id, engagement_row.client_id):
        raise grant.already_member("client_account_ids")
    terms = permit.terms
    assert terms is not None  # noqa: S101 - a permit to give
    grant_id = await grant_store.create(
        permit,
        account_id=engagement_row.client_id,
        user_id=user_id,
        now=caller.now,
        granted_by_id=caller.user_id,
        engagement_id=engagement_row.id,
        valid_until=await derived_grant.earliest_end(engagement_row.id, user_id, terms.until, now=caller.now),
    )
    await seat.require_available(
        engagement_row.client_id, terms.role, "client_account_ids", now=caller.now, is_derived=True
    )
    facts = {
        "role": terms.role,
        "status": terms.status,
        "permissions": None if terms.allowlist is None else policy.permissions(terms.allowlist),
    }
    caller_access = await access.load_one(caller.user(), engagement_row.client_id, now=caller.now)
    await event.record(
        caller,
        EventType.GRANT_GIVE,
        account_id=engagement_row.client_id,
        role=caller_access.role if caller_access else None,
        after={"grant": str(grant_id), "user": str(user_id), "engagement": str(engagement_row.id), **facts},
    )
    return grant_id


# ---- Unassigning and replacing ---------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE, EventType.CONSULTANT_UNASSIGN)
async def unassign(
    caller: Caller, bureau_account_id: UUID, *, user_id: UUID, client_account_ids: Sequence[UUID]
) -> list[Outcome]:
    """End a consultant's grants at no more than 100 clients. Returns one outcome for each.

    Raises:
        Refusal: NOT_FOUND for the bureau, or for a user who never had a grant on it. In outcomes: NOT_FOUND for a
            client to which the user is not assigned.
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await _require_bureau_access(caller, bureau_account_id)
    with Validation() as check:
        _require_clients(check, client_account_ids)
    await _require_any_grant(bureau_account_id, user_id, "user_id")

    async def unassign_from(client_id: UUID) -> UUID:
        client = await lock_client(caller, bureau_account_id, client_id)
        assignment = await _load_assignment(client, user_id)
        await derived_grant.end(caller, [assignment], Exemption.BUREAU)
        await derived_grant.mail_ended(caller, [assignment])
        await client.record(EventType.CONSULTANT_UNASSIGN, user=str(user_id), grant=str(assignment.id))
        return assignment.id

    return await _run_per_client(client_account_ids, unassign_from)


@declares_permission(Permission.USERS_WRITE, EventType.CONSULTANT_ASSIGN, reauthentication=ReauthenticationCase.ALWAYS)
async def replace(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    from_user_id: UUID,
    to_user_id: UUID,
    idempotency_key: str | None = None,
) -> list[Outcome]:
    """Move all clients of one consultant to another consultant. Returns one outcome for each client.

    The former consultant may have left the bureau. The clients are then those that they had at that moment, and that
    have got no consultant since.

    If the caller may give the old grant's role and permissions at the client, the new grant copies them. It then ends
    with the old grant, and not later than the caller's own access. Otherwise it waits until a user of the
    client grants permissions. At each client both grants change or neither does.

    Raises:
        Refusal: NOT_FOUND for the bureau, for a user who never had a grant on it, or for a new consultant without an
            active grant on it; INVALID if both are the same user; INVALID_STATE if there is no client to move. In
            outcomes: ALREADY_MEMBER, SEATS_EXHAUSTED.
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await _require_bureau_access(caller, bureau_account_id)
    await reauthentication.require(caller)
    if from_user_id == to_user_id:
        raise refuse(UserErrorCode.INVALID, "to_user_id", mark("Choose a different user."))
    await _require_any_grant(bureau_account_id, from_user_id, "from_user_id")
    await _require_consultant(caller, bureau_account_id, to_user_id, "to_user_id")
    assignments = await client_coverage.of_consultant(from_user_id, bureau_account_id, now=caller.now)
    parts = await idempotency.start_parts(
        caller,
        "replaceConsultant",
        idempotency_key,
        bureau=bureau_account_id,
        from_user=from_user_id,
        to_user=to_user_id,
    )

    async def replace_at(client_id: UUID) -> UUID:
        client = await lock_client(caller, bureau_account_id, client_id)
        await _require_consultant(caller, bureau_account_id, to_user_id, "to_user_id")
        rows = await client_coverage.of_consultant(from_user_id, bureau_account_id, now=caller.now, client_id=client_id)
        if not rows:
            raise not_found("client_account_ids")
        (assignment,) = rows
        # First, so that the seat is free for the new grant.
        if assignment.is_live:
            await derived_grant.end(caller, [assignment], Exemption.BUREAU)
        permit = await _permit_replacement(client, grant_rules.terms_of(assignment))
        grant_id = await create_derived(caller, client.engagement, to_user_id, permit)
        await derived_grant.mail_assigned(caller, grant_id)
        if assignment.is_live:
            await derived_grant.mail_ended(caller, [assignment])
            await client.record(EventType.CONSULTANT_UNASSIGN, user=str(from_user_id), grant=str(assignment.id))
        await client.record(EventType.CONSULTANT_ASSIGN, user=str(to_user_id), grant=str(grant_id))
        return grant_id

    # A repeated request returns the clients that moved before, too.
    client_ids = [*parts.done, *(row.account_id for row in assignments if row.account_id not in parts.done)]
    if not client_ids:
        await parts.release()
        raise refuse(UserErrorCode.INVALID_STATE, "from_user_id", mark("This user has no clients to hand over."))
    return await _run_per_client(client_ids, replace_at, parts)


async def _permit_replacement(client: ClientAccess, former: Terms) -> Permit:
    """The permit for the grant of a new consultant: the former terms if the caller may give them at the client."""
    bureau_id, giver, now = client.engagement.bureau_id, client.giver, client.caller.now
    authority = giver or (Exemption.UNCLAIMED if await pending_client.is_pending(bureau_id, client.client_id) else None)
    if authority is not None and (former.until is None or former.until > now):
        ends = [end for end in (former.until, giver.valid_until if giver else None) if end is not None]
        terms = dataclasses.replace(former, until=min(ends, default=None))
        if grant_rules.is_permitted(authority, None, terms):
            return grant_rules.permit(authority, None, terms)
    return grant_rules.permit(Exemption.ASSIGNMENT, None, _WAITING_TERMS)


# ---- Parts of operations ---------------------------------------------------------------------


async def _run_per_client(
    client_ids: Sequence[UUID], operation: Callable[[UUID], Awaitable[UUID]], parts: Parts | None = None
) -> list[Outcome]:
    """Run `operation` in one transaction per client. Returns one outcome for each."""
    outcomes: list[Outcome] = []
    for client_id in client_ids:
        try:
            async with db.transaction():
                grant_id = await (parts.run(client_id, operation) if parts else operation(client_id))
            outcomes.append(Outcome(client_id, grant_id))
        except Refusal as refusal:
            outcomes.append(Outcome(client_id, None, refusal.problems))
        except Forbidden:
            # The caller lost the permission after the first clients: their outcomes must still be returned.
            outcomes.append(Outcome(client_id, None, not_found("client_account_ids").problems))
    return outcomes


async def _require_bureau_access(
    caller: Caller, bureau_id: UUID, permission: Permission = Permission.USERS_WRITE
) -> None:
    """Check the caller's permission before the input is checked. Raises Refusal NOT_FOUND, or Forbidden."""
    bureau_access = await access.load_one(caller.user(), bureau_id, now=caller.now)
    _ = engagement.require_access(bureau_access, permission, "bureau_account_id")


async def lock_client(
    caller: Caller,
    bureau_id: UUID,
    client_id: UUID,
    *,
    permission: Permission = Permission.USERS_WRITE,
    field: str = "client_account_ids",
) -> ClientAccess:
    """Lock a bureau and its client, and load their active engagement and the caller's access.

    Raises:
        Refusal: NOT_FOUND for the bureau, or at `field` for a client without an active engagement with it.
        Forbidden: the caller lacks `permission` in the bureau.
    """
    # Checked before the locks, so that a caller cannot block accounts of strangers.
    await _require_bureau_access(caller, bureau_id, permission)
    if await engagement.load_active(bureau_id, client_id) is None:
        raise not_found(field)
    await locks.lock_accounts(bureau_id, client_id)
    engagement_row = await engagement.load_active(bureau_id, client_id)
    access_by_account = await engagement.load_access(caller, bureau_id, client_id)
    _ = engagement.require_access(access_by_account.get(bureau_id), permission, "bureau_account_id")
    if engagement_row is None:
        raise not_found(field)
    return ClientAccess(caller, engagement_row, access_by_account)


async def _require_consultant(caller: Caller, bureau_id: UUID, user_id: UUID, field: str) -> None:
    if not await derived_grant.is_consultant(user_id, bureau_id, now=caller.now):
        raise not_found(field)


async def _require_any_grant(bureau_id: UUID, user_id: UUID, field: str) -> None:
    """Require that the user has, or had, a grant on the bureau."""
    if not await Grant.exists(account_id=bureau_id, user_id=user_id):
        raise not_found(field)


async def _load_assignment(client: ClientAccess, user_id: UUID) -> DerivedGrantRow:
    rows = await derived_grant.of_engagement(client.engagement.id, now=client.caller.now)
    assignment = next((row for row in rows if row.user_id == user_id), None)
    if assignment is None:
        raise not_found("client_account_ids")
    return assignment


def _require_clients(check: Validation, client_ids: Sequence[UUID]) -> None:
    """Report a problem for an empty list. The maximum of 100 is checked for all lists of inputs."""
    if not client_ids:
        check.add_problem(UserErrorCode.REQUIRED, "client_account_ids", mark("Choose at least one client."))
