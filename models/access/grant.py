"""A grant lets one user into one account in a role. It is never deleted.

    ACTIVE --revoke--> REVOKED --restore--> ACTIVE          AWAITING_PERMISSIONS --update--> ACTIVE
    ACTIVE --resign--> RESIGNED                             expired: derived from `valid_until`, then
                                                            stored: `models/access/expiry.py`

A grant that hangs on an engagement, and on its holder's grant on the bureau, ends with either of
these: `models/access/derived_grant.py`. A user has at most one live grant on an account. Who resigned comes back
by a new invitation only, which makes a new grant: the old one keeps its role and its history. The
owner's grant is nobody's to change; ownership is transferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from database import db, keys
from i18n import mark
from models.access import derived_grant, expiry, seat
from models.access.access import COLUMNS, SOURCE, TARGET, Access, GrantRow, OperationContext, requires
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.unset import UNSET, Unset
from models.base.validation import Validation


class Grant(Model):
    """A user's place in an account."""

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

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "grants"


STATUS: Final = """CASE WHEN g.status = 'ACTIVE' AND g.valid_until <= {0} THEN 'EXPIRED'
    ELSE g.status END"""
"""The status at the instant {0}, as `access.status` tells it, for filters."""
_COLUMNS: Final = f"""{", ".join(COLUMNS.values())}, g.engagement_id,
    (SELECT e.bureau_id FROM engagements e WHERE e.id = g.engagement_id) AS bureau_id"""
_WITH_BUREAU: Final = f"SELECT {_COLUMNS} FROM {SOURCE}"
_BY_IDS: Final = f"{_WITH_BUREAU} WHERE g.id = ANY($1::uuid[])"
_OF_ENGAGEMENTS: Final = f"""
{_WITH_BUREAU} WHERE g.engagement_id = ANY($1::uuid[]) AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
    AND (g.valid_until IS NULL OR g.valid_until > $2) ORDER BY g.id
"""


