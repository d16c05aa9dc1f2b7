"""The clients of a consultant, and the clients that no other consultant of the bureau looks after.

The grants of a consultant end with their access to the bureau (`models/access/derived_grant.py`). Their clients stay
clients of the bureau: each is still counted for the former consultant, and can be handed to another one, until the
bureau assigns a consultant to it, also after the consultant has come back. A grant that ended for another reason, such
as an unassignment, is not counted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from models.access.derived_grant import DerivedGrantRow


class AssignmentRow(DerivedGrantRow):
    """A consultant's last grant at a client: live, or ended together with the access to the bureau."""

    is_live: bool


_IS_LIVE: Final = """{0}.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
    AND ({0}.valid_until IS NULL OR {0}.valid_until > $1)"""
_END: Final = "CASE WHEN {0}.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') THEN {0}.valid_until ELSE {0}.ended_at END"
# Base grants and derived grants that ended together have the same end, also if they expired. A base grant that was
# restored keeps its last end: the grants at the clients were not restored with it.
_ASSIGNMENTS: Final = f"""
SELECT g.* FROM (
    SELECT DISTINCT ON (e.id) g.*, e.bureau_id, {_IS_LIVE.format("g")} AS is_live
    FROM engagements e JOIN grants g ON g.engagement_id = e.id
    WHERE e.bureau_id = {{bureau}} AND e.status = 'ACTIVE' AND g.user_id = {{user}} AND g.role <> 'OWNER'
    ORDER BY e.id, g.created_at DESC, g.id DESC) g
WHERE g.is_live OR (
    EXISTS (SELECT FROM grants b WHERE b.account_id = g.bureau_id AND b.user_id = g.user_id
        AND {_END.format("g")} IN (b.ended_at, {_END.format("b")}))
    AND NOT EXISTS (SELECT FROM grants n WHERE n.engagement_id = g.engagement_id
        AND n.created_at > {_END.format("g")}))
"""
_OF_CONSULTANT: Final = f"""
SELECT {db.select_list(db.columns_of("g", AssignmentRow))} FROM ({_ASSIGNMENTS.format(bureau="$2", user="$3")}) g
WHERE $4::uuid IS NULL OR g.account_id = $4 ORDER BY g.account_id
"""


async def of_consultant(
    user_id: UUID, bureau_id: UUID, *, now: datetime, client_id: UUID | None = None
) -> list[AssignmentRow]:
    """The assignments of a consultant at the bureau's clients, or at one client.

    After the consultant has left the bureau, they are those of that moment, without the clients that have got a
    consultant since.
    """
    return await db.fetch(_OF_CONSULTANT, now, bureau_id, user_id, client_id, row=AssignmentRow)


class _Count(db.Row):
    count: int


_COUNT_SOLE: Final = f"""
SELECT (SELECT count(*)::int FROM ({_ASSIGNMENTS.format(bureau="k.bureau_id", user="k.user_id")}) g
    WHERE NOT EXISTS (SELECT FROM grants o WHERE o.engagement_id = g.engagement_id AND o.user_id <> g.user_id
        AND o.role <> 'OWNER' AND {_IS_LIVE.format("o")})) AS count
FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY k (bureau_id, user_id, position) ORDER BY k.position
"""


async def count_sole(users: Sequence[tuple[UUID, UUID]], *, now: datetime) -> list[int]:
    """For each pair of a bureau and a user, the number of clients that have no other consultant. Zero elsewhere."""
    bureaus, user_ids = [bureau for bureau, _ in users], [user for _, user in users]
    return [row.count for row in await db.fetch(_COUNT_SOLE, now, bureaus, user_ids, row=_Count)]
