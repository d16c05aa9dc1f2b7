"""View-as: the viewer sees an account as a role or as the holder of a grant would see it.

A view needs all permissions of `policy.VIEW_AS` in the account, and never shows more than the viewer may see. It is
read-only. It is recorded, at most once an hour for each role or grant.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from database import db
from models.access import access, grant, operation
from models.access.access import Access
from models.accounts import link
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import BadInput

EVENT_INTERVAL: Final = timedelta(hours=1)
_LIVE_STATUSES: Final = {GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS}


@dataclass(frozen=True, slots=True)
class ViewAs:
    """The view of a request: the account, the viewer, and the role or grant holder whose view it is.

    `viewer_id` is the user who sends the request. `holder_id` is the holder of the grant, None for a role. `access`
    is the access in the view, None without any.
    """

    account_id: UUID
    viewer_id: UUID
    holder_id: UUID | None
    role: Role
    access: Access | None


async def of_role(caller: Caller, viewer_access: Access, role: Role) -> ViewAs:
    """View the viewer's account as a role without an allowlist. Raises Forbidden."""
    _require_view_permissions(viewer_access)
    role_facts = replace(viewer_access.facts, role=role, allowlist=None)
    await _record(caller, viewer_access, {"role": role})
    role_access = Access(viewer_access.grant, role_facts, policy.effective_bits(role_facts))
    return ViewAs(viewer_access.account_id, caller.user(), None, role, _limit_to_viewer(viewer_access, role_access))


async def of_grant(caller: Caller, viewer_access: Access, grant_id: UUID) -> ViewAs:
    """View the viewer's account as the holder of a live grant. Raises Forbidden, BadInput."""
    _require_view_permissions(viewer_access)
    row = (await grant.by_ids([grant_id]))[0]
    if (
        row is None
        or row.account_id != viewer_access.account_id
        or access.status(row, caller.now) not in _LIVE_STATUSES
    ):
        raise BadInput("X-View-As names no role and no live grant of this account.")
    await _record(caller, viewer_access, {"grant": str(row.id), "role": Role(row.role)})
    holder_access = (
        access.effective_access(row, caller.now) if access.status(row, caller.now) is GrantStatus.ACTIVE else None
    )
    return ViewAs(
        viewer_access.account_id,
        caller.user(),
        row.user_id,
        Role(row.role),
        _limit_to_viewer(viewer_access, holder_access),
    )


def _require_view_permissions(viewer_access: Access) -> None:
    for permission in policy.VIEW_AS:
        operation.require(viewer_access, permission, while_closing=True)


def _limit_to_viewer(viewer_access: Access, target_access: Access | None) -> Access | None:
    """The target's access, limited to the viewer's own permissions. None if nothing is left.

    A limited access has the viewer's facts, so that refusals give the viewer's own reasons. This is the case when an
    administrator views as the owner.
    """
    if target_access is None or not target_access.bits & viewer_access.bits:
        return None
    if target_access.bits & ~viewer_access.bits:
        return Access(target_access.grant, viewer_access.facts, target_access.bits & viewer_access.bits)
    return target_access


_RECENT_EVENT: Final = """
SELECT FROM events WHERE account_id = $1 AND actor_id = $2 AND type = 'account:account:view-as'
    AND occurred_at > $3 AND after = $4::jsonb LIMIT 1
"""


async def _record(caller: Caller, viewer_access: Access, target: dict[str, object]) -> None:
    arguments = (viewer_access.account_id, caller.user(), caller.now - EVENT_INTERVAL, orjson.dumps(target).decode())
    if await db.fetch(_RECENT_EVENT, *arguments, row=db.Row):
        return
    async with db.transaction():
        await locks.lock_accounts(viewer_access.account_id)
        # Checked again under the lock, so that one of several concurrent requests records the view.
        if not await db.fetch(_RECENT_EVENT, *arguments, row=db.Row):
            await event.record(
                caller,
                EventType.ACCOUNT_VIEW_AS,
                account_id=viewer_access.account_id,
                role=viewer_access.role,
                after=target,
            )


# ---- Visibility of users -----------------------------------------------------------------------


class _Id(db.Row):
    id: UUID


_MEMBERS: Final = "SELECT user_id AS id FROM grants WHERE user_id = ANY($1::uuid[]) AND account_id = $2"
_REQUESTERS: Final = "SELECT requester_id FROM access_requests WHERE requester_id = ANY($1::uuid[]) AND account_id = $2"
_LINKED_OWNERS: Final = f"""
SELECT l.owner_id AS id FROM ({link.LINKED_OWNERS.format(now="$3")} AND y.owner_id = ANY($1::uuid[]) AND x.id = $2) l
"""
_USERS_READ: Final = policy.mask([Permission.USERS_READ])


async def ids_with_readable_profile(ids: list[UUID], view: ViewAs, now: datetime) -> set[UUID]:
    """The ids of users whose profile the view shows. Empty without USERS_READ.

    They have a current or former grant, or an access request, on the account, or own an account that its links show.
    """
    if not _may_read_users(view):
        return set()
    linked_owners = await db.fetch(_LINKED_OWNERS, ids, view.account_id, now, row=_Id)
    return await _member_ids(ids, view) | {row.id for row in linked_owners}


async def ids_with_visible_name(ids: list[UUID], view: ViewAs) -> set[UUID]:
    """The ids of users whose name the view shows: the holder, and users with a current or former grant.

    With USERS_READ also users with an access request.
    """
    return (await _member_ids(ids, view) if view.access else set()) | ({*ids} & {view.holder_id})


def _may_read_users(view: ViewAs) -> bool:
    return view.access is not None and bool(view.access.bits & _USERS_READ)


async def _member_ids(ids: list[UUID], view: ViewAs) -> set[UUID]:
    sql = f"{_MEMBERS} UNION {_REQUESTERS}" if _may_read_users(view) else _MEMBERS
    return {row.id for row in await db.fetch(sql, ids, view.account_id, row=_Id)}
