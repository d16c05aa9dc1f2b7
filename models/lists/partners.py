"""Connections of invitations, access requests, engagements and account links."""

from dataclasses import replace
from datetime import datetime
from typing import Final, TypedDict
from uuid import UUID

from database import db
from database.listing import ConnectionQuery
from database.page_sql import KEY, Order, Scan
from models.accounts import link
from models.accounts.link import AccountLinkRow, AccountRelation
from models.bureaus import engagement
from models.bureaus.engagement import EngagementRow, EngagementStatus
from models.lists.sql import LIVE, lookup, newest_first, search_pattern
from models.sharing import access_request, invitation
from models.sharing.access_request import AccessRequestRow
from models.sharing.invitation import InvitationRow, InvitationStatus


class InvitationFilter(TypedDict, total=False):
    """The filters of invitations. An omitted or null filter matches all."""

    status: list[InvitationStatus] | None
    search: str | None


class EngagementFilter(TypedDict, total=False):
    """The filters of engagements. An omitted or null filter matches all."""

    status: list[EngagementStatus] | None
    consultant_id: UUID | None
    sole_consultant_id: UUID | None
    without_consultant: bool | None


def invitations_of_accounts(now: datetime, filters: InvitationFilter | None = None) -> ConnectionQuery[InvitationRow]:
    """All invitations of an account, under the account's id, the newest first."""
    query = _invitations("i.account_id = {key}")
    filters = filters or {}
    if (states := filters.get("status")) is not None:
        query.where(f"{invitation.STATUS} = ANY({{1}}::text[])", now, states)
        past_pending = [InvitationStatus.PENDING] if InvitationStatus.EXPIRED in states else []
        query.where_any("i.status = {}", [*states, *past_pending])
    if search := filters.get("search"):
        query.where("i.email ILIKE {}", search_pattern(search))
    return query


def invitations_for_user(now: datetime) -> ConnectionQuery[InvitationRow]:
    """The pending invitations to a user's address, under the user's id, the newest first."""
    query = _invitations("i.email_key = (SELECT u.email_key FROM users u WHERE u.id = {key}) AND i.status = 'PENDING'")
    query.where("i.expires_at > {}", now)
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


def engagements_of_accounts(now: datetime, filters: EngagementFilter | None = None) -> ConnectionQuery[EngagementRow]:
    """The engagements of an account as bureau or client, under the account's id, the newest first.

    Its own pending blind requests are left out: they may not have reached any account.
    """
    query = newest_first(
        EngagementRow,
        engagement.COLUMNS,
        "engagements e",
        "TRUE",
        "bureau_id",
        "client_id",
        "status",
        "asked_by_id",
        "is_blind",
    )
    query.branches.extend([f"e.bureau_id = {KEY}", f"e.client_id = {KEY}"])
    query.where("NOT (e.is_blind AND e.status = 'PENDING' AND e.asked_by_id = {key})")
    filters = filters or {}
    if (states := filters.get("status")) is not None:
        query.where_any("e.status = {}", states)
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
    return query


# OFFSET keeps PostgreSQL from a plan that reads all grants.
_CONSULTANTS: Final = f"""(SELECT array_agg(DISTINCT c.user_id) FROM (
    SELECT c.user_id FROM grants c
    WHERE c.engagement_id = e.id AND c.role <> 'OWNER' AND {LIVE.format("{0}")} OFFSET 0) c)"""


_LINK_COLUMNS: Final = db.columns_of("y", AccountLinkRow)


def links_of_accounts(now: datetime, relation: AccountRelation | None = None) -> ConnectionQuery[AccountLinkRow]:
    """The accounts that are linked with an account, under its id, sorted by name."""
    query = ConnectionQuery(
        row=AccountLinkRow,
        columns=_LINK_COLUMNS,
        required_columns=("id", "account_id", "owner_id"),
        source="links y",
        parent="TRUE",
        order=Order((("lower(y.name)", "text"), ("y.id", "uuid"))),
    )
    if relation is not None:
        query.where("y.relation = {}", relation)
    sql = link.SQL.format(now=query.params.add(now), key="{key}", limit="{limit}")
    return replace(query, scan=Scan(sql, is_sorted=False))
