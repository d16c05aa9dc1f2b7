"""A plain model of the whole: what the product holds, and what each operation must answer.

No transactions, no SQL, no clock of its own. It knows the rules a second time on purpose, except for
the permission table and its formula, which have a second telling in tests/auth.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from auth import policy
from auth.policy import DecisionReason, GrantStatus, Permission, Role, Standing

DONE: Final = "done"
TRIAL: Final = timedelta(days=30)
INVITED_FOR: Final = timedelta(days=7)
LIVE: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)
Listed = tuple[Permission, ...] | None


@dataclass
class Grant:
    """Somebody's access."""

    user: int
    account: int
    role: Role
    listed: int | None
    until: datetime | None
    status: GrantStatus = GrantStatus.ACTIVE


@dataclass
class Account:
    """A company, with the end of its days."""

    owner: int
    until: datetime
    seats: int
    restrictions: int = 0
    locks: int = 0


@dataclass
class Invitation:
    """An offer to somebody."""

    account: int
    user: int
    role: Role
    listed: int | None
    inviter: int
    expires: datetime
    until: datetime | None
    status: str = "PENDING"


@dataclass
class Plain:
    """Everything, at one instant. Operations answer "done" or the code of the refusal."""

    now: datetime
    free_seats: int
    accounts: list[Account] = field(default_factory=list[Account])
    grants: list[Grant] = field(default_factory=list[Grant])
    invitations: list[Invitation] = field(default_factory=list[Invitation])
    credited: int = 0

    # ---- Looking -------------------------------------------------------------------------------

    def live(self, user: int, account: int) -> Grant | None:
        """The user's live grant on an account, before any look at what it is worth."""
        found = [g for g in self.grants if (g.user, g.account) == (user, account) and self._is_live(g)]
        assert len(found) <= 1
        return found[0] if found else None

    def _is_live(self, grant: Grant) -> bool:
        return grant.status in LIVE and (grant.until is None or grant.until > self.now)

    def standing(self, user: int, account: int) -> Standing | None:
        """What decides about the user in an account."""
        grant, house = self.live(user, account), self.accounts[account]
        if grant is None or grant.status is not GrantStatus.ACTIVE:
            return None
        return Standing(
            grant.role, grant.status, grant.listed, house.restrictions, house.locks, house.until <= self.now
        )

    def bits(self, user: int, account: int) -> int:
        """What the user may do in an account."""
        return policy.effective(self.standing(user, account))

    def refused(self, user: int, account: int, permission: Permission) -> str | None:
        """Why the user may not use `permission` in an account."""
        if not self.bits(user, account):
            return "NOT_FOUND"
        decision = policy.decide(permission, self.standing(user, account))
        if decision.reason is DecisionReason.SUBSCRIPTION_EXPIRED:
            return "SUBSCRIPTION_EXPIRED"
        return None if decision.allowed else "FORBIDDEN"

    def _offer(self, user: int, account: int, role: Role, listed: int | None, until: datetime | None) -> str | None:
        if listed and listed & ~policy.ROLES[role]:
            return "INVALID"
        giver = self.live(user, account)
        outlasts = giver is not None and giver.until is not None and (until is None or until > giver.until)
        may = policy.may_give(self.standing(user, account), role, listed)
        return None if may and not outlasts else "ROLE_TOO_HIGH"

    def used(self, account: int) -> int:
        """How many seats people sit on."""
        return sum(g.account == account and g.role in policy.SEATED and self._is_live(g) for g in self.grants)

    def reserved(self, account: int) -> int:
        """How many seats wait for who is invited."""
        return sum(i.account == account and i.role in policy.SEATED and self._is_pending(i) for i in self.invitations)

    def _no_seat(self, account: int, role: Role, was: Role | None = None, *, is_reserved: bool = False) -> str | None:
        """Why one more cannot sit down; who sat in the role that he `was` in keeps his seat."""
        if role not in policy.SEATED or was in policy.SEATED:
            return None
        taken = self.used(account) + (0 if is_reserved else self.reserved(account))
        return "SEATS_EXHAUSTED" if taken >= self.accounts[account].seats else None

    # ---- Accounts ------------------------------------------------------------------------------

    def open(self, owner: int) -> int:
        """A new account."""
        self.accounts.append(Account(owner, self.now + TRIAL, self.free_seats))
        self.credited += TRIAL.days
        self.grants.append(Grant(owner, len(self.accounts) - 1, Role.OWNER, None, None))
        return len(self.accounts) - 1

    def set_bounds(self, by: int, account: int, restrictions: int, locks: int) -> str:
        """Take permissions from simple users, and from all."""
        if no := self.refused(by, account, Permission.SETTINGS_WRITE):
            return no
        house = self.accounts[account]
        house.restrictions, house.locks = restrictions, locks
        return DONE

    def extend(self, by: int, payer: int, account: int, days: int) -> str:
        """Give days away."""
        if not self.bits(by, account) or not self.bits(by, payer):
            return "NOT_FOUND"
        if no := self.refused(by, payer, Permission.SUBSCRIPTION_WRITE):
            return no
        if payer == account:
            return "SAME_ACCOUNT"
        giver, taker = self.accounts[payer], self.accounts[account]
        if max(giver.until - self.now, timedelta()) < timedelta(days=days):
            return "INSUFFICIENT_DAYS"
        giver.until -= timedelta(days=days)
        taker.until = max(taker.until, self.now) + timedelta(days=days)
        return DONE

    def sell(self, account: int, seats: int) -> str:
        """The operator sells seats."""
        if seats < self.used(account) + self.reserved(account):
            return "OUT_OF_RANGE"
        self.accounts[account].seats = seats
        return DONE

    # ---- Invitations ---------------------------------------------------------------------------

    def invite(self, by: int, account: int, to: int, role: Role, listed: int | None, until: datetime | None) -> str:
        """Offer a role."""
        if no := self.refused(by, account, Permission.USERS_WRITE) or self._offer(by, account, role, listed, until):
            return no
        if self.live(to, account):
            return "ALREADY_MEMBER"
        if any(self._is_pending(i) and (i.account, i.user) == (account, to) for i in self.invitations):
            return "ALREADY_INVITED"
        if no := self._no_seat(account, role):
            return no
        self.invitations.append(Invitation(account, to, role, listed, by, self.now + INVITED_FOR, until))
        return DONE

    def _is_pending(self, offer: Invitation) -> bool:
        return offer.status == "PENDING" and offer.expires > self.now

    def accept(self, by: int, number: int) -> str:
        """Take an offer up, by its id."""
        offer = self.invitations[number]
        if by != offer.user:
            return "NOT_FOUND"
        if not self._is_pending(offer):
            return "INVITATION_NOT_PENDING"
        if self._offer(offer.inviter, offer.account, offer.role, offer.listed, offer.until):
            return "ROLE_TOO_HIGH"
        if offer.until is not None and offer.until <= self.now:
            return "TOKEN_EXPIRED"
        if self.live(by, offer.account):
            return "ALREADY_MEMBER"
        if no := self._no_seat(offer.account, offer.role, is_reserved=True):
            return no
        offer.status = "ACCEPTED"
        self.grants.append(Grant(by, offer.account, offer.role, offer.listed, offer.until))
        self._settle(self.grants[-1])
        return DONE

    @staticmethod
    def _settle(grant: Grant) -> None:
        worth = policy.given(grant.role, grant.listed)
        grant.status = GrantStatus.ACTIVE if worth else GrantStatus.AWAITING_PERMISSIONS

    def decline(self, by: int, number: int) -> str:
        """Turn an offer down, by its id."""
        offer = self.invitations[number]
        if by != offer.user:
            return "NOT_FOUND"
        if not self._is_pending(offer):
            return "INVITATION_NOT_PENDING"
        offer.status = "DECLINED"
        return DONE

    def revoke_invitation(self, by: int, number: int) -> str:
        """Take an offer back."""
        offer = self.invitations[number]
        if no := self.refused(by, offer.account, Permission.USERS_WRITE):
            return no
        if offer.status != "PENDING":
            return "INVITATION_NOT_PENDING"
        if not policy.may_manage(self.standing(by, offer.account), offer.role):
            return "ROLE_TOO_HIGH"
        offer.status = "REVOKED"
        return DONE

    # ---- Grants --------------------------------------------------------------------------------

    def _others(self, by: int, number: int) -> str | None:
        grant = self.grants[number]
        if no := self.refused(by, grant.account, Permission.USERS_WRITE):
            return no
        if grant.role is Role.OWNER:
            return "OWNER_PROTECTED"
        return None if policy.may_manage(self.standing(by, grant.account), grant.role) else "ROLE_TOO_HIGH"

    def update_grant(self, by: int, number: int, role: Role, listed: int | None) -> str:
        """Change a live grant's role."""
        grant = self.grants[number]
        if no := self._others(by, number):
            return no
        if not self._is_live(grant):
            return "INVALID_STATE"
        if no := self._offer(by, grant.account, role, listed, grant.until):
            return no
        if no := self._no_seat(grant.account, role, was=grant.role):
            return no
        grant.role, grant.listed = role, listed
        self._settle(grant)
        return DONE

    def revoke_grant(self, by: int, number: int) -> str:
        """Take access back."""
        if no := self._others(by, number):
            return no
        grant = self.grants[number]
        if not self._is_live(grant):
            return "INVALID_STATE"
        grant.status = GrantStatus.REVOKED
        return DONE

    def restore_grant(self, by: int, number: int) -> str:
        """Give access again."""
        if no := self._others(by, number):
            return no
        grant = self.grants[number]
        if grant.status is not GrantStatus.REVOKED or (grant.until is not None and grant.until <= self.now):
            return "INVALID_STATE"
        if no := self._offer(by, grant.account, grant.role, grant.listed, grant.until):
            return no
        if self.live(grant.user, grant.account):
            return "ALREADY_MEMBER"
        if no := self._no_seat(grant.account, grant.role):
            return no
        self._settle(grant)
        return DONE

    def resign(self, by: int, number: int) -> str:
        """Give one's own access up."""
        grant = self.grants[number]
        if by != grant.user:
            return "NOT_FOUND"
        if not self._is_live(grant):
            return "INVALID_STATE"
        if grant.role is Role.OWNER:
            return "LAST_OWNER"
        grant.status = GrantStatus.RESIGNED
        return DONE
