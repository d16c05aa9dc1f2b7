"""The state of the reference model, and its rules of access and seats."""

from dataclasses import dataclass, field
from datetime import datetime

from auth import policy
from auth.policy import DecisionReason, GrantFacts, GrantStatus, Permission, Role
from tests.stateful.model_rows import (
    LIVE_STATUSES,
    Account,
    Engagement,
    Grant,
    Invitation,
    Offer,
)


@dataclass
class AccessModel:
    """The state at one instant."""

    now: datetime
    free_seats: int
    accounts: list[Account] = field(default_factory=list[Account])
    grants: list[Grant] = field(default_factory=list[Grant])
    invitations: list[Invitation] = field(default_factory=list[Invitation])
    engagements: list[Engagement] = field(default_factory=list[Engagement])
    offers: dict[int, Offer] = field(default_factory=dict[int, Offer])
    credited_days: int = 0

    def live_grant(self, user: int, account: int) -> Grant | None:
        """The user's live grant on an account, active or awaiting permissions."""
        grants = [g for g in self.grants if (g.user, g.account) == (user, account) and self.is_live(g)]
        assert len(grants) <= 1
        return grants[0] if grants else None

    def is_live(self, grant: Grant) -> bool:
        return grant.status in LIVE_STATUSES and (grant.until is None or grant.until > self.now)

    def grant_facts(self, user: int, account: int) -> GrantFacts | None:
        """The facts that decide the user's permissions in an account. None without an active grant."""
        grant, account_row = self.live_grant(user, account), self.accounts[account]
        if grant is None or grant.status is not GrantStatus.ACTIVE:
            return None
        return GrantFacts(
            grant.role,
            grant.status,
            grant.allowlist,
            account_row.restrictions,
            account_row.locks,
            account_row.until <= self.now,
        )

    def bits(self, user: int, account: int) -> int:
        """The user's effective permissions in an account."""
        return policy.effective_bits(self.grant_facts(user, account))

    def relation(self, account: int, other_account: int) -> str | None:
        """The relation of an account to another account, from the access of their owners. None if there is none."""
        owner, other_owner = self.accounts[account].owner, self.accounts[other_account].owner
        if owner == other_owner:
            return None
        has_access, gives_access = bool(self.bits(owner, other_account)), bool(self.bits(other_owner, account))
        return {(True, False): "HAS_ACCESS", (True, True): "MUTUAL", (False, True): "GIVES_ACCESS"}.get(
            (has_access, gives_access)
        )

    def permission_refusal(self, user: int, account: int, permission: Permission) -> str | None:
        """The code of the refusal of `permission` in an account. None if the user has it."""
        if not self.bits(user, account):
            return "NOT_FOUND"
        decision = policy.decide(permission, self.grant_facts(user, account))
        if decision.reason is DecisionReason.SUBSCRIPTION_EXPIRED:
            return "SUBSCRIPTION_EXPIRED"
        return None if decision.allowed else "FORBIDDEN"

    def grant_refusal(
        self, user: int, account: int, role: Role, allowlist: int | None, until: datetime | None
    ) -> str | None:
        if allowlist and allowlist & ~policy.ROLES[role]:
            return "INVALID"
        giver = self.live_grant(user, account)
        outlasts = giver is not None and giver.until is not None and (until is None or until > giver.until)
        is_allowed = policy.may_grant(self.grant_facts(user, account), role, allowlist)
        return None if is_allowed and not outlasts else "ROLE_TOO_HIGH"

    def taking_refusal(self, user: int, grant: Grant | Invitation) -> str | None:
        """The code of the refusal to take or change what a grant or an invitation gives. The end does not count."""
        account = grant.account
        is_allowed = policy.may_grant(self.grant_facts(user, account), grant.role, grant.allowlist)
        return None if is_allowed else "ROLE_TOO_HIGH"

    @staticmethod
    def set_initial_status(grant: Grant) -> None:
        granted_bits = policy.granted_bits(grant.role, grant.allowlist)
        grant.status = GrantStatus.ACTIVE if granted_bits else GrantStatus.AWAITING_PERMISSIONS

    def used_seats(self, account: int) -> int:
        """The number of seats that grants use."""
        return sum(
            g.account == account and self.needs_seat(g.role, is_derived=g.engagement is not None) and self.is_live(g)
            for g in self.grants
        )

    @staticmethod
    def needs_seat(role: Role, *, is_derived: bool) -> bool:
        """True if a grant uses a seat. A derived grant is that of a bureau's consultant."""
        return role not in {Role.OWNER, Role.ACCOUNTANT} and not (role is Role.CONSULTANT and is_derived)

    def reserved_seats(self, account: int) -> int:
        """The number of seats that pending invitations reserve."""
        return sum(
            i.account == account and i.role in policy.SEAT_ROLES and self.is_pending(i) for i in self.invitations
        )

    def is_pending(self, invitation: Invitation) -> bool:
        return invitation.status == "PENDING" and invitation.expires_at > self.now

    def seat_refusal(
        self,
        account: int,
        role: Role,
        former_role: Role | None = None,
        *,
        is_reserved: bool = False,
        is_derived: bool = False,
    ) -> str | None:
        """The code of the refusal of one more seat. None if there is one, or `former_role` already has a seat."""
        had_seat = former_role is not None and self.needs_seat(former_role, is_derived=is_derived)
        if had_seat or not self.needs_seat(role, is_derived=is_derived):
            return None
        seat_count = self.used_seats(account) + (0 if is_reserved else self.reserved_seats(account))
        return "SEATS_EXHAUSTED" if seat_count >= self.accounts[account].seats else None
