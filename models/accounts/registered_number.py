"""Registered numbers: an organization number or bank account number belongs to one owner.

Several accounts can have the same number only if they have the same owner. The database enforces this: an account has a
foreign key to the number together with its owner.

The number of a registration that was not activated yields at once to the next account that claims it. So does the
number of a closed account. The number of an account without payments yields to one with payments, after notice:
`models/accounts/number_claim.py`.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Final
from uuid import UUID

from database import db
from i18n import mark
from models.accounts import opening_limit
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Problem, Refusal, UserErrorCode, refuse


class NumberKind(StrEnum):
    """The kind of a registered number."""

    ORGANIZATION = "ORGANIZATION"
    BANK_ACCOUNT = "BANK_ACCOUNT"


class NumberTaken(Refusal):
    """A number belongs to another owner. `country` is empty for a bank account."""

    def __init__(self, kind: NumberKind, country: str, number: str) -> None:
        code, field, text = _PROBLEMS[kind]
        super().__init__(Problem(code, field, text))
        self.kind, self.country, self.number = kind, country, number


_PROBLEMS: Final = {
    NumberKind.ORGANIZATION: (
        UserErrorCode.ORGANIZATION_NUMBER_TAKEN,
        "organization_number",
        mark("An account with this organization number exists. You can ask for access to it."),
    ),
    NumberKind.BANK_ACCOUNT: (
        UserErrorCode.BANK_ACCOUNT_TAKEN,
        "bank_account_number",
        mark("An account with this bank account exists. You can ask for access to it."),
    ),
}


class _NumberRow(db.Row):
    owner_id: UUID
    is_new: bool


_LOCK_OWNER: Final = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE"
# The update changes nothing. It makes the statement return the current owner, and wait for a concurrent transaction
# that claims the same number.
_CLAIM_ORGANIZATION: Final = """
INSERT INTO organization_numbers AS n (country, number, owner_id) VALUES ($1, $2, $3)
ON CONFLICT (country, number) DO UPDATE SET owner_id = n.owner_id RETURNING owner_id, xmax = 0 AS is_new
"""
_CLAIM_BANK_ACCOUNT: Final = """
INSERT INTO bank_accounts AS n (number, owner_id) VALUES ($1, $2)
ON CONFLICT (number) DO UPDATE SET owner_id = n.owner_id RETURNING owner_id, xmax = 0 AS is_new
"""
_RELEASE: Final = (
    """
DELETE FROM organization_numbers n WHERE country = $1 AND number = $2 AND NOT EXISTS (
    SELECT FROM accounts a WHERE a.country = n.country AND a.organization_number = n.number)
""",
    """
DELETE FROM bank_accounts n WHERE number = $1 AND NOT EXISTS (
    SELECT FROM accounts a WHERE a.bank_account_number = n.number)
