"""Claims of registered numbers: the number of an account without payments moves to an account with payments.

    claim (a refused update by an account with payments) --> waiting, for 7 days --> moved
                                                                `-- the holder pays --> rejected

A number that another owner has is refused. If the caller's account has paid for days and the holder's has not, the
refused update also records a claim, and the holder gets a mail. The holder objects by a payment: a voucher, a credit of
the operator, or days from another account. Without one, the number moves to the claiming account at the end of the
term. A scheduled job moves it, or the next update of the claiming account. Payments after the end of the term do not
count. An account claims at most one number of each kind, and a number has at most one claim.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar, cast
from uuid import UUID

from auth.policy import Permission
from database import db
from i18n import mark
from models.access import access, operation
from models.access.operation import Operation
from models.accounts import opening_limit, registered_number
from models.accounts.registered_number import NumberKind, NumberTaken, anonymous
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import Problem, Refusal, not_found
from models.base.validation import Validation
from models.outbox import message
from models.outbox.message import RecipientRow
from models.outbox.message_kind import MessageKind

P = ParamSpec("P")
T = TypeVar("T")
TERM: Final = timedelta(days=7)
"""The time that the holder of a claimed number has to object."""


# ---- Claiming --------------------------------------------------------------------------------


def contestable(update: Operation[Concatenate[UUID, P], T]) -> Operation[Concatenate[UUID, P], T]:
    """Decorate an operation that changes the numbers of the account in its first argument.

    Before the operation, claims of the account whose term is over are settled. If the operation is refused because of
    the number of another owner, the number is claimed if the rules allow it. The refusal then tells when it moves.
    """

    @wraps(update)
    async def run(caller: Caller, account_id: UUID, *args: P.args, **kwargs: P.kwargs) -> T:
        for row in await db.fetch(_DUE_OF_ACCOUNT, caller.now, account_id, row=_Claim):
            with suppress(NumberTaken):  # The operation is refused for the same reason.
                _ = await _settle(caller, row)
        try:
            return await update(caller, account_id, *args, **kwargs)
        except NumberTaken as taken:
            moves_at = await claim(caller, account_id, taken.kind, taken.country, taken.number)
            if moves_at is None:
                raise
            raise _contested(taken, moves_at) from taken

    return cast("Operation[Concatenate[UUID, P], T]", run)


def _contested(taken: NumberTaken, moves_at: datetime) -> Refusal:
    (problem,) = taken.problems
    text = mark(
        "Another account has this number, but has paid for no days. It moves to your account on %(date)s, unless the"
        " other account pays until then."
    )
    return Refusal(Problem(problem.code, problem.field, text, {"date": f"{moves_at:%Y-%m-%d}"}))


class _Holder(db.Row):
    id: UUID
    name: str
    owner_id: UUID
    has_paid: bool


class _Claim(db.Row):
    account_id: UUID
    kind: str
    country: str
    number: str
    created_at: datetime
    moves_at: datetime
    holder_id: UUID


# True if the account {0} has paid for days by the instant {1}. Days that it passed on to others are not its payment.
_HAS_PAID: Final = """
(EXISTS (SELECT FROM subscription_entries e WHERE e.account_id = {0} AND e.created_at <= {1}
    AND e.kind IN ('VOUCHER', 'CREDIT'))
 OR COALESCE((SELECT sum(e.days) FROM subscription_entries e WHERE e.account_id = {0} AND e.created_at <= {1}
    AND e.kind IN ('TRANSFER_IN', 'TRANSFER_OUT')), 0) > 0)
