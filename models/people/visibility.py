"""Whom a user can come across: his name, and where he may read users, his address."""

from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db
from models.access import access, factor_requirement

_READS: Final = access.holding(Permission.USERS_READ, alias="mine")
_READABLE: Final = f"""
SELECT DISTINCT theirs.user_id AS id FROM (
    SELECT user_id, account_id FROM grants WHERE user_id = ANY($1::uuid[])
    UNION ALL SELECT requester_id, account_id FROM access_requests WHERE requester_id = ANY($1::uuid[])) theirs
JOIN grants mine ON mine.account_id = theirs.account_id
WHERE mine.user_id = $2 AND mine.status = 'ACTIVE'
  AND (mine.valid_until IS NULL OR mine.valid_until > $3) AND {_READS}
"""
_KNOWN: Final = f"""
SELECT u.id FROM users u WHERE u.id = ANY($1::uuid[]) AND (u.id = $2 OR EXISTS (
    SELECT FROM grants theirs JOIN grants mine ON mine.account_id = theirs.account_id
    WHERE theirs.user_id = u.id AND mine.user_id = $2 AND mine.status = 'ACTIVE'
      AND (mine.valid_until IS NULL OR mine.valid_until > $3) AND NOT {factor_requirement.by_grant("mine")})
  OR EXISTS (SELECT FROM grants mine WHERE mine.user_id = $2 AND mine.granted_by_id = u.id)
  OR EXISTS (SELECT FROM access_requests r JOIN grants mine ON mine.account_id = r.account_id
    WHERE r.requester_id = u.id AND mine.user_id = $2 AND mine.status = 'ACTIVE'
      AND (mine.valid_until IS NULL OR mine.valid_until > $3) AND {_READS})
  OR EXISTS (SELECT FROM invitations i JOIN users me ON me.email_key = i.email_key
    WHERE me.id = $2 AND i.status = 'PENDING' AND i.invited_by_id = u.id))
"""


class _Id(db.Row):
    id: UUID


async def readable(ids: list[UUID], *, by: UUID, now: datetime) -> set[UUID]:
    """Those users who have or had a grant, or asked for one, on an account where `by` may read the users."""
    return {row.id for row in await db.fetch(_READABLE, ids, by, now, row=_Id)}


async def known(ids: list[UUID], *, to: UUID, now: datetime) -> set[UUID]:
    """Those users whose name `to` can come across: they share an account, let him into one, or asked for his."""
    return {row.id for row in await db.fetch(_KNOWN, ids, to, now, row=_Id)}
