"""Connections of sessions, ledger entries, messages and events."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple, TypedDict
from uuid import UUID

from database.listing import ConnectionQuery
from models.access import factor_requirement
from models.audit import event_scope
from models.audit.event import COLUMNS as EVENT_COLUMNS
from models.audit.event import EventRow
from models.audit.event_type import EventType, all_types, of_refusal
from models.billing import subscription
from models.billing.subscription import SubscriptionEntryRow
from models.lists.sql import merged_scan, newest_first
from models.outbox import message
from models.outbox.message import MessageRow
from models.outbox.message_kind import MessageKind
from models.people import session
from models.people.session import SessionRow


class EventFilter(TypedDict, total=False):
    """The filters of events. `type` matches a whole type, or its beginning up to a colon."""

    type: str | None
    actor_id: UUID | None
    since: datetime | None
    until: datetime | None


# As text, because the index of these messages has this condition.
_WITHOUT_DOCUMENTS: Final = f"m.kind <> '{MessageKind.DOCUMENT_SENT}'"


class EventReader(NamedTuple):
    """A reader without some events: the `hidden_types` of models/audit/event_scope.py, and the reader's id."""

    hidden_types: tuple[str, ...]
    user_id: UUID


def sessions(now: datetime) -> ConnectionQuery[SessionRow]:
    """The open sessions of a user, under the user's id, the newest first."""
    query = newest_first(
        SessionRow, session.COLUMNS, "sessions s", "s.user_id = {key} AND s.ended_at IS NULL", "user_id"
    )
    query.where(session.OPEN, now)
    return query


def entries() -> ConnectionQuery[SubscriptionEntryRow]:
    """The ledger entries of an account, under the account's id, the newest first."""
    return newest_first(
        SubscriptionEntryRow, subscription.COLUMNS, "subscription_entries e", "e.account_id = {key}", "account_id"
    )


def messages(*, with_documents: bool = True) -> ConnectionQuery[MessageRow]:
    """The messages of an account, under the account's id, the newest first. An index has those without documents."""
    query = newest_first(MessageRow, message.COLUMNS, "messages m", "m.account_id = {key}", "kind", "account_id")
    if not with_documents:
        query.where_indexed(_WITHOUT_DOCUMENTS)
    return query


def events_of_accounts(
    filters: EventFilter | None = None, *, reader: EventReader | None = None, without_strangers_in: Sequence[UUID] = ()
) -> ConnectionQuery[EventRow]:
    """The events of an account, under the account's id, the newest first: all, or those that exist for a reader.

    In the accounts `without_strangers_in`, only the events of actors with a role in the account.
    """
    query = _events("e.account_id = {key}", filters, reader)
    if without_strangers_in:
        query.where("(e.actor_role IS NOT NULL OR e.account_id <> ALL({}::uuid[]))", list(without_strangers_in))
    return query


_NOT_HIDDEN: Final = "NOT (e.account_id = {} AND e.type = ANY({}::text[]) AND e.creator_id IS DISTINCT FROM {})"
_OWN_ACCOUNTS: Final = f"""SELECT a.id FROM accounts a WHERE a.owner_id = {{key}}
    AND NOT {factor_requirement.factor_missing(user="a.owner_id", account="a")}"""


def events_of_user(now: datetime, hidden_acts: Sequence[tuple[UUID, EventReader]] = ()) -> ConnectionQuery[EventRow]:
    """A user's events, and the entries into accounts that the user owns, under the user's id, the newest first.

    `hidden_acts` has accounts in which events do not exist for the reader although the reader is their actor. With
    them, the list is a filtered scan.
    """
    query = _events("TRUE", None)
    for account_id, reader in hidden_acts:
        query.where(_NOT_HIDDEN, account_id, list(reader.hidden_types), reader.user_id)
    is_past = f"e.occurred_at <= {query.params.add(now)}"  # hardly any event is later: server clocks differ by seconds
    enter = query.params.add(EventType.ACCOUNT_ENTER)
    scan = merged_scan(
        "events e",
        f"e.actor_id = {{key}} AND {is_past}",
        _OWN_ACCOUNTS,
        f"e.account_id = p.id AND e.type = {enter} AND {is_past}",
    )
    return replace(query, scan=scan)


# The filters of time as bounds of the id, by which the list is sorted. Events that occurred ten minutes apart have ids
# in the order of their instants: ids grow with the clock of the server that writes the event, and an operation ends
# within seconds.
_AFTER: Final = """e.id > COALESCE((SELECT b.id FROM events b WHERE b.account_id = {key}
    AND b.occurred_at < {}::timestamptz - interval '10 minutes'
    ORDER BY b.occurred_at DESC LIMIT 1), '00000000-0000-0000-0000-000000000000')"""
_BEFORE: Final = """e.id < COALESCE((SELECT b.id FROM events b WHERE b.account_id = {key}
    AND b.occurred_at >= {}::timestamptz + interval '10 minutes'
    ORDER BY b.occurred_at LIMIT 1), 'ffffffff-ffff-ffff-ffff-ffffffffffff')"""


def _events(parent: str, filters: EventFilter | None, reader: EventReader | None = None) -> ConnectionQuery[EventRow]:
    query = newest_first(EventRow, EVENT_COLUMNS, "events e", parent, "type", "account_id", "actor_id", "creator_id")
    filters = filters or {}
    actor_id, types = filters.get("actor_id"), _matching_types(filters.get("type"))
    if reader is not None:
        # Only rows that exist for the reader are read. So neither a count nor the end of a scan tells of others.
        query.where_one_of(event_scope.conditions(reader.hidden_types, reader.user_id, types))
        if actor_id is not None:
            query.where("e.actor_id = {}", actor_id)
    elif actor_id is not None:
        query.where_indexed("e.actor_id = {}", actor_id)
        if types is not None:
            query.where("e.type = ANY({}::text[])", types)
    elif types is not None:
        query.where_any("e.type = {}", types)
    if (since := filters.get("since")) is not None:
        query.where("e.occurred_at >= {}", since)
        query.where_indexed(_AFTER, since)
    if (until := filters.get("until")) is not None:
        query.where("e.occurred_at < {}", until)
        query.where_indexed(_BEFORE, until)
    return query


def _matching_types(kind: str | None) -> list[str] | None:
    """The types that the filter `kind` matches. None without a filter."""
    if not kind:
        return None
    names = (name for event_type in all_types() for name in (event_type.value, of_refusal(event_type)))
    return [kind, *(name for name in names if name.startswith(f"{kind}:"))]
