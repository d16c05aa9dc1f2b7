"""Registered numbers: an organization number or bank account number belongs to one owner.

Several accounts can have the same number only if they have the same owner. The database enforces this: an account has a
foreign key to the number together with its owner.
"""

from typing import Final
from uuid import UUID

from database import db
from i18n import mark
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse


class _NumberRow(db.Row):
    owner_id: UUID


_LOCK_OWNER: Final = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE"
# The update changes nothing. It makes the statement return the current owner, and wait for a concurrent transaction
# that claims the same number.
_CLAIM_ORGANIZATION: Final = """
INSERT INTO organization_numbers AS n (country, number, owner_id) VALUES ($1, $2, $3)
ON CONFLICT (country, number) DO UPDATE SET owner_id = n.owner_id RETURNING owner_id
"""
_CLAIM_BANK_ACCOUNT: Final = """
INSERT INTO bank_accounts AS n (number, owner_id) VALUES ($1, $2)
ON CONFLICT (number) DO UPDATE SET owner_id = n.owner_id RETURNING owner_id
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


async def claim(owner_id: UUID, country: str | None, organization: str | None, bank: str | None) -> None:
    """Claim numbers (None: no number) for an owner's account, within the transaction that stores them.

    Raises Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
    """
    # Changes of one owner's numbers run one after the other. Otherwise two accounts that swap their numbers would
    # deadlock, and one could release a number that the other has just claimed.
    await db.execute(_LOCK_OWNER, owner_id)
    if organization is not None:
        number = await db.fetch_one(_CLAIM_ORGANIZATION, country, organization, owner_id, row=_NumberRow)
        if number is None or number.owner_id != owner_id:
            raise _organization_taken()
    if bank is not None:
        number = await db.fetch_one(_CLAIM_BANK_ACCOUNT, bank, owner_id, row=_NumberRow)
        if number is None or number.owner_id != owner_id:
            raise refuse(
                UserErrorCode.BANK_ACCOUNT_TAKEN,
                "bank_account_number",
                mark("An account with this bank account exists. You can ask for access to it."),
            )


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
                await event.record(
                    caller,
                    EventType.ACCOUNT_UPDATE,
                    account_id=row.id,
                    before={"organization_number": row.organization_number},
                    after={"organization_number": None},
                )
                count += 1
    return count


def _organization_taken() -> Refusal:
    return refuse(
        UserErrorCode.ORGANIZATION_NUMBER_TAKEN,
        "organization_number",
        mark("An account with this organization number exists. You can ask for access to it."),
    )
