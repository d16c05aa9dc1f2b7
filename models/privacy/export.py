"""A person takes with him what is held about him: everything, as it lies in the database, without secrets."""

from typing import Final

import orjson

from auth import policy
from database import db
from models.audit import event
from models.base.caller import Caller
from models.people import user
from models.privacy import personal_data
from models.privacy.personal_data import Person

_BITS: Final = ("listed", "locks", "simple_user_restrictions")


async def export(caller: Caller, *, password: str) -> dict[str, object]:
    """Everything held about the caller, by what it is, with his password again."""
    me = await user.proved(caller, password, field="password")
    person = Person(me.id, (me.email_key, me.email.lower()))
    async with db.transaction():
        await event.record(caller, "user:data:export")
        held = {entry.name: await personal_data.rows(entry, person) for entry in personal_data.HELD}
    return {name: [_readable(row) for row in rows] for name, rows in held.items()}


def _readable(row: str) -> dict[str, object]:
    """A row with sets of permissions by their names."""
    shown: dict[str, object] = orjson.loads(row)
    for name in _BITS:
        if isinstance(bits := shown.get(name), int):
            shown[name] = policy.permissions(bits)
    return shown
