"""Export of the viewer's personal data: all rows as they are in the database, without secrets."""

from typing import Final

import orjson

from auth import policy
from models import throttle
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.people import user_password
from models.privacy import personal_data
from models.privacy.personal_data import DataSubject

_PERMISSION_COLUMNS: Final = ("listed", "locks", "simple_user_restrictions")


async def export(caller: Caller, *, password: str) -> dict[str, object]:
    """All personal data of the caller, by category. Requires the password.

    Raises:
        Refusal: INVALID_CREDENTIALS.
        RateLimited: the caller has exported too often.
    """
    user_row = await user_password.verify(caller, password, field="password")
    _ = await throttle.attempt(caller, throttle.counter(caller, throttle.EXPORT, user_id=user_row.id))
    await event.record(caller, EventType.DATA_EXPORT)
    subject = DataSubject(user_row.id, caller.now, (user_row.email_key, user_row.email.lower()))
    # Without a transaction: a snapshot of everything would be held open for the time of all pages.
    return {
        category.name: [_readable(row) async for row in personal_data.load_rows(category, subject)]
        for category in personal_data.PERSONAL_DATA
    }


def _readable(row: str) -> dict[str, object]:
    """A row in which bit sets of permissions are replaced by their names."""
    values: dict[str, object] = orjson.loads(row)
    for name in _PERMISSION_COLUMNS:
        if isinstance(bits := values.get(name), int):
            values[name] = policy.permissions(bits)
    return values
