"""Resolvers of users."""

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
from resolvers.context import Context, Info, selected_columns

_USERS_READ = policy.mask([Permission.USERS_READ])


async def by_ids(
    ids: Sequence[UUID | None], context: Context, columns: frozenset[str] | None = None
) -> list[UserRow | None]:
    """The users with these ids. None for None. Also loads which of them the caller may read in full."""
    keys = list({key for key in ids if key is not None})
    rows_by_key = await user.by_ids(keys, columns=columns) if keys else {}
    await _load_readable(keys, context)
    return [None if key is None else rows_by_key.get(key) for key in ids]


async def _load_readable(keys: Sequence[UUID], context: Context) -> None:
    """Load which of the users the caller may read in full: at most one statement.

    For the others it loads the access to an account that connects them with the caller: `rights` gives its reason.
    """
    if context.viewer_id is None:
        return
    unclassified_keys = [key for key in keys if key.hex not in context.readable_users and key != context.viewer_id]
    if not unclassified_keys:
        return
    if context.view is not None:
        readable_keys = await view_as.ids_with_readable_profile(unclassified_keys, context.view, context.now)
        context.readable_users.update(key.hex for key in readable_keys)
        unreadable_users = (key.hex for key in unclassified_keys if key not in readable_keys)
        context.user_accounts |= dict.fromkeys(unreadable_users, context.view.account_id)
        return
    connections = await visibility.connections(unclassified_keys, viewer_id=context.viewer_id, now=context.now)
    context.readable_users.update(row.id.hex for row in connections if row.is_readable)
    user_accounts = {row.id.hex: row.account_id for row in connections if not row.is_readable}
    context.user_accounts |= user_accounts
    if user_accounts:
        await context.access.load(user_accounts.values())


async def ids_with_visible_name(keys: list[UUID], context: Context) -> set[UUID]:
    """The keys of the users whose name the caller may see."""
    if context.view is not None:
        return await view_as.ids_with_visible_name(keys, context.view)
    return (
        set()
        if context.viewer_id is None
        else await visibility.ids_with_visible_name(keys, viewer_id=context.viewer_id, now=context.now)
    )


async def _load_column(
    rows: Sequence[Any], column: str, info: Info, account_column: str = "account_id"
) -> Sequence[Any]:
    """The user of each row. One that the caller may not read in full has the row's account, for the reason."""
    context = info.context
    users = await by_ids(rows_.column(rows, column), context, selected_columns(info))
    if not any(user is not None and user.id.hex in context.user_accounts for user in users):
        return users
    account_ids = rows_.column(rows, account_column)
    await context.access.load(account_ids)
    return [
        {**user, "account_id": account_id} if user is not None and user.id.hex in context.user_accounts else user
        for user, account_id in zip(users, account_ids, strict=True)
    ]


async def of_grants(grants: Sequence[Any], info: Info) -> Sequence[Any]:
    """The holder of each grant. With USERS_READ in the account, the holder is readable in full."""
    context, bits = info.context, info.context.access.bits_by_hex
    may_read_users = rows_.map_keys(grants, "account_id", lambda account_hex: bits(account_hex) & _USERS_READ)
    users = rows_.key_hex(grants, "user_id")
    context.readable_users.update(users if all(may_read_users) else compress(users, may_read_users))
    joined_users = rows_.part(grants, "user")
    if joined_users is None:
        return await by_ids(rows_.column(grants, "user_id"), context, selected_columns(info))
    if not all(may_read_users):
        await _load_readable([UUID(hex=user_hex) for user_hex in rows_.distinct(grants, "user_id")], context)
    return joined_users


async def granted_by(grants: Sequence[Any], info: Info) -> Sequence[Any]:
    """The user who gave each grant. None for an account's first owner."""
    return await _load_column(grants, "granted_by_id", info)


async def invited_by(invitations: Sequence[Any], info: Info) -> Sequence[Any]:
    """The inviter of each invitation."""
    return await _load_column(invitations, "invited_by_id", info)


async def creators(rows: Sequence[Any], info: Info) -> Sequence[Any]:
    """The creator of each row."""
    return await _load_column(rows, "created_by_id", info)


async def senders(rows: Sequence[Any], info: Info) -> Sequence[Any]:
    """The user who sent each row."""
    return await _load_column(rows, "sent_by_id", info)


async def owners(accounts: Sequence[Any], info: Info) -> Sequence[Any]:
    """The owner of each account."""
    return await _load_column(accounts, "owner_id", info, account_column="id")


async def offering_owners(transfers: Sequence[Any], info: Info) -> Sequence[Any]:
    """The owner who made each ownership offer."""
    return await _load_column(transfers, "owner_id", info)


async def receivers(transfers: Sequence[Any], info: Info) -> Sequence[Any]:
    """The receiver of each ownership offer."""
    return await _load_column(transfers, "receiver_id", info)


async def actors(rows: Sequence[Any], info: Info) -> Sequence[Any]:
    """The user behind each event or ledger entry. None for the operator."""
    return await _load_column(rows, "actor_id", info)


async def viewers(parents: Sequence[object], info: Info) -> Sequence[db.Columns | None]:
    """The signed-in user. Usually the row was loaded with the session."""
    context = info.context
    if context.view is not None:
        return await by_ids([context.view.viewer_id] * len(parents), context, selected_columns(info))
    if context.viewer_row is not None:
        return [context.viewer_row] * len(parents)
    return await by_ids([context.viewer_id] * len(parents), context, selected_columns(info))


def is_activated(rows: Sequence[Any], _: Info) -> list[bool]:
    """True for each user with a verified address."""
    return [row["activated_at"] is not None for row in rows]
