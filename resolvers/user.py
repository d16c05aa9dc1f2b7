"""Users, wherever they stand in the graph."""

from collections.abc import Sequence
from itertools import compress
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from database import rows as rows_
from models.people import user, visibility
from models.people.user import UserRow
from models.sharing import view_as
from resolvers.context import Context, Info, wanted

_USERS_READ = policy.mask([Permission.USERS_READ])


async def by_ids(
    ids: Sequence[UUID | None], context: Context, columns: frozenset[str] | None = None
) -> list[UserRow | None]:
    """The users with these ids, None for None, and what the caller may see of them."""
    keys = list({key for key in ids if key is not None})
    found = await user.by_ids(keys, wanted=columns) if keys else {}
    await _learn(keys, context)
    return [None if key is None else found.get(key) for key in ids]


async def _learn(keys: Sequence[UUID], context: Context) -> None:
    """Find out of which users the caller may see all: one statement, or none."""
    if context.viewer_id is None:
        return
    strangers = [key for key in keys if key.hex not in context.readable_users and key != context.viewer_id]
    if strangers:
        found = await _readable(strangers, context.viewer_id, context)
        context.readable_users.update(key.hex for key in found)


async def _readable(keys: list[UUID], me: UUID, context: Context) -> set[UUID]:
    if context.view is not None:
        return await view_as.readable(keys, context.view)
    return await visibility.readable(keys, by=me, now=context.now)


async def known(keys: list[UUID], context: Context) -> set[UUID]:
    """Those users whom the caller can come across."""
    if context.view is not None:
        return await view_as.known(keys, context.view)
    return set() if context.viewer_id is None else await visibility.known(keys, to=context.viewer_id, now=context.now)


async def _of(rows: Sequence[Any], column: str, info: Info) -> list[UserRow | None]:
    return await by_ids(rows_.column(rows, column), info.context, wanted(info))


async def of_grants(grants: Sequence[Any], info: Info) -> Sequence[Any]:
    """The holder of each grant; whoever may read an account's users may read all of them."""
    context, bits = info.context, info.context.access.bits_of
    open_ = rows_.mapped(grants, "account_id", lambda digits: bits(digits) & _USERS_READ)
    users = rows_.key_hex(grants, "user_id")
    context.readable_users.update(users if all(open_) else compress(users, open_))
    joined = rows_.part(grants, "user")
    if joined is None:
        return await by_ids(rows_.column(grants, "user_id"), context, wanted(info))
    if not all(open_):
        await _learn([UUID(hex=digits) for digits in rows_.distinct(grants, "user_id")], context)
    return joined


async def granted_by(grants: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who gave each grant; None for an account's first owner."""
    return await _of(grants, "granted_by_id", info)


async def invited_by(invitations: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who stands behind each invitation."""
    return await _of(invitations, "invited_by_id", info)


async def owners(accounts: Sequence[Any], info: Info) -> list[UserRow | None]:
    """The owner of each account, or of each that is offered."""
    return await _of(accounts, "owner_id", info)


async def receivers(transfers: Sequence[Any], info: Info) -> list[UserRow | None]:
    """To whom each account is offered."""
    return await _of(transfers, "receiver_id", info)


async def actors(rows: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who did what an event or a line of a ledger tells; None for the operator."""
    return await _of(rows, "actor_id", info)


async def viewers(parents: Sequence[object], info: Info) -> Sequence[db.Columns | None]:
    """The signed-in user; his row came with the session."""
    context = info.context
    if context.view is not None:
        return await by_ids([context.view.viewer_id] * len(parents), context, wanted(info))
    if context.me is not None:
        return [context.me] * len(parents)
    return await by_ids([context.viewer_id] * len(parents), context, wanted(info))


def is_activated(rows: Sequence[Any], _: Info) -> list[bool]:
    """Whether each user has proved his address."""
    return [row["activated_at"] is not None for row in rows]
