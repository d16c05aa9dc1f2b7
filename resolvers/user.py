"""Users, wherever they stand in the graph."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Permission
from models import user
from models.user import UserRow
from resolvers.context import Context, Info

_USERS_READ = policy.mask([Permission.USERS_READ])


async def by_ids(ids: Sequence[UUID | None], context: Context) -> list[UserRow | None]:
    """The users with these ids, None for None, and what the caller may see of them."""
    wanted = list({key for key in ids if key is not None})
    found = {row.id: row for row in await user.by_ids(wanted) if row} if wanted else {}
    strangers = [key for key in wanted if key not in context.readable_users | {context.viewer_id}]
    if strangers and context.viewer_id is not None:
        context.readable_users |= await user.readable(strangers, by=context.viewer_id, now=context.now)
    return [found.get(key) if key else None for key in ids]


async def of_grants(grants: Sequence[Any], info: Info) -> list[UserRow | None]:
    """The holder of each grant; whoever may read an account's users may read all of them."""
    for row in grants:
        if info.context.access.bits(row.account_id) & _USERS_READ:
            info.context.readable_users.add(row.user_id)
    return await by_ids([row.user_id for row in grants], info.context)


async def granted_by(grants: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who gave each grant; None for an account's first owner."""
    return await by_ids([row.granted_by_id for row in grants], info.context)


async def invited_by(invitations: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who stands behind each invitation."""
    return await by_ids([row.invited_by_id for row in invitations], info.context)


async def owners(accounts: Sequence[Any], info: Info) -> list[UserRow | None]:
    """The owner of each account."""
    return await by_ids([row.owner_id for row in accounts], info.context)


async def actors(rows: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who did what an event or a line of a ledger tells; None for the operator."""
    return await by_ids([row.actor_id for row in rows], info.context)


async def viewers(parents: Sequence[object], info: Info) -> list[UserRow | None]:
    """The signed-in user."""
    return await by_ids([info.context.viewer_id] * len(parents), info.context)


def is_activated(row: UserRow, _: Info) -> bool:
    """Whether the user has proved his address."""
    return row.activated_at is not None
