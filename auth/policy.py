"""The permission table, and the formula for the effective permissions of a grant.

The table below is the only source. Enforcement, the directives in the SDL, field descriptions,
`viewerCan`, error details, `roles` and the printed matrix are derived from it. Sets of permissions
are ints used as bit sets, so a check is one `&`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, reduce
from operator import and_
from typing import Any, Final

import modules


class Role(StrEnum):
    """The role of a user in an account."""

    OWNER = "OWNER"
    ADMINISTRATOR = "ADMINISTRATOR"
    COLLABORATOR = "COLLABORATOR"
    ACCOUNTANT = "ACCOUNTANT"
    CONSULTANT = "CONSULTANT"
    SIMPLE_USER = "SIMPLE_USER"


_OF_MODULES: Final = [permission for module in modules.all_modules() for permission in module.permissions]


def _add_permissions_of_modules(members: dict[str, Any]) -> None:
    """Add the permissions of modules to an enum. Raises InvalidModule for a name that the product has."""
    for permission in _OF_MODULES:
        if permission.name in members:
            raise modules.InvalidModule(f"The product has the permission {permission.name} already.")
        members[permission.name] = permission.name


class Permission(StrEnum):
    """An action that a user may be allowed in an account: `<SUBJECT>_<ACTION>`.

    The position of a permission is its bit in stored sets: append only, never reorder. Permissions of modules come
    last, each with the bit that its module declares. The permissions that only the workspace uses stay here: they are
    in stored grants of installations with and without it.
    """

    ACCOUNT_READ = "ACCOUNT_READ"
    SETTINGS_READ = "SETTINGS_READ"
    SETTINGS_WRITE = "SETTINGS_WRITE"
    USERS_READ = "USERS_READ"
    USERS_WRITE = "USERS_WRITE"
    SUBSCRIPTION_READ = "SUBSCRIPTION_READ"
    SUBSCRIPTION_WRITE = "SUBSCRIPTION_WRITE"
    EVENTS_READ = "EVENTS_READ"
    MESSAGES_READ = "MESSAGES_READ"
    DOCUMENTS_READ = "DOCUMENTS_READ"
    DOCUMENTS_READ_ALL = "DOCUMENTS_READ_ALL"
    DOCUMENTS_WRITE = "DOCUMENTS_WRITE"
    DOCUMENTS_SEND = "DOCUMENTS_SEND"
    DOCUMENTS_DELETE = "DOCUMENTS_DELETE"
    EXPENSES_READ = "EXPENSES_READ"
    EXPENSES_WRITE = "EXPENSES_WRITE"
    CONTACTS_READ = "CONTACTS_READ"
    CONTACTS_WRITE = "CONTACTS_WRITE"
    PRODUCTS_READ = "PRODUCTS_READ"
    PRODUCTS_WRITE = "PRODUCTS_WRITE"
    PURCHASE_PRICES_READ = "PURCHASE_PRICES_READ"
    REPORTS_READ = "REPORTS_READ"
    EXPORTS_CREATE = "EXPORTS_CREATE"
    OWNERSHIP = "OWNERSHIP"
    _add_permissions_of_modules(vars())


class GrantStatus(StrEnum):
    """The status of a grant. Only an ACTIVE grant gives permissions."""

    AWAITING_PERMISSIONS = "AWAITING_PERMISSIONS"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"
    RESIGNED = "RESIGNED"
    EXPIRED = "EXPIRED"


class DecisionReason(StrEnum):
    """The rule that allowed or denied a permission."""

    GRANTED = "GRANTED"
    NO_GRANT = "NO_GRANT"
    ROLE = "ROLE"
    RESTRICTED_BY_GRANT = "RESTRICTED_BY_GRANT"
    RESTRICTED_BY_ACCOUNT = "RESTRICTED_BY_ACCOUNT"
    LOCKED_BY_ACCOUNT = "LOCKED_BY_ACCOUNT"
    AWAITING_PERMISSIONS = "AWAITING_PERMISSIONS"
    GRANT_NOT_ACTIVE = "GRANT_NOT_ACTIVE"
    ACCOUNT_CLOSING = "ACCOUNT_CLOSING"
    SUBSCRIPTION_EXPIRED = "SUBSCRIPTION_EXPIRED"
    TWO_FACTOR_REQUIRED = "TWO_FACTOR_REQUIRED"


_MODULE_BIT: Final = {permission.name: permission.bit for permission in _OF_MODULES}
_BIT: Final = {permission: 1 << _MODULE_BIT.get(permission, position) for position, permission in enumerate(Permission)}


def mask(permissions: Iterable[Permission]) -> int:
    """The bit set of `permissions`."""
    bits = 0
    for permission in permissions:
        bits |= _BIT[permission]
    return bits


def permissions(bits: int) -> list[Permission]:
    """The permissions of a bit set, in the order of the enum."""
    return [permission for permission, bit in _BIT.items() if bits & bit]


# ---- The table -------------------------------------------------------------------------------
# A row for each permission, a column for each role, in the order of the enum: Owner, Administrator,
# Collaborator, Accountant (K), coNsultant, Simple user. For N and S the table is the maximum.

_LETTERS: Final =                    "O A C K N S"  # fmt: skip
_TABLE: Final = {
    Permission.ACCOUNT_READ:         "x x x x x x",
    Permission.SETTINGS_READ:        "x x x . x .",
    Permission.SETTINGS_WRITE:       "x x x . x .",
    Permission.USERS_READ:           "x x x . x .",
    Permission.USERS_WRITE:          "x x . . x .",
    Permission.SUBSCRIPTION_READ:    "x x x x x x",
    Permission.SUBSCRIPTION_WRITE:   "x x x . . .",
    Permission.EVENTS_READ:          "x x x . x .",
    Permission.MESSAGES_READ:        "x x x . x .",
    Permission.DOCUMENTS_READ:       "x x x x x x",
    Permission.DOCUMENTS_READ_ALL:   "x x x x x x",
    Permission.DOCUMENTS_WRITE:      "x x x x x x",
    Permission.DOCUMENTS_SEND:       "x x x x x x",
    Permission.DOCUMENTS_DELETE:     "x x x x x .",
    Permission.EXPENSES_READ:        "x x x x x x",
    Permission.EXPENSES_WRITE:       "x x x x x x",
    Permission.CONTACTS_READ:        "x x x x x x",
    Permission.CONTACTS_WRITE:       "x x x x x x",
    Permission.PRODUCTS_READ:        "x x x x x x",
    Permission.PRODUCTS_WRITE:       "x x x x x x",
    Permission.PURCHASE_PRICES_READ: "x x x x x x",
    Permission.REPORTS_READ:         "x x x x x x",
    Permission.EXPORTS_CREATE:       "x x x x x x",
    Permission.OWNERSHIP:            "x . . . . .",
}  # fmt: skip
_ROWS: Final = {permission: row.split() for permission, row in _TABLE.items()} | {
    Permission(permission.name): ["x" if letter in permission.roles else "." for letter in _LETTERS.split()]
    for permission in _OF_MODULES
}
_SEAT: Final =                       ". x x . x x"  # fmt: skip

ROLE_LETTERS: Final = dict(zip(Role, _LETTERS.split(), strict=True))
"""The letter of each role in the printed permission table."""

ROLES: Final = {
    role: mask(permission for permission, row in _ROWS.items() if row[column] == "x")
    for column, role in enumerate(Role)
}
"""The permissions that each role can have at most, as bit sets."""

SEAT_ROLES: Final = tuple(role for role, cell in zip(Role, _SEAT.split(), strict=True) if cell == "x")
"""Roles whose holders each use one of the seats that the account has bought. A bureau's consultants use none."""

