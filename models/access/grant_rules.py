"""Rules for giving a grant: valid allowlists, and the limits of the user who gives it."""

from datetime import datetime

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from i18n import mark
from models.access.access import Access
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation


def check_allowlist(check: Validation, role: Role, permissions: list[Permission] | None) -> int | None:
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
            "permissions",
            mark("Only consultants and simple users have permissions of their own."),
        )
        return None
    if excess := bits & ~policy.ROLES[role]:
        check.add_problem(
            UserErrorCode.INVALID,
            "permissions",
            mark("This role cannot have: %(permissions)s."),
            permissions=", ".join(policy.permissions(excess)),
        )
    elif missing_reads := policy.implied_reads(bits) & ~bits:
        check.add_problem(
            UserErrorCode.INVALID,
            "permissions",
            mark("These permissions are needed by the others: %(permissions)s."),
            permissions=", ".join(policy.permissions(missing_reads)),
        )
    return bits | policy.mask([Permission.ACCOUNT_READ]) if bits else 0


def initial_status(role: Role, allowlist: int | None) -> GrantStatus:
    """AWAITING_PERMISSIONS for a grant that has no permission yet, otherwise ACTIVE."""
    return GrantStatus.ACTIVE if policy.granted_bits(role, allowlist) else GrantStatus.AWAITING_PERMISSIONS


def may_give(giver: Access, role: Role, allowlist: int | None, until: datetime | None) -> bool:
    """True if `giver` may give `role` until `until` (None: for ever).

    Users cannot give more permissions than they have, or for a longer time.
    """
    return policy.may_grant(giver.facts, role, allowlist) and not _outlasts(until, giver.valid_until)


def require_may_give(
    giver: Access,
    role: Role,
    allowlist: int | None,
    until: datetime | None,
    *,
    field: str = "role",
    until_field: str = "grant_valid_until",
) -> None:
    """Raise Refusal ROLE_TOO_HIGH unless `giver` may give `role` until `until` (None: for ever)."""
    if not policy.may_grant(giver.facts, role, allowlist):
        raise refuse(UserErrorCode.ROLE_TOO_HIGH, field, mark("You cannot give more than you have yourself."))
    if not may_give(giver, role, allowlist, until):
        raise refuse(UserErrorCode.ROLE_TOO_HIGH, until_field, mark("Your own access ends earlier."))


def require_may_manage(giver: Access, role: Role, field: str) -> None:
    """Raise Refusal ROLE_TOO_HIGH unless `giver` may give and end grants in `role`."""
    if not policy.may_manage(giver.facts, role):
        raise refuse(UserErrorCode.ROLE_TOO_HIGH, field, mark("Only the owner decides who is an administrator."))


def _outlasts(end: datetime | None, limit: datetime | None) -> bool:
    return limit is not None and (end is None or end > limit)
