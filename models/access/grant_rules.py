"""Rules for changing grants: valid allowlists, and the ceiling, which limits what a user may give and take.

Each change of a grant passes `permit`. Its result is the argument of the statements in `models/access/grant_store.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Protocol
from uuid import UUID

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from i18n import mark
from models.access.access import Access
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import Validation


def check_allowlist(
    check: Validation, role: Role, permissions: list[Permission] | None, *, field: str = "permissions"
) -> int | None:
    """The bits of a valid allowlist. None for no list, and for roles that cannot have one.

    ACCOUNT_READ is added to a list that is not empty: without it, no other permission could be used. A list with a
    write permission but not its read permission is an error, because the write permission would have no effect.
    """
    if permissions is None:
        return None
    bits = policy.mask(permissions)
    if role not in policy.WITH_ALLOWLIST:
        check.add_problem(
            UserErrorCode.INVALID,
            field,
            mark("Only consultants and simple users have permissions of their own."),
        )
        return None
    if excess := bits & ~policy.ROLES[role]:
        check.add_problem(
            UserErrorCode.INVALID,
            field,
            mark("This role cannot have: %(permissions)s."),
            permissions=", ".join(policy.permissions(excess)),
        )
    elif missing_reads := policy.implied_reads(bits) & ~bits:
        check.add_problem(
            UserErrorCode.INVALID,
            field,
            mark("These permissions are needed by the others: %(permissions)s."),
            permissions=", ".join(policy.permissions(missing_reads)),
        )
    return bits | policy.mask([Permission.ACCOUNT_READ]) if bits else 0


# ---- The ceiling -----------------------------------------------------------------------------


class _TermsRow(Protocol):
    """A stored grant."""

    @property
    def role(self) -> object: ...
    @property
    def listed(self) -> int | None: ...
    @property
    def valid_until(self) -> datetime | None: ...
    @property
    def own_until(self) -> datetime | None: ...
    @property
    def engagement_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """The content of a grant: a role, an allowlist and an end. `until` is None if it has no end.

    The end of a derived grant is the one that was set on it, because the end of its base grant can change.
    """

    role: Role
    allowlist: int | None
    until: datetime | None

    @property
    def bits(self) -> int:
        """The permissions before the account's restrictions, locks and expiry, as a bit set."""
        return policy.granted_bits(self.role, self.allowlist)

    @property
    def status(self) -> GrantStatus:
        """The status of a live grant: AWAITING_PERMISSIONS if it gives no permission yet, otherwise ACTIVE."""
        return GrantStatus.ACTIVE if self.bits else GrantStatus.AWAITING_PERMISSIONS


OWNER: Final = Terms(Role.OWNER, None, None)
"""The terms of each owner's grant."""


def terms_of(row: _TermsRow) -> Terms:
    """The terms of a stored grant."""
    return Terms(Role(str(row.role)), row.listed, row.valid_until if row.engagement_id is None else row.own_until)


def changed_terms(
    check: Validation,
    former: Terms,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None = None,
    until: datetime | None = None,
    until_field: str,
    remove_permission_list: bool | None = None,
    remove_end: bool | None = None,
    now: datetime,
) -> Terms:
    """The terms after a change. None leaves a part as it is; only the `remove` arguments take a limit off.

    A new role starts without the allowlist of the former role.
    """
    for removal, value, name in ((remove_permission_list, permissions, "permission_list"), (remove_end, until, "end")):
        if removal and value is not None:
            check.add_problem(
                UserErrorCode.INVALID, f"remove_{name}", mark("Give a new value or remove the old one, not both.")
            )
    new_role = role or former.role
    if permissions is not None:
        allowlist = check_allowlist(check, new_role, permissions)
    else:
        allowlist = former.allowlist if new_role is former.role and not remove_permission_list else None
    new_until = None if remove_end else former.until if until is None else check.end(until_field, until, now=now)
    return Terms(new_role, allowlist, new_until)


