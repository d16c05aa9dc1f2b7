"""Resolvers of links: the relations of an account to other accounts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth.policy import Permission
from auth.rules import needs
from database.listing import Connection
from database.rows import column
from models import lists
from models.access.access import GrantRow
from models.accounts.link import AccountLinkRow, AccountRelation
from models.billing import subscription
from resolvers import grant, rights
from resolvers.context import Context, Info
from resolvers.pages import pages

_READS = needs(Permission.USERS_READ, or_self=True).bits


async def of_accounts(
    accounts: Sequence[Any], info: Info, relation: AccountRelation | None = None, **page: Any
) -> list[Connection[AccountLinkRow]]:
    """The links of each account."""
    query = lists.links_of_accounts(info.context.now, relation, info.context.caller.locale)
    return await pages(query, column(accounts, "id"), info, page)


def same_rows(rows: list[Any], _: Info) -> list[Any]:
    """The rows themselves: the row of a link has the columns of the other account."""
    return rows


def days_left(rows: Sequence[Any], info: Info) -> list[int | None]:
    """Whole days until the end of the other account's subscription. None if this side may not read it."""
    ends = column(rows, "subscription_until")
    return [None if end is None else subscription.days_left(end, info.context.now) for end in ends]


def is_activated(rows: Sequence[Any], _: Info) -> list[bool]:
    """True for each link if the other account's owner has verified their address."""
    return [at is not None for at in column(rows, "activated_at")]


async def outgoing_grants(rows: Sequence[Any], info: Info) -> list[GrantRow | None]:
    """The grant of this account's owner on the other account. None without one, or if it is not readable."""
    return await _load_readable_grants(column(rows, "outgoing_id"), info.context)


async def incoming_grants(rows: Sequence[Any], info: Info) -> list[list[GrantRow]]:
    """The grant of the other account's owner on this account: a list with at most one grant."""
    grants = await _load_readable_grants(column(rows, "incoming_id"), info.context)
    return [[row] if row is not None else [] for row in grants]


async def _load_readable_grants(keys: Sequence[UUID | None], context: Context) -> list[GrantRow | None]:
    """The grants with these ids. None if the caller may not read the grant."""
    rows = await grant.by_ids(keys, context)
    return [row if row is not None and rights.of_grants([row], context)[0] & _READS else None for row in rows]
