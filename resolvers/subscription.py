"""Subscription days: the ledger, and moving them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from database.listing import Connection
from models import lists
from models.accounts import account as accounts
from models.accounts.account import AccountRow
from models.billing import subscription, voucher
from models.billing.subscription import SubscriptionEntryRow
from models.people import user as users
from resolvers import account, user
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, rows_by_ids


async def entries(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[SubscriptionEntryRow]]:
    """The ledger of each account."""
    return await pages(lists.entries(), [row["id"] for row in accounts], info, page)


by_ids = rows_by_ids(subscription.entries_by_ids)
"""The lines of ledgers with these ids."""


async def counterparts(rows: Sequence[SubscriptionEntryRow], info: Info) -> list[AccountRow | None]:
    """The little that the other side of a transfer shows of itself."""
    return await linked([row.counterpart_id for row in rows], info.context)


async def of_events(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The account that an event happened in."""
    return await linked([row.account_id for row in rows], info.context)


async def linked(keys: Sequence[UUID | None], context: Context) -> list[AccountRow | None]:
    """Accounts by the little that they show to those they deal with, entered or not."""
    wanted = list({key for key in keys if key is not None})
    found = {row.id: row for row in await accounts.by_ids(wanted) if row} if wanted else {}
    await user.by_ids([row.owner_id for row in found.values()], context)
    return [found.get(key) if key else None for key in keys]


async def owner_emails(rows: Sequence[Any], _: Info) -> list[str]:
    """The address by which a linked account is known, for those who passed its field's rule."""
    owners = await users.by_ids(list({row["owner_id"] for row in rows}), wanted=frozenset({"email"}))
    return [owners[row["owner_id"]]["email"] for row in rows]


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    entry = (await by_ids([key], context))[0]
    if entry is None:
        return {}
    receiver, payer = await account.by_ids([entry.account_id, entry.counterpart_id], context)
    return {"account": receiver, "payer": payer, "entry": entry}


extend_subscription = mutation_resolver(subscription.extend, _shown)
redeem_voucher = mutation_resolver(voucher.redeem, _shown)