""",
)


async def claim(
    caller: Caller,
    owner_id: UUID,
    country: str | None,
    organization: str | None,
    bank: str | None,
    *,
    is_counted: bool = True,
) -> None:
    """Claim numbers (None: no number) for an owner's account, within the transaction that stores them.

    `is_counted` is False if another limit counts the claim.

    Raises:
        NumberTaken: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
        RateLimited: the caller has claimed their maximum of new numbers a day.
    """
    new_count = await assign(caller, owner_id, country, organization, bank)
    if new_count and is_counted:
        await opening_limit.attempt_claim(caller)


async def assign(
    caller: Caller, owner_id: UUID, country: str | None, organization: str | None, bank: str | None
) -> int:
    """Assign numbers to an owner, as `claim` but not counted. Returns how many of them had no owner before."""
    # Changes of one owner's numbers run one after the other. Otherwise two accounts that swap their numbers would
    # deadlock, and one could release a number that the other has just claimed.
    await _release_closed(caller, country, organization, bank)
    await db.execute(_LOCK_OWNER, owner_id)
    new_count = 0
    if organization is not None and country is not None:
        await _release_pending(caller, owner_id, country, organization)
        number = await db.fetch_one(_CLAIM_ORGANIZATION, country, organization, owner_id, row=_NumberRow)
        if number is None or number.owner_id != owner_id:
            raise NumberTaken(NumberKind.ORGANIZATION, country, organization)
        new_count += number.is_new
    if bank is not None:
        number = await db.fetch_one(_CLAIM_BANK_ACCOUNT, bank, owner_id, row=_NumberRow)
        if number is None or number.owner_id != owner_id:
            raise NumberTaken(NumberKind.BANK_ACCOUNT, "", bank)
        new_count += number.is_new
    return new_count


# A registration whose owner has not confirmed the address. Accounts that a bureau opened are left out.
_RELEASE_PENDING: Final = """
WITH pending AS (
    SELECT a.id FROM accounts a JOIN users u ON u.id = a.owner_id
    WHERE a.country = $1 AND a.organization_number = $2 AND a.owner_id <> $3 AND a.activated_at IS NULL
      AND a.created_by_bureau_id IS NULL AND u.activated_at IS NULL
    FOR NO KEY UPDATE OF a
)
UPDATE accounts a SET organization_number = NULL FROM pending WHERE a.id = pending.id RETURNING a.id
"""


class _PendingAccount(db.Row):
    id: UUID


async def _release_pending(caller: Caller, owner_id: UUID, country: str, organization: str) -> None:
    """Take a number from a registration that was not activated. It has proved nothing, not even its address."""
    accounts = await db.fetch(_RELEASE_PENDING, country, organization, owner_id, row=_PendingAccount)
    for account in accounts:
        await record_change(caller, NumberKind.ORGANIZATION, account.id, before=organization, after=None)
    if accounts:
        await release(country, organization, None)


# An account whose date of closing has passed: the job that closes it may be late.
_RELEASE_CLOSED: Final = """
WITH closed AS (
    SELECT a.id, a.country, a.organization_number, a.bank_account_number FROM accounts a
    WHERE a.closed_at IS NULL AND a.closes_at <= $1
      AND (a.country = $2 AND a.organization_number = $3 OR a.bank_account_number = $4)
    FOR NO KEY UPDATE OF a
)
UPDATE accounts a SET organization_number = NULL, bank_account_number = NULL FROM closed WHERE a.id = closed.id
RETURNING closed.country, closed.organization_number, closed.bank_account_number
"""


class _ReleasedNumbers(db.Row):
    country: str | None
    organization_number: str | None
    bank_account_number: str | None


async def _release_closed(caller: Caller, country: str | None, organization: str | None, bank: str | None) -> None:
    """Take numbers from closed accounts that still have them."""
    for row in await db.fetch(_RELEASE_CLOSED, caller.now, country, organization, bank, row=_ReleasedNumbers):
        await release(row.country, row.organization_number, row.bank_account_number)


_COLUMNS: Final = {
    NumberKind.ORGANIZATION: (EventType.ACCOUNT_UPDATE, "organization_number"),
    NumberKind.BANK_ACCOUNT: (EventType.SETTINGS_UPDATE, "bank_account_number"),
}


async def record_change(
    caller: Caller, kind: NumberKind, account_id: UUID, *, before: str | None, after: str | None
) -> None:
    """Record that an account got or lost a number by the rules. The caller may have no access, and is not named."""
    event_type, column = _COLUMNS[kind]
    await event.record(
        anonymous(caller), event_type, account_id=account_id, before={column: before}, after={column: after}
    )


def anonymous(caller: Caller) -> Caller:
    """The caller without what identifies them, for events of accounts that they may have no access to."""
    return replace(caller, user_id=None, session_id=None, ip_address=None, user_agent=None, request_id=None)


async def release(country: str | None, organization: str | None, bank: str | None) -> None:
    """Release numbers (None: no number) that no account has any more."""
    if organization is not None:
        await db.execute(_RELEASE[0], country, organization)
    if bank is not None:
        await db.execute(_RELEASE[1], bank)


# ---- Transfer of ownership ---------------------------------------------------------------------


class _SharedNumbers(db.Row):
    organization: bool
    bank: bool


# The numbers that an account shares with another account of the same owner.
_LOAD_SHARED: Final = """
SELECT EXISTS (SELECT FROM accounts b WHERE b.id <> a.id AND b.country = a.country
        AND b.organization_number = a.organization_number) AS organization,
    EXISTS (SELECT FROM accounts b WHERE b.id <> a.id AND b.bank_account_number = a.bank_account_number) AS bank
