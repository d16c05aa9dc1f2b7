"""Export of the viewer's personal data: all rows as they are in the database, without secrets."""

from typing import Final

import orjson

from auth import policy
from database import db
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.people import user_password
from models.privacy import personal_data
from models.privacy.personal_data import DataSubject

_PERMISSION_COLUMNS: Final = ("listed", "locks", "simple_user_restrictions")


async def export(caller: Caller, *, password: str) -> dict[str, object]:
    """All personal data of the caller, by category. Requires the password.

    Raises Refusal: INVALID_CREDENTIALS.
    """
    user_row = await user_password.verify(caller, password, field="password")
    subject = DataSubject(user_row.id, (user_row.email_key, user_row.email.lower()))
    async with db.transaction():
        await event.record(caller, EventType.DATA_EXPORT)
        rows_by_category = {
            category.name: await personal_data.load_rows(category, subject) for category in personal_data.PERSONAL_DATA
        }
    return {name: [_readable(row) for row in rows] for name, rows in rows_by_category.items()}


def _readable(row: str) -> dict[str, object]:
    """A row in which bit sets of permissions are replaced by their names."""
    values: dict[str, object] = orjson.loads(row)
    for name in _PERMISSION_COLUMNS:
        if isinstance(bits := values.get(name), int):
            values[name] = policy.permissions(bits)
    return values