class Exemption(Enum):
    """A change of a grant that needs no right to give it. Each exemption allows one kind of change."""

    HOLDER = "The holder gives up their own access. It only takes."
    BUREAU = "A bureau ends the access of its consultants, or its engagement. It only takes."
    CLOSURE = "The owner closes an account, and ends its engagements. It only takes."
    ASSIGNMENT = "A bureau assigns a consultant, who waits for permissions. It gives no permission."
    OPENING = "An account is opened, for its owner and by a user of the bureau. It takes no access."
    UNCLAIMED = (
        "A bureau gives access to an account that it opened and no owner has claimed. As a COLLABORATOR at most."
    )
    TRANSFER = "An owner gives the account to the receiver and becomes an administrator."


Authority = Access | Exemption
"""The right to change a grant: the access of a user of the account, or an exemption."""


@dataclass(frozen=True, slots=True)
class Permit:
    """A permitted change of a grant: from the terms `former` to `terms`. None on a side where there is no access.

    Only `permit` creates it. `models/access/grant_store.py` writes nothing without it.
    """

    former: Terms | None
    terms: Terms | None

    @property
    def gives_more(self) -> bool:
        """True if the holder gets more permissions, is no longer restricted as a simple user, or keeps them longer."""
        if self.former is None or self.terms is None:
            return self.terms is not None
        is_freed = self.former.role is Role.SIMPLE_USER and self.terms.role is not Role.SIMPLE_USER
        has_more = self.terms.bits & ~self.former.bits
        return is_freed or bool(has_more) or _outlasts(self.terms.until, self.former.until)


def permit(
    authority: Authority,
    former: Terms | None,
    terms: Terms | None,
    *,
    field: str | None = "role",
    until_field: str | None = "grant_valid_until",
    former_field: str | None = "grant_id",
) -> Permit:
    """Check a change of a grant: a new one has no `former`, an ended one no `terms`. The only check of this kind.

    Users neither give nor take more permissions than they have in the account, and give none for a longer time than
    their own access lasts. Only the owner appoints, changes and removes administrators. The owner's grant changes by
    exemptions alone. The account's locks and restrictions do not count, because they hold for the grant too.

    Raises Refusal ROLE_TOO_HIGH: at `former_field` for the former terms, at `field` or `until_field` for the new ones.
    """
    if isinstance(authority, Exemption):
        if not _is_exempt(authority, former, terms):
            raise _too_high(field, mark("You cannot give more than you have yourself."))
        return Permit(former, terms)
    if former is not None and not _may_give_permissions(authority, former):
        raise _too_high(former_field, _taking_text(authority, former))
    if terms is not None and not _may_give_permissions(authority, terms):
        raise _too_high(field, mark("You cannot give more than you have yourself."))
    # An end limits what is given. A change that leaves no permission gives nothing.
    if terms is not None and terms.bits and _outlasts(terms.until, authority.valid_until):
        raise _too_high(until_field, mark("Your own access ends earlier."))
    return Permit(former, terms)


def is_permitted(authority: Authority, former: Terms | None, terms: Terms | None) -> bool:
    """True if `permit` permits the change."""
    try:
        _ = permit(authority, former, terms)
    except Refusal:
        return False
    return True


def _is_exempt(exemption: Exemption, former: Terms | None, terms: Terms | None) -> bool:
    match exemption:
        case Exemption.HOLDER | Exemption.BUREAU | Exemption.CLOSURE:
            return terms is None
        case Exemption.ASSIGNMENT:
            return former is None and terms is not None and not terms.bits
        case Exemption.OPENING:
            return former is None
        case Exemption.UNCLAIMED:
            is_waiting = former is None or not former.bits
            return is_waiting and terms is not None and not terms.bits & ~policy.ROLES[Role.COLLABORATOR]
        case Exemption.TRANSFER:
            return former is not None and terms is not None and Role.OWNER in {former.role, terms.role}


def _may_give_permissions(giver: Access, terms: Terms) -> bool:
    return policy.may_grant(giver.facts, terms.role, terms.allowlist)


def _taking_text(giver: Access, former: Terms) -> str:
    if policy.may_manage(giver.facts, former.role):
        return mark("You cannot change or end access that has more permissions than your own.")
    return mark("Only the owner decides who is an administrator.")


def _too_high(field: str | None, text: str) -> Refusal:
    return refuse(UserErrorCode.ROLE_TOO_HIGH, field, text)


def _outlasts(end: datetime | None, limit: datetime | None) -> bool:
    return limit is not None and (end is None or end > limit)
