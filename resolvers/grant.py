"""Resolvers of grants: the caller's own, and those on accounts in which the caller may read users."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from auth import policy
from auth.policy import Decision, GrantFacts, GrantStatus, Permission
from database import db
from database.listing import Connection
from database.rows import column
from models import lists
from models.access import access, grant, grant_operation
from models.access.access import GrantRow
from models.accounts import former_name
from models.bureaus import client_coverage
from resolvers import view_as
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import load_access, pages


async def by_ids(keys: Sequence[UUID | None], context: Context) -> list[GrantRow | None]:
    """The grants with these ids. None for None and for an unknown id."""
    present_keys = [key for key in keys if key is not None]
    rows_by_key = {row.id: row for row in await grant.by_ids(present_keys) if row} if present_keys else {}
    await load_access(list(rows_by_key.values()), context)
    return [rows_by_key.get(key) if key else None for key in keys]


async def by_id(key: UUID | None, context: Context) -> GrantRow | None:
    """The grant with this id. None for None and for an unknown id."""
    return (await by_ids([key], context))[0]


# ---- Finding grants --------------------------------------------------------------------------


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.GrantFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.GrantOrder | None = None,
    **page: Any,
) -> list[Connection[GrantRow]]:
    """All grants on each account."""
    query = lists.grants_of_accounts(info.context.now, filter, order_by, info.context.caller.locale)
    return await pages(query, column(accounts, "id"), info, page)


async def without_factor(settings: Sequence[Any], info: Info, **page: Any) -> list[Connection[GrantRow]]:
    """The active grants on each account whose holders have no second factor."""
    return await pages(lists.grants_without_factor(info.context.now), column(settings, "id"), info, page)


async def of_viewer(
    parents: Sequence[object],
    info: Info,
    filter: lists.GrantFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[GrantRow]]:
    """The caller's own grants."""
    query = lists.grants_of_user(info.context.now, filter)
    return await pages(
        query, [view_as.viewer_parent_key(info.context, query, "g.account_id")] * len(parents), info, page
    )


async def visible_to_viewer(
    parents: Sequence[object],
    info: Info,
    filter: lists.GrantFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.GrantOrder | None = None,
    **page: Any,
) -> list[Connection[GrantRow]]:
    """The caller's own grants, and the grants on accounts in which the caller may read users."""
    if (account_id := view_as.users_account_id(info.context)) is not None:
        query = lists.grants_of_accounts(info.context.now, filter, order_by, info.context.caller.locale)
        return await pages(query, [account_id] * len(parents), info, page)
    query = lists.grants_visible_to(info.context.now, filter, order_by, info.context.caller.locale)
    return await pages(
        query, [view_as.viewer_parent_key(info.context, query, "g.account_id")] * len(parents), info, page
    )


async def of_engagements(rows: Sequence[Any], info: Info) -> list[list[GrantRow]]:
    """The live grants of the bureau's consultants at the client of each engagement."""
    keys = [row["id"] for row in rows]
    grants_by_engagement = await grant.of_engagements(keys, now=info.context.now)
    await load_access([row for key in keys for row in grants_by_engagement[key]], info.context)
    return [grants_by_engagement[key] for key in keys]


async def current(parents: Sequence[object], info: Info) -> Sequence[db.Columns | None]:
    """The caller's grant on the account of the request. None without one. Raises AccountRequired."""
    account_id, cache = info.context.current_account_id, info.context.access
    if account_id is None:
        return [None] * len(parents)
    # Loaded again: a mutation of this request may have ended the grant.
    await cache.load([account_id])
    info.context.require_account()
    return [view_as.grant_of(info.context, cache.get(account_id))] * len(parents)


# ---- Fields of a grant -----------------------------------------------------------------------


FACT_COLUMNS: Final = (
    "role",
    "status",
    "listed",
    "valid_until",
    "subscription_until",
    "closes_at",
    "simple_user_restrictions",
    "locks",
    "factor_missing",
)
"""The columns that determine the effective permissions of a grant."""


def status(rows: Sequence[db.Columns], info: Info) -> list[GrantStatus]:
    """The status of each grant at the time of the request."""
    return [access.status(row, info.context.now) for row in rows]


async def account_names(rows: Sequence[Any], info: Info) -> list[str]:
    """The name of each grant's account. Of a grant that has ended, for a viewer without access: the one at its end."""
    names, bits, now = column(rows, "account_name"), info.context.access.bits, info.context.now
    ends = zip(column(rows, "status"), column(rows, "valid_until"), column(rows, "account_id"), strict=True)
    former = [
        index
        for index, (row_status, until, account_id) in enumerate(ends)
        if (row_status not in grant.LIVE or (until is not None and until <= now)) and not bits(account_id)
    ]
    if not former:
        return names
    names, keys = [*names], column(rows, "id")
    former_names = await former_name.load_at_ends([keys[index] for index in former])
    for index in former:
        names[index] = former_names[keys[index]]
    return names


def permissions(rows: Sequence[db.Columns], info: Info) -> list[list[Permission]]:
    """The effective permissions of each grant at the time of the request."""
    return [policy.permissions(policy.effective_bits(facts)) for facts in _grant_facts(rows, info)]


def entry_decisions(rows: Sequence[db.Columns], info: Info) -> list[Decision]:
    """The decision whether each grant gives its holder access to the account."""
    return [policy.decide(Permission.ACCOUNT_READ, facts) for facts in _grant_facts(rows, info)]


def _grant_facts(rows: Sequence[db.Columns], info: Info) -> list[GrantFacts]:
    """The facts of each grant. Other users' grants are treated as if the holder had a second factor.

    Otherwise the permissions would reveal which users have one.
    """
    now, viewer_id = info.context.now, info.context.viewer_id
    return [access.grant_facts(row, now, with_factor=row["user_id"] != viewer_id) for row in rows]


async def sole_client_counts(rows: Sequence[db.Columns], info: Info) -> list[int]:
    """The number of clients of each grant's bureau that have no other consultant than the holder."""
    pairs = [(row["account_id"], row["user_id"]) for row in rows]
    return await client_coverage.count_sole(pairs, now=info.context.now)


# ---- Mutations -------------------------------------------------------------------------------


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"grant": await by_id(key, context)}


async def _load_update_payload(context: Context, outcome: grant_operation.GrantUpdate) -> dict[str, object]:
    if outcome.viewer_access is not None:
        context.access.add(outcome.viewer_access.account_id.hex, outcome.viewer_access)
    if outcome.row is None:
        return await _load_payload(context, outcome.id)
    await load_access([outcome.row], context)
    return {"grant": outcome.row}


update_grant = mutation_resolver(grant_operation.update, _load_update_payload)
revoke_grant = mutation_resolver(grant_operation.revoke, _load_payload)
restore_grant = mutation_resolver(grant_operation.restore, _load_payload)
resign_grant = mutation_resolver(grant_operation.resign, _load_payload)
