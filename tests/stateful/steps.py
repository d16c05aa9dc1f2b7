"""The steps of random scenarios."""

from dataclasses import dataclass
from typing import Final

from auth import policy
from auth.policy import Permission, Role
from tests.stateful.model_rows import BUREAU

GUEST_ROLES: Final = [role for role in Role if role is not Role.OWNER]
ALLOWLISTS: Final[list[tuple[Permission, ...] | None]] = [
    None,
    (),
    (Permission.DOCUMENTS_READ,),
    (Permission.DOCUMENTS_READ, Permission.DOCUMENTS_WRITE, Permission.USERS_READ),
    (Permission.USERS_READ, Permission.USERS_WRITE, Permission.DOCUMENTS_READ),
]
PERMISSION_SETS: Final[list[tuple[Permission, ...]]] = [
    (),
    (Permission.DOCUMENTS_READ,),
    (Permission.DOCUMENTS_WRITE, Permission.REPORTS_READ),
]


@dataclass(frozen=True)
class Step:
    """One step of a scenario. An operation uses the fields that it needs."""

    name: str = ""
    by: int | None = None
    """The acting person. None means the person who is entitled to the operation."""
    nth: int = 0
    """The number of an invitation or grant, counted from the newest."""
    account: int = 0
    payer: int = 0
    receiver: int = 0
    role: Role = Role.SIMPLE_USER
    allowlist: tuple[Permission, ...] | None = None
    restrictions: tuple[Permission, ...] = ()
    locks: tuple[Permission, ...] = ()
    days: int = 10
    seats: int = 3
    days_passed: float = 1
    valid_days: int | None = None

    @property
    def client(self) -> int:
        """One of the two accounts that can be clients of the bureau."""
        return 2 if self.account == BUREAU else self.account

    def permissions(self) -> list[Permission] | None:
        """The allowlist as a list. None if there is none."""
        return None if self.allowlist is None else list(self.allowlist)

    def role_permissions(self) -> list[Permission] | None:
        """The allowlist, or None if the role does not use one."""
        return self.permissions() if self.role in policy.WITH_ALLOWLIST else None


def index_from_newest(items: list[str], nth: int) -> int:
    """The index of the item `nth`, counted from the newest, modulo the number of items."""
    return len(items) - 1 - nth % len(items)


def stored_bits(permissions: list[Permission] | None) -> int | None:
    """The bits that a grant stores for an allowlist. Any permission implies ACCOUNT_READ."""
    if permissions is None:
        return None
    bits = policy.mask(permissions)
    return bits | policy.mask([Permission.ACCOUNT_READ]) if bits else 0


ONE_OF_EACH: Final = [
    Step(name="offer", receiver=3),
    Step(name="withdraw_ownership"),
    Step(name="offer", receiver=3),
    Step(name="decline_ownership"),
    Step(name="set_bounds"),
    Step(name="redeem"),
    Step(name="extend", payer=0, account=2),
    Step(name="invite", account=1, receiver=2),
    Step(name="decline"),
    Step(name="invite", account=1, receiver=3),
    Step(name="revoke_invitation"),
    Step(name="update_grant", role=Role.ACCOUNTANT),
    Step(name="revoke_grant"),
    Step(name="restore_grant"),
    Step(name="resign"),
    Step(name="engage", account=2),
    Step(name="decline_engagement"),
    Step(name="engage", account=2),
    Step(name="accept_engagement"),
    Step(name="assign", account=2, receiver=1, allowlist=ALLOWLISTS[2]),
    Step(name="invite", account=1, receiver=2, role=Role.COLLABORATOR),
    Step(name="accept"),
    Step(name="replace", receiver=1, nth=2),
    Step(name="unassign", account=2, receiver=2),
    Step(name="end_engagement"),
    Step(name="offer", receiver=1),
    Step(name="accept_ownership"),
    Step(name="sell", seats=4),
    Step(name="wait"),
]
