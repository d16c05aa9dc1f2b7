"""The lists of the graph: whose rows they hold, how they are filtered and sorted.

Everything that decides what a list shows is in its SQL, so that counts, cursors and `hasNextPage`
tell nothing of rows that the caller may not see.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

from auth.policy import GrantStatus, Permission, Role
from models import access, account, db, engagement, grant, invitation, message, session, shut_out, subscription, user
from models.access import GrantRow
from models.account import AccountKind, AccountRow, AccountStatus
from models.engagement import EngagementRow, EngagementStatus
from models.event import COLUMNS as EVENT_COLUMNS
from models.event import EventRow
from models.invitation import InvitationRow, InvitationStatus
from models.listing import Listing, search_pattern
from models.message import MessageRow
from models.page_sql import Order
from models.session import SessionRow
from models.subscription import SubscriptionEntryRow
from models.user import UserRow


class AccountOrder(StrEnum):
    """How accounts are sorted; LAST_USED has the latest first."""

    NAME = "NAME"
    NUMBER = "NUMBER"
    LAST_USED = "LAST_USED"
    VALID_UNTIL = "VALID_UNTIL"


class GrantOrder(StrEnum):
    """How grants are sorted; LAST_USED has the latest first."""

    CREATED_AT = "CREATED_AT"
    USER_NAME = "USER_NAME"
    LAST_USED = "LAST_USED"


class AccountFilter(TypedDict, total=False):
    """Which accounts."""

    search: str | None
    role: list[Role] | None
    status: list[AccountStatus] | None
    kind: AccountKind | None
    consultant_id: UUID | None
    expires_before: datetime | None


class GrantFilter(TypedDict, total=False):
    """Which grants."""

    account_id: UUID | None
    user_id: UUID | None
    role: list[Role] | None
    status: list[GrantStatus] | None
    search: str | None
    not_used_since: datetime | None
    ends_before: datetime | None


class InvitationFilter(TypedDict, total=False):
    """Which invitations."""

    status: list[InvitationStatus] | None
    search: str | None


class EngagementFilter(TypedDict, total=False):
    """Which engagements."""

    status: list[EngagementStatus] | None
    consultant_id: UUID | None


class EventFilter(TypedDict, total=False):
    """Which events; `type` matches whole types and their beginnings, up to a colon."""

    type: str | None
    actor_id: UUID | None
    since: datetime | None
    until: datetime | None


_LAST_USED: Final = ("COALESCE(g.last_used_at, 'epoch'::timestamptz)", "timestamptz")
# What somebody may not read must not sort or filter for him either, nor stand in his cursors.
_SEES_END: Final = access.holding(Permission.SUBSCRIPTION_READ, alias="g")
_END: Final = (f"CASE WHEN {_SEES_END} THEN a.subscription_until ELSE 'epoch'::timestamptz END", "timestamptz")
_ACCOUNT_ORDERS: Final = {
    AccountOrder.NAME: Order((("lower(a.name)", "text"), ("a.id", "uuid"))),
    AccountOrder.NUMBER: Order((("a.number", "int"),)),
    AccountOrder.LAST_USED: Order((_LAST_USED, ("a.id", "uuid")), descending=True),
    AccountOrder.VALID_UNTIL: Order((_END, ("a.id", "uuid"))),
}
_GRANT_ORDERS: Final = {
    GrantOrder.CREATED_AT: Order((("g.id", "uuid"),)),
    GrantOrder.USER_NAME: Order((("lower(u.name)", "text"), ("g.id", "uuid"))),
    GrantOrder.LAST_USED: Order((_LAST_USED, ("g.id", "uuid")), descending=True),
}


def _newest_first(column: str) -> Order:
    return Order(((column, "uuid"),), descending=True)


_LIVE: Final = "c.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (c.valid_until IS NULL OR c.valid_until > {})"
_HOLDS: Final = access.holding(Permission.USERS_READ, alias="b")
# Who looks after which client is a bureau's matter: others find nothing, whomever they ask for.
_ASSIGNED: Final = f"""EXISTS (
    SELECT FROM grants c JOIN engagements e ON e.id = c.engagement_id
    WHERE c.account_id = a.id AND c.user_id = {{0}} AND {_LIVE.format("{1}")} AND (c.user_id = g.user_id OR EXISTS (
        SELECT FROM grants b WHERE b.account_id = e.bureau_id AND b.user_id = g.user_id AND b.status = 'ACTIVE'
            AND (b.valid_until IS NULL OR b.valid_until > {{1}}) AND {_HOLDS})))"""


# ---- Accounts --------------------------------------------------------------------------------


# The grant that lets the user in comes with each account, so that his access need not be asked for again.
_OWN_GRANT: Final = db.prefixed("grant", access.COLUMNS)
_ACCOUNT_COLUMNS: Final = account.COLUMNS | _OWN_GRANT
_ACCOUNT_ALWAYS: Final = ("id", *_OWN_GRANT)
_ACCOUNT_PARTS: Final = {"grant": GrantRow}
_IN_ROLE: Final = """(SELECT id, account_id, user_id, '{role}' AS role, status, NULL::bigint AS listed,
    valid_until, last_used_at, created_at, granted_by_id FROM grants) g JOIN accounts a ON a.id = g.account_id"""


def accounts(
    now: datetime,
    wanted: AccountFilter | None = None,
    order: AccountOrder | None = None,
    *,
    in_role: Role | None = None,
) -> Listing[AccountRow]:
    """The accounts that a user can enter, under his id; the most recently used first.

    With `in_role` they are filtered and sorted as if that were his role in each.
    """
    listing = Listing(
        row=AccountRow,
        columns=_ACCOUNT_COLUMNS,
        parts=_ACCOUNT_PARTS,
        always=_ACCOUNT_ALWAYS,
        source=_IN_ROLE.format(role=in_role) if in_role else access.SOURCE,
        parent="g.user_id = {key}",
        order=_ACCOUNT_ORDERS[order or AccountOrder.LAST_USED],
    )
    listing.only(
        "g.status = 'ACTIVE' AND (g.valid_until IS NULL OR g.valid_until > {}) AND a.closed_at IS NULL"
        f" AND NOT {shut_out.factor_missing(user='g.user_id', account='a')}",
        now,
    )
    f = wanted or {}
    if search := f.get("search"):
        listing.only(
            "(a.name ILIKE {0} OR a.number::text LIKE {0} OR a.organization_number ILIKE {0})",
            search_pattern(search),
        )
    if (roles := f.get("role")) is not None:
        listing.only("g.role = ANY({}::text[])", roles)
    if (kind := f.get("kind")) is not None:
        listing.only("a.kind = {}", kind)
    if (consultant_id := f.get("consultant_id")) is not None:
        listing.only(_ASSIGNED, consultant_id, now)
    if (before := f.get("expires_before")) is not None:
        listing.only(f"a.subscription_until < {{}} AND {_SEES_END}", before)
    if (states := f.get("status")) is not None:
        listing.only(f"{account.STATUS} = ANY({{1}}::text[])", now, states)
    return listing


# ---- Grants ----------------------------------------------------------------------------------


_GRANT_COLUMNS: Final = access.COLUMNS | db.prefixed("user", user.COLUMNS | {"id": "g.user_id"})
_GRANT_JOINS: Final = {"a": "JOIN accounts a ON a.id = g.account_id", "u": "JOIN users u ON u.id = g.user_id"}
_GRANT_PARTS: Final = {"user": UserRow}


def _grants(parent: str, now: datetime, wanted: GrantFilter | None, order: GrantOrder | None) -> Listing[GrantRow]:
    listing = Listing(
        row=GrantRow,
        columns=_GRANT_COLUMNS,
        parts=_GRANT_PARTS,
        source="grants g",
        joins=_GRANT_JOINS,
        always=("id", "account_id", "user_id"),
        parent=parent,
        order=_GRANT_ORDERS[order or GrantOrder.CREATED_AT],
    )
    f = wanted or {}
    if (account_id := f.get("account_id")) is not None:
        listing.only("g.account_id = {}", account_id)
    if (user_id := f.get("user_id")) is not None:
        listing.only("g.user_id = {}", user_id)
    if (roles := f.get("role")) is not None:
        listing.only("g.role = ANY({}::text[])", roles)
    if (states := f.get("status")) is not None:
        listing.only(f"{grant.STATUS} = ANY({{1}}::text[])", now, states)
    if search := f.get("search"):
        listing.only("(u.name ILIKE {0} OR u.email ILIKE {0})", search_pattern(search))
    if (since := f.get("not_used_since")) is not None:
        listing.only("(g.last_used_at IS NULL OR g.last_used_at < {})", since)
    if (before := f.get("ends_before")) is not None:
        listing.only("g.valid_until < {}", before)
    return listing


def grants_of_accounts(
    now: datetime, wanted: GrantFilter | None = None, order: GrantOrder | None = None
) -> Listing[GrantRow]:
    """All grants on an account, ended ones too, under the account's id."""
    return replace(_grants("g.account_id = {key}", now, wanted, order), key="account_id")


