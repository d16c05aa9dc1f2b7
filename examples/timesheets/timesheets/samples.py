"""The demo data of time sheets: a week of the owner of each account of the demo."""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from models.accounts.account import Account
from models.base.caller import Caller
from timesheets import time_entry
from timesheets.time_entry import TimeEntry

PROJECTS: Final = ("Kitchen for Larsen", "Office for Lis", "Repairs")
DAYS: Final = 7


async def write_demo(caller: Caller, account_id: UUID) -> None:
    """Write a week of entries to an account, unless it has any."""
    if await TimeEntry.exists(account_id=account_id):
        return
    account = await Account.get(id=account_id)
    owner = replace(caller, user_id=account.owner_id)
    for day in range(DAYS):
        worked_on = caller.now.date() - timedelta(days=day)
        project = PROJECTS[day % len(PROJECTS)]
        _ = await time_entry.create(owner, account_id, project=project, minutes=60 + 30 * day, worked_on=worked_on)


DEMO: Final = write_demo
