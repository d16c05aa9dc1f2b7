"""Lists of grants."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

from auth.policy import GrantStatus, Permission, Role
from database import db
from database.listing import ConnectionQuery
from database.page_sql import Order
from models.access import access, factor_requirement, grant
from models.access.access import GrantRow
from models.lists.sql import LAST_USED, search_pattern
from models.people import user
from models.people.user import UserRow


class GrantOrder(StrEnum):
    """How grants are sorted; LAST_USED has the latest first."""

    CREATED_AT = "CREATED_AT"
    USER_NAME = "USER_NAME"
    LAST_USED = "LAST_USED"


class GrantFilter(TypedDict, total=False):
    """Which grants."""

    account_id: UUID | None
    user_id: UUID | None
    role: list[Role] | None
    status: list[GrantStatus] | None
    search: str | None
    not_used_since: datetime | None
    ends_before: datetime | None


_GRANT_ORDERS: Final = {
    GrantOrder.CREATED_AT: Order((("g.id", "uuid"),)),
    GrantOrder.USER_NAME: Order((("lower(u.name)", "text"), ("g.id", "uuid"))),
    GrantOrder.LAST_USED: Order((LAST_USED, ("g.id", "uuid")), descending=True),
}
_GRANT_COLUMNS: Final = access.COLUMNS | db.prefixed("user", user.COLUMNS | {"id": "g.user_id"})
_GRANT_JOINS: Final = {"a": "JOIN accounts a ON a.id = g.account_id", "u": "JOIN users u ON u.id = g.user_id"}
_GRANT_PARTS: Final = {"user": UserRow}


def _grants(
    parent: str, now: datetime, wanted: GrantFilter | None, order: GrantOrder | None
) -> ConnectionQuery[GrantRow]:
    listing = ConnectionQuery(
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
        listing.where("g.account_id = {}", account_id)
    if (user_id := f.get("user_id")) is not None:
        listing.where("g.user_id = {}", user_id)
    if (roles := f.get("role")) is not None:
        listing.where("g.role = ANY({}::text[])", roles)
    if (states := f.get("status")) is not None:
        listing.where(f"{grant.STATUS} = ANY({{1}}::text[])", now, states)
    if search := f.get("search"):
        listing.where("(u.name ILIKE {0} OR u.email ILIKE {0})", search_pattern(search))
    if (since := f.get("not_used_since")) is not None:
        # Never used is not used since it was given.
        listing.where("COALESCE(g.last_used_at, g.created_at) < {}", since)
    if (before := f.get("ends_before")) is not None:
        listing.where("g.valid_until < {}", before)
    return listing


def grants_of_accounts(
    now: datetime, wanted: GrantFilter | None = None, order: GrantOrder | None = None
) -> ConnectionQuery[GrantRow]:
    """All grants on an account, ended ones too, under the account's id."""
    return replace(_grants("g.account_id = {key}", now, wanted, order), key="account_id")


def grants_without_factor(now: datetime) -> ConnectionQuery[GrantRow]:
    """The active grants whose holders have no second factor, under the account's id: who would be shut out."""
    listing = grants_of_accounts(now, {"status": [GrantStatus.ACTIVE]})
    listing.where(f"NOT {factor_requirement.has_factor('g.user_id')}")
    return listing


def grants_of_user(
    now: datetime, wanted: GrantFilter | None = None, order: GrantOrder | None = None
) -> ConnectionQuery[GrantRow]:
    """A user's own grants, under his id."""
    return _grants("g.user_id = {key}", now, wanted, order)


# Two ways put together, not one condition of two: that would be asked of each grant that there is.
_SEEN: Final = """g.id IN (
    SELECT own.id FROM grants own WHERE own.user_id = {key}
    UNION SELECT t.id FROM grants mine JOIN accounts c ON c.id = mine.account_id AND c.closed_at IS NULL
        JOIN grants t ON t.account_id = c.id
    WHERE mine.user_id = {key} AND mine.status = 'ACTIVE'
        AND (mine.valid_until IS NULL OR mine.valid_until > {now}) AND {holds})"""


def grants_seen_by(
    now: datetime, wanted: GrantFilter | None = None, order: GrantOrder | None = None
) -> ConnectionQuery[GrantRow]:
    """A user's own grants and those on accounts where he may read the users, under his id."""
    listing = _grants("TRUE", now, wanted, order)
    holds = access.holding(Permission.USERS_READ, alias="mine")
    seen = _SEEN.format(key="{key}", now=listing.params.add(now), holds=holds)
    return replace(listing, parent=seen)
