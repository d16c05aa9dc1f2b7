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
from models.access import derived_grant, expiry, grant_mail, grant_rules, grant_store, reauthentication, seat
from models.access.access import Access, GrantRow
from models.access.grant import LIVE, Grant, already_member, event_facts, is_live, is_member, is_over
from models.access.grant_rules import Exemption, Permit
from models.access.operation import TARGET_COLUMNS, OperationContext, requires
from models.access.reauthentication import ReauthenticationCase
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.validation import Validation
from models.outbox.message_kind import MessageKind

# ---- Giving ----------------------------------------------------------------------------------


async def give(
    caller: Caller,
    permit: Permit,
    *,
    account_id: UUID,
    user_id: UUID,
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
    grant_id = await grant_store.create(
        permit, account_id=account_id, user_id=user_id, now=caller.now, granted_by_id=granted_by_id
    )
    assert permit.terms is not None  # noqa: S101 - a permit to give
    role = permit.terms.role
    await seat.require_available(account_id, role, None, now=caller.now, has_reservation=has_reservation)
    await event.record(
        caller,
        EventType.GRANT_GIVE,
        account_id=account_id,
        role=by_role or role,
        after={"grant": str(grant_id), "user": str(user_id), **event_facts(permit.terms, permit.terms.until)},
    )
    return grant_id


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


@requires(Permission.USERS_WRITE, EventType.GRANT_UPDATE, of="grant", reauthentication=ReauthenticationCase.MORE_ACCESS)
async def update(
    context: OperationContext,
    grant_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None = None,
    valid_until: datetime | None = None,
    remove_permission_list: bool | None = None,
    remove_end: bool | None = None,
) -> GrantUpdate:
    """Change a live grant's role, allowlist or end. None changes nothing.

    A new role starts without the old role's allowlist. A grant that waits for permissions becomes active when it
    gets some.

    Raises Refusal: OWNER_PROTECTED, ROLE_TOO_HIGH, INVALID_STATE, SEATS_EXHAUSTED, or an invalid input field.
    """
    grant = _require_changeable(context, grant_id)
    former = grant_rules.terms_of(grant)
    # Checked before the rest, so that the caller learns nothing of access that is out of reach.
    _ = grant_rules.permit(context.access, former, None)
    if not is_live(grant, context.now):
        if grant.engagement_id is not None:  # without the engagement it cannot be restored
            await derived_grant.earliest_end(grant.engagement_id, grant.user_id, None, now=context.now)
        raise _not_in_state(_AFTER_END[grant.status])
    with Validation() as check:
        terms = grant_rules.changed_terms(
            check,
            former,
            role=role,
            permissions=permissions,
            until=valid_until,
            until_field="valid_until",
            remove_permission_list=remove_permission_list,
            remove_end=remove_end,
            now=context.now,
        )
    # The new terms are checked as a whole, even if only the end changes: the caller answers for the whole grant.
    permit = grant_rules.permit(context.access, former, terms, until_field="valid_until")
    effective_until = terms.until
    if grant.engagement_id is not None:
        effective_until = await derived_grant.earliest_end(
            grant.engagement_id, grant.user_id, terms.until, now=context.now
        )
    viewer_access = None if grant.user_id == context.user_id else context.access
    if terms == former:
        return GrantUpdate(grant_id, None, viewer_access)
    if permit.gives_more:
        await reauthentication.require(context.caller)
    if effective_until != grant.valid_until:
        await derived_grant.reschedule(context.caller, grant.user_id, context.account_id, effective_until)
    row = await grant_store.change(
        permit,
        context.caller,
        grant_id,
        account_id=context.account_id,
        by_role=context.access.role,
        valid_until=effective_until,
        is_derived=grant.engagement_id is not None,
        before={"grant": str(grant_id), **event_facts(former, grant.valid_until)},
        after={"grant": str(grant_id), **event_facts(terms, effective_until)},
    )
    await seat.require_available(
        context.account_id,
        terms.role,
        "role",
        now=context.now,
        former_role=former.role,
        is_derived=grant.engagement_id is not None,
    )
    await grant_mail.mail_holder(context.caller, MessageKind.GRANT_CHANGED, grant_id)
    return GrantUpdate(grant_id, row, viewer_access)


# ---- Ending and restoring --------------------------------------------------------------------


@requires(Permission.USERS_WRITE, EventType.GRANT_REVOKE, of="grant", while_closing=True)
async def revoke(context: OperationContext, grant_id: UUID) -> UUID:
    """Revoke a live grant. It has no effect from the next request on. Returns its id.

    Raises Refusal: OWNER_PROTECTED, ROLE_TOO_HIGH, INVALID_STATE.
    """
    grant = _require_changeable(context, grant_id)
    permit = grant_rules.permit(context.access, grant_rules.terms_of(grant), None)
    if not is_live(grant, context.now):
        raise _not_in_state(mark("This access has already ended."))
    await grant_store.end({grant.id: permit}, GrantStatus.REVOKED, now=context.now)
    await context.record(
        EventType.GRANT_REVOKE,
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": GrantStatus.REVOKED},
    )
    await grant_mail.mail_holder(context.caller, MessageKind.GRANT_REVOKED, grant_id)
    await derived_grant.end_with_base(context.caller, grant.user_id, context.account_id)
    return grant.id


@requires(Permission.USERS_WRITE, EventType.GRANT_RESTORE, of="grant", reauthentication=ReauthenticationCase.ALWAYS)
async def restore(
    context: OperationContext, grant_id: UUID, *, valid_until: datetime | None = None, remove_end: bool | None = None
) -> UUID:
    """Make a revoked or expired grant live again, with its former role and allowlist. Returns its id.

    It keeps its end, unless the input gives a new one or removes it. A grant whose end has passed needs that.

    Raises Refusal: OWNER_PROTECTED, ROLE_TOO_HIGH, INVALID_STATE, ALREADY_MEMBER, SEATS_EXHAUSTED, or an invalid
        input field.
    """
    grant = _require_changeable(context, grant_id)
    former = grant_rules.terms_of(grant)
    with Validation() as check:
        terms = grant_rules.changed_terms(
            check, former, until=valid_until, until_field="valid_until", remove_end=remove_end, now=context.now
        )
    has_new_end = valid_until is not None or remove_end is True
    permit = grant_rules.permit(
        context.access, None, terms, field="grant_id", until_field="valid_until" if has_new_end else "grant_id"
    )
    status = GrantStatus.EXPIRED if grant.status in LIVE and is_over(grant, context.now) else grant.status
    if status is GrantStatus.RESIGNED:
        raise _not_in_state(_AFTER_END[status])
    if status in LIVE:
        raise _not_in_state(mark("This access has not ended. Change it instead."))
    if terms.until is not None and terms.until <= context.now:
        raise _not_in_state(mark("The end of this access has passed. Give it a new end, or remove the end."))
    if await is_member(context.caller, grant.user_id, grant.account_id):
        raise already_member("grant_id")
    effective_until = terms.until
    if grant.engagement_id is not None:
        effective_until = await derived_grant.earliest_end(
            grant.engagement_id, grant.user_id, terms.until, now=context.now
        )
    await grant_store.restore(
        permit,
        grant_id,
        valid_until=effective_until,
        is_derived=grant.engagement_id is not None,
        now=context.now,
    )
    await seat.require_available(
        context.account_id, grant.role, "grant_id", now=context.now, is_derived=grant.engagement_id is not None
    )
    new_end = {"valid_until": effective_until} if effective_until != grant.valid_until else {}
    former_end = {"valid_until": grant.valid_until} if new_end else {}
    await context.record(
        EventType.GRANT_RESTORE,
        before={"grant": str(grant.id), "status": status, **former_end},
        after={"grant": str(grant.id), "status": terms.status, **new_end},
    )
    await grant_mail.mail_holder(context.caller, MessageKind.GRANT_RESTORED, grant_id)
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
        permit = grant_rules.permit(Exemption.HOLDER, grant_rules.terms_of(grant), None)
        await grant_store.end({grant.id: permit}, GrantStatus.RESIGNED, now=caller.now)
        await record_resigned(caller, grant)
        await derived_grant.end_with_base(caller, grant.user_id, grant.account_id)
    return grant_id


async def record_resigned(caller: Caller, grant: Grant) -> None:
    """Record that the holder resigned `grant`, which has its former status. Mails all users concerned."""
    await event.record(
        caller,
        EventType.GRANT_RESIGN,
        account_id=grant.account_id,
        role=grant.role,
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": GrantStatus.RESIGNED},
    )
    await grant_mail.mail_resigned(caller, grant.id)
    if grant.engagement_id is not None:
        await derived_grant.mail_bureau(caller, [grant.id])


async def end_all(caller: Caller, account_id: UUID) -> None:
    """Revoke the grants on an account that closes, within its transaction. Grants of consultants end with engagements.

    The users are told of the closing, and get no further mail.
    """
    await expiry.expire(caller, account_id)
    grants = await Grant.filter(account_id=account_id, status__in=LIVE, engagement_id=None)
    permits = {row.id: grant_rules.permit(Exemption.CLOSURE, grant_rules.terms_of(row), None) for row in grants}
    await grant_store.end(permits, GrantStatus.REVOKED, now=caller.now)
    for row in grants:
        await event.record(
            caller,
            EventType.GRANT_REVOKE,
            account_id=account_id,
            before={"grant": str(row.id), "status": row.status},
            after={"grant": str(row.id), "status": GrantStatus.REVOKED},
        )


_AFTER_END: Final = {
    **dict.fromkeys(GrantStatus, mark("This access has ended. Restore it first.")),
    GrantStatus.RESIGNED: mark("The holder has given up this access. Send a new invitation."),
}
"""The remedy for access that has ended, by its status."""


def _require_changeable(context: OperationContext, grant_id: UUID) -> Grant:
    """The operation's grant as it is under the lock. Raises Refusal OWNER_PROTECTED."""
    grant = Grant(id=grant_id, **{name: context.target(name) for name in TARGET_COLUMNS})
    if grant.role is Role.OWNER:
        raise refuse(
            UserErrorCode.OWNER_PROTECTED,
            "grant_id",
            mark("The owner's access cannot be changed. Ownership can only be transferred."),
        )
    return grant


def _not_in_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, "grant_id", text)
