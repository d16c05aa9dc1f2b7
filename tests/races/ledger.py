"""Invariants of the ledgers of all accounts."""

from datetime import timedelta
from typing import Any

from models.accounts.account import Account
from models.billing.subscription import SubscriptionEntry, SubscriptionEntryKind


async def check_ledgers(expected_days: int) -> None:
    """Check that the days of all entries are `expected_days` and that each account's entries are consecutive."""
    entries: list[Any] = await SubscriptionEntry.all()
    assert sum(entry.days for entry in entries) == expected_days
    for row in await Account.all():
        account_entries = [entry for entry in entries if entry.account_id == row.id]
        (start,) = [entry.valid_until_before for entry in account_entries if entry.kind is SubscriptionEntryKind.TRIAL]
        starts, ends = (
            [line.valid_until_before for line in account_entries],
            [line.valid_until_after for line in account_entries],
        )
        assert row.subscription_until == start + timedelta(days=sum(line.days for line in account_entries))
        assert sorted([*starts, row.subscription_until]) == sorted([start, *ends])
