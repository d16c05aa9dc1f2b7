"""Connections of grants."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

import i18n
from auth.policy import GrantStatus, Permission, Role
from database import db
from database.listing import ConnectionQuery
from database.page_sql import SCAN_ROWS, Order
from models.access import access, factor_requirement, grant
from models.access.access import GrantRow
from models.lists import names
from models.lists.sql import LAST_USED, lookup, merged_scan
from models.people import user
from models.people.user import UserRow


class GrantOrder(StrEnum):
    """The orders of grants. LAST_USED has the latest first."""

    CREATED_AT = "CREATED_AT"
    USER_NAME = "USER_NAME"
    LAST_USED = "LAST_USED"


class GrantFilter(TypedDict, total=False):
    """The filters of grants. An omitted or null filter matches all."""

    account_id: UUID | None
    user_id: UUID | None
    role: list[Role] | None
    status: list[GrantStatus] | None
    search: str | None
    not_used_since: datetime | None
    ends_before: datetime | None


_GRANT_ORDERS: Final = {
    GrantOrder.CREATED_AT: Order((("g.id", "uuid"),)),
    GrantOrder.LAST_USED: Order((LAST_USED, ("g.id", "uuid")), is_descending=True),
}
_GRANT_COLUMNS: Final = access.COLUMNS | db.prefix_columns("user", user.COLUMNS | {"id": "g.user_id"})
_GRANT_JOINS: Final = {"a": lookup("accounts a", "a.id = g.account_id"), "u": lookup("users u", "u.id = g.user_id")}
_GRANT_PARTS: Final = {"user": UserRow}
_ANY_PARENT: Final = "TRUE"


def _grant_order(order: GrantOrder, locale: str) -> Order:
    if order is GrantOrder.USER_NAME:
        return Order((names.sort_key("u", locale), ("g.id", "uuid")))
    return _GRANT_ORDERS[order]


def _grants(
    parent: str, now: datetime, filters: GrantFilter | None, order: GrantOrder | None, locale: str
) -> ConnectionQuery[GrantRow]:
    # Indexes have a role or a status before the id, and neither before the last use.
    is_indexed = order in {None, GrantOrder.CREATED_AT} and parent != _ANY_PARENT
    query = ConnectionQuery(
        row=GrantRow,
        columns=_GRANT_COLUMNS,
        parts=_GRANT_PARTS,
        source="grants g",
        joins=_GRANT_JOINS,
        required_columns=("id", "account_id", "user_id"),
        parent=parent,
        order=_grant_order(order or GrantOrder.CREATED_AT, locale),
        index_order=("g.id",) if order is GrantOrder.USER_NAME else (),
        has_index=order is not GrantOrder.USER_NAME,
    )
    filters = filters or {}
    if (account_id := filters.get("account_id")) is not None:
        query.where_indexed("g.account_id = {}", account_id)
    if (user_id := filters.get("user_id")) is not None:
        query.where_indexed("g.user_id = {}", user_id)
    _add_role_and_status(query, now, filters.get("role"), filters.get("status"), is_indexed=is_indexed)
    if search := filters.get("search"):
        names.search(query, "u.search_key", search)
    if (since := filters.get("not_used_since")) is not None:
        # A grant that was never used counts as unused since its creation.
        query.where("COALESCE(g.last_used_at, g.created_at) < {}", since)
    if (before := filters.get("ends_before")) is not None:
        query.where("g.valid_until < {}", before)
    return query


def _add_role_and_status(
    query: ConnectionQuery[GrantRow],
    now: datetime,
    roles: list[Role] | None,
    states: list[GrantStatus] | None,
    *,
    is_indexed: bool,
) -> None:
    if states is not None:
        query.where(f"{grant.STATUS} = ANY({{1}}::text[])", now, states)
        if is_indexed:
            query.where_any("g.status = {}", [*states, *(grant.LIVE if GrantStatus.EXPIRED in states else ())])
    if roles is not None and is_indexed and states is None:
        query.where_any("g.role = {}", roles)
    elif roles is not None:
        query.where("g.role = ANY({}::text[])", roles)


def grants_of_accounts(
    now: datetime,
    filters: GrantFilter | None = None,
    order: GrantOrder | None = None,
    locale: str = i18n.DEFAULT,
) -> ConnectionQuery[GrantRow]:
    """All grants on an account, including ended ones, under the account's id."""
    return replace(_grants("g.account_id = {key}", now, filters, order, locale), key="account_id")


def grants_without_factor(now: datetime) -> ConnectionQuery[GrantRow]:
    """The active grants whose holders have no second factor, under the account's id."""
    query = grants_of_accounts(now, {"status": [GrantStatus.ACTIVE]})
    query.where(f"NOT {factor_requirement.has_factor('g.user_id')}")
    return query


def grants_of_user(
    now: datetime,
    filters: GrantFilter | None = None,
    order: GrantOrder | None = None,
    locale: str = i18n.DEFAULT,
) -> ConnectionQuery[GrantRow]:
    """The grants that a user holds, under the user's id."""
    return _grants("g.user_id = {key}", now, filters, order, locale)


# The accounts whose users a user may read.
_READABLE: Final = f"""SELECT h.account_id AS id FROM (
        SELECT h.* FROM grants h WHERE h.user_id = {{key}} AND h.status = 'ACTIVE' {{only}} LIMIT {SCAN_ROWS}) h
    {lookup("accounts c", "c.id = h.account_id")}
    WHERE {access.IS_OPEN.format("c", "{now}")} AND (h.valid_until IS NULL OR h.valid_until > {{now}})
        AND {{may_read_users}}"""


def grants_visible_to(
    now: datetime,
    filters: GrantFilter | None = None,
    order: GrantOrder | None = None,
    locale: str = i18n.DEFAULT,
) -> ConnectionQuery[GrantRow]:
    """The grants that a user holds and those on accounts whose users the user may read, under the user's id."""
    query = _grants(_ANY_PARENT, now, filters, order, locale)
    may_read_users = access.holder_condition(Permission.USERS_READ, alias="h")
    account_id = (filters or {}).get("account_id")
    accounts = _READABLE.format(
        key="{key}",
        only="" if account_id is None else f"AND h.account_id = {query.params.add(account_id)}",
        now=query.params.add(now),
        may_read_users=may_read_users,
    )
    conditions = " AND ".join(["", *query.indexed_conditions])
    scan = merged_scan(
        "grants g",
        f"g.user_id = {{key}}{conditions}",
        accounts,
        f"g.account_id = p.id{conditions}",
        is_sorted=order in {None, GrantOrder.CREATED_AT},
    )
    return replace(query, scan=scan)
