"""Resolvers of engagements."""

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
from resolvers.subscription import linked_accounts

by_ids = rows_by_ids(engagement.by_ids)
"""The engagements with these ids. None for an unknown id."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.EngagementFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[EngagementRow]]:
    """The engagements of each account, as bureau or as client."""
    query = lists.engagements_of_accounts(info.context.now, filter)
    return await pages(query, [row["id"] for row in accounts], info, page)


async def bureaus(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The bureau of each engagement, as a linked account."""
    return await linked_accounts([row["bureau_id"] for row in rows], info.context)


async def clients(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The client of each engagement, as a linked account."""
    return await linked_accounts([row["client_id"] for row in rows], info.context)


async def load_payload(context: Context, key: UUID | None) -> dict[str, object]:
    """The engagement with this id, as a payload. None for None."""
    return {"engagement": None if key is None else (await by_ids([key], context))[0]}


engage_bureau = mutation_resolver(engagement_request.engage, load_payload)
accept_engagement = mutation_resolver(engagement.accept, load_payload)
decline_engagement = mutation_resolver(engagement.decline, load_payload)
end_engagement = mutation_resolver(engagement.end, load_payload)
