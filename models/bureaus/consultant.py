"""Consultants: holders of a grant on a bureau, whom it assigns to its clients.

    assign --> ACTIVE (by who may give at the client)          unassign --> REVOKED
       `-----> AWAITING_PERMISSIONS --update, by the client--> ACTIVE

Each client is a transaction of its own, with its own outcome: what one refuses undoes nothing of the
others. The grants hang on the engagement: `models/access/derived_grant.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from database import db
from i18n import mark
from models.access import access, derived_grant, grant, seat
from models.access.access import Access, declares_permission
from models.access.derived_grant import DerivedGrantRow
from models.access.grant import Grant
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Forbidden, Problem, Refusal, UserErrorCode, not_found, refuse
from models.base.validation import Validation
from models.bureaus import engagement
from models.bureaus.engagement import EngagementRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one client: a grant, or problems."""

    client_id: UUID
    grant_id: UUID | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """An engagement under way, both accounts locked, and the caller's access to them."""

    caller: Caller
    engagement: EngagementRow
    entered: dict[UUID, Access]

    @property
    def client_id(self) -> UUID:
        """Whose grants are changed."""
        client_id: UUID = self.engagement.client_id
        return client_id

    async def record(self, done: str, **after: object) -> None:
        """Write `account:<done>` on the bureau's side, with what it is about beside the client."""
        bureau_id = self.engagement.bureau_id
        facts = {"client": str(self.client_id), **after}
        role = self.entered[bureau_id].role
        await event.record(self.caller, f"account:{done}", account_id=bureau_id, role=role, after=facts)


# ---- Assigning -------------------------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE)
async def assign(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    user_id: UUID,
    client_account_ids: Sequence[UUID],
    permissions: list[Permission] | None = None,
) -> list[Outcome]:
    """Let a consultant work for clients, 100 at most. Returns one outcome for each.

    Where the caller himself may give `permissions`, they are given at once; elsewhere the grant waits
    for somebody at the client to give some, and what was asked for here counts for nothing.

    Raises:
        Refusal: NOT_FOUND for the bureau, or for a user without an active grant on it; what is wrong
            with the input. In outcomes: NOT_FOUND, ALREADY_MEMBER, ROLE_TOO_HIGH.
        Forbidden: no USERS_WRITE in the bureau.
    """
    await _lead(caller, bureau_account_id)
    with Validation() as check:
        _demand_some(check, client_account_ids)
        listed = grant.checked_list(check, Role.CONSULTANT, permissions)
    await _demand_consultant(caller, bureau_account_id, user_id, "user_id")

    async def one(client_id: UUID) -> UUID:
        place = await enter(caller, bureau_account_id, client_id)
        await _demand_consultant(caller, bureau_account_id, user_id, "user_id")
        giver, wanted, until = place.entered.get(client_id), None, None
        if engagement.holds(giver) and giver is not None:
            if not policy.may_give(giver.standing, Role.CONSULTANT, listed):
                raise refuse(
                    UserErrorCode.ROLE_TOO_HIGH, "permissions", mark("You cannot give more than you have yourself.")
                )
            # Nobody gives for longer than he has himself.
            wanted, until = listed, giver.valid_until
        status = grant.initial_status(Role.CONSULTANT, wanted)
        made = await create_derived(
            place.caller,
            place.engagement,
            user_id,
            role=Role.CONSULTANT,
            status=status,
            listed=wanted,
            own_until=until,
        )
        await place.record("consultant:assign", user=str(user_id), grant=str(made))
        await derived_grant.tell_assigned(caller, made)
        return made

    return await _each(client_account_ids, one)


async def create_derived(
    caller: Caller,
    found: EngagementRow,
    user_id: UUID,
    *,
    role: Role,
    status: GrantStatus,
    listed: int | None = None,
    own_until: datetime | None = None,
) -> UUID:
    """Give a grant that hangs on an active engagement, both its accounts locked. Returns its id.

    Raises Refusal: ALREADY_MEMBER, SEATS_EXHAUSTED.
    """
    if await grant.is_member(caller, user_id, found.client_id):
        raise grant.already_member("client_account_ids")
    made = await Grant.create(
        account_id=found.client_id,
        user_id=user_id,
        role=role,
        status=status,
        listed=listed,
        valid_until=await derived_grant.earliest_end(found.id, user_id, own_until, now=caller.now),
        own_until=own_until,
        created_at=caller.now,
        granted_by_id=caller.user_id,
        engagement_id=found.id,
    )
    await seat.demand(found.client_id, role, "client_account_ids", now=caller.now)
    facts = {"role": role, "status": status, "permissions": None if listed is None else policy.permissions(listed)}
    giver = await access.load_one(caller.user(), found.client_id, now=caller.now)
    await event.record(
        caller,
        "account:grant:give",
        account_id=found.client_id,
        role=giver.role if giver else None,
        after={"grant": str(made.id), "user": str(user_id), "engagement": str(found.id), **facts},
    )
    return made.id


# ---- Taking back, and putting another in his place ---------------------------------------------


