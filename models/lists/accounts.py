"""Connections of accounts."""

from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

import i18n
from auth.policy import Permission, Role
from database import db
from database.listing import ConnectionQuery
from database.page_sql import Order
from models.access import access, factor_requirement
from models.access.access import GrantRow
from models.accounts import account
from models.accounts.account import AccountKind, AccountRow, AccountStatus
from models.lists import names
from models.lists.sql import LAST_USED, LIVE, lookup


class AccountOrder(StrEnum):
    """The orders of accounts. LAST_USED has the latest first."""

    NAME = "NAME"
    NUMBER = "NUMBER"
    LAST_USED = "LAST_USED"
    VALID_UNTIL = "VALID_UNTIL"


class AccountFilter(TypedDict, total=False):
    """The filters of accounts. An omitted or null filter matches all."""

    search: str | None
    role: list[Role] | None
    status: list[AccountStatus] | None
    kind: AccountKind | None
    consultant_id: UUID | None
    expires_before: datetime | None


# A user may not sort or filter by a value that they may not read, and cursors must not contain it.
_MAY_READ_END: Final = access.holder_condition(Permission.SUBSCRIPTION_READ, alias="g")
_END: Final = (f"CASE WHEN {_MAY_READ_END} THEN a.subscription_until ELSE 'epoch'::timestamptz END", "timestamptz")
_ACCOUNT_ORDERS: Final = {
    AccountOrder.NUMBER: Order((("a.number", "int"),)),
    AccountOrder.LAST_USED: Order((LAST_USED, ("a.id", "uuid")), is_descending=True),
    AccountOrder.VALID_UNTIL: Order((_END, ("a.id", "uuid"))),
}
_MAY_READ_USERS: Final = access.holder_condition(Permission.USERS_READ, alias="b")
# Only users of the bureau learn which consultant works for which client. For all others this matches no account.
_CONSULTANT_ASSIGNED: Final = f"""EXISTS (
    SELECT FROM grants c JOIN engagements e ON e.id = c.engagement_id
    WHERE c.account_id = a.id AND c.user_id = {{0}} AND {LIVE.format("{1}")} AND (c.user_id = g.user_id OR EXISTS (
        SELECT FROM grants b WHERE b.account_id = e.bureau_id AND b.user_id = g.user_id AND b.status = 'ACTIVE'
            AND (b.valid_until IS NULL OR b.valid_until > {{1}}) AND {_MAY_READ_USERS} OFFSET 0)) OFFSET 0)"""
# Each account is read with the user's grant on it, so that no second statement is needed for the access.
_OWN_GRANT: Final = db.prefix_columns("grant", access.COLUMNS)
_ACCOUNT_COLUMNS: Final = account.COLUMNS | _OWN_GRANT
_REQUIRED_COLUMNS: Final = ("id", *_OWN_GRANT)
_ACCOUNT_PARTS: Final = {"grant": GrantRow}
_ACCOUNT_JOINS: Final = {"a": lookup("accounts a", "a.id = g.account_id")}
_IN_ROLE: Final = """(SELECT id, account_id, user_id, '{role}' AS role, status, NULL::bigint AS listed,
    valid_until, last_used_at, created_at, granted_by_id FROM grants) g"""


def _account_order(order: AccountOrder, locale: str) -> Order:
    if order is AccountOrder.NAME:
        return Order((names.sort_key("a", locale), ("a.id", "uuid")))
    return _ACCOUNT_ORDERS[order]


def accounts(
    now: datetime,
    filters: AccountFilter | None = None,
    order: AccountOrder | None = None,
    *,
    in_role: Role | None = None,
    locale: str = i18n.DEFAULT,
) -> ConnectionQuery[AccountRow]:
    """The accounts that a user can enter, under the user's id, by default the most recently used first.

    In the other orders, the list has the SCAN_ROWS most recently used accounts.
    Names are sorted in the alphabet of `locale`.
    With `in_role`, they are filtered and sorted as if the user had that role in each account.
    """
    query = ConnectionQuery(
        row=AccountRow,
        columns=_ACCOUNT_COLUMNS,
        parts=_ACCOUNT_PARTS,
        required_columns=_REQUIRED_COLUMNS,
        source=_IN_ROLE.format(role=in_role) if in_role else "grants g",
        joins=_ACCOUNT_JOINS,
        parent="g.user_id = {key} AND g.status = 'ACTIVE'",
        order=_account_order(order or AccountOrder.LAST_USED, locale),
        index_order=(LAST_USED[0], "g.account_id"),
        has_index=order in {None, AccountOrder.LAST_USED},
    )
    query.where(
        f"(g.valid_until IS NULL OR g.valid_until > {{0}}) AND {access.IS_OPEN.format('a', '{0}')}"
        f" AND NOT {factor_requirement.factor_missing(user='g.user_id', account='a')}",
        now,
    )
    filters = filters or {}
    if search := filters.get("search"):
        names.search(query, "(a.search_key || E'\\n' || a.number_key)", search)
    if (roles := filters.get("role")) is not None:
        query.where("g.role = ANY({}::text[])", roles)
    if (kind := filters.get("kind")) is not None:
        query.where("a.kind = {}", kind)
    if (consultant_id := filters.get("consultant_id")) is not None:
        query.where(_CONSULTANT_ASSIGNED, consultant_id, now)
    if (before := filters.get("expires_before")) is not None:
        query.where(f"a.subscription_until < {{}} AND {_MAY_READ_END}", before)
    if (states := filters.get("status")) is not None:
        query.where(f"{account.STATUS} = ANY({{1}}::text[])", now, states)
    return query
