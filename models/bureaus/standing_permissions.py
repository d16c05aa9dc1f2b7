"""Standing permissions: a client gives them once, on the engagement, to every consultant of a bureau.

    give --> each assignment makes an ACTIVE grant: the permissions that the bureau asks for, out of the standing ones
    change, remove --> the grants that follow the engagement change at once; without permissions they wait again

A grant follows the engagement while its permissions are those that a bureau asked for. A user of the client who changes
the permissions of one grant decides about it alone: it follows no longer.

The user of the client who gave them answers for them. They give nothing that this user could not give at the time of
the assignment, so they end with the access of this user. Another user of the client can give them again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from auth import policy
from auth.policy import Permission, Role
from database import db
from i18n import mark
from models.access import access, grant_rules
from models.access.access import Access
from models.access.grant_rules import Permit, Terms
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation

ALL_BITS: Final = -1
"""The permissions that a bureau asks for if it names none: all that the client gives."""
WAITING_TERMS: Final = Terms(Role.CONSULTANT, None, None)
"""The terms of a consultant who waits for permissions."""
PERMISSIONS_FIELD: Final = "consultant_permissions"
END_FIELD: Final = "consultant_valid_until"
_USERS_WRITE: Final = policy.mask([Permission.USERS_WRITE])


STANDING_COLUMNS: Final = ("client_id", "standing_bits", "standing_until", "standing_by_id")


class _EngagementRow(Protocol):
    """The columns of an engagement that concern its standing permissions."""

    @property
    def id(self) -> UUID: ...
    @property
    def bureau_id(self) -> UUID: ...
    @property
    def client_id(self) -> UUID: ...
    @property
    def standing_bits(self) -> int | None: ...
    @property
    def standing_until(self) -> datetime | None: ...
    @property
    def standing_by_id(self) -> UUID | None: ...


def stored_terms(row: _EngagementRow) -> Terms | None:
    """The stored standing permissions, whether or not they are in force. None if the client gave none."""
    return None if row.standing_bits is None else Terms(Role.CONSULTANT, row.standing_bits, row.standing_until)


# ---- In force --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StandingPermissions:
    """Standing permissions in force: their terms, and the access of the user of the client who gave them."""

    terms: Terms
    giver: Access

    @property
    def until(self) -> datetime | None:
        """Their end, or that of their giver's access if it is earlier. None: no end."""
        return min((end for end in (self.terms.until, self.giver.valid_until) if end is not None), default=None)

    def cut(self, request: Terms) -> Terms:
        """The part of `request` that they give. The end is not later than theirs, nor than that of their giver."""
        return cut(self.terms, request, limit=self.giver.valid_until)


def cut(standing_set: Terms | None, request: Terms, *, limit: datetime | None) -> Terms:
    """The part of `request` in the terms `standing_set`, until `limit` at the latest. None gives no permission."""
    if standing_set is None:
        return Terms(Role.CONSULTANT, 0, request.until)
    bits = (standing_set.allowlist or 0) & (ALL_BITS if request.allowlist is None else request.allowlist)
    if not bits:
        return Terms(Role.CONSULTANT, 0, request.until)
    ends = [end for end in (standing_set.until, request.until, limit) if end is not None]
    return Terms(Role.CONSULTANT, bits, min(ends, default=None))


async def in_force(rows: Sequence[_EngagementRow], *, now: datetime) -> list[StandingPermissions | None]:
    """The standing permissions of each engagement. None if there are none in force.

    They are in force until their end, while the user who gave them has USERS_WRITE at the client and could give them.
    """
    pairs = [*{(row.standing_by_id, row.client_id) for row in rows if row.standing_by_id is not None}]
    accesses = await access.load_pairs(pairs, now=now) if pairs else {}
    return [_in_force(row, accesses, now) for row in rows]


def _in_force(
    row: _EngagementRow, accesses: dict[tuple[UUID, UUID], Access], now: datetime
) -> StandingPermissions | None:
    terms = stored_terms(row)
    giver = accesses.get((row.standing_by_id, row.client_id)) if row.standing_by_id else None
    if terms is None or giver is None or not giver.bits & _USERS_WRITE:
        return None
    if terms.until is not None and terms.until <= now:
        return None
    standing_set = StandingPermissions(terms, giver)
    could_give = grant_rules.is_permitted(giver, None, standing_set.cut(Terms(Role.CONSULTANT, ALL_BITS, None)))
    return standing_set if could_give else None