@declares_permission(Permission.USERS_WRITE)
async def unassign(
    caller: Caller, bureau_account_id: UUID, *, user_id: UUID, client_account_ids: Sequence[UUID]
) -> list[Outcome]:
    """End a consultant's grants at clients, 100 at most, at once. Returns one outcome for each.

    Raises:
        Refusal: NOT_FOUND for the bureau, or for a user who never worked there. In outcomes: NOT_FOUND
            where he is not assigned.
        Forbidden: no USERS_WRITE in the bureau.
    """
    await _lead(caller, bureau_account_id)
    with Validation() as check:
        _demand_some(check, client_account_ids)
    await _demand_known(bureau_account_id, user_id, "user_id")

    async def one(client_id: UUID) -> UUID:
        place = await enter(caller, bureau_account_id, client_id)
        row = await _assigned(place, user_id)
        await derived_grant.end(caller, [row])
        await derived_grant.tell_ended(caller, [row])
        await place.record("consultant:unassign", user=str(user_id), grant=str(row.id))
        return row.id

    return await _each(client_account_ids, one)


@declares_permission(Permission.USERS_WRITE)
async def replace(caller: Caller, bureau_account_id: UUID, *, from_user_id: UUID, to_user_id: UUID) -> list[Outcome]:
    """Move all clients of one consultant to another, who gets what he had. Returns one outcome for each.

    At each client both happen or neither does.

    Raises:
        Refusal: NOT_FOUND for the bureau, for who never worked there, or for a receiver without an active
            grant on it; INVALID for the same person twice. In outcomes: ALREADY_MEMBER, SEATS_EXHAUSTED.
        Forbidden: no USERS_WRITE in the bureau.
    """
    await _lead(caller, bureau_account_id)
    if from_user_id == to_user_id:
        raise refuse(UserErrorCode.INVALID, "to_user_id", mark("Choose somebody else."))
    await _demand_known(bureau_account_id, from_user_id, "from_user_id")
    await _demand_consultant(caller, bureau_account_id, to_user_id, "to_user_id")
    rows = await derived_grant.of_consultant(from_user_id, bureau_account_id, now=caller.now)

    async def one(client_id: UUID) -> UUID:
        place = await enter(caller, bureau_account_id, client_id)
        await _demand_consultant(caller, bureau_account_id, to_user_id, "to_user_id")
        row = await _assigned(place, from_user_id)
        await derived_grant.end(caller, [row])  # first: his seat is free for the other one
        made = await create_derived(
            caller,
            place.engagement,
            to_user_id,
            role=Role(row.role),
            status=GrantStatus(row.status),
            listed=row.listed,
            own_until=row.own_until,
        )
        await derived_grant.tell_ended(caller, [row])
        await derived_grant.tell_assigned(caller, made)
        await place.record("consultant:unassign", user=str(from_user_id), grant=str(row.id))
        await place.record("consultant:assign", user=str(to_user_id), grant=str(made))
        return made

    return await _each([row.account_id for row in rows], one)


# ---- Small parts -----------------------------------------------------------------------------


async def _each(client_ids: Sequence[UUID], one: Callable[[UUID], Awaitable[UUID]]) -> list[Outcome]:
    """One transaction a client, one outcome each."""
    outcomes: list[Outcome] = []
    for client_id in client_ids:
        try:
            async with db.transaction():
                outcomes.append(Outcome(client_id, await one(client_id)))
        except Refusal as refusal:
            outcomes.append(Outcome(client_id, None, refusal.problems))
        except Forbidden:
            # Taken from the caller after he began; what is done already is still to be told.
            outcomes.append(Outcome(client_id, None, not_found("client_account_ids").problems))
    return outcomes


async def _lead(caller: Caller, bureau_id: UUID, permission: Permission = Permission.USERS_WRITE) -> None:
    """Look at the caller's right before anything else is said."""
    found = await access.load_one(caller.user(), bureau_id, now=caller.now)
    _ = engagement.demanded(found, permission, "bureau_account_id")


async def enter(
    caller: Caller,
    bureau_id: UUID,
    client_id: UUID,
    *,
    permission: Permission = Permission.USERS_WRITE,
    field: str = "client_account_ids",
) -> ClientAccess:
    """The active engagement of a bureau, for which the caller acts, and a client, both locked.

    Raises:
        Refusal: NOT_FOUND for the bureau; for a client, by its `field`, that the bureau does not work for.
        Forbidden: the caller lacks `permission` in the bureau.
    """
    # Asked before the locks, so that nobody holds up accounts that he does not work for.
    await _lead(caller, bureau_id, permission)
    if await engagement.active(bureau_id, client_id) is None:
        raise not_found(field)
    await locks.accounts(bureau_id, client_id)
    found = await engagement.active(bureau_id, client_id)
    entered = await engagement.entered_by(caller, bureau_id, client_id)
    _ = engagement.demanded(entered.get(bureau_id), permission, "bureau_account_id")
    if found is None:
        raise not_found(field)
    return ClientAccess(caller, found, entered)


async def _demand_consultant(caller: Caller, bureau_id: UUID, user_id: UUID, field: str) -> None:
    if not await derived_grant.is_consultant(user_id, bureau_id, now=caller.now):
        raise not_found(field)


async def _demand_known(bureau_id: UUID, user_id: UUID, field: str) -> None:
    """Whom a bureau takes off its clients works there, or did."""
    if not await Grant.exists(account_id=bureau_id, user_id=user_id):
        raise not_found(field)


async def _assigned(place: ClientAccess, user_id: UUID) -> DerivedGrantRow:
    rows = await derived_grant.of_engagement(place.engagement.id, now=place.caller.now)
    found = next((row for row in rows if row.user_id == user_id), None)
    if found is None:
        raise not_found("client_account_ids")
    return found


def _demand_some(check: Validation, client_ids: Sequence[UUID]) -> None:
    """At least one client; no list of an input has more than 100."""
    if not client_ids:
        check.problem(UserErrorCode.REQUIRED, "client_account_ids", mark("Choose at least one client."))
