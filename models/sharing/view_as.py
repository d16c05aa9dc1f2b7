"""Looking at an account as a role, or the holder of one of its grants, would see it.

Only who has all of `policy.VIEW_AS` in the account may look so, and he sees no more than he himself
may. It is read-only and recorded, at most once an hour for each role or grant.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from auth import policy
from auth.policy import GrantFacts, GrantStatus, Permission, Role
from database import db
from models.access import access, grant
from models.access.access import Access
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import BadInput

RECORDED_EVERY: Final = timedelta(hours=1)
_LIVE: Final = {GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS}


@dataclass(frozen=True, slots=True)
class ViewAs:
    """Whose eyes a request looks through, in the one account that it then sees.

    `viewer_id` really asks; `holder_id` has the grant that he looks through, None for a role;
    `access` is what they give, None for nothing.
    """

    account_id: UUID
    viewer_id: UUID
    holder_id: UUID | None
    role: Role
    access: Access | None


async def of_role(caller: Caller, own: Access, role: Role) -> ViewAs:
    """Look through a role that has no list of its own, in the account of `own`. Raises Forbidden."""
    _demand(own)
    mine = own.standing
    standing = GrantFacts(role, GrantStatus.ACTIVE, None, mine.restrictions, mine.locks, mine.subscription_over)
    await _record(caller, own, {"role": role})
    seen = Access(own.grant, standing, policy.effective(standing))
    return ViewAs(own.account_id, caller.user(), None, role, _within(own, seen))


async def of_grant(caller: Caller, own: Access, grant_id: UUID) -> ViewAs:
    """Look through a live grant on the account of `own`. Raises Forbidden, BadInput."""
    _demand(own)
    row = (await grant.by_ids([grant_id]))[0]
    if row is None or row.account_id != own.account_id or access.status(row, caller.now) not in _LIVE:
        raise BadInput("X-View-As names no role, and no grant that counts in this account.")
    await _record(caller, own, {"grant": str(row.id), "role": Role(row.role)})
    seen = access.effective_access(row, caller.now) if access.status(row, caller.now) is GrantStatus.ACTIVE else None
    return ViewAs(own.account_id, caller.user(), row.user_id, Role(row.role), _within(own, seen))


def _demand(own: Access) -> None:
    for permission in policy.VIEW_AS:
        access.require(own, permission)


def _within(own: Access, seen: Access | None) -> Access | None:
    """What is seen, as far as the viewer sees it himself.

    Where that is less, he is told his own reasons: only the owner has more than an administrator.
    """
    if seen is None or not seen.bits & own.bits:
        return None
    if seen.bits & ~own.bits:
        return Access(seen.grant, own.standing, seen.bits & own.bits)
    return seen


_RECORDED: Final = """
SELECT FROM events WHERE account_id = $1 AND actor_id = $2 AND type = 'account:account:view-as'
    AND occurred_at > $3 AND after = $4::jsonb LIMIT 1
"""


async def _record(caller: Caller, own: Access, through: dict[str, object]) -> None:
    asked = (own.account_id, caller.user(), caller.now - RECORDED_EVERY, orjson.dumps(through).decode())
    if await db.fetch(_RECORDED, *asked, row=db.Row):
        return
    async with db.transaction():
        await locks.accounts(own.account_id)
        # Of requests that come at once, one records it.
        if not await db.fetch(_RECORDED, *asked, row=db.Row):
            await event.record(
                caller, "account:account:view-as", account_id=own.account_id, role=own.role, after=through
            )


# ---- Whom one sees so --------------------------------------------------------------------------


class _Id(db.Row):
    id: UUID


_MEMBERS: Final = "SELECT user_id AS id FROM grants WHERE user_id = ANY($1::uuid[]) AND account_id = $2"
_REQUESTERS: Final = "SELECT requester_id FROM access_requests WHERE requester_id = ANY($1::uuid[]) AND account_id = $2"
_USERS_READ: Final = policy.mask([Permission.USERS_READ])


async def readable(ids: list[UUID], through: ViewAs) -> set[UUID]:
    """Those users of whom all is seen: they have or had a grant on the account, or asked, and users are read there."""
    return await _members(ids, through) if _reads_users(through) else set()


async def known(ids: list[UUID], through: ViewAs) -> set[UUID]:
    """Those users whose name is come across: the holder, and whoever has or had a grant on the account, or asked."""
    return (await _members(ids, through) if through.access else set()) | ({*ids} & {through.holder_id})


def _reads_users(through: ViewAs) -> bool:
    return through.access is not None and bool(through.access.bits & _USERS_READ)


async def _members(ids: list[UUID], through: ViewAs) -> set[UUID]:
    sql = f"{_MEMBERS} UNION {_REQUESTERS}" if _reads_users(through) else _MEMBERS
    return {row.id for row in await db.fetch(sql, ids, through.account_id, row=_Id)}
