"""The types of the events of time sheets, each with its description, the rules of its facts, and its row scope."""

from typing import Final

from auth.rules import needs
from models.audit.event_type import EventTypeEnum, guard
from timesheets.permissions import READ, SCOPE

_ENTRY: Final = guard(needs(READ), "time_entry project minutes worked_on")


class TimesheetEventType(EventTypeEnum):
    """A type of event of time sheets."""

    ENTRY_CREATE = "account:time-entry:create", "A time entry was created.", _ENTRY, SCOPE
    ENTRY_UPDATE = "account:time-entry:update", "A time entry was changed.", _ENTRY, SCOPE
    ENTRY_DELETE = "account:time-entry:delete", "A time entry was deleted.", _ENTRY, SCOPE