"""
_HOLDERS: Final = f"""
SELECT a.id, a.name, a.owner_id, {_HAS_PAID.format("a.id", "$3")} AS has_paid FROM accounts a WHERE
"""
_HOLDERS_OF: Final = {
    NumberKind.ORGANIZATION: f"{_HOLDERS} a.country = $1 AND a.organization_number = $2 ORDER BY a.id",
    NumberKind.BANK_ACCOUNT: f"{_HOLDERS} a.bank_account_number = $2 AND $1 = '' ORDER BY a.id",
}
_ACCOUNT: Final = f"""
SELECT a.id, a.name, a.owner_id, {_HAS_PAID.format("a.id", "$2")} AS has_paid FROM accounts a
WHERE a.id = $1 AND {access.IS_OPEN.format("a", "$2")}
"""
_REPLACE: Final = "DELETE FROM number_claims WHERE account_id = $1 AND kind = $2 AND (country, number) <> ($3, $4)"
_INSERT: Final = """
INSERT INTO number_claims (account_id, kind, country, number, created_at, moves_at, holder_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
_CLAIMS: Final = "SELECT c.* FROM number_claims c"
_OF_ACCOUNT: Final = f"{_CLAIMS} WHERE c.account_id = $1 AND c.kind = $2"


async def claim(caller: Caller, account_id: UUID, kind: NumberKind, country: str, number: str) -> datetime | None:
    """Claim a number of another owner. Returns when it moves. None if it does not, and then nothing changes.

    Raises:
        Refusal, Forbidden: the caller may not change the account's settings.
        RateLimited: the caller has claimed their maximum of new numbers a day.
    """
    async with db.transaction():
        context = await operation.enter(caller, account_id, Permission.SETTINGS_WRITE)
        account = await db.fetch_one(_ACCOUNT, account_id, caller.now, row=_Holder)
        holders = await db.fetch(_HOLDERS_OF[kind], country, number, caller.now, row=_Holder)
        if account is None or not account.has_paid or not holders or any(holder.has_paid for holder in holders):
            return None
        if any(holder.owner_id == account.owner_id for holder in holders):
            return None
        await db.execute(_REPLACE, account_id, kind, country, number)
        moves_at = caller.now + TERM
        values = account_id, kind, country, number, caller.now, moves_at, holders[0].id
        if not await db.execute(_INSERT, *values):
            earlier_claim = await db.fetch_one(_OF_ACCOUNT, account_id, kind, row=_Claim)
            return earlier_claim.moves_at if earlier_claim else None  # None: another account claims the number
        await opening_limit.attempt_claim(caller)
        await context.record(EventType.NUMBER_CLAIM, after={"kind": kind, "number": number, "moves_at": moves_at})
        await _notify_holders(caller, kind, holders, number, moves_at)
        return moves_at


async def _notify_holders(
    caller: Caller, kind: NumberKind, holders: list[_Holder], number: str, moves_at: datetime
) -> None:
    facts = {"kind": kind, "number": number, "moves_at": moves_at}
    for holder in holders:
        await event.record(anonymous(caller), EventType.NUMBER_CONTEST, account_id=holder.id, after=facts)
        await _mail(caller, MessageKind.NUMBER_CLAIMED, holder, number, moves_at)


# ---- Settling --------------------------------------------------------------------------------

_DUE: Final = f"{_CLAIMS} WHERE c.moves_at <= $1 ORDER BY c.moves_at, c.account_id, c.kind"
_DUE_OF_ACCOUNT: Final = f"{_CLAIMS} WHERE c.moves_at <= $1 AND c.account_id = $2 ORDER BY c.kind"
_DELETE: Final = "DELETE FROM number_claims WHERE account_id = $1 AND kind = $2 AND number = $3 AND moves_at <= $4"
_REMOVE: Final = {
    NumberKind.ORGANIZATION: "UPDATE accounts SET organization_number = NULL WHERE id = ANY($1::uuid[])",
    NumberKind.BANK_ACCOUNT: "UPDATE accounts SET bank_account_number = NULL WHERE id = ANY($1::uuid[])",
}


class _Numbers(db.Row):
    country: str | None
    organization_number: str | None
    bank_account_number: str | None


_NUMBERS: Final = "SELECT country, organization_number, bank_account_number FROM accounts WHERE id = $1"
_SET: Final = {
    NumberKind.ORGANIZATION: "UPDATE accounts SET country = $2, organization_number = $3 WHERE id = $1",
    NumberKind.BANK_ACCOUNT: "UPDATE accounts SET bank_account_number = $3 WHERE id = $1 AND $2 = ''",
}


async def settle_all(caller: Caller) -> int:
    """Scheduled job: settle the claims whose term is over. Returns their number."""
    count = 0
    for row in await db.fetch(_DUE, caller.now, row=_Claim):
        with suppress(NumberTaken):  # An account that claimed the free number at the same time. The next run asks it.
            count += await _settle(caller, row)
    return count


async def _settle(caller: Caller, row: _Claim) -> bool:
    """Move a claimed number or reject the claim. Returns false if there is nothing to do, or the job has to run again.

    A holder that got the number after the claim has not been asked. Then the term starts again.
    """
    kind = NumberKind(row.kind)
    async with db.transaction():
        unlocked_holders = await db.fetch(_HOLDERS_OF[kind], row.country, row.number, row.moves_at, row=_Holder)
        await locks.lock_accounts(row.account_id, *(holder.id for holder in unlocked_holders))
        holders = await db.fetch(_HOLDERS_OF[kind], row.country, row.number, row.moves_at, row=_Holder)
        if not {holder.id for holder in holders} <= {holder.id for holder in unlocked_holders}:
            return False  # Another account has the number now. Its row is not locked.
        account = await db.fetch_one(_ACCOUNT, row.account_id, caller.now, row=_Holder)
        if not await db.execute(_DELETE, row.account_id, kind, row.number, caller.now) or account is None:
            return False
        losers = [holder for holder in holders if holder.owner_id != account.owner_id]
        if not account.has_paid or any(holder.has_paid for holder in losers):
            await event.record(
                anonymous(caller),
                EventType.NUMBER_REJECT,
                account_id=account.id,
                before={"kind": kind, "number": row.number},
            )
            await _mail(caller, MessageKind.NUMBER_KEPT, account, row.number)
            return True
        if losers and row.holder_id not in {holder.id for holder in losers}:
            moves_at = caller.now + TERM
            values = row.account_id, kind, row.country, row.number, row.created_at, moves_at, losers[0].id
            _ = await db.execute(_INSERT, *values)
            await _notify_holders(caller, kind, losers, row.number, moves_at)
            return True
        await _take(caller, kind, losers, row.country, row.number)
        await _give(caller, account, kind, row.country, row.number)
        return True


async def _take(caller: Caller, kind: NumberKind, losers: list[_Holder], country: str, number: str) -> None:
    """Take a number from its accounts, and mail their owners."""
    await db.execute(_REMOVE[kind], [holder.id for holder in losers])
    await registered_number.release(*_columns(kind, country, number))
    for holder in losers:
        await registered_number.record_change(caller, kind, holder.id, before=number, after=None)
        await _mail(caller, MessageKind.NUMBER_LOST, holder, number)


async def _give(caller: Caller, account: _Holder, kind: NumberKind, country: str, number: str) -> None:
    """Give a free number to an account, instead of the one that it has, and mail its owner."""
    (former,) = await db.fetch(_NUMBERS, account.id, row=_Numbers)
    _ = await registered_number.assign(caller, account.owner_id, *_columns(kind, country, number))
    await db.execute(_SET[kind], account.id, country, number)
    is_organization = kind is NumberKind.ORGANIZATION
    former_number = former.organization_number if is_organization else former.bank_account_number
    if former_number is not None:
        await registered_number.release(*_columns(kind, former.country or "", former_number))
    await registered_number.record_change(caller, kind, account.id, before=former_number, after=number)
    await _mail(caller, MessageKind.NUMBER_GAINED, account, number)


def _columns(kind: NumberKind, country: str, number: str) -> tuple[str | None, str | None, str | None]:
    """The country, the organization number and the bank account number of a number."""
    return (country, number, None) if kind is NumberKind.ORGANIZATION else (None, None, number)


# ---- The operator ----------------------------------------------------------------------------


class ClaimRow(db.Row):
    """A claim that is not settled yet."""

    claimant: int
    holder: int
    number: str
    moves_at: datetime


_LIST: Final = """
SELECT a.number AS claimant, h.number AS holder, c.country || c.number AS number, c.moves_at FROM number_claims c
JOIN accounts a ON a.id = c.account_id JOIN accounts h ON h.id = c.holder_id ORDER BY c.moves_at, a.number
"""
_MOVE_NOW: Final = """
UPDATE number_claims SET created_at = least(created_at, $4::timestamptz - interval '1 second'), moves_at = $4
WHERE kind = $1 AND country = $2 AND number = $3
"""


async def list_claims() -> list[ClaimRow]:
    """All claims that are not settled, the one with the nearest end first."""
    return await db.fetch(_LIST, row=ClaimRow)


async def release(caller: Caller, number: str, country: str | None) -> list[UUID]:
    """Take an organization number from its accounts, or a bank account number if `country` is None.

    Any account can have it then. A waiting claim gets it from the next job. Returns the accounts, whose owners get a
    mail.

    Raises Refusal: an invalid number, or NOT_FOUND if no account has it.
    """
    kind = NumberKind.BANK_ACCOUNT if country is None else NumberKind.ORGANIZATION
    with Validation() as check:
        if country is None:
            number = check.bank_account("number", number, None)
        else:
            country = check.country("country", country)
            number = check.organization_number("number", number, country)
    async with db.transaction():
        holders = await db.fetch(_HOLDERS_OF[kind], country or "", number, caller.now, row=_Holder)
        await locks.lock_accounts(*(holder.id for holder in holders))
        holders = await db.fetch(_HOLDERS_OF[kind], country or "", number, caller.now, row=_Holder)
        if not holders:
            raise not_found("number")
        await _take(caller, kind, holders, country or "", number)
        for holder in holders:
            await event.record(
                caller, EventType.OPERATOR_NUMBER_RELEASE, account_id=holder.id, before={"kind": kind, "number": number}
            )
        await db.execute(_MOVE_NOW, kind, country or "", number, caller.now)
    return [holder.id for holder in holders]


# ---- Mails -----------------------------------------------------------------------------------

# An account that a bureau opened belongs to the bureau's owner until the client takes it over.
_OWNER: Final = """
SELECT o.email, o.name, o.locale FROM accounts a
LEFT JOIN accounts b ON b.id = a.created_by_bureau_id AND a.activated_at IS NULL
JOIN users o ON o.id = COALESCE(b.owner_id, a.owner_id) AND o.activated_at IS NOT NULL WHERE a.id = $1
"""


async def _mail(
    caller: Caller, kind: MessageKind, account: _Holder, number: str, ends_at: datetime | None = None
) -> None:
    for owner in await db.fetch(_OWNER, account.id, row=RecipientRow):
        await message.queue(
            caller,
            kind,
            to=owner,
            account_id=account.id,
            params={
                "account_name": naming.text(account.name, account.id),
                "number": number,
                "ends_at": ends_at and ends_at.isoformat(),
            },
        )
