"""The `node` and `nodes` fields: objects by global id, guarded by the rule of their type."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

import modules
from models.people import session
from resolvers import (
    access_request,
    account,
    engagement,
    event,
    grant,
    ids,
    invitation,
    message,
    ownership,
    passkey,
    subscription,
)
from resolvers import user as users
from resolvers.context import Context, Info
from resolvers.rights import OfAccount

Load = Callable[[list[UUID], Context], Awaitable[Sequence[Any]]]


async def _sessions(keys: list[UUID], context: Context) -> Sequence[object]:
    return await session.by_ids(keys, now=context.now)


async def _users(keys: list[UUID], context: Context) -> Sequence[object]:
    """The users visible to the caller. A user row belongs to no account, so no account access decides."""
    visible_keys = await users.ids_with_visible_name(keys, context)
    return await users.by_ids([key for key in keys if key in visible_keys], context)


_LOADERS: Final[dict[str, Load]] = {
    "User": _users,
    "Session": _sessions,
    "Account": account.by_ids,
    "Grant": grant.by_ids,
    "Invitation": invitation.by_ids,
    "Engagement": engagement.by_ids,
    "AccessRequest": access_request.by_ids,
    "EngagementRequest": engagement.requests_by_ids,
    "SubscriptionEntry": subscription.by_ids,
    "Event": event.by_ids,
    "Message": message.by_ids,
    "OwnershipTransfer": ownership.by_ids,
    "Passkey": passkey.by_ids,
}


@cache
def _loaders() -> dict[str, Load]:
    """The loaders of the product and of modules. They are read late, because modules import resolvers."""
    return modules.join("loaders", _LOADERS, *modules.graph_parts("LOADERS"))


async def node(parents: Sequence[object], info: Info, id: str) -> list[object]:  # noqa: A002 - the argument's name
    """The object with this id. None if it does not exist for the caller."""
    return await _load_nodes([id], info) * len(parents)


async def nodes(parents: Sequence[object], info: Info, ids: list[str]) -> list[list[object]]:
    """The objects with these ids, in order. None for each that does not exist for the caller."""
    return [await _load_nodes(ids, info)] * len(parents)


async def _load_nodes(texts: list[str], info: Info) -> list[object]:
    type_keys = [ids.decode_any(text) or ("Account", ids.NIL_KEY) for text in texts]
    rows: dict[tuple[str, UUID], object] = {}
    for type_name in dict.fromkeys(name for name, _ in type_keys):
        keys = [key for name, key in type_keys if name == type_name]
        for row in await _load_visible(type_name, keys, info):
            rows[type_name, row.id] = row
    return [rows.get(type_key) for type_key in type_keys]


async def _load_visible(type_name: str, keys: list[UUID], info: Info) -> list[Any]:
    """The rows of a type that exist for the caller by the type's rule."""
    context, metadata = info.context, info.schema.type_map[type_name].extensions
    reads_before = context.access.read_count
    rows = [row for row in await _loaders()[type_name](keys, context) if row is not None]
    if context.access.read_count == reads_before:
        await context.access.simulate_read()  # a made-up id must take the same time as a foreign id
    row_rights = metadata["rights"]
    visible_rows = [
        row for row, bits in zip(rows, row_rights(rows, context), strict=True) if bits & metadata["rule"].bits
    ]
    if isinstance(row_rights, OfAccount):
        accesses = row_rights.accesses(visible_rows, context)
        context.note_use(access.account_id for access in accesses if access is not None)
    return visible_rows