FROM accounts a WHERE a.id = $1
"""
_LOCK_OWNERS: Final = "SELECT id FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
# The foreign keys from accounts to numbers are checked at commit, because number and account change in two statements.
_DEFER_CONSTRAINTS: Final = "SET CONSTRAINTS accounts_organization_of_owner, accounts_bank_account_of_owner DEFERRED"
_HAND_OVER: Final = (
    """
UPDATE organization_numbers n SET owner_id = $2 FROM accounts a
WHERE a.id = $1 AND n.country = a.country AND n.number = a.organization_number
""",
    "UPDATE bank_accounts n SET owner_id = $2 FROM accounts a WHERE a.id = $1 AND n.number = a.bank_account_number",
)


async def require_unshared(account_id: UUID) -> None:
    """Refuse an account that shares a number with another account of its owner: only one owner can have the number.

    Raises Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
    """
    numbers = await db.fetch_one(_LOAD_SHARED, account_id, row=_SharedNumbers)
    if numbers is not None and numbers.organization:
        raise refuse(
            UserErrorCode.ORGANIZATION_NUMBER_TAKEN,
            "account_id",
            mark("Another account of the owner has the same organization number. A number has only one owner."),
        )
    if numbers is not None and numbers.bank:
        raise refuse(
            UserErrorCode.BANK_ACCOUNT_TAKEN,
            "account_id",
            mark("Another account of the owner has the same bank account. A bank account has only one owner."),
        )


async def hand_over(account_id: UUID, former_id: UUID, owner_id: UUID) -> None:
    """Transfer an account's numbers to its new owner, within the transaction that transfers the ownership.

    Raises Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
    """
    # As in `claim`: the former owner may be claiming one of the numbers for another account at the same time.
    await db.fetch(_LOCK_OWNERS, [former_id, owner_id], row=db.Row)
    await require_unshared(account_id)
    await db.fetch(_DEFER_CONSTRAINTS, row=db.Row)
    for statement in _HAND_OVER:
        await db.execute(statement, account_id, owner_id)


# ---- Abandoned registrations -------------------------------------------------------------------


class _AbandonedAccount(db.Row):
    id: UUID
    owner_id: UUID
    country: str
    organization_number: str


# A registration whose owner did not confirm the address and no longer can: no activation link is valid. Accounts that a
# bureau opened are left out, because the bureau works in them.
_FIND_ABANDONED: Final = """
SELECT a.id, a.owner_id, a.country, a.organization_number FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.activated_at IS NULL AND u.activated_at IS NULL AND a.organization_number IS NOT NULL
  AND a.created_by_bureau_id IS NULL AND NOT EXISTS (
    SELECT FROM user_tokens t WHERE t.user_id = u.id AND t.purpose = 'activation' AND t.used_at IS NULL
      AND t.expires_at > $1)
"""
_FIND_STILL_ABANDONED: Final = f"{_FIND_ABANDONED} AND a.id = $2"
_REMOVE_NUMBER: Final = "UPDATE accounts SET organization_number = NULL WHERE id = $1"


async def release_abandoned(caller: Caller) -> int:
    """Scheduled job: release the organization numbers of abandoned registrations. Returns their number.

    The registration stays. It can still be activated with a new link, and get a number again.
    """
    count = 0
    for account in await db.fetch(_FIND_ABANDONED, caller.now, row=_AbandonedAccount):
        async with db.transaction():
            await db.execute(_LOCK_OWNER, account.owner_id)
            # Checked again under the lock: the owner may have requested a new link or registered again meanwhile.
            for row in await db.fetch(_FIND_STILL_ABANDONED, caller.now, account.id, row=_AbandonedAccount):
                await db.execute(_REMOVE_NUMBER, row.id)
                await release(row.country, row.organization_number, None)
                await record_change(caller, NumberKind.ORGANIZATION, row.id, before=row.organization_number, after=None)
                count += 1
    return count
