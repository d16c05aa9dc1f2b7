"""Resolvers of ownership offers, visible to their sender and their receiver."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from models.sharing import ownership
from models.sharing.ownership import OwnershipTransferRow
from resolvers import account, grant
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import load_access


async def by_ids(keys: Sequence[UUID], context: Context) -> list[OwnershipTransferRow | None]:
    """The pending offers with these ids from or to the caller."""
    if context.viewer_id is None:
        return []
    rows = await ownership.by_ids(list(keys), viewer_id=context.viewer_id, now=context.now)
    await load_access(rows, context)
    return rows


async def of_accounts(accounts: Sequence[Any], info: Info) -> list[OwnershipTransferRow | None]:
    """The pending offer of each account. None if it is neither from nor to the caller."""
    return await _load_visible([row["id"] for row in accounts], info.context)


async def _load_visible(keys: list[UUID], context: Context) -> list[OwnershipTransferRow | None]:
    rows = await ownership.of_accounts(keys, viewer_id=context.caller.user(), now=context.now)
    await load_access(rows, context)
    return rows


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"account": await account.by_id(key, context), "transfer": (await _load_visible([key], context))[0]}


async def _load_acceptance_payload(context: Context, key: UUID) -> dict[str, object]:
    account_row = await account.by_id(key, context)
    access = context.access.get(key)
    return {"account": account_row, "grant": await grant.by_id(access.grant["id"], context) if access else None}


transfer_ownership = mutation_resolver(ownership.offer, _load_payload)
withdraw_ownership = mutation_resolver(ownership.withdraw, _load_payload)
accept_ownership = mutation_resolver(ownership.accept, _load_acceptance_payload)
decline_ownership = mutation_resolver(ownership.decline, _load_payload)
