"""A claim ties a number that the law or a bank gives to one owner: all accounts that carry it are his.

The database holds that: accounts refer to the number together with its owner, so that code which
forgot to ask could not store it.
"""

from typing import Final
from uuid import UUID

from database import db
from i18n import mark
from models.audit import event
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse


class _Owner(db.Row):
    owner_id: UUID


_LOCK_OWNER: Final = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE"
# The no-change update makes the statement return the owner who was there before, and wait for one
# who is just claiming the number in another transaction.
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
    """Take numbers for an owner's account, None for none, within the transaction that stores them.

    Raises Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
    """
    # One change of an owner's numbers at a time: two of his accounts that swap theirs would wait for
    # each other, and one would let go what the other has just taken.
    await db.execute(_LOCK_OWNER, owner_id)
    if organization is not None:
        found = await db.fetch_one(_CLAIM_ORGANIZATION, country, organization, owner_id, row=_Owner)
        if found is None or found.owner_id != owner_id:
            raise _organization_taken()
    if bank is not None:
        found = await db.fetch_one(_CLAIM_BANK_ACCOUNT, bank, owner_id, row=_Owner)
        if found is None or found.owner_id != owner_id:
            raise refuse(
                UserErrorCode.BANK_ACCOUNT_TAKEN,
                "bank_account_number",
                mark("An account with this bank account exists. You can ask for access to it."),
            )


async def release(country: str | None, organization: str | None, bank: str | None) -> None:
    """Give numbers free that no account carries any more."""
    if organization is not None:
        await db.execute(_RELEASE[0], country, organization)
    if bank is not None:
        await db.execute(_RELEASE[1], bank)


# ---- With the ownership of an account ----------------------------------------------------------


class _Shared(db.Row):
    organization: bool
    bank: bool


# Which numbers of an account another account has too; both are then the same owner's.
_SHARED: Final = """
SELECT EXISTS (SELECT FROM accounts b WHERE b.id <> a.id AND b.country = a.country
        AND b.organization_number = a.organization_number) AS organization,
    EXISTS (SELECT FROM accounts b WHERE b.id <> a.id AND b.bank_account_number = a.bank_account_number) AS bank
FROM accounts a WHERE a.id = $1
"""
_LOCK_OWNERS: Final = "SELECT id FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
# The accounts that refer to a number with its owner are looked at when the transaction ends.
_LET_BOTH_CHANGE: Final = "SET CONSTRAINTS accounts_organization_of_owner, accounts_bank_account_of_owner DEFERRED"
_HAND_OVER: Final = (
    """
UPDATE organization_numbers n SET owner_id = $2 FROM accounts a
WHERE a.id = $1 AND n.country = a.country AND n.number = a.organization_number
""",
    "UPDATE bank_accounts n SET owner_id = $2 FROM accounts a WHERE a.id = $1 AND n.number = a.bank_account_number",
)


async def require_unshared(account_id: UUID) -> None:
    """Refuse an account that shares a number with another one of its owner: it belongs to one of them.

    Raises Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
    """
    shared = await db.fetch_one(_SHARED, account_id, row=_Shared)
    if shared is not None and shared.organization:
        raise refuse(
            UserErrorCode.ORGANIZATION_NUMBER_TAKEN,
            "account_id",
            mark("Another account of its owner has the same organization number, which has one owner."),
        )
    if shared is not None and shared.bank:
        raise refuse(
            UserErrorCode.BANK_ACCOUNT_TAKEN,
            "account_id",
            mark("Another account of its owner has the same bank account, which has one owner."),
        )


async def hand_over(account_id: UUID, former_id: UUID, owner_id: UUID) -> None:
    """Give an account's numbers to its new owner, within the transaction that makes him that.

    Raises Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
    """
    # As in `take`: the former owner may be giving one of them to another account of his.
    await db.fetch(_LOCK_OWNERS, [former_id, owner_id], row=db.Row)
    await require_unshared(account_id)
    await db.fetch(_LET_BOTH_CHANGE, row=db.Row)
    for statement in _HAND_OVER:
        await db.execute(statement, account_id, owner_id)


# ---- Abandoned registrations -------------------------------------------------------------------


class _Abandoned(db.Row):
    id: UUID
    owner_id: UUID
    country: str
    organization_number: str


# A registration whose owner never proved his address, and cannot any more: every link has died. Not
# an account that a bureau opened: somebody works in it.
_ABANDONED: Final = """
SELECT a.id, a.owner_id, a.country, a.organization_number FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.activated_at IS NULL AND u.activated_at IS NULL AND a.organization_number IS NOT NULL
  AND a.created_by_bureau_id IS NULL AND NOT EXISTS (
    SELECT FROM user_tokens t WHERE t.user_id = u.id AND t.purpose = 'activation' AND t.used_at IS NULL
      AND t.expires_at > $1)
"""
_STILL: Final = f"{_ABANDONED} AND a.id = $2"
_LET_GO: Final = "UPDATE accounts SET organization_number = NULL WHERE id = $1"


async def release_abandoned(caller: Caller) -> int:
    """The clock's job: let abandoned registrations lose their organization numbers. Returns how many.

    The registration stays. With a new link it can still be activated, and be given a number again.
    """
    done = 0
    for found in await db.fetch(_ABANDONED, caller.now, row=_Abandoned):
        async with db.transaction():
            await db.execute(_LOCK_OWNER, found.owner_id)
            # Looked at again: he may just have asked for a new link, or registered anew.
            for row in await db.fetch(_STILL, caller.now, found.id, row=_Abandoned):
                await db.execute(_LET_GO, row.id)
                await release(row.country, row.organization_number, None)
                await event.record(
                    caller,
                    "account:account:update",
                    account_id=row.id,
                    before={"organization_number": row.organization_number},
                    after={"organization_number": None},
                )
                done += 1
    return done


def _organization_taken() -> Refusal:
    return refuse(
        UserErrorCode.ORGANIZATION_NUMBER_TAKEN,
        "organization_number",
        mark("An account with this organization number exists. You can ask for access to it."),
    )
