"""Entering an account: switching to it, and remembering when somebody was there."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from database import db
from models.access import access
from models.access.access import Access
from models.access.grant import Grant
from models.audit import event
from models.base.caller import Caller
from models.people.session import Session


async def switch(caller: Caller, account_id: UUID) -> UUID:
    """Make an account the session's default. Returns its id.

    Raises Refusal: NOT_FOUND, or TWO_FACTOR_REQUIRED where a grant alone is not enough.
    """
    user_id = caller.user()
    async with db.transaction():
        (found,) = await access.entered(user_id, ("account_id", account_id), now=caller.now)
        await Session.filter(id=caller.session_id).update(account_id=account_id)
        # The request itself has just been noted in the account that it leaves: this one comes after.
        await Grant.filter(id=found.grant["id"]).update(last_used_at=caller.now + timedelta(microseconds=1))
        await _record_entry(caller, found)
    return account_id


USE_NOTED_EVERY: Final = timedelta(minutes=1)
ENTRY_RECORDED_AFTER: Final = timedelta(hours=1)


async def note_use(caller: Caller, entered: Access) -> None:
    """Remember that a grant is in use: at most one write a minute, one event an hour."""
    last = entered.grant["last_used_at"]
    if last is not None and caller.now - last < USE_NOTED_EVERY:
        return
    async with db.transaction():
        # Of requests that come at once, one notes it.
        if not await Grant.filter(id=entered.grant["id"], last_used_at=last).update(last_used_at=caller.now):
            return
        if last is None or caller.now - last >= ENTRY_RECORDED_AFTER:
            await _record_entry(caller, entered)


async def _record_entry(caller: Caller, entered: Access) -> None:
    await event.record(caller, "account:account:enter", account_id=entered.account_id, role=entered.role)
