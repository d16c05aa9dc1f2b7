"""Assignments of consultants to a client: the authority of an assignment, and its grant.

The first of these that is enough decides about the permissions:

1. the access of the caller, who has USERS_WRITE at the client;
2. the standing permissions that the client gave on the engagement: `models/bureaus/standing_permissions.py`;
3. for an account that the bureau opened and no owner has claimed: the bureau, as a COLLABORATOR at most.

Otherwise the grant waits for permissions.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth import policy
from auth.policy import Permission, Role
from models.access import access, derived_grant, grant, grant_mail, grant_rules, grant_store, seat
from models.access.access import Access
from models.access.derived_grant import DerivedGrantRow
from models.access.grant_rules import Exemption, Permit, Terms
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import not_found
from models.bureaus import engagement, pending_client, standing_permissions
from models.bureaus.engagement import EngagementRow
from models.bureaus.standing_permissions import ALL_BITS, WAITING_TERMS, StandingPermissions
from models.outbox.message_kind import MessageKind


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """An active engagement with both accounts locked, and the caller's access to these accounts."""

    caller: Caller
    engagement: EngagementRow
    access_by_account: dict[UUID, Access]

    @property
    def client_id(self) -> UUID:
        """The client account."""
        client_id: UUID = self.engagement.client_id
        return client_id

    @property
    def giver(self) -> Access | None:
        """The caller's access to the client if it has USERS_WRITE there, else None."""
        client_access = self.access_by_account.get(self.client_id)
        return client_access if engagement.may_act(client_access) else None

    async def standing_permissions(self) -> StandingPermissions | None:
        """The standing permissions in force."""
        (standing_set,) = await standing_permissions.in_force([self.engagement], now=self.caller.now)
        return standing_set

    async def is_unclaimed(self) -> bool:
        """True if the bureau opened the client account, and the client has not claimed it."""
        return await pending_client.is_pending(self.engagement.bureau_id, self.client_id)

    async def record(self, event_type: EventType, **after: object) -> None:
        """Record an event on the bureau. It names the client and contains the facts in `after`."""
        bureau_id = self.engagement.bureau_id
        facts = {"client": str(self.client_id), **after}
        role = self.access_by_account[bureau_id].role
        await event.record(self.caller, event_type, account_id=bureau_id, role=role, after=facts)


async def lock_client(
    caller: Caller,
    bureau_id: UUID,
    client_id: UUID,
    *,
    permission: Permission = Permission.USERS_WRITE,
    field: str = "client_account_ids",
    while_closing: bool = False,
) -> ClientAccess:
    """Lock a bureau and its client, and load their active engagement and the caller's access.

    Raises:
        Refusal: NOT_FOUND for the bureau, or at `field` for a client without an active engagement with it;
            ACCOUNT_CLOSING, unless `while_closing` is true.
        Forbidden: the caller lacks `permission` in the bureau.
    """
    # Checked before the locks, so that a caller cannot block accounts of strangers.
    await require_bureau_access(caller, bureau_id, permission, while_closing=while_closing)
    if await engagement.load_active(bureau_id, client_id) is None:
        raise not_found(field)
    await locks.lock_accounts(bureau_id, client_id)
    engagement_row = await engagement.load_active(bureau_id, client_id)
    access_by_account = await engagement.load_access(caller, bureau_id, client_id)
    bureau_access = access_by_account.get(bureau_id)
    _ = engagement.require_access(bureau_access, permission, "bureau_account_id", while_closing=while_closing)
    if engagement_row is None:
        raise not_found(field)
    if not while_closing:
        await engagement.require_open(field, client_id)
    return ClientAccess(caller, engagement_row, access_by_account)


async def require_bureau_access(
    caller: Caller, bureau_id: UUID, permission: Permission = Permission.USERS_WRITE, *, while_closing: bool = False
) -> None:
    """Check the caller's permission before the input is checked. Raises Refusal NOT_FOUND, or Forbidden."""
    bureau_access = await access.load_one(caller.user(), bureau_id, now=caller.now)
    _ = engagement.require_access(bureau_access, permission, "bureau_account_id", while_closing=while_closing)


# ---- The authority of an assignment ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignment:
    """A permitted assignment. With `request` the grant follows the standing permissions, as far as these terms."""

    permit: Permit
    request: Terms | None = None

    @property
    def terms(self) -> Terms:
        """The terms of the grant."""
        assert self.permit.terms is not None  # noqa: S101 - an assignment gives, or waits
        return self.permit.terms


