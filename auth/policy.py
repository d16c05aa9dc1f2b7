"""Which role holds which permission, and what of it is left to one holder of a grant.

The table below is the only place that says so. Enforcement, directives in the SDL, field
descriptions, `viewerCan`, error details, `roles` and the printed matrix are derived from it.
Permissions travel as a bit set (an int), so that a check is one `&`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, reduce
from operator import and_
from typing import Final


class Role(StrEnum):
    """What somebody is in an account."""

    OWNER = "OWNER"
    ADMINISTRATOR = "ADMINISTRATOR"
    COLLABORATOR = "COLLABORATOR"
    ACCOUNTANT = "ACCOUNTANT"
    CONSULTANT = "CONSULTANT"
    SIMPLE_USER = "SIMPLE_USER"


class Permission(StrEnum):
    """One thing that somebody may do in an account: `<SUBJECT>_<ACTION>`.

    A permission's position is its bit in stored sets: append only, never reorder.
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


class GrantStatus(StrEnum):
    """Where a grant stands; only ACTIVE is worth anything."""

    AWAITING_PERMISSIONS = "AWAITING_PERMISSIONS"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"
    RESIGNED = "RESIGNED"
    EXPIRED = "EXPIRED"


class DecisionReason(StrEnum):
    """Why a permission is there, or which rule took it."""

    GRANTED = "GRANTED"
    NO_GRANT = "NO_GRANT"
    ROLE = "ROLE"
    RESTRICTED_BY_GRANT = "RESTRICTED_BY_GRANT"
    RESTRICTED_BY_ACCOUNT = "RESTRICTED_BY_ACCOUNT"
    LOCKED_BY_ACCOUNT = "LOCKED_BY_ACCOUNT"
    AWAITING_PERMISSIONS = "AWAITING_PERMISSIONS"
    GRANT_NOT_ACTIVE = "GRANT_NOT_ACTIVE"
    SUBSCRIPTION_EXPIRED = "SUBSCRIPTION_EXPIRED"
    TWO_FACTOR_REQUIRED = "TWO_FACTOR_REQUIRED"


_BIT: Final = {permission: 1 << place for place, permission in enumerate(Permission)}


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
# One row a permission, one column a role, in the order of the enum:
# Owner, Administrator, Collaborator, Accountant, coNsultant up to, Simple user up to.

