"""Connections of invitations, access requests, engagements and account links."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

import i18n
from database import db
from database.listing import ConnectionQuery
from database.page_sql import KEY, Order, Scan
from models.access import access
from models.accounts import link
from models.accounts.link import AccountLinkRow, AccountRelation
from models.bureaus import blind_request, engagement
from models.bureaus.blind_request import EngagementRequestRow
from models.bureaus.engagement import EngagementRow, EngagementStatus
from models.lists import names
from models.lists.sql import LIVE, lookup, newest_first
from models.sharing import access_request, invitation
from models.sharing.access_request import AccessRequestRow
from models.sharing.invitation import InvitationRow, InvitationStatus


class InvitationFilter(TypedDict, total=False):
    """The filters of invitations. An omitted or null filter matches all."""

    status: list[InvitationStatus] | None
    search: str | None


class EngagementOrder(StrEnum):
    """The orders of engagements. CREATED_AT has the newest first. Names and numbers are those of the other account."""

    CREATED_AT = "CREATED_AT"
    NAME = "NAME"
    NUMBER = "NUMBER"
    ENDS_AT = "ENDS_AT"


class EngagementSide(StrEnum):
    """The side of an account in an engagement."""

    BUREAU = "BUREAU"
    CLIENT = "CLIENT"


class EngagementFilter(TypedDict, total=False):
    """The filters of engagements. An omitted or null filter matches all."""

    status: list[EngagementStatus] | None
    consultant_id: UUID | None
    sole_consultant_id: UUID | None
    without_consultant: bool | None
    search: str | None
    side: EngagementSide | None
    awaits_permissions: bool | None
    ends_before: datetime | None


_OTHER_ACCOUNT: Final = {
    "o": lookup("accounts o", f"o.id = CASE e.bureau_id WHEN {KEY} THEN e.client_id ELSE e.bureau_id END")
}
# A bureau reads the organization numbers of the clients for which it works.
_ENGAGEMENT_SEARCH_KEY: Final = f"""(o.search_key
    || CASE WHEN e.status = 'ACTIVE' AND e.bureau_id = {KEY} THEN E'\\n' || o.number_key ELSE '' END)"""
# Consultants' grants that have ended are ACTIVE until a job stores their status, within a minute.
_FIRST_END: Final = """COALESCE(e.ended_at, (
    SELECT min(c.valid_until) FROM grants c WHERE c.engagement_id = e.id AND c.role <> 'OWNER'
        AND c.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')), '9999-01-01Z'::timestamptz)"""


def _engagement_order(order: EngagementOrder, locale: str) -> Order:
    """The order of engagements. Only CREATED_AT has an index."""
    row_id = ("e.id", "uuid")
    match order:
        case EngagementOrder.NAME:
            return Order((names.sort_key("o", locale), row_id))
        case EngagementOrder.NUMBER:
            return Order((("o.number", "int"), row_id))
        case EngagementOrder.ENDS_AT:
            return Order(((_FIRST_END, "timestamptz"), row_id))
        case EngagementOrder.CREATED_AT:
            return Order((row_id,), is_descending=True)


def invitations_of_accounts(now: datetime, filters: InvitationFilter | None = None) -> ConnectionQuery[InvitationRow]:
    """All invitations of an account, under the account's id, the newest first."""
    query = _invitations("i.account_id = {key}")
    filters = filters or {}
    if (states := filters.get("status")) is not None:
        query.where(f"{invitation.STATUS} = ANY({{1}}::text[])", now, states)
        past_pending = [InvitationStatus.PENDING] if InvitationStatus.EXPIRED in states else []
        query.where_any("i.status = {}", [*states, *past_pending])
    if search := filters.get("search"):
        names.search(query, "i.search_key", search)
    return query


def invitations_for_user(now: datetime) -> ConnectionQuery[InvitationRow]:
    """The pending invitations to a user's address, under the user's id, the newest first."""
    query = _invitations("i.email_key = (SELECT u.email_key FROM users u WHERE u.id = {key}) AND i.status = 'PENDING'")
    query.where(f"i.expires_at > {{0}} AND {access.IS_OPEN.format('a', '{0}')}", now)
    return query


_INVITATION_JOINS: Final = {"a": lookup("accounts a", "a.id = i.account_id")}


def _invitations(parent: str) -> ConnectionQuery[InvitationRow]:
    return newest_first(
        InvitationRow,
        invitation.COLUMNS,
        "invitations i",
        parent,
        "account_id",
        "invitee_id",
        joins=_INVITATION_JOINS,
    )


def access_requests_of_accounts() -> ConnectionQuery[AccessRequestRow]:
    """The access requests that reached an account, under the account's id, the newest first."""
    return _access_requests("r.account_id = {key}")


def access_requests_of_user() -> ConnectionQuery[AccessRequestRow]:
    """The access requests of a user, including those that reached no account, under the user's id, the newest first."""
    return _access_requests("r.requester_id = {key}")


def _access_requests(parent: str) -> ConnectionQuery[AccessRequestRow]:
    return newest_first(
        AccessRequestRow, access_request.COLUMNS, "access_requests r", parent, "account_id", "requester_id"
    )


def engagements_of_accounts(
    now: datetime,
    filters: EngagementFilter | None = None,
    order: EngagementOrder | None = None,
    locale: str = i18n.DEFAULT,
) -> ConnectionQuery[EngagementRow]:
    """The engagements of an account as bureau or client, under the account's id, by default the newest first.

    Its own blind requests are left out until the other side answers: they may not have reached any account. In an
    order without an index, the list has the newest SCAN_ROWS engagements.
    """
    order = order or EngagementOrder.CREATED_AT
    has_index = order is EngagementOrder.CREATED_AT
    query = ConnectionQuery(
        row=EngagementRow,
        columns=engagement.COLUMNS,
        source="engagements e",
        joins=_OTHER_ACCOUNT,
        parent="TRUE",
        order=_engagement_order(order, locale),
        index_order=() if has_index else ("e.id",),
        has_index=has_index,
        required_columns=("id", "bureau_id", "client_id", "status", "asked_by_id", "is_blind"),
    )
    filters = filters or {}
    side = filters.get("side")
    if side is not EngagementSide.CLIENT:
        query.branches.append(f"e.bureau_id = {KEY}")
    if side is not EngagementSide.BUREAU:
        query.branches.append(f"e.client_id = {KEY}")
    query.where(_IS_SHOWN)
    _filter_engagements(query, now, filters)
    return query


# The requester of a blind request sees only what the other side has answered.
_IS_SHOWN: Final = f"""NOT (e.is_blind AND e.asked_by_id = {{key}} AND e.status IN (
    {", ".join(f"'{status}'" for status in engagement.UNANSWERED)}))"""


def _filter_engagements(query: ConnectionQuery[EngagementRow], now: datetime, filters: EngagementFilter) -> None:
    if search := filters.get("search"):
        names.search(query, _ENGAGEMENT_SEARCH_KEY, search)
    if (is_awaiting := filters.get("awaits_permissions")) is not None:
        query.where(
            f"EXISTS (SELECT FROM grants c WHERE c.engagement_id = e.id AND c.status = 'AWAITING_PERMISSIONS'"
            f" AND {LIVE.format('{0}')} OFFSET 0) = {{1}}::boolean",
            now,
            is_awaiting,
        )
    if (before := filters.get("ends_before")) is not None:
        query.where(
            f"e.status = 'ACTIVE' AND EXISTS (SELECT FROM grants c WHERE c.engagement_id = e.id AND c.role <> 'OWNER'"
            f" AND {LIVE.format('{0}')} AND c.valid_until < {{1}} OFFSET 0)",
            now,
            before,
        )
    if (states := filters.get("status")) is not None:
        past_pending = [EngagementStatus.PENDING] if EngagementStatus.EXPIRED in states else []
        query.where_any("e.status = {}", [*states, *past_pending])
        if {EngagementStatus.PENDING, EngagementStatus.EXPIRED} & {*states}:
            query.where(f"{engagement.STATUS} = ANY({{1}}::text[])", now, states)
    if (consultant_id := filters.get("consultant_id")) is not None:
        query.where(
            f"EXISTS (SELECT FROM grants c WHERE c.engagement_id = e.id AND c.user_id = {{}} AND {LIVE} OFFSET 0)",
            consultant_id,
            now,
        )
    if (sole_id := filters.get("sole_consultant_id")) is not None:
        query.where(f"{_CONSULTANTS} = ARRAY[{{1}}::uuid]", now, sole_id)
    if (is_without := filters.get("without_consultant")) is not None:
        query.where(f"e.status = 'ACTIVE' AND ({_CONSULTANTS} IS NULL) = {{1}}::boolean", now, is_without)


def engagement_requests_of_accounts() -> ConnectionQuery[EngagementRequestRow]:
    """The requests for an engagement that an account has made blindly, under the account's id, the newest first."""
    return newest_first(
        EngagementRequestRow, blind_request.COLUMNS, "engagement_requests r", "r.account_id = {key}", "account_id"
    )


# OFFSET keeps PostgreSQL from a plan that reads all grants.
_CONSULTANTS: Final = f"""(SELECT array_agg(DISTINCT c.user_id) FROM (
    SELECT c.user_id FROM grants c
    WHERE c.engagement_id = e.id AND c.role <> 'OWNER' AND {LIVE.format("{0}")} OFFSET 0) c)"""


_LINK_COLUMNS: Final = db.columns_of("y", AccountLinkRow)


def links_of_accounts(
    now: datetime, relation: AccountRelation | None = None, locale: str = i18n.DEFAULT
) -> ConnectionQuery[AccountLinkRow]:
    """The accounts that are linked with an account, under its id, sorted by name in the alphabet of `locale`."""
    query = ConnectionQuery(
        row=AccountLinkRow,
        columns=_LINK_COLUMNS,
        required_columns=("id", "account_id", "owner_id"),
        source="links y",
        parent="TRUE",
        order=Order((names.sort_key("y", locale), ("y.id", "uuid"))),
    )
    if relation is not None:
        query.where("y.relation = {}", relation)
    sql = link.SQL.format(now=query.params.add(now), key="{key}", limit="{limit}")
    return replace(query, scan=Scan(sql, is_sorted=False))
