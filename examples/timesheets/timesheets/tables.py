"""The storage of time sheets: the table and its migrations, the event types, and what the table tells about persons."""

from typing import Final

from auth.rules import needs
from database.db import DatabaseSchema
from models.audit.event_type import EventTypeEnum
from models.privacy.personal_data import PersonalData
from timesheets import time_entry
from timesheets.event_type import TimesheetEventType
from timesheets.permissions import READ

SCHEMA: Final = DatabaseSchema(
    label="timesheets",
    modules=("timesheets.time_entry",),
    migrations="timesheets.migrations",
)
EVENT_TYPES: Final[type[EventTypeEnum]] = TimesheetEventType
PERSONAL_DATA: Final = (
    PersonalData(
        "timeEntries",
        time_entry.TABLE,
        "t.created_by_id = {user}",
        ("created_by_id",),
        None,  # An entry stays, with the id of the erased user: the account has to keep its time sheets.
        ("search_key",),
        rule=needs(READ),
        plain_columns=("id", "account_id", "created_by_id"),
    ),
)