_TABLE: Final = {
    #                                  O A C K N S
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
_SEAT: Final =                       ". x x . . x"  # fmt: skip

ROLES: Final = {
    role: mask(permission for permission, row in _TABLE.items() if row.split()[column] == "x")
    for column, role in enumerate(Role)
}
"""What each role can hold at most."""

SEATED: Final = tuple(role for role, mark in zip(Role, _SEAT.split(), strict=True) if mark == "x")
"""Roles whose holders each take one of the seats that the account has bought."""

WITH_ALLOWLIST: Final = frozenset({Role.CONSULTANT, Role.SIMPLE_USER})
"""Roles that a grant's own list cuts down. A consultant without a list has nothing."""

RESTRICTABLE: Final = ROLES[Role.SIMPLE_USER] & ~mask([Permission.ACCOUNT_READ, Permission.SUBSCRIPTION_READ]) | mask(
    [Permission.DOCUMENTS_DELETE]
)
"""What an account may take from its simple users, or lock for everybody: its data, never the
keys to its own door, or nobody could undo the lock."""

SURVIVES_EXPIRY: Final = mask(
    [
        Permission.USERS_WRITE,
        Permission.SUBSCRIPTION_WRITE,
        Permission.EXPORTS_CREATE,
        Permission.OWNERSHIP,
    ]
)
"""Permissions other than reading that outlive the subscription: renewing, exporting, inviting,
taking access back."""


def base(permission: Permission) -> Permission | None:
    """The reading that `permission` rests on: X_READ for any other X permission."""
    scope = permission.value.split("_", 1)[0]
    reading = Permission.__members__.get(f"{scope}_READ")
    return None if reading is permission else reading


_RESTS_ON: Final = [
    (_BIT[permission], _BIT[below]) for permission in Permission if (below := base(permission)) is not None
]
_READING: Final = mask(p for p in Permission if "_READ" in p.value)
_NOT_AFTER_EXPIRY: Final = ~(_READING | SURVIVES_EXPIRY)


VIEW_AS: Final = (Permission.USERS_WRITE, Permission.SUBSCRIPTION_WRITE)
"""What it takes to look at an account through another's eyes: giving access to others, and having
the account whole. By the table that is the owner and administrators, and neither a lock nor the
subscription's end takes it from them."""
_LOOKING: Final = mask(VIEW_AS)
COMMON_TO_VIEWERS: Final = reduce(and_, (held for held in ROLES.values() if held & _LOOKING == _LOOKING))
"""What every role holds that may look so."""


def implied_reads(bits: int) -> int:
    """The readings that the permissions of `bits` rest on."""
    found = 0
    for bit, below in _RESTS_ON:
        if bits & bit:
            found |= below
    return found


def drop_orphans(bits: int) -> int:
    """`bits` without every permission whose reading is missing: taking X_READ takes all X."""
    for bit, below in _RESTS_ON:
        if not bits & below:
            bits &= ~bit
    return bits


# ---- What one holder has ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """The facts that decide what a user may do in an account; None in its place: no grant."""

    role: Role
    status: GrantStatus
    listed: int | None
    restrictions: int
    locks: int
    subscription_over: bool
    factor_missing: bool = False
    """The account demands a second factor, and the user has none."""


_INACTIVE: Final = {
    GrantStatus.AWAITING_PERMISSIONS: DecisionReason.AWAITING_PERMISSIONS,
    GrantStatus.REVOKED: DecisionReason.GRANT_NOT_ACTIVE,
    GrantStatus.RESIGNED: DecisionReason.GRANT_NOT_ACTIVE,
    GrantStatus.EXPIRED: DecisionReason.GRANT_NOT_ACTIVE,
}


def _narrowings(standing: GrantFacts | None) -> Iterator[tuple[DecisionReason, int]]:
    """The formula: what is left after each rule in turn. Its last value is what counts."""
    if standing is None:
        yield DecisionReason.NO_GRANT, 0
        return
    if standing.status is not GrantStatus.ACTIVE:
        yield _INACTIVE[standing.status], 0
        return
    if standing.factor_missing:
        yield DecisionReason.TWO_FACTOR_REQUIRED, 0
        return
    bits = ROLES[standing.role]
    yield DecisionReason.ROLE, bits
    bits = granted(standing.role, standing.listed)
    yield DecisionReason.RESTRICTED_BY_GRANT, bits
    if standing.role is Role.SIMPLE_USER:
        bits = drop_orphans(bits & ~standing.restrictions)
        yield DecisionReason.RESTRICTED_BY_ACCOUNT, bits
    bits = drop_orphans(bits & ~standing.locks)
    yield DecisionReason.LOCKED_BY_ACCOUNT, bits
    if standing.subscription_over:
        yield DecisionReason.SUBSCRIPTION_EXPIRED, bits & ~_NOT_AFTER_EXPIRY


def granted(role: Role, listed: int | None) -> int:
    """What a grant gives by itself, before the account's restrictions, locks and expiry."""
    return drop_orphans(ROLES[role] & _listed(role, listed))


def _listed(role: Role, listed: int | None) -> int:
    if role not in WITH_ALLOWLIST or (listed is None and role is not Role.CONSULTANT):
        return -1
    return listed or 0


@lru_cache(maxsize=4096)
def effective(standing: GrantFacts | None) -> int:
    """The permissions that hold now, as a bit set."""
    return [bits for _, bits in _narrowings(standing)][-1]


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no for one permission, with the rule that decided and who could change a no."""

    permission: Permission
    allowed: bool
    reason: DecisionReason
    grantable_by: tuple[Role, ...]


@lru_cache(maxsize=4096)
def decide(permission: Permission, standing: GrantFacts | None) -> Decision:
    """Whether `standing` holds `permission`; otherwise the first rule that took it away."""
    bit = _BIT[permission]
    for reason, bits in _narrowings(standing):
        if not bits & bit:
            return Decision(permission, False, reason, _could_change(permission, reason))
    return Decision(permission, True, DecisionReason.GRANTED, ())


_REMEDY: Final = {
    DecisionReason.RESTRICTED_BY_ACCOUNT: Permission.SETTINGS_WRITE,
    DecisionReason.LOCKED_BY_ACCOUNT: Permission.SETTINGS_WRITE,
    DecisionReason.SUBSCRIPTION_EXPIRED: Permission.SUBSCRIPTION_WRITE,
    DecisionReason.TWO_FACTOR_REQUIRED: Permission.SETTINGS_WRITE,
}


def _could_change(permission: Permission, reason: DecisionReason) -> tuple[Role, ...]:
    remedy = _REMEDY.get(reason)
    needed = mask([remedy]) if remedy else mask([Permission.USERS_WRITE, permission])
    return tuple(role for role, held in ROLES.items() if role not in WITH_ALLOWLIST and held & needed == needed)


def holders(permission: Permission) -> tuple[list[Role], list[Role]]:
    """Who has `permission`: roles that always do, and roles that do where they are given it."""
    having = [role for role, held in ROLES.items() if held & _BIT[permission]]
    return [r for r in having if r not in WITH_ALLOWLIST], [r for r in having if r in WITH_ALLOWLIST]


def may_manage(giver: GrantFacts | None, role: Role) -> bool:
    """Whether `giver` decides who is in `role`: puts somebody there, changes his grant, ends it.

    Ownership is transferred, never given or taken. Administrators are the owner's alone to appoint,
    and so to change and to put out.
    """
    if giver is None or giver.status is not GrantStatus.ACTIVE or giver.factor_missing or role is Role.OWNER:
        return False
    needed = _BIT[Permission.USERS_WRITE] | (_BIT[Permission.OWNERSHIP] if role is Role.ADMINISTRATOR else 0)
    return granted(giver.role, giver.listed) & needed == needed


def may_give(giver: GrantFacts | None, role: Role, listed: int | None) -> bool:
    """Whether `giver` may put somebody else into `role` with the list `listed`.

    Nobody gives what he does not hold himself. What an account locks for all, or an ended
    subscription suspends, stays the giver's to give: it binds the receiver just the same.
    """
    return (
        giver is not None and may_manage(giver, role) and not granted(role, listed) & ~granted(giver.role, giver.listed)
    )
