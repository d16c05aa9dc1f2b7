"""Connections of sessions, ledger entries, messages and events."""

from datetime import datetime
from typing import Final, TypedDict
from uuid import UUID

from database.listing import ConnectionQuery
from models.access import factor_requirement
from models.audit.event import COLUMNS as EVENT_COLUMNS
from models.audit.event import EventRow
from models.billing import subscription
from models.billing.subscription import SubscriptionEntryRow
from models.lists.sql import newest_first
from models.outbox import message
from models.outbox.message import MessageRow
from models.people import session
from models.people.session import SessionRow


class EventFilter(TypedDict, total=False):
    """The filters of events. `type` matches a whole type, or its beginning up to a colon."""

    type: str | None
    actor_id: UUID | None
    since: datetime | None
    until: datetime | None


def sessions(now: datetime) -> ConnectionQuery[SessionRow]:
    """The open sessions of a user, under the user's id, the newest first."""
    query = newest_first(SessionRow, session.COLUMNS, "sessions s", "s.user_id = {key}", "user_id")
    query.where(session.OPEN, now)
    return query


def entries() -> ConnectionQuery[SubscriptionEntryRow]:
    """The ledger entries of an account, under the account's id, the newest first."""
    return newest_first(
        SubscriptionEntryRow, subscription.COLUMNS, "subscription_entries e", "e.account_id = {key}", "account_id"
    )


def messages() -> ConnectionQuery[MessageRow]:
    """The messages of an account, under the account's id, the newest first."""
    return newest_first(MessageRow, message.COLUMNS, "messages m", "m.account_id = {key}", "account_id")


def events_of_accounts(filters: EventFilter | None = None) -> ConnectionQuery[EventRow]:
    """The events of an account, under the account's id, the newest first."""
    return _events("e.account_id = {key}", filters)


# A union, not a condition with OR, for which PostgreSQL would read all events.
_USER_EVENTS: Final = f"""e.id IN (
    SELECT acted.id FROM events acted WHERE acted.actor_id = {{key}}
    UNION SELECT entered.id FROM accounts a
        JOIN events entered ON entered.account_id = a.id AND entered.type = 'account:account:enter'
    WHERE a.owner_id = {{key}} AND NOT {factor_requirement.factor_missing(user="a.owner_id", account="a")})"""


def events_of_user(now: datetime) -> ConnectionQuery[EventRow]:
    """A user's events, and the entries into accounts that the user owns, under the user's id, the newest first."""
    query = _events(_USER_EVENTS, None)
    query.where("e.occurred_at <= {}", now)
    return query


def _events(parent: str, filters: EventFilter | None) -> ConnectionQuery[EventRow]:
    query = newest_first(EventRow, EVENT_COLUMNS, "events e", parent, "account_id", "actor_id")
    filters = filters or {}
    if kind := filters.get("type"):
        query.where("(e.type = {0} OR starts_with(e.type, {0} || ':'))", kind)
    if (actor_id := filters.get("actor_id")) is not None:
        query.where("e.actor_id = {}", actor_id)
    if (since := filters.get("since")) is not None:
        query.where("e.occurred_at >= {}", since)
    if (until := filters.get("until")) is not None:
        query.where("e.occurred_at < {}", until)
    return query
