"""Giving, changing, ending and restoring grants.

The owner's grant cannot be changed by any of these operations. Ownership is transferred: `models/sharing/ownership.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Permission, Role
from database import db
from i18n import mark
from models.access import derived_grant, grant_rules, seat
from models.access.access import Access, GrantRow
from models.access.grant import COLUMNS_WITH_BUREAU, Grant, already_member, event_facts, is_live, is_member, is_over
from models.access.operation import TARGET_COLUMNS, OperationContext, requires
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.unset import UNSET, Unset
from models.base.validation import Validation

# ---- Giving ----------------------------------------------------------------------------------


async def give(
    caller: Caller,
    *,
    account_id: UUID,
    user_id: UUID,
    role: Role,
    allowlist: int | None,
    valid_until: datetime | None,
    granted_by_id: UUID,
    has_reservation: bool = False,
    by_role: Role | None = None,
) -> UUID:
    """Create a grant, within the transaction and the account's lock of the operation that leads to it. Returns its id.

    The caller is the new holder, who accepts an offer, or a user of the account in the role `by_role`.

    Raises Refusal: ALREADY_MEMBER; SEATS_EXHAUSTED, with `has_reservation` only if every seat is used.
    """
    if await is_member(caller, user_id, account_id):
        raise already_member(None)
    grant = await Grant.create(
        account_id=account_id,
        user_id=user_id,
        role=role,
        status=grant_rules.initial_status(role, allowlist),
        listed=allowlist,
        valid_until=valid_until,
        created_at=caller.now,
        granted_by_id=granted_by_id,
    )
    await seat.require_available(account_id, role, None, now=caller.now, has_reservation=has_reservation)
    await event.record(
        caller,
        EventType.GRANT_GIVE,
        account_id=account_id,
        role=by_role or role,
        after={"grant": str(grant.id), "user": str(user_id), **event_facts(grant)},
    )
    return grant.id


# ---- Changing --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantUpdate:
    """The outcome of an update.

    `row` is the grant after the change. None if nothing changed. `viewer_access` is the caller's access after the
    change. None if the change may have affected it: callers can change their own grant.
    """

    id: UUID
    row: GrantRow | None
    viewer_access: Access | None


def _assignments(names: str) -> str:
    """The assignments of an UPDATE. Their parameters follow those of the event and the grant's id."""
    return ", ".join(f"{name} = ${event.PARAMETER_COUNT + 2 + index}" for index, name in enumerate(names.split()))


_SET_TERMS: Final = f"""
WITH g AS (
    UPDATE grants SET {_assignments("role listed status valid_until")}
    WHERE id = ${event.PARAMETER_COUNT + 1} RETURNING *
)
SELECT {COLUMNS_WITH_BUREAU} FROM g JOIN accounts a ON a.id = g.account_id
"""


@requires(Permission.USERS_WRITE, EventType.GRANT_UPDATE, of="grant")
async def update(
    context: OperationContext,
    grant_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None | Unset = UNSET,
    valid_until: datetime | None | Unset = UNSET,
) -> GrantUpdate:
    """Change a live grant's role, allowlist or end. Arguments that are not given change nothing.

    A new role starts without the old role's allowlist. A grant that waits for permissions becomes active when it
    gets some.
    """
    grant = _require_changeable(context, grant_id)
    if not is_live(grant, context.now):
        raise _not_in_state(mark("This access has ended. Restore it first."))
    new_role, has_new_end = role or grant.role, valid_until is not UNSET
    with Validation() as check:
        if permissions is not UNSET:
            allowlist = grant_rules.check_allowlist(check, new_role, permissions)
        else:
            allowlist = grant.listed if new_role is grant.role else None
        if valid_until is UNSET:
            valid_until = grant.valid_until
        else:
            check.end("valid_until", valid_until, now=context.now)
    # Also checked if only the end changes: the caller answers for the whole grant.
    grant_rules.require_may_give(context.access, new_role, allowlist, valid_until, until_field="valid_until")
    before, former_role = event_facts(grant), grant.role
    if grant.engagement_id is not None and has_new_end:
        own_until = valid_until
        valid_until = await derived_grant.earliest_end(grant.engagement_id, grant.user_id, own_until, now=context.now)
        await derived_grant.set_own_end(grant_id, valid_until, own_until)
    if valid_until != grant.valid_until:
        await derived_grant.reschedule(context.caller, grant.user_id, context.account_id, valid_until)
    grant.role, grant.listed, grant.valid_until = new_role, allowlist, valid_until
    grant.status = grant_rules.initial_status(new_role, allowlist)
    viewer_access = None if grant.user_id == context.user_id else context.access
    if (after := event_facts(grant)) == before:
        return GrantUpdate(grant_id, None, viewer_access)
    row = await context.record_change(
        EventType.GRANT_UPDATE,
        _SET_TERMS,
        *(grant_id, new_role, allowlist, grant.status, valid_until),
        row=GrantRow,
        before={"grant": str(grant_id), **before},
        after={"grant": str(grant_id), **after},
    )
    await seat.require_available(context.account_id, new_role, "role", now=context.now, former_role=former_role)
    return GrantUpdate(grant_id, row, viewer_access)