WITH_ALLOWLIST: Final = frozenset({Role.CONSULTANT, Role.SIMPLE_USER})
"""Roles that an allowlist can restrict. A consultant without an allowlist has no permissions."""

RESTRICTABLE: Final = ROLES[Role.SIMPLE_USER] & ~mask([Permission.ACCOUNT_READ, Permission.SUBSCRIPTION_READ]) | mask(
    [Permission.DOCUMENTS_DELETE]
)
"""Permissions that an account may take from its simple users, or lock for all users.

Only permissions on data. If SETTINGS_WRITE could be locked, no user could undo the lock."""

SURVIVES_EXPIRY: Final = mask(
    [
        Permission.USERS_WRITE,
        Permission.SUBSCRIPTION_WRITE,
        Permission.EXPORTS_CREATE,
        Permission.OWNERSHIP,
    ]
)
"""Permissions other than reading that stay after the subscription has ended: to renew it, export data,
and invite or remove users."""

SURVIVES_CLOSING: Final = mask([Permission.EXPORTS_CREATE, Permission.OWNERSHIP])
"""Permissions other than reading that stay while the account waits for its closing: to export data and to reopen it.

Operations that only take access go on too, without the permission: `models/access/operation.py`."""


def base_read(permission: Permission) -> Permission | None:
    """The read permission that `permission` requires: X_READ for any other X permission. None for X_READ itself."""
    scope = permission.value.split("_", 1)[0]
    read_permission = Permission.__members__.get(f"{scope}_READ")
    return None if read_permission is permission else read_permission