def grants_without_factor(now: datetime) -> Listing[GrantRow]:
    """The active grants whose holders have no second factor, under the account's id: who would be shut out."""
    listing = grants_of_accounts(now, {"status": [GrantStatus.ACTIVE]})
    listing.only(f"NOT {shut_out.has_factor('g.user_id')}")
    return listing


def grants_of_user(
    now: datetime, wanted: GrantFilter | None = None, order: GrantOrder | None = None
) -> Listing[GrantRow]:
    """A user's own grants, under his id."""
    return _grants("g.user_id = {key}", now, wanted, order)


_SEEN: Final = """(g.user_id = {key} OR g.account_id IN (
    SELECT mine.account_id FROM grants mine WHERE mine.user_id = {key} AND mine.status = 'ACTIVE'
    AND (mine.valid_until IS NULL OR mine.valid_until > {now}) AND {holds}))"""


def grants_seen_by(
    now: datetime, wanted: GrantFilter | None = None, order: GrantOrder | None = None
) -> Listing[GrantRow]:
    """A user's own grants and those on accounts where he may read the users, under his id."""
    listing = _grants("TRUE", now, wanted, order)
    holds = access.holding(Permission.USERS_READ, alias="mine")
    seen = _SEEN.format(key="{key}", now=listing.params.add(now), holds=holds)
    return replace(listing, parent=seen)


