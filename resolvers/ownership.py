"""Offers of an account's ownership: for who makes one, and for who gets it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from models.sharing import ownership
from models.sharing.ownership import OwnershipTransferRow
from resolvers import account, grant
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import prepare


async def by_ids(keys: Sequence[UUID], context: Context) -> list[OwnershipTransferRow | None]:
    """Those of these offers that are pending and concern the caller."""
    if context.viewer_id is None:
        return []
    rows = await ownership.by_ids(list(keys), seen_by=context.viewer_id, now=context.now)
    await prepare(rows, context)
    return rows


async def of_accounts(accounts: Sequence[Any], info: Info) -> list[OwnershipTransferRow | None]:
    """The pending offer of each account, if it concerns the caller."""
    return await _of([row["id"] for row in accounts], info.context)


async def _of(keys: list[UUID], context: Context) -> list[OwnershipTransferRow | None]:
    rows = await ownership.of_accounts(keys, seen_by=context.caller.user(), now=context.now)
    await prepare(rows, context)
    return rows


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    return {"account": await account.one(key, context), "transfer": (await _of([key], context))[0]}


async def _accepted(context: Context, key: UUID) -> dict[str, object]:
    entered = await account.one(key, context)
    mine = context.access.get(key)
    return {"account": entered, "grant": await grant.one(mine.grant["id"], context) if mine else None}


transfer_ownership = mutation_resolver(ownership.offer, _shown)
withdraw_ownership = mutation_resolver(ownership.withdraw, _shown)
accept_ownership = mutation_resolver(ownership.accept, _accepted)
decline_ownership = mutation_resolver(ownership.decline, _shown)
