"""A plain model of the whole: what the product holds, and what each operation must answer.

No transactions, no SQL, no clock of its own. It knows the rules a second time on purpose, except for
the permission table and its formula, which have a second telling in tests/auth.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from auth import policy
from auth.policy import DecisionReason, GrantFacts, GrantStatus, Permission, Role

DONE: Final = "done"
BUREAU: Final = 1
"""The account that works for the others."""
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
    engagement: int | None = None
    """What it hangs on."""
    own_until: datetime | None = None
    """For one that hangs: the end that it was given itself."""


@dataclass
class Engagement:
    """The bureau and one of its clients."""

    client: int
    asked_by: int
    is_blind: bool
    status: str = "PENDING"

    @property
    def sides(self) -> tuple[int, int]:
        """The bureau first."""
        return BUREAU, self.client

    @property
    def asked(self) -> int:
        """The side that answers."""
        return self.client if self.asked_by == BUREAU else BUREAU

    @property
    def is_open(self) -> bool:
        """Whether it is asked for, or under way."""
        return self.status in {"PENDING", "ACTIVE"}


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
class Offer:
    """The ownership of an account, offered to the holder of a grant."""

    receiver: int
    grant: int
    expires: datetime


@dataclass
class Plain:
    """Everything, at one instant. Operations answer "done" or the code of the refusal."""

    now: datetime
    free_seats: int
    accounts: list[Account] = field(default_factory=list[Account])
    grants: list[Grant] = field(default_factory=list[Grant])
    invitations: list[Invitation] = field(default_factory=list[Invitation])
    engagements: list[Engagement] = field(default_factory=list[Engagement])
    offers: dict[int, Offer] = field(default_factory=dict[int, Offer])
    credited: int = 0

    # ---- Looking -------------------------------------------------------------------------------

    def live(self, user: int, account: int) -> Grant | None:
        """The user's live grant on an account, before any look at what it is worth."""
        found = [g for g in self.grants if (g.user, g.account) == (user, account) and self._is_live(g)]
        assert len(found) <= 1
        return found[0] if found else None

    def _is_live(self, grant: Grant) -> bool:
        return grant.status in LIVE and (grant.until is None or grant.until > self.now)

    def standing(self, user: int, account: int) -> GrantFacts | None:
        """What decides about the user in an account."""
        grant, house = self.live(user, account), self.accounts[account]
        if grant is None or grant.status is not GrantStatus.ACTIVE:
            return None
        return GrantFacts(
            grant.role, grant.status, grant.listed, house.restrictions, house.locks, house.until <= self.now
        )

    def bits(self, user: int, account: int) -> int:
        """What the user may do in an account."""
        return policy.effective(self.standing(user, account))

    def relation(self, one: int, other: int) -> str | None:
        """How another account stands to one: by what their owners hold on each other's."""
        mine, theirs = self.accounts[one].owner, self.accounts[other].owner
        if mine == theirs:
            return None
        has, gives = bool(self.bits(mine, other)), bool(self.bits(theirs, one))
        return {(True, False): "HAS_ACCESS", (True, True): "MUTUAL", (False, True): "GIVES_ACCESS"}.get((has, gives))

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
        worth = policy.granted(grant.role, grant.listed)
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
        self._end(grant, GrantStatus.REVOKED)
        return DONE

    def _end(self, grant: Grant, status: GrantStatus) -> None:
        """End a grant, and with one on the bureau all that hangs on it."""
        grant.status = status
        for other in self.grants:
            hangs = other.engagement is not None and (other.user, grant.account) == (grant.user, BUREAU)
            if hangs and self._is_live(other):
                other.status = GrantStatus.REVOKED

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
        if grant.engagement is not None:
            if self.engagements[grant.engagement].status != "ACTIVE" or not self._consults(grant.user):
                return "INVALID_STATE"
            grant.until = self._bounded(grant.user, grant.own_until)
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
        self._end(grant, GrantStatus.RESIGNED)
        return DONE

    # ---- Ownership -------------------------------------------------------------------------------

    def offer(self, by: int, account: int, to: int) -> str:
        """Offer an account to one of its people."""
        if no := self.refused(by, account, Permission.OWNERSHIP):
            return no
        if by == to:
            return "INVALID"
        if not any((g.user, g.account) == (to, account) for g in self.grants):
            return "NOT_FOUND"
        if not self.bits(to, account):
            return "INVALID_STATE"
        number = next(n for n, g in enumerate(self.grants) if g is self.live(to, account))
        self.offers[account] = Offer(to, number, self.now + INVITED_FOR)
        return DONE

    def _standing_offer(self, account: int) -> Offer | None:
        """The offer, while it lasts, and its receiver's grant with it."""
        offer = self.offers.get(account)
        if offer is None or offer.expires <= self.now or self.grants[offer.grant].status is not GrantStatus.ACTIVE:
            return None
        return offer

    def withdraw(self, by: int, account: int) -> str:
        """Take the offer back."""
        if no := self.refused(by, account, Permission.OWNERSHIP):
            return no
        if self._standing_offer(account) is None:
            return "INVALID_STATE"
        del self.offers[account]
        return DONE

    def own(self, by: int, account: int, *, accept: bool) -> str:
        """Take the ownership, or turn it down."""
        if not self.bits(by, account):
            return "NOT_FOUND"
        offer = self._standing_offer(account)
        if offer is None or offer.receiver != by:
            return "INVALID_STATE"
        if accept:
            heir, house = self.grants[offer.grant], self.accounts[account]
            if heir.role not in policy.SEATED and self.used(account) + self.reserved(account) >= house.seats:
                return "SEATS_EXHAUSTED"
            former = self.live(house.owner, account)
            assert former is not None
            former.role = Role.ADMINISTRATOR
            heir.role, heir.listed, heir.until, heir.engagement = Role.OWNER, None, None, None
            house.owner = by
        del self.offers[account]
        return DONE

    def redeem(self, by: int, account: int, days: int) -> str:
        """Turn a voucher that nobody has used into days."""
        if no := self.refused(by, account, Permission.SUBSCRIPTION_WRITE):
            return no
        house = self.accounts[account]
        house.until = max(house.until, self.now) + timedelta(days=days)
        self.credited += days
        return DONE

    # ---- The bureau ------------------------------------------------------------------------------

    def engaged(self, client: int) -> int | None:
        """The open engagement of a client."""
        return next((n for n, e in enumerate(self.engagements) if e.client == client and e.is_open), None)

    def engage(self, by: int, client: int, *, by_bureau: bool) -> str:
        """Ask the other side, named by its number."""
        own, other = (BUREAU, client) if by_bureau else (client, BUREAU)
        if no := self.refused(by, own, Permission.USERS_WRITE):
            return no
        number, sees = self.engaged(client), bool(self.bits(by, other))
        if number is None:
            self.engagements.append(Engagement(client, own, not sees))
        elif self.engagements[number].status == "PENDING" and self.engagements[number].asked_by == other:
            self.engagements[number].status = "ACTIVE"
        elif sees:
            return "ALREADY_EXISTS"
        return DONE

    def _refused_engagement(self, by: int, found: Engagement) -> str | None:
        shown = [
            side
            for side in found.sides
            if not (found.is_blind and found.status == "PENDING" and side == found.asked_by)
        ]
        said = [self.refused(by, side, Permission.USERS_WRITE) for side in shown if self.bits(by, side)]
        if not said:
            return "NOT_FOUND"
        return None if None in said else said[0]

    def answer(self, by: int, number: int, status: str) -> str:
        """Accept or decline."""
        found = self.engagements[number]
        if no := self._refused_engagement(by, found):
            return no
        if found.status != "PENDING" or not self.bits(by, found.asked):
            return "INVALID_STATE"
        if no := self.refused(by, found.asked, Permission.USERS_WRITE):
            return no
        found.status = status
        return DONE

    def end_engagement(self, by: int, number: int) -> str:
        """End it, and what hangs on it."""
        found = self.engagements[number]
        if no := self._refused_engagement(by, found):
            return no
        if not found.is_open:
            return "INVALID_STATE"
        found.status = "ENDED"
        for grant in self.grants:
            if grant.engagement == number and self._is_live(grant):
                grant.status = GrantStatus.REVOKED
        return DONE

    def _consults(self, user: int) -> bool:
        grant = self.live(user, BUREAU)
        return grant is not None and grant.status is GrantStatus.ACTIVE

    def _bounded(self, user: int, own_until: datetime | None) -> datetime | None:
        """The end of what hangs on somebody's grant on the bureau."""
        base = self.live(user, BUREAU)
        ends = (own_until, base.until if base else None)
        return min((end for end in ends if end is not None), default=None)

    def assign(self, by: int, user: int, client: int, listed: int | None) -> str:
        """Let somebody of the bureau work for a client; the outcome there counts."""
        if no := self.refused(by, BUREAU, Permission.USERS_WRITE):
            return no
        number = self.engaged(client)
        if not self._consults(user) or number is None or self.engagements[number].status != "ACTIVE":
            return "NOT_FOUND"
        wanted, own_until = None, None
        giver = self.live(by, client)
        if giver is not None and not self.refused(by, client, Permission.USERS_WRITE):
            if not policy.may_give(self.standing(by, client), Role.CONSULTANT, listed):
                return "ROLE_TOO_HIGH"
            wanted, own_until = listed, giver.until
        if self.live(user, client):
            return "ALREADY_MEMBER"
        until = self._bounded(user, own_until)
        made = Grant(user, client, Role.CONSULTANT, wanted, until, engagement=number, own_until=own_until)
        self._settle(made)
        self.grants.append(made)
        return DONE

    def unassign(self, by: int, user: int, client: int) -> str:
        """Take somebody off a client."""
        if no := self.refused(by, BUREAU, Permission.USERS_WRITE):
            return no
        number = self.engaged(client)
        if number is None or self.engagements[number].status != "ACTIVE":
            return "NOT_FOUND"
        for grant in self.grants:
            if (grant.user, grant.engagement) == (user, number) and self._is_live(grant):
                grant.status = GrantStatus.REVOKED
                return DONE
        return "NOT_FOUND"
