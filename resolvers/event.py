"""Resolvers of events."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from database.listing import Connection, ConnectionQuery
from database.rows import column
from models import lists
from models.accounts import former_name
from models.accounts.account import AccountRow
from models.audit import event, event_facts, event_scope
from models.audit.event import EventRow
from resolvers import ids, subscription, user, view_as
from resolvers.context import Context, Info
from resolvers.pages import grouped_pages, pages, rows_by_ids
from resolvers.rights import of_events


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.EventFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[EventRow]]:
    """The events of each account. A filter by an actor finds no event whose actor the caller may not read.

    Accounts in which the same types of events are hidden from the caller share a statement.
    """
    keys, context = [row["id"] for row in accounts], info.context
    actor_id = (filter or {}).get("actor_id")
    hidden_in = [] if actor_id in {None, _self_id(context)} else _without_person_rights(keys, context)

    def make_query(reader: lists.EventReader | None) -> ConnectionQuery[EventRow]:
        return lists.events_of_accounts(filter, reader=reader, without_strangers_in=hidden_in)

    return await grouped_pages(keys, partial(_reader, context), make_query, info, page)


def _reader(context: Context, account_id: UUID) -> lists.EventReader | None:
    """The reader of an account's events. None if all events exist for the caller."""
    hidden_types = event_scope.hidden_types(context.access.bits(account_id))
    return lists.EventReader(hidden_types, context.creator_id or ids.NIL_KEY) if hidden_types else None


def _self_id(context: Context) -> UUID | None:
    """The user whose own events are readable: the caller, or the impersonated user."""
    return context.viewer_id if context.view is None else context.view.holder_id


def _without_person_rights(account_ids: Sequence[UUID], context: Context) -> list[UUID]:
    return [key for key in account_ids if not context.access.bits(key) & event_facts.PERSON.bits]


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[EventRow]]:
    """The caller's own events, and the events of other users entering the caller's accounts."""
    query = lists.events_of_user(info.context.now, await _hidden_acts(info.context))
    return await pages(
        query, [view_as.viewer_parent_key(info.context, query, "e.account_id")] * len(parents), info, page
    )


async def _hidden_acts(context: Context) -> list[tuple[UUID, lists.EventReader]]:
    """The accounts in which events of the user's acts do not exist for the caller any more, with their reader."""
    if context.view is not None:
        account_ids = [context.view.account_id]
    else:
        account_ids = await event_scope.accounts_with_rows_of_others(context.viewer_id or ids.NIL_KEY)
    await context.access.load(account_ids)
    readers = [(key, _reader(context, key)) for key in account_ids]
    return [(key, reader) for key, reader in readers if reader is not None]


by_ids = rows_by_ids(event.by_ids)
"""The events with these ids. None for an unknown id."""


RIGHTS_COLUMNS: Final = ("type", "account_id", "actor_id", "creator_id")
"""The columns that decide what the caller may read of an event."""


def before(rows: Sequence[Any], info: Info) -> list[dict[str, object] | None]:
    """The values before each change that the caller may read. None if there were none."""
    return _cut(rows, info, "before")


def after(rows: Sequence[Any], info: Info) -> list[dict[str, object] | None]:
    """The values after each change that the caller may read. None if there are none."""
    return _cut(rows, info, "after")


def _cut(rows: Sequence[Any], info: Info, side: str) -> list[dict[str, object] | None]:
    return [*map(event_facts.cut_json, column(rows, "type"), column(rows, side), of_events(rows, info.context))]


def ip_addresses(rows: Sequence[Any], info: Info) -> list[str | None]:
    """The IP address of each event. None also if the caller may not read it."""
    readable = _persons_readable(rows, info)
    return [
        address if is_readable else None
        for address, is_readable in zip(column(rows, "ip_address"), readable, strict=True)
    ]


def _persons_readable(rows: Sequence[Any], info: Info) -> list[bool]:
    return [bool(rights & event_facts.PERSON.bits) for rights in of_events(rows, info.context)]


def _actors_readable(rows: Sequence[Any], info: Info) -> list[bool]:
    """For each event: may the caller read its actor? Members of an account read the names of its members."""
    roles, readable = column(rows, "actor_role"), _persons_readable(rows, info)
    return [role is not None or is_readable for role, is_readable in zip(roles, readable, strict=True)]


async def actors(rows: Sequence[Any], info: Info) -> Sequence[Any]:
    """The user behind each event. None for the operator, and if the caller may not read the user."""
    users, readable = await user.actors(rows, info), _actors_readable(rows, info)
    if all(readable):
        return users
    return [actor if is_readable else None for actor, is_readable in zip(users, readable, strict=True)]


def withheld(rows: Sequence[Any], info: Info) -> list[list[str]]:
    """The names of what the caller may not read of each event: facts, `actor` and `ipAddress`."""
    sides = zip(column(rows, "before"), column(rows, "after"), strict=True)
    names = [*map(event_facts.withheld, column(rows, "type"), sides, of_events(rows, info.context))]
    actors, addresses = column(rows, "actor_id"), column(rows, "ip_address")
    readable = zip(_actors_readable(rows, info), _persons_readable(rows, info), strict=True)
    for number, (is_actor_readable, is_person_readable) in enumerate(readable):
        if actors[number] is not None and not is_actor_readable:
            names[number].append("actor")
        if addresses[number] is not None and not is_person_readable:
            names[number].append("ipAddress")
    return names


async def accounts(rows: Sequence[Any], info: Info) -> list[AccountRow | dict[str, object] | None]:
    """The account of each event, as a linked account. None for an event without one.

    A user who has left an account reads the name that it had at the time of the event.
    """
    context, instants = info.context, column(rows, "occurred_at")
    linked_accounts = await subscription.linked_accounts(column(rows, "account_id"), context)
    former = {
        number: (account.id, instants[number])
        for number, account in enumerate(linked_accounts)
        if account is not None and account.owner_id != _self_id(context) and not context.access.bits(account.id)
    }
    if not former:
        return [*linked_accounts]
    names = dict(zip(former, await former_name.load([*former.values()]), strict=True))
    return [
        {**account, "name": names[number]} if account is not None and number in names else account
        for number, account in enumerate(linked_accounts)
    ]
