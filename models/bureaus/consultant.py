"""Consultants: holders of a grant on a bureau, which assigns them to its clients.

    assign --> ACTIVE (if the client, or the caller for the client, gives permissions)    unassign --> REVOKED
       `-----> AWAITING_PERMISSIONS --assign again, or update by the client--> ACTIVE

Each client is changed in its own transaction and has its own outcome: `models/bureaus/bulk.py`. The permissions of an
assignment: `models/bureaus/assignment.py`. The grants are derived from the engagement:
`models/access/derived_grant.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import Permission, Role
from database import db
from i18n import mark
from models.access import derived_grant, grant, grant_rules, reauthentication
from models.access.grant import Grant
from models.access.grant_rules import Exemption
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.audit.event_type import EventType
from models.base import idempotency
from models.base.caller import Caller
from models.base.errors import UserErrorCode, not_found, refuse
from models.base.idempotency import Parts
from models.base.validation import Validation
from models.bureaus import assignment, bulk, client_coverage
from models.bureaus.bulk import BulkOutcome

# ---- Assigning -------------------------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE, EventType.CONSULTANT_ASSIGN, reauthentication=ReauthenticationCase.ALWAYS)
async def assign(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    user_id: UUID,
    client_account_ids: Sequence[UUID],
    all_clients: bool | None = None,
    permissions: list[Permission] | None = None,
    valid_until: datetime | None = None,
    idempotency_key: str | None = None,
) -> BulkOutcome:
    """Assign a consultant to at most 100 clients, or to all clients of the bureau. Returns one outcome for each.

    The grant is active at once if the caller may grant `permissions` at the client, or as far as the client gives
    permissions to every consultant of the bureau. So it is, with the permissions of a COLLABORATOR at most, in an
    account that the bureau opened and the client has not claimed. Otherwise the grant waits until a user of the client
    grants permissions. Assigning again completes a grant that waits. `valid_until` None means no end.

    Raises:
        Refusal: NOT_FOUND for the bureau, or for a user without an active grant on it; INVALID_STATE if no client is
            left to assign; an error of the input. In outcomes: NOT_FOUND, ALREADY_MEMBER, ROLE_TOO_HIGH.
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await assignment.require_bureau_access(caller, bureau_account_id)
    await reauthentication.require(caller)
    with Validation() as check:
        _require_clients(check, client_account_ids, all_clients=all_clients, idempotency_key=idempotency_key)
        allowlist = grant_rules.check_allowlist(check, Role.CONSULTANT, permissions)
        until = check.end("valid_until", valid_until, now=caller.now)
    await _require_consultant(caller, bureau_account_id, user_id, "user_id")
    parts = await idempotency.start_parts(
        caller,
        "assignConsultant",
        idempotency_key,
        bureau=bureau_account_id,
        user=user_id,
        clients=client_account_ids,
        all_clients=all_clients,
        permissions=permissions,
        valid_until=valid_until,
    )

    async def assign_to(client_id: UUID) -> UUID:
        client = await assignment.lock_client(caller, bureau_account_id, client_id)
        await _require_consultant(caller, bureau_account_id, user_id, "user_id")
        row = await assignment.find(client, user_id)
        former = grant_rules.terms_of(row) if row else None
        permitted_assignment = await assignment.permit_assignment(client, allowlist, until, former=former)
        if row is None:
            grant_id = await assignment.create_derived(
                caller, client.engagement, user_id, permitted_assignment.permit, request=permitted_assignment.request
            )
        elif former is None or former.bits or not permitted_assignment.terms.bits:
            raise grant.already_member("client_account_ids")
        else:
            grant_id = row.id
            by_role = client.giver.role if client.giver else None
            await assignment.change_derived(
                caller, row, permitted_assignment.permit, by_role=by_role, request=permitted_assignment.request
            )
        await client.record(EventType.CONSULTANT_ASSIGN, user=str(user_id), grant=str(grant_id))
        await derived_grant.mail_assigned(caller, grant_id)
        return grant_id

    client_ids: Sequence[UUID] = client_account_ids
    if all_clients:
        rows = await db.fetch(_TO_ASSIGN, bureau_account_id, user_id, caller.now, bool(allowlist), row=_ClientId)
        client_ids = await _with_done(parts, [row.id for row in rows], "client_account_ids", _NO_CLIENT_TO_ASSIGN)
    return await bulk.run(client_ids, assign_to, parts)


