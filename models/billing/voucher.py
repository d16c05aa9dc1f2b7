"""A voucher is a code that is worth days of subscription, once.

    issue (a batch, by the operator) --> open --redeem--> redeemed (a line of one account's ledger)
                                          `-- expired: derived from the last day of its batch

Only digests of codes are stored: whoever reads the database cannot redeem what lies there. Guessing
is hopeless, a code has 100 random bits, and bounded besides: wrong codes count against their user,
in the database, whatever account he tries them in.
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
from models.access import access
from models.access.access import declares_permission
from models.audit import event
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation
from models.billing import subscription
from models.billing.subscription import SubscriptionEntryKind
from models.throttle import Attempt

LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Those of a code, 5 bits each: without 0, O, 1, I, which people take for one another."""
GROUPS: Final = 4
GROUP: Final = 5
MOST_DAYS: Final = 3650
MOST_AT_ONCE: Final = 10_000

_CODE: Final = re.compile(f"[{LETTERS}]{{{GROUPS * GROUP}}}")
_BETWEEN: Final = re.compile(r"[\s\u00ad\u2010-\u2015\u2212-]")


def new_codes(count: int) -> list[str]:
    """Fresh codes, as they are printed: XXXXX-XXXXX-XXXXX-XXXXX. Worth nothing until they are issued."""
    return ["-".join("".join(map(secrets.choice, [LETTERS] * GROUP)) for _ in range(GROUPS)) for _ in range(count)]


def digest(code: str) -> bytes:
    """What is stored of a code: the same however it is spelt. Of what can be no code, that of nothing."""
    letters = _BETWEEN.sub("", code).upper()
    return tokens.digest(letters if _CODE.fullmatch(letters) else "")


# ---- The operator ----------------------------------------------------------------------------

_BATCH: Final = """
INSERT INTO voucher_batches (reference, days, expires_at, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (reference) DO NOTHING
"""
_VOUCHERS: Final = "INSERT INTO vouchers (code_digest, reference) SELECT unnest($1::bytea[]), $2"


async def issue(caller: Caller, codes: list[str], *, days: int, reference: str, last_day: date | None = None) -> None:
    """Make each of `codes` worth `days` (1-3650), to the end of `last_day` (UTC) or for ever.

    Raises:
        Refusal: OUT_OF_RANGE, or ALREADY_EXISTS for a reference that was used before.
    """
    with Validation() as check:
        check.whole_number("days", days, least=1, most=MOST_DAYS)
        check.whole_number("count", len(codes), least=1, most=MOST_AT_ONCE)
        reference = check.line("reference", reference)
        expires_at = None if last_day is None else datetime.combine(last_day, time(), UTC) + timedelta(days=1)
        if expires_at is not None and expires_at <= caller.now:
            check.problem(UserErrorCode.OUT_OF_RANGE, "expires", mark("This day has passed."))
    async with db.transaction():
        if not await db.execute(_BATCH, reference, days, expires_at, caller.now):
            raise refuse(UserErrorCode.ALREADY_EXISTS, "reference", mark("This reference was used before."))
        await db.execute(_VOUCHERS, [digest(code) for code in codes], reference)
        await event.record(
            caller,
            "operator:voucher:issue",
            after={"reference": reference, "days": days, "count": len(codes), "expires_at": expires_at},
        )


class BatchRow(db.Row):
    """Vouchers that were issued together."""

    reference: str
    days: int
    expires_at: datetime | None
    issued: int
    redeemed: int


_BATCHES: Final = """
SELECT b.reference, b.days, b.expires_at, count(*)::int AS issued, count(v.entry_id)::int AS redeemed
FROM voucher_batches b JOIN vouchers v USING (reference) GROUP BY b.reference ORDER BY b.created_at, b.reference
"""


async def batches() -> list[BatchRow]:
    """All that were issued, the oldest first."""
    return await db.fetch(_BATCHES, row=BatchRow)


# ---- Redeeming -------------------------------------------------------------------------------


@declares_permission(Permission.SUBSCRIPTION_WRITE)
async def redeem(caller: Caller, account_id: UUID, *, code: str) -> UUID:
    """Turn a voucher into days of the account's subscription, added to the later of now and its end.

    Works when the subscription is over. Returns the ledger entry's id.

    Raises:
        Refusal: VOUCHER_INVALID, which does not say whether the code is unknown, used or expired;
            OUT_OF_RANGE, and the voucher stays.
        RateLimited: 10 codes of the caller were wrong within an hour; none is looked at.
        Forbidden: no SUBSCRIPTION_WRITE.
    """
    async with db.transaction():
        act = await access.enter(caller, account_id, redeem.permission)
        guess = await throttle.attempt(caller, throttle.counter(caller, throttle.VOUCHER, user_id=act.user_id))
        entry_id = await _use(act, guess, digest(code))
    # Not before the guess is kept.
    if entry_id is None:
        raise refuse(UserErrorCode.VOUCHER_INVALID, "code", mark("This code is unknown, used or expired."))
    return entry_id


class _Open(db.Row):
    days: int


# Whoever is redeeming it is waited for; then it is open no more.
_OPEN: Final = """
SELECT b.days FROM vouchers v JOIN voucher_batches b USING (reference)
WHERE v.code_digest = $1 AND v.entry_id IS NULL AND (b.expires_at IS NULL OR b.expires_at > $2)
FOR NO KEY UPDATE OF v
"""
_USE: Final = "UPDATE vouchers SET entry_id = $2 WHERE code_digest = $1"


async def _use(act: access.OperationContext, guess: Attempt, code_digest: bytes) -> UUID | None:
    """The id of the line that a voucher became; None where there is none to use."""
    found = await db.fetch_one(_OPEN, code_digest, act.now, row=_Open)
    if found is None:
        return None
    await guess.refund()
    kind = SubscriptionEntryKind.VOUCHER
    entry = await subscription.book(act.caller, act.account_id, found.days, kind, role=act.access.role, field="code")
    await db.execute(_USE, code_digest, entry.id)
    return entry.id