# ---- Everything else -------------------------------------------------------------------------


def invitations_of_accounts(now: datetime, wanted: InvitationFilter | None = None) -> Listing[InvitationRow]:
    """All invitations of an account, under the account's id; the newest first."""
    listing = Listing(
        row=InvitationRow,
        columns=invitation.COLUMNS,
        always=("id", "account_id", "invitee_id"),
        source=invitation.SOURCE,
        parent="i.account_id = {key}",
        order=_newest_first("i.id"),
    )
    f = wanted or {}
    if (states := f.get("status")) is not None:
        listing.only(f"{invitation.STATUS} = ANY({{1}}::text[])", now, states)
    if search := f.get("search"):
        listing.only("i.email ILIKE {}", search_pattern(search))
    return listing


def invitations_for_user(now: datetime) -> Listing[InvitationRow]:
    """The pending invitations for a user's address, under his id; the newest first."""
    listing = Listing(
        row=InvitationRow,
        columns=invitation.COLUMNS,
        always=("id", "account_id", "invitee_id"),
        source=f"{invitation.SOURCE} JOIN users u ON u.email_key = i.email_key",
        parent="u.id = {key}",
        order=_newest_first("i.id"),
    )
    listing.only("i.status = 'PENDING' AND i.expires_at > {}", now)
    return listing


