"""Switching to another account, and recording the use of an account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from database import db
from models.access import access, grant_store
from models.access.access import Access
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
        used_at = caller.now + timedelta(microseconds=1)
        _ = await grant_store.record_use([target_access.grant["id"]], now=used_at, last_before=used_at)
        await _record_enter_event(caller, target_access)
    return account_id


USE_WRITE_INTERVAL: Final = timedelta(minutes=1)
ENTER_EVENT_INTERVAL: Final = timedelta(hours=1)


async def record_uses(caller: Caller, accesses: Sequence[Access]) -> None:
    """Store when grants of the caller were used, however their accounts were addressed: by header, switch, id or list.

    At most one write a minute and one event an hour for each grant. The number of statements does not depend on the
    number of grants.
    """
    last_before = caller.now - USE_WRITE_INTERVAL
    overdue = [entry for entry in accesses if _is_before(entry.grant["last_used_at"], last_before)]
    if not overdue:
        return
    async with db.transaction():
        grant_ids = [entry.grant["id"] for entry in overdue]
        stored_ids = await grant_store.record_use(grant_ids, now=caller.now, last_before=last_before)
        entered = {
            entry.account_id: entry.role
            for entry in overdue
            if entry.grant["id"] in stored_ids
            and _is_before(entry.grant["last_used_at"], caller.now - ENTER_EVENT_INTERVAL)
        }
        if entered:
            await event.record_in_accounts(caller, EventType.ACCOUNT_ENTER, entered)


def _is_before(last_used_at: datetime | None, limit: datetime) -> bool:
    return last_used_at is None or last_used_at <= limit


async def _record_enter_event(caller: Caller, current_access: Access) -> None:
    await event.record(caller, EventType.ACCOUNT_ENTER, account_id=current_access.account_id, role=current_access.role)
