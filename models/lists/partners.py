"""Connections of invitations, access requests, engagements and account links."""

from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from database.listing import ConnectionQuery
from database.page_sql import Order
from models.accounts import link
from models.accounts.link import AccountLinkRow, AccountRelation
from models.bureaus import engagement
from models.bureaus.engagement import EngagementRow, EngagementStatus
from models.lists.sql import LIVE, newest_first, search_pattern
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


def invitations_of_accounts(now: datetime, filters: InvitationFilter | None = None) -> ConnectionQuery[InvitationRow]:
    """All invitations of an account, under the account's id, the newest first."""
    query = newest_first(
        InvitationRow, invitation.COLUMNS, invitation.SOURCE, "i.account_id = {key}", "account_id", "invitee_id"
    )
    filters = filters or {}
    if (states := filters.get("status")) is not None:
        query.where(f"{invitation.STATUS} = ANY({{1}}::text[])", now, states)
    if search := filters.get("search"):
        query.where("i.email ILIKE {}", search_pattern(search))
    return query


def invitations_for_user(now: datetime) -> ConnectionQuery[InvitationRow]:
    """The pending invitations to a user's address, under the user's id, the newest first."""
    query = newest_first(
        InvitationRow,
        invitation.COLUMNS,
        f"{invitation.SOURCE} JOIN users u ON u.email_key = i.email_key",
        "u.id = {key}",
        "account_id",
        "invitee_id",
    )
    query.where("i.status = 'PENDING' AND i.expires_at > {}", now)
    return query


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
        "(e.bureau_id = {key} OR e.client_id = {key}) "
        "AND NOT (e.is_blind AND e.status = 'PENDING' AND e.asked_by_id = {key})",
        "bureau_id",
        "client_id",
        "status",
        "asked_by_id",
        "is_blind",
    )
    filters = filters or {}
    if (states := filters.get("status")) is not None:
        query.where("e.status = ANY({}::text[])", states)
    if (consultant_id := filters.get("consultant_id")) is not None:
        query.where(
            f"EXISTS (SELECT FROM grants c WHERE c.engagement_id = e.id AND c.user_id = {{}} AND {LIVE})",
            consultant_id,
            now,
        )
    return query


def links_of_accounts(now: datetime, relation: AccountRelation | None = None) -> ConnectionQuery[AccountLinkRow]:
    """The accounts that are linked with an account, under its id, sorted by name."""
    query = ConnectionQuery(
        row=AccountLinkRow,
        columns=link.COLUMNS,
        required_columns=("id", "account_id", "owner_id"),
        source=link.SOURCE,
        parent="x.id = {key}",
        order=Order((("lower(y.name)", "text"), ("y.id", "uuid"))),
    )
    if relation is not None:
        query.where(f"{link.RELATION} = {{}}", relation)
    return replace(query, source=link.SOURCE.format(now=query.params.add(now)))
