"""The statements that write grants. No other module writes this table.

A statement that gives, changes or takes access needs a permit of `models/access/grant_rules.py`, and writes the terms
of the permit. These need none, because no user chooses what they give or take: `expire`, `reschedule`,
`reschedule_all`, `record_use`, and `hand_over`, which gives the owner's grant of a placeholder to the client who takes
the account over.

All run in the transaction and under the account's lock of their operation, except `record_use`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Role
from database import db, keys
from models.access.access import COLUMNS_WITH_BUREAU, GrantRow
from models.access.grant_rules import Permit, Terms
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller

# ---- Giving and changing ---------------------------------------------------------------------

REMINDER_DAYS: Final = 7
"""The number of days before the end of a grant at which a reminder is due."""
# An end that is given so near counts as announced.
_NOTE_NEAR_END: Final = f"""
INSERT INTO reminders (subject_id, days, ends_at)
SELECT g.id, {REMINDER_DAYS}, g.valid_until FROM g WHERE g.valid_until <= {{now}} + interval '{REMINDER_DAYS} days'
ON CONFLICT (subject_id, days) DO UPDATE SET ends_at = EXCLUDED.ends_at
"""
_INSERT: Final = f"""
WITH g AS (
    INSERT INTO grants (id, account_id, user_id, role, status, listed, valid_until, own_until, created_at,
                        granted_by_id, engagement_id, asked_bits, asked_until)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id, valid_until
)
{_NOTE_NEAR_END.format(now="$9::timestamptz")}
"""


async def create(
    permit: Permit,
    *,
    account_id: UUID,
    user_id: UUID,
    now: datetime,
    granted_by_id: UUID | None,
    engagement_id: UUID | None = None,
    valid_until: datetime | None = None,
    request: Terms | None = None,
) -> UUID:
    """Create a grant with the terms of the permit. Returns its id.

    A derived grant has an engagement, and ends at `valid_until`, which is not later than the end of its terms. With
    `request` it follows the standing permissions of the engagement, as far as these terms.
    """
    terms, grant_id = _terms(permit), keys.uuid7()
    await db.execute(
        _INSERT,
        grant_id,
        account_id,
        user_id,
        terms.role,
        terms.status,
        terms.allowlist,
        *_ends(terms, valid_until, is_derived=engagement_id is not None),
        now,
        granted_by_id,
        engagement_id,
        *_request_columns(request),
    )
    return grant_id


_FIRST: Final = event.PARAMETER_COUNT + 1
# A user who changes the end alone leaves it to the engagement what the holder may do.
_STILL_FOLLOWS: Final = f"""(${_FIRST + 6}::bigint IS NULL AND asked_bits IS NOT NULL
            AND role = ${_FIRST + 1} AND listed IS NOT DISTINCT FROM ${_FIRST + 3})"""
_CHANGE: Final = f"""
WITH g AS (
    UPDATE grants SET role = ${_FIRST + 1}, status = ${_FIRST + 2}, listed = ${_FIRST + 3},
        valid_until = ${_FIRST + 4}, own_until = ${_FIRST + 5},
        asked_bits = CASE WHEN {_STILL_FOLLOWS} THEN asked_bits ELSE ${_FIRST + 6} END,
        asked_until = CASE WHEN {_STILL_FOLLOWS} THEN ${_FIRST + 5}::timestamptz ELSE ${_FIRST + 7} END
    WHERE id = ${_FIRST} RETURNING *
)
SELECT {COLUMNS_WITH_BUREAU} FROM g JOIN accounts a ON a.id = g.account_id
"""


async def change(
    permit: Permit,
    caller: Caller,
    grant_id: UUID,
    *,
    account_id: UUID,
    by_role: Role | None,
    valid_until: datetime | None,
    is_derived: bool,
    before: Mapping[str, object],
    after: Mapping[str, object],
    request: Terms | None = None,
) -> GrantRow:
    """Give a live grant the terms of the permit, and record the event, in one statement. Returns the grant.

    `by_role` is the caller's role in the account, if any. With `request` the grant follows the standing permissions of
    its engagement, as far as these terms. Without it, a change of the role or the permissions ends that.
    """
    terms = _terms(permit)
    return await event.record_change(
        caller,
        EventType.GRANT_UPDATE,
        _CHANGE,
        grant_id,
        terms.role,
        terms.status,
        terms.allowlist,
        *_ends(terms, valid_until, is_derived=is_derived),
        *_request_columns(request),
        row=GrantRow,
        account_id=account_id,
        role=by_role,
        before=before,
        after=after,
    )


_RESTORE: Final = f"""
WITH g AS (
    UPDATE grants SET role = $2, status = $3, listed = $4, valid_until = $5, own_until = $6,
        asked_bits = NULL, asked_until = NULL
    WHERE id = $1 RETURNING id, valid_until
)
{_NOTE_NEAR_END.format(now="$7::timestamptz")}
"""


async def restore(
    permit: Permit, grant_id: UUID, *, valid_until: datetime | None, is_derived: bool, now: datetime
) -> None:
    """Make an ended grant live again, with the terms of the permit. `ended_at` keeps its last end."""
    terms = _terms(permit)
    ends = _ends(terms, valid_until, is_derived=is_derived)
    await db.execute(_RESTORE, grant_id, terms.role, terms.status, terms.allowlist, *ends, now)


_CHANGE_OWNERSHIP: Final = """
UPDATE grants SET role = $2, listed = NULL, valid_until = NULL, own_until = NULL, engagement_id = NULL,
    asked_bits = NULL, asked_until = NULL