class _ClientId(db.Row):
    id: UUID


# The clients at which the user has no grant, or waits for permissions that there may be now.
_TO_ASSIGN: Final = """
SELECT e.client_id AS id FROM engagements e
LEFT JOIN grants g ON g.account_id = e.client_id AND g.user_id = $2 AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
    AND (g.valid_until IS NULL OR g.valid_until > $3)
WHERE e.bureau_id = $1 AND e.status = 'ACTIVE' AND (g.id IS NULL OR g.status = 'AWAITING_PERMISSIONS'
    AND g.engagement_id = e.id AND ($4 OR e.standing_bits IS NOT NULL))
ORDER BY e.client_id
"""
_NO_CLIENT_TO_ASSIGN: Final = mark("This user already looks after all clients of the bureau.")
_NO_CLIENT_OF_USER: Final = mark("This user has no clients to hand over.")


# ---- Unassigning and replacing ---------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE, EventType.CONSULTANT_UNASSIGN)
async def unassign(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    user_id: UUID,
    client_account_ids: Sequence[UUID],
    all_clients: bool | None = None,
    idempotency_key: str | None = None,
) -> BulkOutcome:
    """End a consultant's grants at no more than 100 clients, or at all clients. Returns one outcome for each.

    Raises:
        Refusal: NOT_FOUND for the bureau, or for a user who never had a grant on it; INVALID_STATE if no client is
            left; an error of the input. In outcomes: NOT_FOUND for a client to which the user is not assigned.
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await assignment.require_bureau_access(caller, bureau_account_id, while_closing=True)
    with Validation() as check:
        _require_clients(check, client_account_ids, all_clients=all_clients, idempotency_key=idempotency_key)
    await _require_any_grant(bureau_account_id, user_id, "user_id")
    parts = await idempotency.start_parts(
        caller,
        "unassignConsultant",
        idempotency_key,
        bureau=bureau_account_id,
        user=user_id,
        clients=client_account_ids,
        all_clients=all_clients,
    )

    async def unassign_from(client_id: UUID) -> UUID:
        client = await assignment.lock_client(caller, bureau_account_id, client_id, while_closing=True)
        row = await assignment.find(client, user_id)
        if row is None:
            raise not_found("client_account_ids")
        await derived_grant.end(caller, [row], Exemption.BUREAU)
        await derived_grant.mail_ended(caller, [row])
        await client.record(EventType.CONSULTANT_UNASSIGN, user=str(user_id), grant=str(row.id))
        return row.id

    client_ids: Sequence[UUID] = client_account_ids
    if all_clients:
        rows = await derived_grant.of_consultant(user_id, bureau_account_id, now=caller.now)
        client_ids = await _with_done(parts, [row.account_id for row in rows], "user_id", _NO_CLIENT_OF_USER)
    return await bulk.run(client_ids, unassign_from, parts)


@declares_permission(Permission.USERS_WRITE, EventType.CONSULTANT_ASSIGN, reauthentication=ReauthenticationCase.ALWAYS)
async def replace(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    from_user_id: UUID,
    to_user_id: UUID,
    idempotency_key: str | None = None,
) -> BulkOutcome:
    """Move all clients of one consultant to another consultant. Returns one outcome for each client.

    The former consultant may have left the bureau. The clients are then those that they had at that moment, and that
    have got no consultant since.

    If the caller may give the old grant's role and permissions at the client, the new grant copies them. It then ends
    with the old grant, and not later than the caller's own access. Otherwise it gets what the client gives to every
    consultant of the bureau, out of these permissions, or waits until a user of the client grants some. At each client
    both grants change or neither does.

    Raises:
        Refusal: NOT_FOUND for the bureau, for a user who never had a grant on it, or for a new consultant without an
            active grant on it; INVALID if both are the same user; INVALID_STATE if there is no client to move. In
            outcomes: ALREADY_MEMBER, SEATS_EXHAUSTED.
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await assignment.require_bureau_access(caller, bureau_account_id)
    await reauthentication.require(caller)
    if from_user_id == to_user_id:
        raise refuse(UserErrorCode.INVALID, "to_user_id", mark("Choose a different user."))
    await _require_any_grant(bureau_account_id, from_user_id, "from_user_id")
    await _require_consultant(caller, bureau_account_id, to_user_id, "to_user_id")
    assignments = await client_coverage.of_consultant(from_user_id, bureau_account_id, now=caller.now)
    parts = await idempotency.start_parts(
        caller,
        "replaceConsultant",
        idempotency_key,
        bureau=bureau_account_id,
        from_user=from_user_id,
        to_user=to_user_id,
    )

    async def replace_at(client_id: UUID) -> UUID:
        client = await assignment.lock_client(caller, bureau_account_id, client_id)
        await _require_consultant(caller, bureau_account_id, to_user_id, "to_user_id")
        rows = await client_coverage.of_consultant(from_user_id, bureau_account_id, now=caller.now, client_id=client_id)
        if not rows:
            raise not_found("client_account_ids")
        (former,) = rows
        # First, so that the seat is free for the new grant.
        if former.is_live:
            await derived_grant.end(caller, [former], Exemption.BUREAU)
        permitted_assignment = await assignment.permit_replacement(client, former)
        grant_id = await assignment.create_derived(
            caller, client.engagement, to_user_id, permitted_assignment.permit, request=permitted_assignment.request
        )
        await derived_grant.mail_assigned(caller, grant_id)
        if former.is_live:
            await derived_grant.mail_ended(caller, [former])
            await client.record(EventType.CONSULTANT_UNASSIGN, user=str(from_user_id), grant=str(former.id))
        await client.record(EventType.CONSULTANT_ASSIGN, user=str(to_user_id), grant=str(grant_id))
        return grant_id

    # Clients that the new consultant has already are refused. They come last, so that they take no time of the others.
    held_grants = await derived_grant.of_consultant(to_user_id, bureau_account_id, now=caller.now)
    held_ids = {row.account_id for row in held_grants}
    account_ids = sorted((row.account_id for row in assignments), key=lambda key: (key in held_ids, key))
    return await bulk.run(await _with_done(parts, account_ids, "from_user_id", _NO_CLIENT_OF_USER), replace_at, parts)


