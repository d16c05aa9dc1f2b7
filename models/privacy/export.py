"""Export of the viewer's personal data: all rows as they are in the database, without secrets.

Acts of the viewer in an account are cut by their rights there at this moment, as the API cuts them: a user who has
left an account reads that they acted, and when.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from auth import policy
from auth.rules import SELF_BIT
from models import throttle
from models.access import access
from models.audit import event, event_facts, event_scope
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.people import user_password
from models.privacy import personal_data
from models.privacy.personal_data import DataSubject, PersonalData

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
    subject = DataSubject(user_row.id, caller.now, await personal_data.load_addresses(user_row.id))
    # Without a transaction: a snapshot of everything would be held open for the time of all pages.
    return {
        category.name: await _cut(
            caller, category, subject, [_parse(row) async for row in personal_data.load_rows(category, subject)]
        )
        for category in personal_data.categories()
    }


async def _cut(
    caller: Caller, category: PersonalData, subject: DataSubject, rows: list[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """The rows of a category, without what the subject may not read in their accounts."""
    is_event = category.table == "events"
    if category.rule is None and not is_event:
        return rows
    account_ids = {UUID(row["account_id"]) for row in rows if row["account_id"] is not None}
    accesses = await access.load(subject.id, list(account_ids), now=caller.now)
    bits = {str(account_access.account_id): account_access.bits for account_access in accesses}
    if is_event:
        return [_cut_event(row, bits.get(row["account_id"], 0), subject) for row in rows]
    return [
        row
        if category.rule is None or bits.get(row["account_id"], 0) & category.rule.bits
        else {name: row[name] for name in category.plain_columns}
        for row in rows
    ]


def _cut_event(row: dict[str, Any], account_bits: int, subject: DataSubject) -> dict[str, Any]:
    """An event without the facts that the subject may not read. Facts that name the subject stay.

    An act on a row outside the subject's row scope is exported without facts.
    """
    creator_id = row.pop("creator_id")
    rights = account_bits | (SELF_BIT if row["actor_id"] == str(subject.id) else 0)
    if not event_scope.exists(row["type"], creator_id and UUID(creator_id), subject.id, account_bits):
        rights = 0
    paths_by_subject = row.pop("named") or {}
    own_paths = {path for key in subject.keys for path in paths_by_subject.get(key, ())}
    for side in ("before", "after"):
        facts = row[side]
        if facts is not None:
            own_facts = {name: fact for name, fact in facts.items() if f"{side}.{name}" in own_paths}
            row[side] = event_facts.cut(row["type"], facts, rights) | own_facts
    return row


def _parse(row: str) -> dict[str, Any]:
    """A row in which bit sets of permissions are replaced by their names."""
    values: dict[str, Any] = orjson.loads(row)
    for name in _PERMISSION_COLUMNS:
        if isinstance(bits := values.get(name), int):
            values[name] = policy.permissions(bits)
    return values
