"""Resolvers of engagements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database.listing import Connection
from models import lists
from models.accounts.account import AccountRow
from models.bureaus import blind_request, engagement, engagement_request, engagement_update, standing_permissions
from models.bureaus.blind_request import EngagementRequestRow, EngagementRequestStatus
from models.bureaus.engagement import EngagementRow, EngagementStatus
from resolvers import ids
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, rows_by_ids
from resolvers.subscription import linked_accounts

by_ids = rows_by_ids(engagement.by_ids)
"""The engagements with these ids. None for an unknown id."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.EngagementFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.EngagementOrder | None = None,
    **page: Any,
) -> list[Connection[EngagementRow]]:
    """The engagements of each account, as bureau or as client."""
    query = lists.engagements_of_accounts(info.context.now, filter, order_by, info.context.caller.locale)
    return await pages(query, [row["id"] for row in accounts], info, page)


def statuses(rows: Sequence[Any], info: Info) -> list[EngagementStatus]:
    """The status of each engagement at the current time."""
    return [engagement.status(row, info.context.now) for row in rows]


def ends(rows: Sequence[Any], info: Info) -> list[datetime | None]:
    """The instant at which each engagement was declined, withdrawn, ended or expired. None: none of these."""
    return [row["expires_at"] if _is_expired(row, info.context.now) else row["ended_at"] for row in rows]


def deadlines(rows: Sequence[Any], info: Info) -> list[datetime | None]:
    """The instant at which each pending engagement expires. None for others."""
    return [
        row["expires_at"] if engagement.status(row, info.context.now) is EngagementStatus.PENDING else None
        for row in rows
    ]


def _is_expired(row: Any, now: datetime) -> bool:
    return engagement.status(row, now) is EngagementStatus.EXPIRED


async def client_organization_numbers(rows: Sequence[Any], info: Info) -> list[str | None]:
    """The organization number of the client of each active engagement. None for others."""
    keys = [row["client_id"] if row["status"] == EngagementStatus.ACTIVE else None for row in rows]
    accounts = await linked_accounts(keys, info.context)
    return [None if account is None else account.organization_number for account in accounts]


requests_by_ids = rows_by_ids(blind_request.by_ids)
"""The requests for an engagement with these ids. None for an unknown id."""


async def requests_of_accounts(
    accounts: Sequence[Any], info: Info, **page: Any
) -> list[Connection[EngagementRequestRow]]:
    """The requests for an engagement that each account has made blindly."""
    return await pages(lists.engagement_requests_of_accounts(), [row["id"] for row in accounts], info, page)


def request_statuses(rows: Sequence[Any], info: Info) -> list[EngagementRequestStatus]:
    """The status of each request at the current time."""
    return [blind_request.status(row, info.context.now) for row in rows]


def request_sides(rows: Sequence[Any], _: Info) -> list[lists.EngagementSide]:
    """The side of the account that made each request."""
    return [lists.EngagementSide.BUREAU if row["by_bureau"] else lists.EngagementSide.CLIENT for row in rows]


def request_target_ids(rows: Sequence[Any], _: Info) -> list[str | None]:
    """The id that was entered with each request. None if a number was entered."""
    return [None if row["target_id"] is None else ids.encode("Account", row["target_id"]) for row in rows]


async def bureaus(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The bureau of each engagement, as a linked account."""
    return await linked_accounts([row["bureau_id"] for row in rows], info.context)


async def clients(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The client of each engagement, as a linked account."""
    return await linked_accounts([row["client_id"] for row in rows], info.context)


async def consultant_permissions(rows: Sequence[Any], info: Info) -> list[list[Permission] | None]:
    """The permissions that the client of each engagement gives to every consultant. None if none are in force."""
    in_force = await standing_permissions.in_force(rows, now=info.context.now)
    return [policy.permissions(standing.terms.allowlist or 0) if standing else None for standing in in_force]


async def consultant_ends(rows: Sequence[Any], info: Info) -> list[datetime | None]:
    """The end of these permissions. None if they have no end, or none are in force."""
    in_force = await standing_permissions.in_force(rows, now=info.context.now)
    return [standing.until if standing else None for standing in in_force]


async def load_payload(context: Context, key: UUID | None) -> dict[str, object]:
    """The engagement with this id, as a payload. None for None."""
    return {"engagement": None if key is None else (await by_ids([key], context))[0]}


engage_bureau = mutation_resolver(engagement_request.engage, load_payload)


async def _load_request_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"engagement_request": (await requests_by_ids([key], context))[0]}


withdraw_engagement_request = mutation_resolver(blind_request.withdraw, _load_request_payload)
accept_engagement = mutation_resolver(engagement.accept, load_payload)
update_engagement = mutation_resolver(engagement_update.update, load_payload)
decline_engagement = mutation_resolver(engagement.decline, load_payload)
end_engagement = mutation_resolver(engagement.end, load_payload)
