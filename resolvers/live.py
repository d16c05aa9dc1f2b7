"""Subscriptions: where their events come from, and what of each is shown."""

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
from resolvers.pages import prepare


@dataclass(frozen=True, slots=True)
class Source:
    """Where a subscription's events come from, and the permission that it demands in the account that it names."""

    start: Callable[..., Any]
    permission: Permission | None = None


async def _account_events(_: object, info: Info, account_id: str) -> AsyncIterator[ChainedEvent]:
    context = info.context
    return await _hub(context).events(context.caller, ids.decode("Account", account_id))


async def _access_changed(_: object, info: Info) -> AsyncIterator[Change]:
    return await _hub(info.context).changes(info.context.caller)


def _hub(context: Context) -> Hub:
    if context.hub is None:
        raise ShuttingDown
    return context.hub


account_events = Source(_account_events, stream_state.EVENTS)
access_changed = Source(_access_changed)


async def event(written: Sequence[ChainedEvent], info: Info, **_: object) -> Sequence[ChainedEvent]:
    """Each event itself, with the access that its fields look at."""
    await prepare(written, info.context)
    return written


async def change(changes: Sequence[Change], _: Info) -> Sequence[Change]:
    """Each change itself."""
    return changes


async def grants(changes: Sequence[Change], info: Info) -> list[GrantRow | None]:
    """The grants that changed, as they are now."""
    return await grant.by_ids([one.grant_id for one in changes], info.context)
