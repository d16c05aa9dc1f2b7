"""A claim ties a number that the law or a bank gives to one owner: all accounts that carry it are his.

The database holds that: accounts refer to the number together with its owner, so that code which
forgot to ask could not store it.
"""

from typing import Final
from uuid import UUID

from i18n import mark
from models import db
from models.errors import Refusal, UserErrorCode, refuse


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
_TAKEN: Final = "SELECT FROM organization_numbers WHERE country = $1 AND number = $2"
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


async def take(owner_id: UUID, country: str | None, organization: str | None, bank: str | None) -> None:
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


async def demand_free(country: str | None, organization: str | None) -> None:
    """Refuse a number that any account carries, as opening one more for a stranger would.

    For a registration that must not tell that its address is taken.
    """
    if await db.fetch(_TAKEN, country, organization, row=db.Row):
        raise _organization_taken()


async def release(country: str | None, organization: str | None, bank: str | None) -> None:
    """Give numbers free that no account carries any more."""
    if organization is not None:
        await db.execute(_RELEASE[0], country, organization)
    if bank is not None:
        await db.execute(_RELEASE[1], bank)


def _organization_taken() -> Refusal:
    return refuse(
        UserErrorCode.ORGANIZATION_NUMBER_TAKEN,
        "organization_number",
        mark("An account with this organization number exists. You can ask for access to it."),
    )
