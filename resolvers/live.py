"""GraphQL subscriptions: their event sources and the resolvers of their events."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from auth.policy import Permission
from models.access.access import GrantRow
from models.live import stream_state
from models.live.hub import Hub, ShuttingDown
from models.live.stream_state import ChainedEvent, Change
from resolvers import grant, ids
from resolvers.context import Context, Info
from resolvers.pages import load_access


@dataclass(frozen=True, slots=True)
class Source:
    """The event source of a subscription, and the permission that it requires in the account of its argument.

    `permission` is None if the subscription requires only a session.
    """

    open_stream: Callable[..., Any]
    permission: Permission | None = None


async def _account_events(_: object, info: Info, account_id: str) -> AsyncIterator[ChainedEvent]:
    context, key = info.context, ids.decode("Account", account_id)
    stream = await _hub(context).follow_events(context.caller, key)
    context.note_use([key])
    await context.record_uses()
    return stream


async def _access_changed(_: object, info: Info) -> AsyncIterator[Change]:
    return await _hub(info.context).follow_changes(info.context.caller)


def _hub(context: Context) -> Hub:
    if context.hub is None:
        raise ShuttingDown
    return context.hub


account_events = Source(_account_events, stream_state.EVENTS_PERMISSION)
access_changed = Source(_access_changed)


async def events(events: Sequence[ChainedEvent], info: Info, **_: object) -> Sequence[ChainedEvent]:
    """The events themselves, after loading the access that their fields need."""
    await load_access(events, info.context)
    return events


async def change(changes: Sequence[Change], _: Info) -> Sequence[Change]:
    """The changes themselves."""
    return changes


async def grants(changes: Sequence[Change], info: Info) -> list[GrantRow | None]:
    """The changed grants in their current state."""
    return await grant.by_ids([change.grant_id for change in changes], info.context)
