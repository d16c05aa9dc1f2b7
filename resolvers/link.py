"""Links: how other accounts stand to those whose users the caller may read."""

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
    listing = lists.links_of_accounts(info.context.now, relation)
    return await pages(listing, column(accounts, "id"), info, page)


def itself(rows: list[Any], _: Info) -> list[Any]:
    """The other account is what the row of a link is about."""
    return rows


def days_left(rows: Sequence[Any], info: Info) -> list[int | None]:
    """Whole days to the end of the other account's subscription, where this side could read it."""
    ends = column(rows, "subscription_until")
    return [None if end is None else subscription.days_left(end, info.context.now) for end in ends]


def is_activated(rows: Sequence[Any], _: Info) -> list[bool]:
    """Whether the other account's owner has proved his address."""
    return [at is not None for at in column(rows, "activated_at")]


async def outgoing(rows: Sequence[Any], info: Info) -> list[GrantRow | None]:
    """The grant by which this account's owner is in the other one."""
    return await _grants(column(rows, "outgoing_id"), info.context)


async def incoming(rows: Sequence[Any], info: Info) -> list[list[GrantRow]]:
    """The grant by which the other account's owner is in this one, if he is."""
    found = await _grants(column(rows, "incoming_id"), info.context)
    return [[one] if one is not None else [] for one in found]


async def _grants(keys: Sequence[UUID | None], context: Context) -> list[GrantRow | None]:
    """Those of these grants that the caller may read: his own, and where he may read the users."""
    rows = await grant.by_ids(keys, context)
    return [row if row is not None and rights.of_grants([row], context)[0] & _READS else None for row in rows]
