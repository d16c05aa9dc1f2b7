"""Names that accounts had: for users who have left an account, and must not learn the name that it took later.

The events of an account have its name before each change. The first change at or after an instant tells the name.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from models.audit.event_type import EventType
from models.base import naming

# A name that was erased from the event leaves its digest there.
_NAME_AT: Final = f"""
COALESCE((SELECT COALESCE(e.personal -> 'before' ->> 'name', '{naming.WITHHELD}') FROM events e
    WHERE e.account_id = a.id AND e.type = '{EventType.ACCOUNT_UPDATE.value}' AND e.occurred_at >= {{instant}}
        AND (e.personal -> 'before' ? 'name' OR e.personal -> 'digests' ? 'before.name')
    ORDER BY e.id LIMIT 1), a.name)
"""
_AT_INSTANTS: Final = f"""
SELECT {_NAME_AT.format(instant="w.instant")} AS name
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS w (account_id, instant, ordinal)
JOIN accounts a ON a.id = w.account_id ORDER BY w.ordinal
"""
# A grant that was restored keeps its last end.
_END: Final = """CASE WHEN g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') THEN g.valid_until
    ELSE LEAST(g.ended_at, g.valid_until) END"""
_AT_ENDS: Final = f"""
SELECT g.id, {_NAME_AT.format(instant=_END)} AS name
FROM grants g JOIN accounts a ON a.id = g.account_id WHERE g.id = ANY($1::uuid[])
"""


class _Name(db.Row):
    name: str


class _GrantName(db.Row):
    id: UUID
    name: str


async def load(moments: Sequence[tuple[UUID, datetime]]) -> list[str]:
    """The name of each account at an instant. WITHHELD for a name that was erased."""
    account_ids, instants = [account_id for account_id, _ in moments], [instant for _, instant in moments]
    return [row.name for row in await db.fetch(_AT_INSTANTS, account_ids, instants, row=_Name)]


async def load_at_ends(grant_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The name of the account of each grant when the grant ended, by the grant's id."""
    return {row.id: row.name for row in await db.fetch(_AT_ENDS, list(grant_ids), row=_GrantName)}
