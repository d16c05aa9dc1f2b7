"""Visibility of users to a viewer: the name alone, or the whole profile with the address.

The names of users with a connection to the viewer are visible. Profiles are readable where the viewer has USERS_READ:
those of the account's members, of the users who requested access to it, of the owners that its links show, and of the
owners of a bureau's clients: those that have requested an engagement or have an active one.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db
from models.access import access, factor_requirement
from models.accounts import link

_READS: Final = access.holder_condition(Permission.USERS_READ, alias="viewer_grant")
# A grant that gives the viewer access at the instant $3.
_VIEWER_GRANT: Final = f"""viewer_grant.user_id = $2 AND viewer_grant.status = 'ACTIVE'
      AND (viewer_grant.valid_until IS NULL OR viewer_grant.valid_until > $3)
      AND {access.IS_OPEN_BY_GRANT.format("viewer_grant", "$3")}"""
# Only members are found without USERS_READ: the others would show requests of access, links and clients.
_CONNECTIONS: Final = f"""
SELECT DISTINCT ON (u.id) u.id, u.account_id, {_READS} AS is_readable FROM (
    SELECT user_id AS id, account_id, TRUE AS is_member FROM grants WHERE user_id = ANY($1::uuid[])
    UNION ALL SELECT requester_id, account_id, FALSE FROM access_requests WHERE requester_id = ANY($1::uuid[])
    UNION ALL SELECT c.owner_id, e.bureau_id, FALSE FROM accounts c JOIN engagements e ON e.client_id = c.id
        WHERE c.owner_id = ANY($1::uuid[]) AND (e.status = 'ACTIVE'
            OR e.status = 'PENDING' AND e.asked_by_id = e.client_id AND e.expires_at > $3)
    UNION ALL SELECT l.*, FALSE FROM ({link.LINKED_OWNERS.format(now="$3")} AND y.owner_id = ANY($1::uuid[])) l) u
JOIN grants viewer_grant ON viewer_grant.account_id = u.account_id
WHERE {_VIEWER_GRANT} AND (u.is_member OR {_READS})
ORDER BY u.id, {_READS} DESC, u.account_id
"""
_VISIBLE_NAMES: Final = f"""
SELECT u.id FROM users u WHERE u.id = ANY($1::uuid[]) AND (u.id = $2 OR EXISTS (
    SELECT FROM grants user_grant JOIN grants viewer_grant ON viewer_grant.account_id = user_grant.account_id
    WHERE user_grant.user_id = u.id AND {_VIEWER_GRANT}
      AND NOT {factor_requirement.missing_by_grant("viewer_grant")})
  OR EXISTS (SELECT FROM grants viewer_grant WHERE viewer_grant.user_id = $2 AND viewer_grant.granted_by_id = u.id)
  OR EXISTS (SELECT FROM access_requests r JOIN grants viewer_grant ON viewer_grant.account_id = r.account_id
    WHERE r.requester_id = u.id AND {_VIEWER_GRANT} AND {_READS})
  OR EXISTS (SELECT FROM invitations i JOIN users viewer ON viewer.email_key = i.email_key
    WHERE viewer.id = $2 AND i.status = 'PENDING' AND i.invited_by_id = u.id))
"""


class _Id(db.Row):
    id: UUID


class Connection(db.Row):
    """An account that connects a user with the viewer. `is_readable`: the viewer has USERS_READ there."""

    id: UUID
    account_id: UUID
    is_readable: bool


async def connections(ids: list[UUID], *, viewer_id: UUID, now: datetime) -> list[Connection]:
    """One connection for each of the users that has any: one that makes the profile readable, if there is such a one.

    The others connect a current or former member of an account with a viewer who may not read its users.
    """
    return await db.fetch(_CONNECTIONS, ids, viewer_id, now, row=Connection)


async def ids_with_visible_name(ids: list[UUID], *, viewer_id: UUID, now: datetime) -> set[UUID]:
    """The ids of users whose name the viewer may see.

    These are the viewer, users with a grant on a shared account, users who gave the viewer a grant or a pending
    invitation, and users who requested access to an account where the viewer has USERS_READ.
    """
    return {row.id for row in await db.fetch(_VISIBLE_NAMES, ids, viewer_id, now, row=_Id)}