async def by_ids(ids: list[UUID]) -> list[GrantRow | None]:
    """These grants, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=GrantRow))


async def of_engagements(ids: list[UUID], *, now: datetime) -> dict[UUID, list[GrantRow]]:
    """The live grants that hang on each engagement, by its id."""
    found: dict[UUID, list[GrantRow]] = {key: [] for key in ids}
    for row in await db.fetch(_OF_ENGAGEMENTS, ids, now, row=GrantRow):
        found[row["engagement_id"]].append(row)
    return found


# ---- What may be given -----------------------------------------------------------------------


def checked_list(check: Validation, role: Role, wanted: list[Permission] | None) -> int | None:
    """The permissions of a grant as they are stored: only roles that are cut to a list have one.

    A list that gives anything gives ACCOUNT_READ too: without it nothing of it could be reached. One
    that gives writing without its reading is refused, rather than silently worth less than it says.
    """
    if wanted is None:
        return None
    bits = policy.mask(wanted)
    if role not in policy.WITH_ALLOWLIST:
        check.problem(
            UserErrorCode.INVALID,
            "permissions",
            mark("Only consultants and simple users have permissions of their own."),
        )
        return None
    if excess := bits & ~policy.ROLES[role]:
        check.problem(
            UserErrorCode.INVALID,
            "permissions",
            mark("This role cannot have: %(permissions)s."),
            permissions=", ".join(policy.permissions(excess)),
        )
    elif missing := policy.implied_reads(bits) & ~bits:
        check.problem(
            UserErrorCode.INVALID,
            "permissions",
            mark("Without these the others are worth nothing: %(permissions)s."),
            permissions=", ".join(policy.permissions(missing)),
        )
    return bits | policy.mask([Permission.ACCOUNT_READ]) if bits else 0


def initial_status(role: Role, listed: int | None) -> GrantStatus:
    """A grant that gives nothing yet waits for permissions; any other is active at once."""
    return GrantStatus.ACTIVE if policy.granted(role, listed) else GrantStatus.AWAITING_PERMISSIONS


def may_give(giver: Access, role: Role, listed: int | None, until: datetime | None) -> bool:
    """Whether `giver` may put somebody into `role` until then: neither more nor longer than he has himself."""
    return policy.may_give(giver.standing, role, listed) and not _outlasts(until, giver.valid_until)


def demand_may_give(
    giver: Access,
    role: Role,
    listed: int | None,
    until: datetime | None,
    *,
    field: str = "role",
    until_field: str = "grant_valid_until",
) -> None:
    """Raise Refusal ROLE_TOO_HIGH unless `giver` may put somebody into `role` until then, None for ever."""
    if may_give(giver, role, listed, until):
        return
    is_end = policy.may_give(giver.standing, role, listed)
    told = mark("Your own access ends earlier.") if is_end else mark("You cannot give more than you have yourself.")
    raise refuse(UserErrorCode.ROLE_TOO_HIGH, until_field if is_end else field, told)


def demand_may_manage(giver: Access, role: Role, field: str) -> None:
    """Raise Refusal ROLE_TOO_HIGH unless `giver` decides who is in `role`."""
    if not policy.may_manage(giver.standing, role):
        raise refuse(UserErrorCode.ROLE_TOO_HIGH, field, mark("Only the owner decides who is an administrator."))


# ---- Giving ----------------------------------------------------------------------------------

_LIVE: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)


async def is_member(caller: Caller, user_id: UUID, account_id: UUID) -> bool:
    """Whether the user has a live grant on the account; one whose end has passed is put to rest."""
    await expiry.rest(caller, account_id, user_id=user_id)
    return await Grant.exists(user_id=user_id, account_id=account_id, status__in=_LIVE)


async def give(
    caller: Caller,
    *,
    account_id: UUID,
    user_id: UUID,
    role: Role,
    listed: int | None,
    valid_until: datetime | None,
    granted_by_id: UUID,
    seat_reserved: bool = False,
    by_role: Role | None = None,
) -> UUID:
    """A new grant, within the transaction and the account's lock of what it follows from.

    The caller is its receiver, who takes what he was offered, or somebody in the role `by_role`.
    Raises Refusal: ALREADY_MEMBER; SEATS_EXHAUSTED, with `seat_reserved` only where every seat is used.
    """
    if await is_member(caller, user_id, account_id):
        raise already_member(None)
    made = await Grant.create(
        account_id=account_id,
        user_id=user_id,
        role=role,
        status=initial_status(role, listed),
        listed=listed,
        valid_until=valid_until,
        created_at=caller.now,
        granted_by_id=granted_by_id,
    )
    await seat.demand(account_id, role, None, now=caller.now, reserved=seat_reserved)
    await event.record(
        caller,
        "account:grant:give",
        account_id=account_id,
        role=by_role or role,
        after={"grant": str(made.id), "user": str(user_id), **terms(made)},
    )
    return made.id


def already_member(field: str | None) -> Refusal:
    """The refusal for somebody who has a live grant on the account."""
    return refuse(UserErrorCode.ALREADY_MEMBER, field, mark("This person already has access to the account."))


# ---- Changing --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Updated:
    """A grant as it is now, None where nothing has changed; and by which access, None where that has."""

    id: UUID
    row: GrantRow | None
    seen_by: Access | None


def _placed(names: str) -> str:
    """The assignments of an UPDATE; their values come after those of its event and the id."""
    return ", ".join(f"{name} = ${event.PARAMETERS + 2 + place}" for place, name in enumerate(names.split()))


_SET_TERMS: Final = f"""
WITH g AS (UPDATE grants SET {_placed("role listed status valid_until")} WHERE id = ${event.PARAMETERS + 1} RETURNING *)
SELECT {_COLUMNS} FROM g JOIN accounts a ON a.id = g.account_id
"""


@requires(Permission.USERS_WRITE, of="grant")
async def update(
    act: OperationContext,
    grant_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None | Unset = UNSET,
    valid_until: datetime | None | Unset = UNSET,
) -> Updated:
    """Change a live grant's role, list or end; what is not given stays.

    A new role starts without the old role's list. Permissions for a consultant who waits for them
    make his grant active.
    """
    grant = _others(act, grant_id)
    if not _is_live(grant, act.now):
        raise _not_in_state(mark("This access has ended. Restore it first."))
    new_role, has_new_end = role or grant.role, valid_until is not UNSET
    with Validation() as check:
        if permissions is not UNSET:
            listed = checked_list(check, new_role, permissions)
        else:
            listed = grant.listed if new_role is grant.role else None
        if valid_until is UNSET:
            valid_until = grant.valid_until
        else:
            check.end("valid_until", valid_until, now=act.now)
    # A change of the end alone still vouches for the whole grant.
    demand_may_give(act.access, new_role, listed, valid_until, until_field="valid_until")
    before, was = terms(grant), grant.role
    if grant.engagement_id is not None and has_new_end:
        own_until = valid_until
        valid_until = await derived_grant.earliest_end(grant.engagement_id, grant.user_id, own_until, now=act.now)
        await derived_grant.set_own_end(grant_id, valid_until, own_until)
    if valid_until != grant.valid_until:
        await derived_grant.reschedule(act.caller, grant.user_id, act.account_id, valid_until)
    grant.role, grant.listed, grant.valid_until = new_role, listed, valid_until
    grant.status = initial_status(new_role, listed)
    seen_by = None if grant.user_id == act.user_id else act.access
    if (now := terms(grant)) == before:
        return Updated(grant_id, None, seen_by)
    row = await act.changing(
        "account:grant:update",
        _SET_TERMS,
        *(grant_id, new_role, listed, grant.status, valid_until),
        row=GrantRow,
        before={"grant": str(grant_id), **before},
        after={"grant": str(grant_id), **now},
    )
    await seat.demand(act.account_id, new_role, "role", now=act.now, was=was)
    return Updated(grant_id, row, seen_by)


@requires(Permission.USERS_WRITE, of="grant")
async def revoke(act: OperationContext, grant_id: UUID) -> UUID:
    """Take a live grant back, from the very next request on. Returns its id."""
    grant = _others(act, grant_id)
    if not _is_live(grant, act.now):
        raise _not_in_state(mark("This access has already ended."))
    return await _end(act, grant, GrantStatus.REVOKED, "account:grant:revoke")


@requires(Permission.USERS_WRITE, of="grant")
async def restore(act: OperationContext, grant_id: UUID) -> UUID:
    """Give a revoked grant again, with its former role and permissions. Returns its id."""
    grant = _others(act, grant_id)
    if grant.status is not GrantStatus.REVOKED:
        raise _not_in_state(mark("Only access that was taken back can be restored."))
    if _is_over(grant, act.now):
        raise _not_in_state(mark("The end that this access had has passed. Invite again."))
    demand_may_give(act.access, grant.role, grant.listed, grant.valid_until, field="grant_id", until_field="grant_id")
    if await is_member(act.caller, grant.user_id, grant.account_id):
        raise already_member("grant_id")
    if grant.engagement_id is not None:
        grant.valid_until = await derived_grant.earliest_end(
            grant.engagement_id, grant.user_id, grant.own_until, now=act.now
        )
    status = initial_status(grant.role, grant.listed)
    await Grant.filter(id=grant.id).update(status=status, ended_at=None, valid_until=grant.valid_until)
    await seat.demand(act.account_id, grant.role, "grant_id", now=act.now)
    await act.record(
        "account:grant:restore",
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": status},
    )
    return grant.id


@locks.starting_over
async def resign(caller: Caller, grant_id: UUID) -> UUID:
    """Give one's own live grant up, for good. Returns its id.

    Raises Refusal: NOT_FOUND unless it is the caller's own, LAST_OWNER for an owner.
    """
    user_id = caller.user()
    async with db.transaction():
        mine = await Grant.filter(id=grant_id, user_id=user_id).first()
        if mine is None:
            raise not_found("grant_id")
        await locks.tied(grant_id)
        grant = await Grant.get(id=grant_id)
        if not _is_live(grant, caller.now):
            raise _not_in_state(mark("This access has already ended."))
        if grant.role is Role.OWNER:
            raise refuse(
                UserErrorCode.LAST_OWNER,
                "grant_id",
                mark("An account always has an owner. Transfer the ownership first."),
            )
        await Grant.filter(id=grant.id).update(status=GrantStatus.RESIGNED, ended_at=caller.now)
        await record_resigned(caller, grant)
        await derived_grant.end_with_base(caller, grant.user_id, grant.account_id)
    return grant_id


async def record_resigned(caller: Caller, grant: Grant) -> None:
    """Record that its holder gave up `grant`, which is as it was before."""
    await event.record(
        caller,
        "account:grant:resign",
        account_id=grant.account_id,
        role=grant.role,
        before={"grant": str(grant.id), "status": grant.status},
        after={"grant": str(grant.id), "status": GrantStatus.RESIGNED},
    )


def _others(act: OperationContext, grant_id: UUID) -> Grant:
    """The grant to be changed, as it is under the lock. Raises Refusal: OWNER_PROTECTED, ROLE_TOO_HIGH."""
    grant = Grant(id=grant_id, **{name: act.target(name) for name in TARGET})
    if grant.role is Role.OWNER:
        raise refuse(
            UserErrorCode.OWNER_PROTECTED,
            "grant_id",
            mark("The owner's access cannot be changed. Ownership can only be transferred."),
        )
    demand_may_manage(act.access, grant.role, "grant_id")
    return grant


async def _end(act: OperationContext, grant: Grant, status: GrantStatus, done: str) -> UUID:
    await Grant.filter(id=grant.id).update(status=status, ended_at=act.now)
    await act.record(
        done, before={"grant": str(grant.id), "status": grant.status}, after={"grant": str(grant.id), "status": status}
    )
    await derived_grant.end_with_base(act.caller, grant.user_id, act.account_id)
    return grant.id


def _outlasts(end: datetime | None, other: datetime | None) -> bool:
    return other is not None and (end is None or end > other)


def _is_live(grant: Grant, now: datetime) -> bool:
    return grant.status in _LIVE and not _is_over(grant, now)


def _is_over(grant: Grant, now: datetime) -> bool:
    return grant.valid_until is not None and grant.valid_until <= now


def _not_in_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, "grant_id", text)


def terms(grant: Grant) -> Mapping[str, object]:
    """What a grant gives, as events show it."""
    return {
        "role": grant.role,
        "permissions": None if grant.listed is None else policy.permissions(grant.listed),
        "valid_until": grant.valid_until,
        "status": grant.status,
    }
