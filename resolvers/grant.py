"""Grants: the caller's own, and those of accounts whose users he may read."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from auth import policy
from auth.policy import Decision, GrantFacts, GrantStatus, Permission
from database import db
from database.listing import Connection
from database.rows import column
from models import lists
from models.access import access, grant
from models.access.access import GrantRow
from resolvers import view_as
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, prepare


async def by_ids(keys: Sequence[UUID | None], context: Context) -> list[GrantRow | None]:
    """The grants with these ids, None for None."""
    wanted = [key for key in keys if key is not None]
    found = {row.id: row for row in await grant.by_ids(wanted) if row} if wanted else {}
    await prepare(list(found.values()), context)
    return [found.get(key) if key else None for key in keys]


async def one(key: UUID | None, context: Context) -> GrantRow | None:
    """The grant with this id."""
    return (await by_ids([key], context))[0]


# ---- Where grants are found ------------------------------------------------------------------


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.GrantFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.GrantOrder | None = None,
    **page: Any,
) -> list[Connection[GrantRow]]:
    """All grants on each account."""
    listing = lists.grants_of_accounts(info.context.now, filter, order_by)
    return await pages(listing, column(accounts, "id"), info, page)


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
    listing = lists.grants_of_user(info.context.now, filter)
    return await pages(listing, [view_as.own(info.context, listing, "g.account_id")] * len(parents), info, page)


async def seen(
    parents: Sequence[object],
    info: Info,
    filter: lists.GrantFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.GrantOrder | None = None,
    **page: Any,
) -> list[Connection[GrantRow]]:
    """The caller's own grants, and those of accounts whose users he may read."""
    if (account_id := view_as.of_users(info.context)) is not None:
        listing = lists.grants_of_accounts(info.context.now, filter, order_by)
        return await pages(listing, [account_id] * len(parents), info, page)
    listing = lists.grants_seen_by(info.context.now, filter, order_by)
    return await pages(listing, [view_as.own(info.context, listing, "g.account_id")] * len(parents), info, page)


async def of_engagements(rows: Sequence[Any], info: Info) -> list[list[GrantRow]]:
    """The consultants of each engagement: their live grants at the client."""
    keys = [row["id"] for row in rows]
    found = await grant.of_engagements(keys, now=info.context.now)
    await prepare([row for key in keys for row in found[key]], info.context)
    return [found[key] for key in keys]


async def current(parents: Sequence[object], info: Info) -> Sequence[db.Columns | None]:
    """The grant by which the caller is in the request's account."""
    chosen, known = info.context.current, info.context.access
    if chosen is None:
        return [None] * len(parents)
    # Asked again: a mutation of this very request may have ended it.
    await known.load([chosen.account_id])
    return [view_as.grant(info.context, known.get(chosen.account_id))] * len(parents)


# ---- What a grant shows ----------------------------------------------------------------------


STANDING: Final = (
    "role",
    "status",
    "listed",
    "valid_until",
    "subscription_until",
    "simple_user_restrictions",
    "locks",
    "factor_missing",
)
"""The columns from which it is told what a grant allows."""


def status(rows: Sequence[db.Columns], info: Info) -> list[GrantStatus]:
    """Where each stands at this instant."""
    return [access.status(row, info.context.now) for row in rows]


def permissions(rows: Sequence[db.Columns], info: Info) -> list[list[Permission]]:
    """What each allows at this instant, after every restriction."""
    return [policy.permissions(policy.effective(standing)) for standing in _standings(rows, info)]


def entry(rows: Sequence[db.Columns], info: Info) -> list[Decision]:
    """Whether each lets its holder into the account, and why not."""
    return [policy.decide(Permission.ACCOUNT_READ, standing) for standing in _standings(rows, info)]


def _standings(rows: Sequence[db.Columns], info: Info) -> list[GrantFacts]:
    """What decides about each. Of others, as if they had the second factor that the account may demand:
    whether they have is not for everybody who reads their grants.
    """
    now, me = info.context.now, info.context.viewer_id
    return [access.grant_facts(row, now, with_factor=row["user_id"] != me) for row in rows]


# ---- Changing --------------------------------------------------------------------------------


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    return {"grant": await one(key, context)}


async def _updated(context: Context, outcome: grant.Updated) -> dict[str, object]:
    if outcome.seen_by is not None:
        context.access.know(outcome.seen_by.account_id.hex, outcome.seen_by)
    if outcome.row is None:
        return await _shown(context, outcome.id)
    await prepare([outcome.row], context)
    return {"grant": outcome.row}


update_grant = mutation_resolver(grant.update, _updated)
revoke_grant = mutation_resolver(grant.revoke, _shown)
restore_grant = mutation_resolver(grant.restore, _shown)
resign_grant = mutation_resolver(grant.resign, _shown)