def engagements_of_accounts(now: datetime, wanted: EngagementFilter | None = None) -> Listing[EngagementRow]:
    """An account's bureaus and clients, under its id; without those it has asked for blindly. The newest first."""
    listing = Listing(
        row=EngagementRow,
        columns=engagement.COLUMNS,
        always=("id", "bureau_id", "client_id", "status", "asked_by_id", "is_blind"),
        source="engagements e",
        parent="(e.bureau_id = {key} OR e.client_id = {key}) "
        "AND NOT (e.is_blind AND e.status = 'PENDING' AND e.asked_by_id = {key})",
        order=_newest_first("e.id"),
    )
    f = wanted or {}
    if (states := f.get("status")) is not None:
        listing.only("e.status = ANY({}::text[])", states)
    if (consultant_id := f.get("consultant_id")) is not None:
        listing.only(
            f"EXISTS (SELECT FROM grants c WHERE c.engagement_id = e.id AND c.user_id = {{}} AND {_LIVE})",
            consultant_id,
            now,
        )
    return listing


def sessions(now: datetime) -> Listing[SessionRow]:
    """A user's open sessions, under his id; the newest first."""
    listing = Listing(
        row=SessionRow,
        columns=session.COLUMNS,
        always=("id", "user_id"),
        source="sessions s",
        parent="s.user_id = {key}",
        order=_newest_first("s.id"),
    )
    listing.only("s.ended_at IS NULL AND s.expires_at > {0} AND s.last_used_at > {0} - interval '14 days'", now)
    return listing


def entries() -> Listing[SubscriptionEntryRow]:
    """The ledger of an account, under its id; the newest first."""
    return Listing(
        row=SubscriptionEntryRow,
        columns=subscription.COLUMNS,
        always=("id", "account_id"),
        source="subscription_entries e",
        parent="e.account_id = {key}",
        order=_newest_first("e.id"),
    )


def messages() -> Listing[MessageRow]:
    """The mails of an account, under its id; the newest first."""
    return Listing(
        row=MessageRow,
        columns=message.COLUMNS,
        always=("id", "account_id"),
        source="messages m",
        parent="m.account_id = {key}",
        order=_newest_first("m.id"),
    )


def events_of_accounts(wanted: EventFilter | None = None) -> Listing[EventRow]:
    """What happened in an account, under its id; the newest first."""
    return _events("e.account_id = {key}", wanted)


_OWNER_OUT: Final = shut_out.factor_missing(user="a.owner_id", account="a")


def events_of_user(now: datetime) -> Listing[EventRow]:
    """What a user did, and who entered the accounts that he owns, under his id; the newest first."""
    listing = _events(
        "(e.actor_id = {key} OR e.type = 'account:account:enter' AND e.account_id IN "
        f"(SELECT a.id FROM accounts a WHERE a.owner_id = {{key}} AND NOT {_OWNER_OUT}))",
        None,
    )
    listing.only("e.occurred_at <= {}", now)
    return listing


def _events(parent: str, wanted: EventFilter | None) -> Listing[EventRow]:
    listing = Listing(
        row=EventRow,
        columns=EVENT_COLUMNS,
        always=("id", "account_id", "actor_id"),
        source="events e",
        parent=parent,
        order=_newest_first("e.id"),
    )
    f = wanted or {}
    if kind := f.get("type"):
        listing.only("(e.type = {0} OR starts_with(e.type, {0} || ':'))", kind)
    if (actor_id := f.get("actor_id")) is not None:
        listing.only("e.actor_id = {}", actor_id)
    if (since := f.get("since")) is not None:
        listing.only("e.occurred_at >= {}", since)
    if (until := f.get("until")) is not None:
        listing.only("e.occurred_at < {}", until)
    return listing
