"""Events about engagements, in the accounts of both sides."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from database import db
from models.access.access import Access
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller


async def record_on_both_sides(
    caller: Caller,
    event_type: EventType,
    engagement: db.Columns,
    access_by_account: dict[UUID, Access],
    status: str,
) -> None:
    """Record one event on each side."""
    key = str(engagement["id"])
    before, after = {"engagement": key, "status": engagement["status"]}, {"engagement": key, "status": status}
    for account_id in (engagement["bureau_id"], engagement["client_id"]):
        await record(caller, event_type, account_id, access_by_account, before=before, after=after)


async def record(
    caller: Caller,
    event_type: EventType,
    account_id: UUID,
    access_by_account: dict[UUID, Access],
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Record an event on one side, with the caller's role in that account, if any."""
    role = access_by_account[account_id].role if account_id in access_by_account else None
    await event.record(caller, event_type, account_id=account_id, role=role, before=before, after=after)


async def record_without_actor(
    caller: Caller, event_type: EventType, account_id: UUID, *, after: Mapping[str, object]
) -> None:
    """Record an event on the side that a blind request has reached, or without an account if the id is zero.

    It has no actor: otherwise the requester's own events would reveal the account.
    """
    caller = replace(caller, user_id=None, ip_address=None)
    await event.record(caller, event_type, account_id=account_id if account_id.int else None, after=after)