# ---- Parts of operations ---------------------------------------------------------------------


async def _with_done(parts: Parts, client_ids: Sequence[UUID], field: str, text: str) -> list[UUID]:
    """The clients to change, after those that requests with the key have changed before.

    Raises Refusal INVALID_STATE if there are none.
    """
    all_ids = [*parts.done, *(key for key in client_ids if key not in parts.done)]
    if not all_ids:
        await parts.release()
        raise refuse(UserErrorCode.INVALID_STATE, field, text)
    return all_ids


async def _require_consultant(caller: Caller, bureau_id: UUID, user_id: UUID, field: str) -> None:
    if not await derived_grant.is_consultant(user_id, bureau_id, now=caller.now):
        raise not_found(field)


async def _require_any_grant(bureau_id: UUID, user_id: UUID, field: str) -> None:
    """Require that the user has, or had, a grant on the bureau."""
    if not await Grant.exists(account_id=bureau_id, user_id=user_id):
        raise not_found(field)


def _require_clients(
    check: Validation, client_ids: Sequence[UUID], *, all_clients: bool | None, idempotency_key: str | None
) -> None:
    """Report a problem for an empty list. The maximum of 100 is checked for all lists of inputs."""
    if not client_ids and not all_clients:
        check.add_problem(UserErrorCode.REQUIRED, "client_account_ids", mark("Choose at least one client."))
    if client_ids and all_clients:
        check.add_problem(UserErrorCode.INVALID, "all_clients", mark("Choose clients or all clients, not both."))
    if all_clients and idempotency_key is None:
        check.add_problem(
            UserErrorCode.REQUIRED,
            "idempotency_key",
            mark("Give a key for all clients. Send the same again until no client remains."),
        )
