"""Requests for access: those of accounts whose users the caller may read, and his own."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from database.listing import Connection
from database.rows import column
from models import lists
from models.people.user import UserRow
from models.sharing import access_request, approval
from models.sharing.access_request import AccessRequestRow, AccessRequestStatus
from resolvers import grant, user
from resolvers.context import Context, Info, wanted
from resolvers.mutation_resolver import empty_payload, mutation_resolver
from resolvers.pages import pages, rows_by_ids

by_ids = rows_by_ids(access_request.by_ids)
"""The requests with these ids."""


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[AccessRequestRow]]:
    """All requests for access to each account."""
    listing = lists.access_requests_of_accounts()
    return await pages(listing, column(accounts, "id"), info, page)


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[AccessRequestRow]]:
    """What the caller has asked for."""
    listing = lists.access_requests_of_user()
    return await pages(listing, [info.context.caller.user()] * len(parents), info, page)


def status(rows: Sequence[Any], info: Info) -> list[AccessRequestStatus]:
    """Where each stands at this instant."""
    return [access_request.status(row, info.context.now) for row in rows]


async def requesters(rows: Sequence[Any], info: Info) -> list[UserRow | None]:
    """Who asked."""
    return await user.by_ids(column(rows, "requester_id"), info.context, wanted(info))


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    return {"access_request": (await by_ids([key], context))[0]}


async def _approved(context: Context, outcome: approval.Approved) -> dict[str, object]:
    return {**await _shown(context, outcome.access_request_id), "grant": await grant.one(outcome.grant_id, context)}


request_access = mutation_resolver(access_request.ask, empty_payload)
approve_access_request = mutation_resolver(approval.approve, _approved)
decline_access_request = mutation_resolver(approval.decline, _shown)
withdraw_access_request = mutation_resolver(access_request.withdraw, _shown)