_READ_REQUIREMENTS: Final = [
    (_BIT[permission], _BIT[read]) for permission in Permission if (read := base_read(permission)) is not None
]
_READS: Final = mask(p for p in Permission if "_READ" in p.value)
_KEPT_AFTER_EXPIRY: Final = _READS | SURVIVES_EXPIRY
_KEPT_WHILE_CLOSING: Final = _READS | SURVIVES_CLOSING


VIEW_AS: Final = (Permission.USERS_WRITE, Permission.SUBSCRIPTION_WRITE)
"""The permissions required for a view-as request.

By the table these are the owner and the administrators. Neither a lock nor the end of the
subscription takes these permissions away."""
_VIEW_AS_BITS: Final = mask(VIEW_AS)
COMMON_TO_VIEWERS: Final = reduce(and_, (bits for bits in ROLES.values() if bits & _VIEW_AS_BITS == _VIEW_AS_BITS))
"""The permissions common to all roles that may make view-as requests."""


def implied_reads(bits: int) -> int:
    """The read permissions that the permissions in `bits` require."""
    reads = 0
    for bit, read_bit in _READ_REQUIREMENTS:
        if bits & bit:
            reads |= read_bit
    return reads


def drop_orphans(bits: int) -> int:
    """`bits` without the permissions whose read permission is missing. Without X_READ, all X are dropped."""
    for bit, read_bit in _READ_REQUIREMENTS:
        if not bits & read_bit:
            bits &= ~bit
    return bits


# ---- Permissions of a grant ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """The facts that determine a user's permissions in an account. A user without a grant has None instead."""

    role: Role
    status: GrantStatus
    allowlist: int | None
    restrictions: int
    locks: int
    subscription_over: bool
    factor_missing: bool = False
    """True if the account requires a second factor and the user has none."""
    is_closing: bool = False
    """True while the account waits for its closing."""


_INACTIVE: Final = {
    GrantStatus.AWAITING_PERMISSIONS: DecisionReason.AWAITING_PERMISSIONS,
    GrantStatus.REVOKED: DecisionReason.GRANT_NOT_ACTIVE,
    GrantStatus.RESIGNED: DecisionReason.GRANT_NOT_ACTIVE,
    GrantStatus.EXPIRED: DecisionReason.GRANT_NOT_ACTIVE,
}


def _apply_rules(facts: GrantFacts | None) -> Iterator[tuple[DecisionReason, int]]:
    """The remaining permissions after each rule, in order. The last value is the effective permissions."""
    if facts is None:
        yield DecisionReason.NO_GRANT, 0
        return
    if facts.status is not GrantStatus.ACTIVE:
        yield _INACTIVE[facts.status], 0
        return
    if facts.factor_missing:
        yield DecisionReason.TWO_FACTOR_REQUIRED, 0
        return
    bits = ROLES[facts.role]
    yield DecisionReason.ROLE, bits
    bits = granted_bits(facts.role, facts.allowlist)
    yield DecisionReason.RESTRICTED_BY_GRANT, bits
    if facts.role is Role.SIMPLE_USER:
        bits = drop_orphans(bits & ~facts.restrictions)
        yield DecisionReason.RESTRICTED_BY_ACCOUNT, bits
    bits = drop_orphans(bits & ~facts.locks)
    yield DecisionReason.LOCKED_BY_ACCOUNT, bits
    # Both states make the account read-only, by what is left of the permissions.
    if facts.is_closing:
        bits &= _KEPT_WHILE_CLOSING
        yield DecisionReason.ACCOUNT_CLOSING, bits
    if facts.subscription_over:
        yield DecisionReason.SUBSCRIPTION_EXPIRED, bits & _KEPT_AFTER_EXPIRY


