"""Lists of what has happened: sessions, days moved, mails, events."""

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
    """Which events; `type` matches whole types and their beginnings, up to a colon."""

    type: str | None
    actor_id: UUID | None
    since: datetime | None
    until: datetime | None


def sessions(now: datetime) -> ConnectionQuery[SessionRow]:
    """A user's open sessions, under his id; the newest first."""
    listing = newest_first(SessionRow, session.COLUMNS, "sessions s", "s.user_id = {key}", "user_id")
    listing.where(session.OPEN, now)
    return listing


def entries() -> ConnectionQuery[SubscriptionEntryRow]:
    """The ledger of an account, under its id; the newest first."""
    return newest_first(
        SubscriptionEntryRow, subscription.COLUMNS, "subscription_entries e", "e.account_id = {key}", "account_id"
    )


def messages() -> ConnectionQuery[MessageRow]:
    """The mails of an account, under its id; the newest first."""
    return newest_first(MessageRow, message.COLUMNS, "messages m", "m.account_id = {key}", "account_id")


def events_of_accounts(wanted: EventFilter | None = None) -> ConnectionQuery[EventRow]:
    """What happened in an account, under its id; the newest first."""
    return _events("e.account_id = {key}", wanted)


# Not as one condition with OR, for which all events there are would be read.
_OWN: Final = f"""e.id IN (
    SELECT own.id FROM events own WHERE own.actor_id = {{key}}
    UNION SELECT entry.id FROM accounts a
        JOIN events entry ON entry.account_id = a.id AND entry.type = 'account:account:enter'
    WHERE a.owner_id = {{key}} AND NOT {factor_requirement.factor_missing(user="a.owner_id", account="a")})"""


def events_of_user(now: datetime) -> ConnectionQuery[EventRow]:
    """What a user did, and who entered the accounts that he owns, under his id; the newest first."""
    listing = _events(_OWN, None)
    listing.where("e.occurred_at <= {}", now)
    return listing


def _events(parent: str, wanted: EventFilter | None) -> ConnectionQuery[EventRow]:
    listing = newest_first(EventRow, EVENT_COLUMNS, "events e", parent, "account_id", "actor_id")
    f = wanted or {}
    if kind := f.get("type"):
        listing.where("(e.type = {0} OR starts_with(e.type, {0} || ':'))", kind)
    if (actor_id := f.get("actor_id")) is not None:
        listing.where("e.actor_id = {}", actor_id)
    if (since := f.get("since")) is not None:
        listing.where("e.occurred_at >= {}", since)
    if (until := f.get("until")) is not None:
        listing.where("e.occurred_at < {}", until)
    return listing