# ---- Ending and restoring --------------------------------------------------------------------


@requires(Permission.USERS_WRITE, EventType.GRANT_REVOKE, of="grant")
async def revoke(context: OperationContext, grant_id: UUID) -> UUID:
    """Revoke a live grant. It has no effect from the next request on. Returns its id."""
    grant = _require_changeable(context, grant_id)
    if not is_live(grant, context.now):
        raise _not_in_state(mark("This access has already ended."))
    await Grant.filter(id=grant.id).update(status=GrantStatus.REVOKED, ended_at=context.now)
    await context.record(
        EventType.GRANT_REVOKE,
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": GrantStatus.REVOKED},
    )
    await derived_grant.end_with_base(context.caller, grant.user_id, context.account_id)
    return grant.id


@requires(Permission.USERS_WRITE, EventType.GRANT_RESTORE, of="grant")
async def restore(context: OperationContext, grant_id: UUID) -> UUID:
    """Make a revoked grant live again, with its former role, allowlist and end. Returns its id."""
    grant = _require_changeable(context, grant_id)
    if grant.status is not GrantStatus.REVOKED:
        raise _not_in_state(mark("Only revoked access can be restored."))
    if is_over(grant, context.now):
        raise _not_in_state(mark("The end of this access has passed. Send a new invitation."))
    grant_rules.require_may_give(
        context.access, grant.role, grant.listed, grant.valid_until, field="grant_id", until_field="grant_id"
    )
    if await is_member(context.caller, grant.user_id, grant.account_id):
        raise already_member("grant_id")
    if grant.engagement_id is not None:
        grant.valid_until = await derived_grant.earliest_end(
            grant.engagement_id, grant.user_id, grant.own_until, now=context.now
        )
    status = grant_rules.initial_status(grant.role, grant.listed)
    await Grant.filter(id=grant.id).update(status=status, ended_at=None, valid_until=grant.valid_until)
    await seat.require_available(context.account_id, grant.role, "grant_id", now=context.now)
    await context.record(
        EventType.GRANT_RESTORE,
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": status},
    )
    return grant.id


@locks.retry_if_accounts_change
async def resign(caller: Caller, grant_id: UUID) -> UUID:
    """End the caller's own live grant for good. Returns its id.

    Raises Refusal: NOT_FOUND unless it is the caller's own, INVALID_STATE if it has ended, LAST_OWNER for an owner.
    """
    user_id = caller.user()
    async with db.transaction():
        if not await Grant.exists(id=grant_id, user_id=user_id):
            raise not_found("grant_id")
        await locks.lock_grant_accounts(grant_id)
        grant = await Grant.get(id=grant_id)
        if not is_live(grant, caller.now):
            raise _not_in_state(mark("This access has already ended."))
        if grant.role is Role.OWNER:
            raise refuse(
                UserErrorCode.LAST_OWNER,
                "grant_id",
                mark("An account always has an owner. Transfer the ownership first."),
            )
        await Grant.filter(id=grant.id).update(status=GrantStatus.RESIGNED, ended_at=caller.now)
        await record_resigned(caller, grant)
        await derived_grant.end_with_base(caller, grant.user_id, grant.account_id)
    return grant_id


async def record_resigned(caller: Caller, grant: Grant) -> None:
    """Record that the holder resigned `grant`, which has its former status."""
    await event.record(
        caller,
        EventType.GRANT_RESIGN,
        account_id=grant.account_id,
        role=grant.role,
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": GrantStatus.RESIGNED},
    )


def _require_changeable(context: OperationContext, grant_id: UUID) -> Grant:
    """The operation's grant as it is under the lock. Raises Refusal: OWNER_PROTECTED, ROLE_TOO_HIGH."""
    grant = Grant(id=grant_id, **{name: context.target(name) for name in TARGET_COLUMNS})
    if grant.role is Role.OWNER:
        raise refuse(
            UserErrorCode.OWNER_PROTECTED,
            "grant_id",
            mark("The owner's access cannot be changed. Ownership can only be transferred."),
        )
    grant_rules.require_may_manage(context.access, grant.role, "grant_id")
    return grant


def _not_in_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, "grant_id", text)
