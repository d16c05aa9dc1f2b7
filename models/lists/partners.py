"""Lists of those who share an account, or are about to: invitations, requests, engagements, links."""

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
    """Which invitations."""

    status: list[InvitationStatus] | None
    search: str | None


class EngagementFilter(TypedDict, total=False):
    """Which engagements."""

    status: list[EngagementStatus] | None
    consultant_id: UUID | None


def invitations_of_accounts(now: datetime, wanted: InvitationFilter | None = None) -> ConnectionQuery[InvitationRow]:
    """All invitations of an account, under the account's id; the newest first."""
    listing = newest_first(
        InvitationRow, invitation.COLUMNS, invitation.SOURCE, "i.account_id = {key}", "account_id", "invitee_id"
    )
    f = wanted or {}
    if (states := f.get("status")) is not None:
        listing.where(f"{invitation.STATUS} = ANY({{1}}::text[])", now, states)
    if search := f.get("search"):
        listing.where("i.email ILIKE {}", search_pattern(search))
    return listing


def invitations_for_user(now: datetime) -> ConnectionQuery[InvitationRow]:
    """The pending invitations for a user's address, under his id; the newest first."""
    listing = newest_first(
        InvitationRow,
        invitation.COLUMNS,
        f"{invitation.SOURCE} JOIN users u ON u.email_key = i.email_key",
        "u.id = {key}",
        "account_id",
        "invitee_id",
    )
    listing.where("i.status = 'PENDING' AND i.expires_at > {}", now)
    return listing


def access_requests_of_accounts() -> ConnectionQuery[AccessRequestRow]:
    """Who has asked for access to an account, under the account's id; the newest first."""
    return _access_requests("r.account_id = {key}")


def access_requests_of_user() -> ConnectionQuery[AccessRequestRow]:
    """What a user has asked for, under his id, whether or not it reached anybody; the newest first."""
    return _access_requests("r.requester_id = {key}")


def _access_requests(parent: str) -> ConnectionQuery[AccessRequestRow]:
    return newest_first(
        AccessRequestRow, access_request.COLUMNS, "access_requests r", parent, "account_id", "requester_id"
    )


def engagements_of_accounts(now: datetime, wanted: EngagementFilter | None = None) -> ConnectionQuery[EngagementRow]:
    """An account's bureaus and clients, under its id; without those it has asked for blindly. The newest first."""
    listing = newest_first(
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
    f = wanted or {}
    if (states := f.get("status")) is not None:
        listing.where("e.status = ANY({}::text[])", states)
    if (consultant_id := f.get("consultant_id")) is not None:
        listing.where(
            f"EXISTS (SELECT FROM grants c WHERE c.engagement_id = e.id AND c.user_id = {{}} AND {LIVE})",
            consultant_id,
            now,
        )
    return listing


def links_of_accounts(now: datetime, relation: AccountRelation | None = None) -> ConnectionQuery[AccountLinkRow]:
    """The accounts that are linked with an account, under its id, by name."""
    listing = ConnectionQuery(
        row=AccountLinkRow,
        columns=link.COLUMNS,
        always=("id", "account_id", "owner_id"),
        source=link.SOURCE,
        parent="x.id = {key}",
        order=Order((("lower(y.name)", "text"), ("y.id", "uuid"))),
    )
    if relation is not None:
        listing.where(f"{link.RELATION} = {{}}", relation)
    return replace(listing, source=link.SOURCE.format(now=listing.params.add(now)))
