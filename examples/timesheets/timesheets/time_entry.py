"""Time entries: the minutes that a user worked on a project on a day.

    create --> entry <--update    entry --delete--> gone

A user without TIMESHEETS_READ_ALL has only the entries that they created.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from database import db, keys
from models.access.operation import OperationContext, requires
from models.access.scoped_operation import requires_in_scope
from models.base.errors import UserErrorCode
from models.base.idempotency import idempotent
from models.base.validation import Validation
from timesheets.event_type import TimesheetEventType
from timesheets.permissions import SCOPE, WRITE

TABLE: Final = "time_entries"
FIRST_DAY: Final = date(2000, 1, 1)
MINUTES_OF_A_DAY: Final = 24 * 60

# ---- Rows ------------------------------------------------------------------------------------


class TimeEntry(Model):
    """A time entry. Operations write it."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    created_by_id = fields.UUIDField()
    project = fields.TextField()
    minutes = fields.IntField()
    worked_on = fields.DateField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = TABLE


class TimeEntryRow(db.Row):
    """A time entry in lists. Days are texts."""

    graphql_type = "TimeEntry"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    project: str
    minutes: int
    worked_on: str
    created_at: datetime


COLUMNS: Final = db.columns_of("e", TimeEntryRow, {"worked_on": "e.worked_on::text"})
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {TABLE} e WHERE e.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[TimeEntryRow | None]:
    """The entries with these ids, in this order. The caller has to check the access and the scope."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=TimeEntryRow))


# ---- Operations ------------------------------------------------------------------------------


@idempotent("createTimeEntry")
@requires(WRITE, TimesheetEventType.ENTRY_CREATE)
async def create(
    context: OperationContext, account_id: UUID, *, project: str, minutes: int, worked_on: date | None = None
) -> UUID:
    """Create an entry of the caller. Returns its id. The default day is today (UTC)."""
    values = _check(context, project, minutes, worked_on or context.now.date())
    entry = await TimeEntry.create(
        account_id=account_id, created_by_id=context.user_id, created_at=context.now, **values
    )
    facts = _facts(entry.id, values)
    await context.record(TimesheetEventType.ENTRY_CREATE, creator_id=context.user_id, after=facts)
    return entry.id


@requires_in_scope(SCOPE, WRITE, TimesheetEventType.ENTRY_UPDATE, of="time_entry", table=TABLE)
async def update(
    context: OperationContext,
    time_entry_id: UUID,
    *,
    project: str | None = None,
    minutes: int | None = None,
    worked_on: date | None = None,
) -> UUID:
    """Change an entry. None changes nothing. Returns the entry's id."""
    entry = await TimeEntry.get(id=time_entry_id)
    values = _check(context, project, minutes, worked_on)
    changes = {field: value for field, value in values.items() if getattr(entry, field) != value}
    if changes:
        _ = await TimeEntry.filter(id=time_entry_id).update(**changes)
        before = {field: getattr(entry, field) for field in changes}
        await context.record(
            TimesheetEventType.ENTRY_UPDATE,
            before=_facts(time_entry_id, before),
            after=_facts(time_entry_id, changes),
        )
    return time_entry_id


@requires_in_scope(SCOPE, WRITE, TimesheetEventType.ENTRY_DELETE, of="time_entry", table=TABLE)
async def delete(context: OperationContext, time_entry_id: UUID) -> UUID:
    """Delete an entry. Returns the id that it had."""
    entry = await TimeEntry.get(id=time_entry_id)
    await entry.delete()
    values = {"project": entry.project, "minutes": entry.minutes, "worked_on": entry.worked_on}
    await context.record(TimesheetEventType.ENTRY_DELETE, before=_facts(time_entry_id, values))
    return time_entry_id


def _check(
    context: OperationContext, project: str | None, minutes: int | None, worked_on: date | None
) -> dict[str, Any]:
    """The values of the columns that are given, validated."""
    values: dict[str, Any] = {}
    with Validation() as check:
        if project is not None:
            values["project"] = check.line("project", project)
        if minutes is not None:
            values["minutes"] = check.whole_number("minutes", minutes, minimum=1, maximum=MINUTES_OF_A_DAY)
        if worked_on is not None:
            if not FIRST_DAY <= worked_on <= context.now.date():
                check.add_problem(UserErrorCode.OUT_OF_RANGE, "worked_on", "The day is from 2000 to today (UTC).")
            values["worked_on"] = worked_on
    return values


def _facts(time_entry_id: UUID, values: dict[str, Any]) -> dict[str, object]:
    """The values of columns as an event records them: days as texts."""
    texts = {field: value.isoformat() if isinstance(value, date) else value for field, value in values.items()}
    return {"time_entry": time_entry_id, **texts}
