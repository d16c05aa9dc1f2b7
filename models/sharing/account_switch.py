"""Switching to another account, and recording the use of an account."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from database import db
from models.access import access
from models.access.access import Access
from models.access.grant import Grant
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.people.session import Session


async def switch(caller: Caller, account_id: UUID) -> UUID:
    """Make an account the session's default account. Returns its id.

    Raises Refusal: NOT_FOUND, or TWO_FACTOR_REQUIRED if the account requires a second factor that the user lacks.
    """
    user_id = caller.user()
    async with db.transaction():
        (target_access,) = await access.require_access(user_id, ("account_id", account_id), now=caller.now)
        await Session.filter(id=caller.session_id).update(account_id=account_id)
        # The request has just stored `now` for the former account. The new account has to be the latest used one.
        await Grant.filter(id=target_access.grant["id"]).update(last_used_at=caller.now + timedelta(microseconds=1))
        await _record_enter_event(caller, target_access)
    return account_id


USE_WRITE_INTERVAL: Final = timedelta(minutes=1)
ENTER_EVENT_INTERVAL: Final = timedelta(hours=1)


async def record_use(caller: Caller, current_access: Access) -> None:
    """Store when the caller's grant was used: at most one write a minute, and one event an hour."""
    last_used_at = current_access.grant["last_used_at"]
    if last_used_at is not None and caller.now - last_used_at < USE_WRITE_INTERVAL:
        return
    async with db.transaction():
        # The condition on `last_used_at` lets one of several concurrent requests write.
        if not await Grant.filter(id=current_access.grant["id"], last_used_at=last_used_at).update(
            last_used_at=caller.now
        ):
            return
        if last_used_at is None or caller.now - last_used_at >= ENTER_EVENT_INTERVAL:
            await _record_enter_event(caller, current_access)


async def _record_enter_event(caller: Caller, current_access: Access) -> None:
    await event.record(caller, EventType.ACCOUNT_ENTER, account_id=current_access.account_id, role=current_access.role)
