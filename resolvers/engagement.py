"""Engagements: those of accounts whose users the caller may read."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from database.listing import Connection
from models import lists
from models.accounts.account import AccountRow
from models.bureaus import engagement, engagement_request
from models.bureaus.engagement import EngagementRow
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, rows_by_ids
from resolvers.subscription import linked

by_ids = rows_by_ids(engagement.by_ids)
"""The engagements with these ids."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.EngagementFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[EngagementRow]]:
    """The bureaus and clients of each account."""
    listing = lists.engagements_of_accounts(info.context.now, filter)
    return await pages(listing, [row["id"] for row in accounts], info, page)


async def bureaus(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The little that each bureau shows of itself."""
    return await linked([row["bureau_id"] for row in rows], info.context)


async def clients(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The little that each client shows of itself."""
    return await linked([row["client_id"] for row in rows], info.context)


async def _shown(context: Context, key: UUID | None) -> dict[str, object]:
    return {"engagement": None if key is None else (await by_ids([key], context))[0]}


engage_bureau = mutation_resolver(engagement_request.engage, _shown)
accept_engagement = mutation_resolver(engagement.accept, _shown)
decline_engagement = mutation_resolver(engagement.decline, _shown)
end_engagement = mutation_resolver(engagement.end, _shown)
