"""Resolvers of the subscription ledger, and the mutations that move subscription days."""

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
    """The ledger entries of each account."""
    return await pages(lists.entries(), [row["id"] for row in accounts], info, page)


by_ids = rows_by_ids(subscription.entries_by_ids)
"""The ledger entries with these ids. None for an unknown id."""


async def counterparts(rows: Sequence[SubscriptionEntryRow], info: Info) -> list[AccountRow | None]:
    """The other account of each transfer, as a linked account. None for an entry without one."""
    return await linked_accounts([row.counterpart_id for row in rows], info.context)


async def linked_accounts(keys: Sequence[UUID | None], context: Context) -> list[AccountRow | None]:
    """The accounts with these ids, with or without the caller's access.

    Only for the type LinkedAccount, which shows few fields.
    """
    distinct_keys = list({key for key in keys if key is not None})
    rows_by_key = {row.id: row for row in await accounts.by_ids(distinct_keys) if row} if distinct_keys else {}
    await user.by_ids([row.owner_id for row in rows_by_key.values()], context)
    return [rows_by_key.get(key) if key else None for key in keys]


async def owner_emails(rows: Sequence[Any], _: Info) -> list[str]:
    """The owner's address of each linked account. The field's rule guards it."""
    owners = await users.by_ids(list({row["owner_id"] for row in rows}), columns=frozenset({"email"}))
    return [owners[row["owner_id"]]["email"] for row in rows]


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    entry = (await by_ids([key], context))[0]
    if entry is None:
        return {}
    receiver, payer = await account.by_ids([entry.account_id, entry.counterpart_id], context)
    return {"account": receiver, "payer": payer, "entry": entry}


extend_subscription = mutation_resolver(subscription.extend, _load_payload)
redeem_voucher = mutation_resolver(voucher.redeem, _load_payload)