async def permit_assignment(
    client: ClientAccess, allowlist: int | None, until: datetime | None, *, former: Terms | None = None
) -> Assignment:
    """The assignment that a bureau asks for. `allowlist` None asks for all that the client gives to every consultant.

    `former` are the terms of a grant that waits. It keeps its end if `until` is None.

    Raises Refusal ROLE_TOO_HIGH if the caller may give permissions at the client, but not these.
    """
    request = Terms(
        Role.CONSULTANT, ALL_BITS if allowlist is None else allowlist, until or (former.until if former else None)
    )
    standing_set = await client.standing_permissions()
    if client.giver is not None and allowlist:
        # A grant may not outlast the access of the user who grants it.
        terms = Terms(Role.CONSULTANT, allowlist, request.until or client.giver.valid_until)
        if standing_set is None or grant_rules.is_permitted(client.giver, former, terms):
            return Assignment(
                grant_rules.permit(client.giver, former, terms, field="permissions", until_field="valid_until")
            )
    if standing_set is not None and (terms := standing_set.cut(request)).bits:
        return Assignment(grant_rules.permit(standing_set.giver, former, terms), request)
    if allowlist and await client.is_unclaimed():
        terms = Terms(Role.CONSULTANT, allowlist, request.until)
        return Assignment(grant_rules.permit(Exemption.UNCLAIMED, former, terms, field="permissions"))
    return Assignment(
        grant_rules.permit(Exemption.ASSIGNMENT, None, dataclasses.replace(WAITING_TERMS, until=request.until)), request
    )


async def permit_replacement(client: ClientAccess, former: DerivedGrantRow) -> Assignment:
    """The assignment of a new consultant: the former terms if they can be given, as far as that goes."""
    terms, now, giver = grant_rules.terms_of(former), client.caller.now, client.giver
    is_over = terms.until is not None and terms.until <= now
    if is_over or not terms.bits:
        return await permit_assignment(client, None, None)
    follows = Terms(Role.CONSULTANT, former.asked_bits, former.asked_until) if former.asked_bits is not None else None
    authority = giver or (Exemption.UNCLAIMED if await client.is_unclaimed() else None)
    if authority is not None:
        ends = [end for end in (terms.until, giver.valid_until if giver else None) if end is not None]
        copied_terms = dataclasses.replace(terms, until=min(ends, default=None))
        if grant_rules.is_permitted(authority, None, copied_terms):
            return Assignment(grant_rules.permit(authority, None, copied_terms), follows)
    standing_set = await client.standing_permissions()
    request = follows or Terms(Role.CONSULTANT, terms.bits & policy.ROLES[Role.CONSULTANT], terms.until)
    if standing_set is not None and (standing_terms := standing_set.cut(request)).bits:
        return Assignment(grant_rules.permit(standing_set.giver, None, standing_terms), request)
    return Assignment(grant_rules.permit(Exemption.ASSIGNMENT, None, WAITING_TERMS), follows or request)


# ---- Grants ----------------------------------------------------------------------------------


async def create_derived(
    caller: Caller, engagement_row: EngagementRow, user_id: UUID, permit: Permit, *, request: Terms | None = None
) -> UUID:
    """Create a grant that is derived from an active engagement. Both accounts must be locked. Returns its id.

    Raises Refusal: ALREADY_MEMBER, SEATS_EXHAUSTED.
    """
    if await grant.is_member(caller, user_id, engagement_row.client_id):
        raise grant.already_member("client_account_ids")
    terms = permit.terms
    assert terms is not None  # noqa: S101 - a permit to give
    valid_until = await derived_grant.earliest_end(engagement_row.id, user_id, terms.until, now=caller.now)
    grant_id = await grant_store.create(
        permit,
        account_id=engagement_row.client_id,
        user_id=user_id,
        now=caller.now,
        granted_by_id=caller.user_id,
        engagement_id=engagement_row.id,
        valid_until=valid_until,
        request=request,
    )
    await seat.require_available(
        engagement_row.client_id, terms.role, "client_account_ids", now=caller.now, is_derived=True
    )
    facts = {
        "role": terms.role,
        "status": terms.status,
        "permissions": None if terms.allowlist is None else policy.permissions(terms.allowlist),
    }
    caller_access = await access.load_one(caller.user(), engagement_row.client_id, now=caller.now)
    await event.record(
        caller,
        EventType.GRANT_GIVE,
        account_id=engagement_row.client_id,
        role=caller_access.role if caller_access else None,
        after={"grant": str(grant_id), "user": str(user_id), "engagement": str(engagement_row.id), **facts},
    )
    return grant_id


async def change_derived(
    caller: Caller, row: DerivedGrantRow, permit: Permit, *, by_role: Role | None, request: Terms | None
) -> None:
    """Give a live derived grant the terms of the permit, and mail its holder. Both accounts must be locked.

    Raises Refusal INVALID_STATE if the engagement or the holder's access to the bureau has ended.
    """
    former, terms = permit.former, permit.terms
    assert former is not None  # noqa: S101 - a change
    assert terms is not None  # noqa: S101 - a change
    valid_until = await derived_grant.earliest_end(row.engagement_id, row.user_id, terms.until, now=caller.now)
    _ = await grant_store.change(
        permit,
        caller,
        row.id,
        account_id=row.account_id,
        by_role=by_role,
        valid_until=valid_until,
        is_derived=True,
        before={"grant": str(row.id), **grant.event_facts(former, row.valid_until)},
        after={"grant": str(row.id), **grant.event_facts(terms, valid_until)},
        request=request,
    )
    await grant_mail.mail_holder(caller, MessageKind.GRANT_CHANGED, row.id)


async def find(client: ClientAccess, user_id: UUID) -> DerivedGrantRow | None:
    """The live grant of a consultant that is derived from the engagement. None if they have none."""
    rows = await derived_grant.of_engagement(client.engagement.id, now=client.caller.now)
    return next((row for row in rows if row.user_id == user_id), None)
