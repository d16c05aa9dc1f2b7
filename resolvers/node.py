"""Objects by their global id, under the rule that guards them on every other path."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from models.people import session
from resolvers import access_request, account, engagement, event, grant, ids, invitation, ownership, subscription
from resolvers import user as users
from resolvers.context import Context, Info

Load = Callable[[list[UUID], Context], Awaitable[Sequence[Any]]]


async def _sessions(keys: list[UUID], context: Context) -> Sequence[object]:
    return await session.by_ids(keys, now=context.now)


async def _users(keys: list[UUID], context: Context) -> Sequence[object]:
    """Users have no account of their own: here it is said who can come across whom."""
    known = await users.known(keys, context)
    return await users.by_ids([key for key in keys if key in known], context)


_LOADS: Final[dict[str, Load]] = {
    "User": _users,
    "Session": _sessions,
    "Account": account.by_ids,
    "Grant": grant.by_ids,
    "Invitation": invitation.by_ids,
    "Engagement": engagement.by_ids,
    "AccessRequest": access_request.by_ids,
    "SubscriptionEntry": subscription.by_ids,
    "Event": event.events_by_ids,
    "Message": event.messages_by_ids,
    "OwnershipTransfer": ownership.by_ids,
}


async def node(parents: Sequence[object], info: Info, id: str) -> list[object]:  # noqa: A002 - the argument's name
    """The object with this id, or None."""
    return await _found([id], info) * len(parents)


async def nodes(parents: Sequence[object], info: Info, ids: list[str]) -> list[list[object]]:
    """The objects with these ids, in order; None for those that do not exist for the caller."""
    return [await _found(ids, info)] * len(parents)


async def _found(texts: list[str], info: Info) -> list[object]:
    asked = [ids.decode_any(text) or ("Account", ids.NOBODY) for text in texts]
    seen: dict[tuple[str, UUID], object] = {}
    for type_name in dict.fromkeys(name for name, _ in asked):
        keys = [key for name, key in asked if name == type_name]
        for row in await _visible(type_name, keys, info):
            seen[type_name, row.id] = row
    return [seen.get(place) for place in asked]


async def _visible(type_name: str, keys: list[UUID], info: Info) -> list[Any]:
    """The rows of a type that exist for the caller, by the rule and the rights of the type."""
    context, marks = info.context, info.schema.type_map[type_name].extensions
    reads = context.access.reads
    rows = [row for row in await _LOADS[type_name](keys, context) if row is not None]
    if context.access.reads == reads:
        await context.access.feign()  # a made-up id must take the time of a foreign one
    rights = marks["rights"](rows, context)
    return [row for row, bits in zip(rows, rights, strict=True) if bits & marks["rule"].bits]
