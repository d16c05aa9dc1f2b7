"""A grant gives a user access to an account in a role. It is never deleted.

    ACTIVE --revoke--> REVOKED --restore--> ACTIVE          AWAITING_PERMISSIONS --update--> ACTIVE
    ACTIVE --time----> EXPIRED --restore--> ACTIVE          EXPIRED: derived from `valid_until`, then
    ACTIVE --resign--> RESIGNED                             stored: `models/access/expiry.py`

A user has at most one live grant on an account. A user who resigned can return only by a new invitation, which
creates a new grant: the old one keeps its role and its history. A derived grant depends on an engagement and on its
holder's grant on the bureau: `models/access/derived_grant.py`. Giving, changing and ending:
`models/access/grant_operation.py`. The limits of giving and taking: `models/access/grant_rules.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth import policy
from auth.policy import GrantStatus, Role
from database import db, keys
from i18n import mark
from models.access import expiry
from models.access.access import COLUMNS_WITH_BUREAU, SOURCE, GrantRow
from models.access.grant_rules import Terms
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse

LIVE: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)
"""The statuses of a live grant, if its end has not passed."""


class Grant(Model):
    """A user's access to an account."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    user_id = fields.UUIDField()
    role = fields.CharEnumField(Role, max_length=20)
    status = fields.CharEnumField(GrantStatus, max_length=30)
    listed: int | None = fields.BigIntField(null=True)
    valid_until: datetime | None = fields.DatetimeField(null=True)
    last_used_at: datetime | None = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    granted_by_id: UUID | None = fields.UUIDField(null=True)
    ended_at: datetime | None = fields.DatetimeField(null=True)
    engagement_id: UUID | None = fields.UUIDField(null=True)
    own_until: datetime | None = fields.DatetimeField(null=True)
    asked_bits: int | None = fields.BigIntField(null=True)
    asked_until: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """The table of the rows."""

        table = "grants"


# ---- Reading ---------------------------------------------------------------------------------

STATUS: Final = """CASE WHEN g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND g.valid_until <= {0} THEN 'EXPIRED'
    ELSE g.status END"""
"""The status at the instant {0} as SQL, for filters. It agrees with `access.status`, but for grants on an account that
has closed: these have their former status until a job stores the new one, within a minute."""
_WITH_BUREAU: Final = f"SELECT {COLUMNS_WITH_BUREAU} FROM {SOURCE}"
_BY_IDS: Final = f"{_WITH_BUREAU} WHERE g.id = ANY($1::uuid[])"
_OF_ENGAGEMENTS: Final = f"""
{_WITH_BUREAU} WHERE g.engagement_id = ANY($1::uuid[]) AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
    AND (g.valid_until IS NULL OR g.valid_until > $2) ORDER BY g.id
"""


async def by_ids(ids: list[UUID]) -> list[GrantRow | None]:
    """The grants with these ids, in this order. The caller checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=GrantRow))


async def of_engagements(ids: list[UUID], *, now: datetime) -> dict[UUID, list[GrantRow]]:
    """The live derived grants of each engagement, by the engagement's id."""
    grants: dict[UUID, list[GrantRow]] = {key: [] for key in ids}
    for row in await db.fetch(_OF_ENGAGEMENTS, ids, now, row=GrantRow):
        grants[row["engagement_id"]].append(row)
    return grants


def is_live(grant: Grant, now: datetime) -> bool:
    """True if a grant is active or waits for permissions, and its end has not passed."""
    return grant.status in LIVE and not is_over(grant, now)


def is_over(grant: Grant, now: datetime) -> bool:
    """True if a grant's end has passed."""
    return grant.valid_until is not None and grant.valid_until <= now


def event_facts(terms: Terms, valid_until: datetime | None) -> Mapping[str, object]:
    """The role, allowlist, end and status of a live grant, as events record them."""
    return {
        "role": terms.role,
        "permissions": None if terms.allowlist is None else policy.permissions(terms.allowlist),
        "valid_until": valid_until,
        "status": terms.status,
    }


# ---- Membership ------------------------------------------------------------------------------


async def is_member(caller: Caller, user_id: UUID, account_id: UUID) -> bool:
    """True if the user has a live grant on the account. A grant whose end has passed is stored as EXPIRED first."""
    await expiry.expire(caller, account_id, user_id=user_id)
    return await Grant.exists(user_id=user_id, account_id=account_id, status__in=LIVE)


def already_member(field: str | None) -> Refusal:
    """The refusal for a user who has a live grant on the account."""
    return refuse(UserErrorCode.ALREADY_MEMBER, field, mark("This person already has access to the account."))
