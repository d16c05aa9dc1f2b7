"""Users, wherever they stand in the graph."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from auth import policy
from auth.policy import Permission
from models import db, user
from models.user import UserRow
from resolvers.context import Context, Info, wanted

_USERS_READ = policy.mask([Permission.USERS_READ])


async def by_ids(
    ids: Sequence[UUID | None], context: Context, columns: frozenset[str] | None = None
) -> list[UserRow | None]:
    """The users with these ids, None for None, and what the caller may see of them."""
    distinct = {*ids}
    distinct.discard(None)
    keys = cast("list[UUID]", list(distinct))
    found = await user.by_ids(keys, wanted=columns) if keys else {}
    if context.viewer_id is not None and not context.readable_users.issuperset(distinct):
        strangers = [key for key in keys if key not in context.readable_users and key != context.viewer_id]
        if strangers:
            context.readable_users |= await user.readable(strangers, by=context.viewer_id, now=context.now)
    return [None if key is None else found.get(key) for key in ids]


async def _of(rows: Sequence[Any], column: str, info: Info) -> list[UserRow | None]:
    return await by_ids([row[column] for row in rows], info.context, wanted(info))


async def of_grants(grants: Sequence[Any], info: Info) -> list[UserRow | None]:
    """The holder of each grant; whoever may read an account's users may read all of them."""
    bits, users = info.context.access.bits, [row["user_id"] for row in grants]
    accounts = {row["account_id"] for row in grants}
    readable = {key for key in accounts if bits(key) & _USERS_READ}
    if len(readable) == len(accounts):
        info.context.readable_users.update(users)
    else:
        info.context.readable_users.update(row["user_id"] for row in grants if row["account_id"] in readable)
    return await by_ids(users, info.context, wanted(info))


async def granted_by(grants: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who gave each grant; None for an account's first owner."""
    return await _of(grants, "granted_by_id", info)


async def invited_by(invitations: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who stands behind each invitation."""
    return await _of(invitations, "invited_by_id", info)


async def owners(accounts: Sequence[Any], info: Info) -> list[UserRow | None]:
    """The owner of each account."""
    return await _of(accounts, "owner_id", info)


async def actors(rows: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who did what an event or a line of a ledger tells; None for the operator."""
    return await _of(rows, "actor_id", info)


async def viewers(parents: Sequence[object], info: Info) -> Sequence[db.Columns | None]:
    """The signed-in user; his row came with the session."""
    if info.context.me is not None:
        return [info.context.me] * len(parents)
    return await by_ids([info.context.viewer_id] * len(parents), info.context, wanted(info))


def is_activated(rows: Sequence[Any], _: Info) -> list[bool]:
    """Whether each user has proved his address."""
    return [row["activated_at"] is not None for row in rows]
