"""Accounts: those that the caller can enter; others do not exist for him."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Decision, Permission
from database import db
from database.listing import Connection
from database.rows import ColumnBatch, column, key_hex, part
from models import lists
from models.access import access, seat
from models.access.seat import SeatsRow
from models.accounts import account, settings
from models.accounts.account import AccountRow
from models.base.errors import BadInput
from models.billing import subscription
from resolvers import ids, view_as
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages


async def by_ids(keys: Sequence[UUID | None], context: Context) -> list[AccountRow | None]:
    """The accounts with these ids that the caller can enter, None for any other."""
    await context.access.load(keys)
    entered = [key for key in keys if key is not None and context.access.bits(key)]
    found = {row.id: row for row in await account.by_ids(entered) if row} if entered else {}
    return [found.get(key) if key else None for key in keys]


async def one(key: UUID | None, context: Context) -> AccountRow | None:
    """The account with this id, if the caller can enter it."""
    return (await by_ids([key], context))[0]


# ---- Where accounts are found ----------------------------------------------------------------


async def by_id_or_number(
    parents: Sequence[object],
    info: Info,
    id: str | None = None,  # noqa: A002 - the argument's name
    number: int | None = None,
) -> list[AccountRow | None]:
    """`account(id:)` or `account(number:)`."""
    if (id is None) == (number is None):
        raise BadInput("Give exactly one of id and number.")
    row = await account.by_number(number) if number is not None else None
    key = row.id if row else ids.decode("Account", id or "")
    return [await one(key, info.context)] * len(parents)


async def of_viewer(
    parents: Sequence[object],
    info: Info,
    filter: lists.AccountFilter | None = None,  # noqa: A002 - the argument's name
    order_by: lists.AccountOrder | None = None,
    **page: Any,
) -> list[Connection[AccountRow]]:
    """The accounts that the caller can enter."""
    listing = lists.accounts(info.context.now, filter, order_by, in_role=view_as.role(info.context))
    return await pages(listing, [view_as.entered(info.context, listing)] * len(parents), info, page, learn=_enter)


def _enter(accounts: ColumnBatch, context: Context) -> None:
    """Know the caller's access to accounts that were listed with his grant; a view has its own."""
    if context.view is not None:
        return
    grants = accounts.part("grant")
    assert grants is not None  # always joined  # noqa: S101
    for digits, found in zip(grants.key_hex("account_id"), access.effective_accesses(grants, context.now), strict=True):
        context.access.know(digits, found)


async def current(parents: Sequence[object], info: Info) -> list[AccountRow | None]:
    """The account that the request is in."""
    chosen = info.context.current
    return await by_ids([chosen.account_id if chosen else None] * len(parents), info.context)


async def of_rows(rows: Sequence[Any], info: Info) -> list[AccountRow | None]:
    """The account of each grant or invitation, if the caller can enter it."""
    return await by_ids([row["account_id"] for row in rows], info.context)


# ---- What an account shows -------------------------------------------------------------------


def status(rows: Sequence[AccountRow], info: Info) -> list[account.AccountStatus]:
    """Whether each can be used, only read, or waits for its owner."""
    return [account.status(row, info.context.now) for row in rows]


def viewer_grant(rows: Sequence[Any], info: Info) -> Sequence[db.Columns | None]:
    """The caller's own grant on each account."""
    if view_as.role(info.context) is not None:
        return [None] * len(rows)
    known, listed = info.context.access, part(rows, "grant")
    if listed and all(map(known.bits_of, key_hex(rows, "id"))):
        return listed
    found = [known.get(key) for key in column(rows, "id")]
    return [entered.grant if entered else None for entered in found]


def viewer_permissions(rows: Sequence[AccountRow], info: Info) -> list[list[Permission]]:
    """What the caller may do in each."""
    return [policy.permissions(info.context.access.bits_of(digits)) for digits in key_hex(rows, "id")]


def viewer_can(row: AccountRow, info: Info, permission: Permission) -> Decision:
    """Whether the caller may, and why not."""
    found = info.context.access.get(row["id"])
    return policy.decide(permission, found.standing if found else None)


def itself(rows: list[AccountRow], _: Info) -> list[AccountRow]:
    """Settings and subscription are parts of the account's own row."""
    return rows


def locks(rows: Sequence[AccountRow], _: Info) -> list[list[Permission]]:
    """What is taken from everyone."""
    return [policy.permissions(row["locks"]) for row in rows]


def simple_user_restrictions(rows: Sequence[AccountRow], _: Info) -> list[list[Permission]]:
    """What is taken from simple users."""
    return [policy.permissions(row["simple_user_restrictions"]) for row in rows]


def days_left(rows: Sequence[AccountRow], info: Info) -> list[int]:
    """Whole days to the end of each subscription."""
    return [subscription.days_left(row["subscription_until"], info.context.now) for row in rows]


def is_expired(rows: Sequence[AccountRow], info: Info) -> list[bool]:
    """Whether each subscription is over."""
    return [row["subscription_until"] <= info.context.now for row in rows]


async def seats(rows: Sequence[AccountRow], info: Info) -> list[SeatsRow | None]:
    """How many people may have a seat in each, and have."""
    return await seat.by_accounts([row["id"] for row in rows], now=info.context.now)


# ---- Changing --------------------------------------------------------------------------------


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    return {"account": await one(key, context)}


create_account = mutation_resolver(account.create, _shown)
update_account = mutation_resolver(settings.update, _shown)
update_account_settings = mutation_resolver(settings.update_settings, _shown)
