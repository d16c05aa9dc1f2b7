"""Vouchers: codes that can be redeemed once for days of subscription.

    issue (a batch, by the operator) --> open --redeem--> redeemed (an entry of one account's ledger)
                                          `-- expired: derived from the last day of its batch

Only digests of codes are stored, so a reader of the database cannot redeem a voucher. A code has 100 random bits and
cannot be guessed. Wrong codes are also limited per user, across all accounts.
"""

import re
import secrets
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from auth import tokens
from auth.policy import Permission
from database import db
from i18n import mark
from models import throttle
from models.access import operation
from models.access.operation import OperationContext, declares_permission
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.billing import subscription
from models.billing.subscription import SubscriptionEntryKind
from models.throttle import Attempt

LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""The characters of a code, 5 bits each. 0, O, 1 and I are left out because they are easily confused."""
GROUP_COUNT: Final = 4
GROUP_LENGTH: Final = 5
MAX_DAYS: Final = 3650
MAX_BATCH_SIZE: Final = 10_000

_CODE: Final = re.compile(f"[{LETTERS}]{{{GROUP_COUNT * GROUP_LENGTH}}}")
_SEPARATORS: Final = re.compile(r"[\s\u00ad\u2010-\u2015\u2212-]")


def new_codes(count: int) -> list[str]:
    """New random codes in the printed form XXXXX-XXXXX-XXXXX-XXXXX. They are not valid until they are issued."""
    return [
        "-".join("".join(map(secrets.choice, [LETTERS] * GROUP_LENGTH)) for _ in range(GROUP_COUNT))
        for _ in range(count)
    ]


def digest(code: str) -> bytes:
    """The stored digest of a code, the same for every spelling. For a malformed code, that of the empty string."""
    letters = _SEPARATORS.sub("", code).upper()
    return tokens.digest(letters if _CODE.fullmatch(letters) else "")


# ---- The operator ----------------------------------------------------------------------------

_BATCH: Final = """
INSERT INTO voucher_batches (reference, days, expires_at, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (reference) DO NOTHING
"""
_VOUCHERS: Final = "INSERT INTO vouchers (code_digest, reference) SELECT unnest($1::bytea[]), $2"


async def issue(caller: Caller, codes: list[str], *, days: int, reference: str, last_day: date | None = None) -> None:
    """Issue a batch of vouchers worth `days` (1-3650) each, valid to the end of `last_day` (UTC) or without an end.

    Raises:
        Refusal: OUT_OF_RANGE, ALREADY_EXISTS for a reference that was used before.
    """
    with Validation() as check:
        check.whole_number("days", days, minimum=1, maximum=MAX_DAYS)
        check.whole_number("count", len(codes), minimum=1, maximum=MAX_BATCH_SIZE)
        reference = check.line("reference", reference)
        expires_at = None if last_day is None else datetime.combine(last_day, time(), UTC) + timedelta(days=1)
        if expires_at is not None and expires_at <= caller.now:
            check.add_problem(UserErrorCode.OUT_OF_RANGE, "expires", mark("This day has passed."))
    async with db.transaction():
        if not await db.execute(_BATCH, reference, days, expires_at, caller.now):
            raise refuse(UserErrorCode.ALREADY_EXISTS, "reference", mark("This reference was used before."))
        await db.execute(_VOUCHERS, [digest(code) for code in codes], reference)
        await event.record(
            caller,
            EventType.OPERATOR_VOUCHER_ISSUE,
            after={"reference": reference, "days": days, "count": len(codes), "expires_at": expires_at},
        )


class BatchRow(db.Row):
    """A batch of vouchers that were issued together."""

    reference: str
    days: int
    expires_at: datetime | None
    issued_count: int
    redeemed_count: int


_BATCHES: Final = """
SELECT b.reference, b.days, b.expires_at, count(*)::int AS issued_count, count(v.entry_id)::int AS redeemed_count
FROM voucher_batches b JOIN vouchers v USING (reference) GROUP BY b.reference ORDER BY b.created_at, b.reference
"""


async def list_batches() -> list[BatchRow]:
    """All batches, the oldest first."""
    return await db.fetch(_BATCHES, row=BatchRow)


# ---- Redeeming -------------------------------------------------------------------------------


@idempotent("redeemVoucher")
@declares_permission(Permission.SUBSCRIPTION_WRITE, EventType.SUBSCRIPTION_REDEEM)
async def redeem(caller: Caller, account_id: UUID, *, code: str) -> UUID:
    """Redeem a voucher: add its days to the later of now and the end of the account's subscription.

    Works after the end of the subscription too. Returns the ledger entry's id.

    Raises:
        Refusal: VOUCHER_INVALID for an unknown, used or expired code, without saying which; OUT_OF_RANGE, and the
            voucher stays open.
        RateLimited: the caller tried 10 wrong codes within an hour. The code is not checked.
        Forbidden: no SUBSCRIPTION_WRITE.
    """
    async with db.transaction():
        context = await operation.enter(caller, account_id, redeem.permission)
        attempt = await throttle.attempt(caller, throttle.counter(caller, throttle.VOUCHER, user_id=context.user_id))
        entry_id = await _redeem_open(context, attempt, digest(code))
    # Raised after the commit, so that the attempt stays counted.
    if entry_id is None:
        raise refuse(UserErrorCode.VOUCHER_INVALID, "code", mark("This code is unknown, used or expired."))
    return entry_id


class _OpenVoucher(db.Row):
    days: int


# Waits for a concurrent transaction that redeems the same voucher, which is then no longer open.
_OPEN: Final = """
SELECT b.days FROM vouchers v JOIN voucher_batches b USING (reference)
WHERE v.code_digest = $1 AND v.entry_id IS NULL AND (b.expires_at IS NULL OR b.expires_at > $2)
FOR NO KEY UPDATE OF v
"""
_MARK_REDEEMED: Final = "UPDATE vouchers SET entry_id = $2 WHERE code_digest = $1"


async def _redeem_open(context: OperationContext, attempt: Attempt, code_digest: bytes) -> UUID | None:
    """Redeem the open voucher of a code. Returns the ledger entry's id, None if there is no open voucher."""
    voucher = await db.fetch_one(_OPEN, code_digest, context.now, row=_OpenVoucher)
    if voucher is None:
        return None
    await attempt.refund()
    kind = SubscriptionEntryKind.VOUCHER
    entry = await subscription.book(
        context.caller, context.account_id, voucher.days, kind, role=context.access.role, field="code"
    )
    await db.execute(_MARK_REDEEMED, code_digest, entry.id)
    return entry.id