def granted_bits(role: Role, allowlist: int | None) -> int:
    """The permissions of a grant before the account's restrictions, locks and expiry, as a bit set."""
    return drop_orphans(ROLES[role] & _allowlist_bits(role, allowlist))


def _allowlist_bits(role: Role, allowlist: int | None) -> int:
    if role not in WITH_ALLOWLIST or (allowlist is None and role is not Role.CONSULTANT):
        return -1
    return allowlist or 0


@lru_cache(maxsize=4096)
def effective_bits(facts: GrantFacts | None) -> int:
    """The effective permissions, as a bit set."""
    return [bits for _, bits in _apply_rules(facts)][-1]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a permission: the rule behind it, and the roles that could change a denial."""

    permission: Permission
    allowed: bool
    reason: DecisionReason
    grantable_by: tuple[Role, ...]


@lru_cache(maxsize=4096)
def decide(permission: Permission, facts: GrantFacts | None) -> Decision:
    """The decision about `permission`. A denial names the first rule that removed it."""
    bit = _BIT[permission]
    for reason, bits in _apply_rules(facts):
        if not bits & bit:
            return Decision(permission, False, reason, _roles_able_to_change(permission, reason))
    return Decision(permission, True, DecisionReason.GRANTED, ())


_REMEDY: Final = {
    DecisionReason.RESTRICTED_BY_ACCOUNT: Permission.SETTINGS_WRITE,
    DecisionReason.LOCKED_BY_ACCOUNT: Permission.SETTINGS_WRITE,
    DecisionReason.ACCOUNT_CLOSING: Permission.OWNERSHIP,
    DecisionReason.SUBSCRIPTION_EXPIRED: Permission.SUBSCRIPTION_WRITE,
    DecisionReason.TWO_FACTOR_REQUIRED: Permission.SETTINGS_WRITE,
}


def _roles_able_to_change(permission: Permission, reason: DecisionReason) -> tuple[Role, ...]:
    remedy = _REMEDY.get(reason)
    required_bits = mask([remedy]) if remedy else mask([Permission.USERS_WRITE, permission])
    return tuple(
        role for role, bits in ROLES.items() if role not in WITH_ALLOWLIST and bits & required_bits == required_bits
    )


def holders(permission: Permission) -> tuple[list[Role], list[Role]]:
    """The roles that always have `permission`, and the roles that have it only if it is granted."""
    roles = [role for role, bits in ROLES.items() if bits & _BIT[permission]]
    return [r for r in roles if r not in WITH_ALLOWLIST], [r for r in roles if r in WITH_ALLOWLIST]


def may_manage(grantor: GrantFacts | None, role: Role) -> bool:
    """True if `grantor` may create, change and end grants with `role`.

    Ownership is only transferred. Only the owner may appoint, change and remove administrators.
    """
    if grantor is None or grantor.status is not GrantStatus.ACTIVE or grantor.factor_missing or role is Role.OWNER:
        return False
    required_bits = _BIT[Permission.USERS_WRITE] | (_BIT[Permission.OWNERSHIP] if role is Role.ADMINISTRATOR else 0)
    return granted_bits(grantor.role, grantor.allowlist) & required_bits == required_bits


def may_grant(grantor: GrantFacts | None, role: Role, allowlist: int | None) -> bool:
    """True if `grantor` may give another user `role` with `allowlist`.

    The grantor must have every permission that the grant gives. The account's locks, an ended subscription
    and a closing are ignored here: they restrict the new grant as well.
    """
    return (
        grantor is not None
        and may_manage(grantor, role)
        and not granted_bits(role, allowlist) & ~granted_bits(grantor.role, grantor.allowlist)
    )
