"""What must be true of all ledgers at any moment."""

from datetime import timedelta
from typing import Any

from models.accounts.account import Account
from models.billing.subscription import SubscriptionEntry, SubscriptionEntryKind


async def reconciled(credited: int) -> None:
    """All days are those ever credited; an account's end is what its lines say, each begins where another ended."""
    entries: list[Any] = await SubscriptionEntry.all()
    assert sum(entry.days for entry in entries) == credited
    for row in await Account.all():
        lines = [entry for entry in entries if entry.account_id == row.id]
        (opened,) = [line.valid_until_before for line in lines if line.kind is SubscriptionEntryKind.TRIAL]
        starts, ends = [line.valid_until_before for line in lines], [line.valid_until_after for line in lines]
        assert row.subscription_until == opened + timedelta(days=sum(line.days for line in lines))
        assert sorted([*starts, row.subscription_until]) == sorted([opened, *ends])