# ---- Giving ----------------------------------------------------------------------------------


def check(
    giver: Access | None, permissions: list[Permission] | None, until: datetime | None, *, now: datetime
) -> Permit | None:
    """The permit for new standing permissions. None if `permissions` and `until` are None.

    `giver` is the access of the user of the client who gives them. None for a user of the bureau, who cannot.

    Raises Refusal: an invalid input field; REQUIRED for an end without permissions; ROLE_TOO_HIGH.
    """
    with Validation() as validation:
        terms = changed_terms(validation, None, permissions=permissions, until=until, now=now)
    if terms is None:
        return None
    if giver is None:
        raise refuse(UserErrorCode.INVALID, PERMISSIONS_FIELD, mark("Only the client gives permissions."))
    return permit(giver, None, terms)


def changed_terms(
    validation: Validation,
    former: Terms | None,
    *,
    permissions: list[Permission] | None = None,
    until: datetime | None = None,
    remove_permissions: bool | None = None,
    remove_end: bool | None = None,
    now: datetime,
) -> Terms | None:
    """The standing permissions after a change. None for an argument leaves a part as it is."""
    if permissions is None and until is None and not (remove_permissions or remove_end):
        return former
    if remove_permissions and (permissions is not None or until is not None or remove_end):
        validation.add_problem(UserErrorCode.INVALID, "remove_consultant_permissions", _NOT_BOTH)
    if remove_end and until is not None:
        validation.add_problem(UserErrorCode.INVALID, "remove_consultant_end", _NOT_BOTH)
    if remove_permissions:
        return None
    allowlist = former.allowlist if former else 0
    if permissions is not None:
        allowlist = grant_rules.check_allowlist(validation, Role.CONSULTANT, permissions, field=PERMISSIONS_FIELD)
    if not allowlist:
        validation.add_problem(UserErrorCode.REQUIRED, PERMISSIONS_FIELD, mark("Give at least one permission."))
    end = None if remove_end or former is None else former.until
    return Terms(Role.CONSULTANT, allowlist, end if until is None else validation.end(END_FIELD, until, now=now))


_NOT_BOTH: Final = mark("Give a new value or remove the old one, not both.")


def permit(giver: Access, former: Terms | None, terms: Terms | None) -> Permit:
    """Check a change by a user of the client. Raises Refusal ROLE_TOO_HIGH."""
    return grant_rules.permit(
        giver, former, terms, field=PERMISSIONS_FIELD, until_field=END_FIELD, former_field="engagement_id"
    )


_STORE: Final = "UPDATE engagements SET standing_bits = $2, standing_until = $3, standing_by_id = $4 WHERE id = $1"


async def change(caller: Caller, row: _EngagementRow, access_by_account: Mapping[UUID, Access], permit: Permit) -> None:
    """Store standing permissions that the caller gives or removes, and record the change on each side."""
    await db.execute(_STORE, row.id, *columns(caller, permit.terms))
    key = {"engagement": str(row.id)}
    for account_id in (row.bureau_id, row.client_id):
        account_access = access_by_account.get(account_id)
        await event.record(
            caller,
            EventType.ENGAGEMENT_UPDATE,
            account_id=account_id,
            role=account_access.role if account_access else None,
            before=key | event_facts(permit.former),
            after=key | event_facts(permit.terms),
        )


def columns(caller: Caller, terms: Terms | None) -> tuple[int | None, datetime | None, UUID | None]:
    """The values of `standing_bits`, `standing_until` and `standing_by_id`."""
    return (terms.allowlist, terms.until, caller.user()) if terms else (None, None, None)


def event_facts(terms: Terms | None) -> dict[str, object]:
    """The permissions and their end, as events record them. Null for none."""
    permissions = policy.permissions(terms.allowlist or 0) if terms else None
    return {"consultant_permissions": permissions, "consultant_valid_until": terms.until if terms else None}


def mail_params(terms: Terms | None) -> dict[str, object]:
    """The permissions and their end, as mails show them."""
    if terms is None:
        return {"permissions": None, "ends_at": None}
    permissions = " ".join(policy.permissions(terms.allowlist or 0))
    return {"permissions": permissions, "ends_at": terms.until and terms.until.isoformat()}