WHERE id = $1
"""


async def change_ownership(permit: Permit, grant_id: UUID) -> None:
    """Give a grant the role of the permit, in a transfer. It loses its allowlist, its end and its engagement."""
    await db.execute(_CHANGE_OWNERSHIP, grant_id, _terms(permit).role)


def _terms(permit: Permit) -> Terms:
    assert permit.terms is not None  # noqa: S101 - callers of these statements give access
    return permit.terms


def _ends(terms: Terms, valid_until: datetime | None, *, is_derived: bool) -> tuple[datetime | None, datetime | None]:
    """The values of `valid_until` and `own_until`."""
    return (valid_until, terms.until) if is_derived else (terms.until, None)


def _request_columns(request: Terms | None) -> tuple[int | None, datetime | None]:
    """The values of `asked_bits` and `asked_until`."""
    return (request.allowlist, request.until) if request else (None, None)


# ---- Ending ----------------------------------------------------------------------------------

_END: Final = "UPDATE grants SET status = $2, ended_at = $3 WHERE id = ANY($1::uuid[])"


async def end(permits: Mapping[UUID, Permit], status: GrantStatus, *, now: datetime) -> None:
    """End the grants with these ids, as REVOKED or RESIGNED."""
    assert all(permit.terms is None for permit in permits.values())  # noqa: S101 - a permit to take access
    await db.execute(_END, [*permits], status, now)


class ExpiredGrant(db.Row):
    """A grant that has expired, with what its event and its mails say."""

    id: UUID
    role: str
    engagement_id: UUID | None
    valid_until: datetime
    account_name: str
    email: str
    name: str
    locale: str


_EXPIRE: Final = """
UPDATE grants g SET status = 'EXPIRED', ended_at = g.valid_until FROM accounts a, users u
WHERE g.account_id = $1 AND g.valid_until <= $2 AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
  AND a.id = g.account_id AND u.id = g.user_id AND ($3::uuid IS NULL OR g.user_id = $3)
RETURNING g.id, g.role, g.engagement_id, g.valid_until, a.name AS account_name, u.email, u.name, u.locale
"""


async def expire(account_id: UUID, user_id: UUID | None, *, now: datetime) -> list[ExpiredGrant]:
    """Store that the grants on an account whose end has passed are EXPIRED; with `user_id`, those of one user."""
    return await db.fetch(_EXPIRE, account_id, now, user_id, row=ExpiredGrant)


# ---- Derived grants, ownership and use -------------------------------------------------------

_RESCHEDULE: Final = "UPDATE grants SET valid_until = LEAST(own_until, $2) WHERE id = ANY($1::uuid[])"


async def reschedule(grant_ids: Sequence[UUID], base_until: datetime | None) -> None:
    """Let derived grants end with their base grant, and never later than the end that was set on them."""
    await db.execute(_RESCHEDULE, grant_ids, base_until)


class RescheduledGrant(db.Row):
    """A derived grant with its new end and the former one."""

    id: UUID
    account_id: UUID
    former_until: datetime | None
    valid_until: datetime | None


_RESCHEDULE_ALL: Final = """
WITH t AS (
    SELECT g.id, g.valid_until AS former_until, LEAST(g.own_until, b.valid_until, $2::timestamptz) AS valid_until
    FROM engagements e JOIN grants g ON g.engagement_id = e.id
    JOIN grants b ON b.account_id = e.bureau_id AND b.user_id = g.user_id AND b.status = 'ACTIVE'
    WHERE e.bureau_id = $1 AND e.status = 'ACTIVE' AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
      AND g.role <> 'OWNER' AND (g.valid_until IS NULL OR g.valid_until > $3)
)
UPDATE grants g SET valid_until = t.valid_until FROM t
WHERE g.id = t.id AND t.valid_until IS DISTINCT FROM t.former_until
RETURNING g.id, g.account_id, t.former_until, t.valid_until
"""


async def reschedule_all(bureau_id: UUID, closes_at: datetime | None, *, now: datetime) -> list[RescheduledGrant]:
    """Let all grants that depend on a bureau end with their base grants, and when the bureau closes."""
    return await db.fetch(_RESCHEDULE_ALL, bureau_id, closes_at, now, row=RescheduledGrant)


_HAND_OVER: Final = "UPDATE grants SET user_id = $3 WHERE account_id = $1 AND user_id = $2 AND role = 'OWNER'"


async def hand_over(account_id: UUID, placeholder_id: UUID, owner_id: UUID) -> None:
    """Give the owner's grant of a placeholder to the client who takes the account over."""
    await db.execute(_HAND_OVER, account_id, placeholder_id, owner_id)


_RECORD_USE: Final = """
UPDATE grants g SET last_used_at = $2 FROM (
    SELECT id FROM grants WHERE id = ANY($1::uuid[]) AND (last_used_at IS NULL OR last_used_at <= $3)
    ORDER BY id FOR NO KEY UPDATE
) t WHERE g.id = t.id RETURNING g.id
"""


class _UsedGrant(db.Row):
    id: UUID


async def record_use(grant_ids: Sequence[UUID], *, now: datetime, last_before: datetime) -> set[UUID]:
    """Store when grants were used, unless a use after `last_before` is stored. Returns the ids of those stored.

    Of concurrent requests, one stores the use.
    """
    return {row.id for row in await db.fetch(_RECORD_USE, grant_ids, now, last_before, row=_UsedGrant)}
