"""Resolvers of accounts. An account without access does not exist for the caller."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Decision, Permission
from database import db
from database.listing import Connection
from database.rows import ColumnBatch, column, key_hex, part
from models import lists
from models.access import access, operation, reauthentication, seat
from models.access.seat import SeatsRow
from models.accounts import account, settings
from models.accounts.account import AccountRow
from models.base.errors import BadInput
from models.billing import subscription
from models.bureaus import account_kind
from models.closing import account_closing
from models.closing.account_closing import ClosingRequest
from resolvers import ids, view_as
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages


async def by_ids(keys: Sequence[UUID | None], context: Context) -> list[AccountRow | None]:
    """The accounts with these ids. None if the caller has no access."""
    await context.access.load(keys)
    accessible_keys = [key for key in keys if key is not None and context.access.bits(key)]
    rows_by_key = {row.id: row for row in await account.by_ids(accessible_keys) if row} if accessible_keys else {}
    return [rows_by_key.get(key) if key else None for key in keys]


async def by_id(key: UUID | None, context: Context) -> AccountRow | None:
    """The account with this id. None if the caller has no access."""
    return (await by_ids([key], context))[0]


# ---- Finding accounts ------------------------------------------------------------------------


async def by_id_or_number(
    parents: Sequence[object],
    info: Info,
    id: str | None = None,  # noqa: A002 - the argument's name
    number: int | None = None,
) -> list[AccountRow | None]:
    """The account of `account(id:)` or `account(number:)`. None if the caller has no access."""
    if (id is None) == (number is None):
        raise BadInput("Give exactly one of id and number.")
    row = await account.by_number(number) if number is not None else None
    key = row.id if row else ids.decode("Account", id or "")
    account_row = await by_id(key, info.context)
    if account_row is not None:
        info.context.note_use([account_row.id])
    return [account_row] * len(parents)


async def of_viewer(
    parents: Sequence[object],
    info: Info,
    filter: lists.AccountFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.AccountOrder | None = None,
    **page: Any,
) -> list[Connection[AccountRow]]:
    """The accounts to which the caller has access."""
    query = lists.accounts(
        info.context.now, filter, order_by, in_role=view_as.role(info.context), locale=info.context.caller.locale
    )
    return await pages(
        query, [view_as.accounts_parent_key(info.context, query)] * len(parents), info, page, on_rows=_cache_accesses
    )


def _cache_accesses(accounts: ColumnBatch, context: Context) -> None:
    """Cache the caller's access from the grants joined to the accounts. A view-as request has its own access."""
    if context.view is not None:
        return
    grants = accounts.part("grant")
    assert grants is not None  # the connection always joins it  # noqa: S101
    for account_hex, effective_access in zip(
        grants.key_hex("account_id"), access.effective_accesses(grants, context.now), strict=True
    ):
        context.access.add(account_hex, effective_access)


async def current(parents: Sequence[object], info: Info) -> list[AccountRow | None]:
    """The account of the X-Account header or the session. None without one. Raises AccountRequired."""
    context = info.context
    rows = await by_ids([context.current_account_id] * len(parents), context)
    context.require_account()
    return rows


async def of_rows(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The account of each grant or invitation. None if the caller has no access."""
    return await by_ids([row["account_id"] for row in rows], info.context)


# ---- Fields of an account --------------------------------------------------------------------


def status(rows: Sequence[AccountRow], info: Info) -> list[account.AccountStatus]:
    """The status of each account: usable, read-only, or not yet activated by its owner."""
    return [account.status(row, info.context.now) for row in rows]


def viewer_grant(rows: Sequence[Any], info: Info) -> Sequence[db.Columns | None]:
    """The caller's own grant on each account. None in a view-as request for a role."""
    if view_as.role(info.context) is not None:
        return [None] * len(rows)
    cache, grants = info.context.access, part(rows, "grant")
    if grants and all(map(cache.bits_by_hex, key_hex(rows, "id"))):
        return grants
    accesses = [cache.get(key) for key in column(rows, "id")]
    return [viewer_access.grant if viewer_access else None for viewer_access in accesses]


def viewer_permissions(rows: Sequence[AccountRow], info: Info) -> list[list[Permission]]:
    """The caller's effective permissions in each account."""
    return [policy.permissions(info.context.access.bits_by_hex(account_hex)) for account_hex in key_hex(rows, "id")]


def viewer_can(row: AccountRow, info: Info, permission: Permission) -> Decision:
    """The decision about the caller's permission in the account."""
    viewer_access = info.context.access.get(row["id"])
    return policy.decide(permission, viewer_access.facts if viewer_access else None)


def needs_reauthentication(decision: Decision, info: Info) -> bool:
    """True if the caller has the permission, but its operations first need a proof that the session lacks."""
    is_asked = decision.allowed and decision.permission in operation.REAUTHENTICATED
    return is_asked and not reauthentication.is_recent(info.context.caller)


def same_rows(rows: list[AccountRow], _: Info) -> list[AccountRow]:
    """The rows themselves: settings and subscription are columns of the account's row."""
    return rows


def locks(rows: Sequence[AccountRow], _: Info) -> list[list[Permission]]:
    """The permissions that each account locks for all users."""
    return [policy.permissions(row["locks"]) for row in rows]


def simple_user_restrictions(rows: Sequence[AccountRow], _: Info) -> list[list[Permission]]:
    """The permissions that each account takes from simple users."""
    return [policy.permissions(row["simple_user_restrictions"]) for row in rows]


def days_left(rows: Sequence[AccountRow], info: Info) -> list[int]:
    """Whole days until the end of each subscription."""
    return [subscription.days_left(row["subscription_until"], info.context.now) for row in rows]


def transferable_days(rows: Sequence[AccountRow], info: Info) -> list[int]:
    """Whole days that each subscription can give to other accounts."""
    return [
        subscription.transferable_days(row["subscription_until"], row["trial_until"], info.context.now) for row in rows
    ]


def is_expired(rows: Sequence[AccountRow], info: Info) -> list[bool]:
    """True for each account with an ended subscription."""
    return [row["subscription_until"] <= info.context.now for row in rows]


async def seats(rows: Sequence[AccountRow], info: Info) -> list[SeatsRow | None]:
    """The seats of each account, bought and used."""
    return await seat.by_accounts([row["id"] for row in rows], now=info.context.now)


# ---- Mutations -------------------------------------------------------------------------------


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"account": await by_id(key, context)}


async def _load_closing_payload(context: Context, request: ClosingRequest) -> dict[str, object]:
    return {"account": await by_id(request.account_id, context), "lost_days": request.lost_days}


close_account = mutation_resolver(account_closing.close, _load_closing_payload)
reopen_account = mutation_resolver(account_closing.reopen, _load_payload)
create_account = mutation_resolver(account.create, _load_payload)
update_account = mutation_resolver(settings.update, _load_payload)
change_account_kind = mutation_resolver(account_kind.change, _load_payload)
update_account_settings = mutation_resolver(settings.update_settings, _load_payload)
