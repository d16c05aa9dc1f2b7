"""Resolvers of access requests: requests to accounts in which the caller may read users, and the caller's own."""

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
from resolvers.context import Context, Info, selected_columns
from resolvers.mutation_resolver import empty_payload, mutation_resolver
from resolvers.pages import pages, rows_by_ids

by_ids = rows_by_ids(access_request.by_ids)
"""The access requests with these ids. None for an unknown id."""


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[AccessRequestRow]]:
    """All access requests to each account."""
    query = lists.access_requests_of_accounts()
    return await pages(query, column(accounts, "id"), info, page)


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[AccessRequestRow]]:
    """The caller's own access requests."""
    query = lists.access_requests_of_user()
    return await pages(query, [info.context.caller.user()] * len(parents), info, page)


def status(rows: Sequence[Any], info: Info) -> list[AccessRequestStatus]:
    """The status of each request at the current time."""
    return [access_request.status(row, info.context.now) for row in rows]


async def requesters(rows: Sequence[Any], info: Info) -> list[UserRow | None]:
    """The user behind each request. None if the user was erased."""
    return await user.by_ids(column(rows, "requester_id"), info.context, selected_columns(info))


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"access_request": (await by_ids([key], context))[0]}


async def _load_approval_payload(context: Context, outcome: approval.Approval) -> dict[str, object]:
    return {
        **await _load_payload(context, outcome.access_request_id),
        "grant": await grant.by_id(outcome.grant_id, context),
    }


request_access = mutation_resolver(access_request.submit, empty_payload)
approve_access_request = mutation_resolver(approval.approve, _load_approval_payload)
decline_access_request = mutation_resolver(approval.decline, _load_payload)
withdraw_access_request = mutation_resolver(access_request.withdraw, _load_payload)
