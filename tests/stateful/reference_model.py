"""A reference model of the rules: the expected outcome of each operation.

It has no transactions, no SQL and no clock. It implements the rules a second time on purpose, except the permission
table and its formula; tests/auth has a second implementation of these.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from auth.policy import GrantStatus, Permission, Role
from tests.stateful.model_bureaus import BureauModel
from tests.stateful.model_rows import BUREAU, OFFER_LIFETIME, SUCCESS, TRIAL_PERIOD, Account, Grant, Invitation, Offer


@dataclass
class ReferenceModel(BureauModel):
    """The complete model. Each operation returns "done" or the code of the refusal."""

    # ---- Accounts ------------------------------------------------------------------------------

    def open_account(self, owner: int) -> int:
        """Open an account. Returns its number."""
        trial_until = self.now + TRIAL_PERIOD
        self.accounts.append(Account(owner, trial_until, self.free_seats, trial_until))
        self.credited_days += TRIAL_PERIOD.days
        self.grants.append(Grant(owner, len(self.accounts) - 1, Role.OWNER, None, None))
        return len(self.accounts) - 1

    def set_bounds(self, by: int, account: int, restrictions: int, locks: int) -> str:
        """Set the restrictions of simple users and the locks of an account."""
        if code := self.permission_refusal(by, account, Permission.SETTINGS_WRITE):
            return code
        account_row = self.accounts[account]
        account_row.restrictions, account_row.locks = restrictions, locks
        return SUCCESS

    def extend(self, by: int, payer: int, account: int, days: int) -> str:
        """Transfer days from a payer to an account."""
        if not self.bits(by, account) or not self.bits(by, payer):
            return "NOT_FOUND"
        if code := self.permission_refusal(by, payer, Permission.SUBSCRIPTION_WRITE):
            return code
        payer_row, receiver_row = self.accounts[payer], self.accounts[account]
        if receiver_row.owner == by != payer_row.owner:
            return "FORBIDDEN"
        if payer == account:
            return "SAME_ACCOUNT"
        if payer_row.until - max(self.now, payer_row.trial_until) < timedelta(days=days):
            return "INSUFFICIENT_DAYS"
        payer_row.until -= timedelta(days=days)
        receiver_row.until = max(receiver_row.until, self.now) + timedelta(days=days)
        return SUCCESS

    def redeem(self, by: int, account: int, days: int) -> str:
        """Redeem an unused voucher."""
        if code := self.permission_refusal(by, account, Permission.SUBSCRIPTION_WRITE):
            return code
        account_row = self.accounts[account]
        account_row.until = max(account_row.until, self.now) + timedelta(days=days)
        self.credited_days += days
        return SUCCESS

    def sell_seats(self, account: int, seats: int) -> str:
        """Set the number of purchased seats."""
        if seats < self.used_seats(account) + self.reserved_seats(account):
            return "OUT_OF_RANGE"
        self.accounts[account].seats = seats
        return SUCCESS

    # ---- Invitations ---------------------------------------------------------------------------

    def invite(
        self, by: int, account: int, invitee: int, role: Role, allowlist: int | None, until: datetime | None
    ) -> str:
        """Invite a user."""
        if code := self.permission_refusal(by, account, Permission.USERS_WRITE) or self.grant_refusal(
            by, account, role, allowlist, until
        ):
            return code
        if self.live_grant(invitee, account):
            return "ALREADY_MEMBER"
        if any(self.is_pending(i) and (i.account, i.user) == (account, invitee) for i in self.invitations):
            return "ALREADY_INVITED"
        if code := self.seat_refusal(account, role):
            return code
        self.invitations.append(Invitation(account, invitee, role, allowlist, by, self.now + OFFER_LIFETIME, until))
        return SUCCESS

    def accept(self, by: int, number: int) -> str:
        """Accept an invitation by its number."""
        invitation = self.invitations[number]
        if by != invitation.user:
            return "NOT_FOUND"
        if not self.is_pending(invitation):
            is_member = invitation.grant is not None and self.is_live(invitation.grant)
            return "ALREADY_MEMBER" if is_member else "INVITATION_NOT_PENDING"
        if self.grant_refusal(
            invitation.inviter, invitation.account, invitation.role, invitation.allowlist, invitation.until
        ):
            return "ROLE_TOO_HIGH"
        if invitation.until is not None and invitation.until <= self.now:
            return "TOKEN_EXPIRED"
        if self.live_grant(by, invitation.account):
            return "ALREADY_MEMBER"
        if code := self.seat_refusal(invitation.account, invitation.role, is_reserved=True):
            return code
        invitation.status = "ACCEPTED"
        self.grants.append(Grant(by, invitation.account, invitation.role, invitation.allowlist, invitation.until))
        invitation.grant = self.grants[-1]
        self.set_initial_status(invitation.grant)
        return SUCCESS

    def decline(self, by: int, number: int) -> str:
        """Decline an invitation by its number."""
        invitation = self.invitations[number]
        if by != invitation.user:
            return "NOT_FOUND"
        if not self.is_pending(invitation):
            return "INVITATION_NOT_PENDING"
        invitation.status = "DECLINED"
        return SUCCESS

    def revoke_invitation(self, by: int, number: int) -> str:
        """Revoke an invitation."""
        invitation = self.invitations[number]
        if code := self.permission_refusal(by, invitation.account, Permission.USERS_WRITE):
            return code
        if invitation.status != "PENDING":
            return "INVITATION_NOT_PENDING"
        if code := self.taking_refusal(by, invitation):
            return code
        invitation.status = "REVOKED"
        return SUCCESS

    # ---- Grants --------------------------------------------------------------------------------

    def _permission_or_owner_refusal(self, by: int, number: int) -> str | None:
        grant = self.grants[number]
        if code := self.permission_refusal(by, grant.account, Permission.USERS_WRITE):
            return code
        return "OWNER_PROTECTED" if grant.role is Role.OWNER else None

    def _manage_refusal(self, by: int, number: int) -> str | None:
        return self._permission_or_owner_refusal(by, number) or self.taking_refusal(by, self.grants[number])

    def update_grant(self, by: int, number: int, role: Role, allowlist: int | None) -> str:
        """Change the role and allowlist of a live grant. No allowlist keeps that of the same role."""
        grant = self.grants[number]
        if code := self._manage_refusal(by, number):
            return code
        if not self.is_live(grant):
            return "INVALID_STATE"
        if allowlist is None and role is grant.role:
            allowlist = grant.allowlist
        if code := self.grant_refusal(by, grant.account, role, allowlist, grant.end):
            return code
        is_derived = grant.engagement is not None
        if code := self.seat_refusal(grant.account, role, former_role=grant.role, is_derived=is_derived):
            return code
        grant.role, grant.allowlist = role, allowlist
        self.set_initial_status(grant)
        return SUCCESS

    def revoke_grant(self, by: int, number: int) -> str:
        """Revoke a grant."""
        if code := self._manage_refusal(by, number):
            return code
        grant = self.grants[number]
        if not self.is_live(grant):
            return "INVALID_STATE"
        self._end_grant(grant, GrantStatus.REVOKED)
        return SUCCESS

    def _end_grant(self, grant: Grant, status: GrantStatus) -> None:
        """End a grant. If it is a base grant, also end the grants derived from it."""
        grant.status = status
        for derived_grant in self.grants:
            is_derived = derived_grant.engagement is not None and (derived_grant.user, grant.account) == (
                grant.user,
                BUREAU,
            )
            if is_derived and self.is_live(derived_grant):
                derived_grant.status = GrantStatus.REVOKED

    def restore_grant(self, by: int, number: int, end: datetime | None = None) -> str:
        """Restore a revoked or expired grant, with a new end if one is given."""
        if code := self._permission_or_owner_refusal(by, number):
            return code
        grant = self.grants[number]
        end = end or grant.end
        if code := self.grant_refusal(by, grant.account, grant.role, grant.allowlist, end):
            return code
        is_resigned = grant.status is GrantStatus.RESIGNED
        if self.is_live(grant) or is_resigned or (end is not None and end <= self.now):
            return "INVALID_STATE"
        if self.live_grant(grant.user, grant.account):
            return "ALREADY_MEMBER"
        until = end
        if grant.engagement is not None:
            if self.engagements[grant.engagement].status != "ACTIVE" or not self.is_consultant(grant.user):
                return "INVALID_STATE"
            until = self.earliest_end(grant.user, end)
        if code := self.seat_refusal(grant.account, grant.role, is_derived=grant.engagement is not None):
            return code
        grant.until, grant.own_until = until, end if grant.engagement is not None else None
        self.set_initial_status(grant)
        return SUCCESS

    def resign(self, by: int, number: int) -> str:
        """Resign a grant. Only its holder can."""
        grant = self.grants[number]
        if by != grant.user:
            return "NOT_FOUND"
        if not self.is_live(grant):
            return "INVALID_STATE"
        if grant.role is Role.OWNER:
            return "LAST_OWNER"
        self._end_grant(grant, GrantStatus.RESIGNED)
        return SUCCESS

    # ---- Ownership -----------------------------------------------------------------------------

    def offer_ownership(self, by: int, account: int, receiver: int) -> str:
        """Offer the ownership of an account to the holder of a grant."""
        if code := self.permission_refusal(by, account, Permission.OWNERSHIP):
            return code
        if by == receiver:
            return "INVALID"
        if not any((g.user, g.account) == (receiver, account) for g in self.grants):
            return "NOT_FOUND"
        if not self.bits(receiver, account):
            return "INVALID_STATE"
        number = next(n for n, g in enumerate(self.grants) if g is self.live_grant(receiver, account))
        self.offers[account] = Offer(receiver, number, self.now + OFFER_LIFETIME)
        return SUCCESS

    def _pending_offer(self, account: int) -> Offer | None:
        """The pending offer of an account. None if it expired or the receiver's grant ended."""
        offer = self.offers.get(account)
        if offer is None or offer.expires_at <= self.now or self.grants[offer.grant].status is not GrantStatus.ACTIVE:
            return None
        return offer

    def withdraw_offer(self, by: int, account: int) -> str:
        """Withdraw an offer."""
        if code := self.permission_refusal(by, account, Permission.OWNERSHIP):
            return code
        if self._pending_offer(account) is None:
            return "INVALID_STATE"
        del self.offers[account]
        return SUCCESS

    def answer_offer(self, by: int, account: int, *, accept: bool) -> str:
        """Accept or decline an offer of ownership."""
        if not self.bits(by, account):
            return "NOT_FOUND"
        offer = self._pending_offer(account)
        if offer is None or offer.receiver != by:
            return "INVALID_STATE"
        if accept:
            receiver_grant, account_row = self.grants[offer.grant], self.accounts[account]
            if (
                not self.needs_seat(receiver_grant.role, is_derived=receiver_grant.engagement is not None)
                and self.used_seats(account) + self.reserved_seats(account) >= account_row.seats
            ):
                return "SEATS_EXHAUSTED"
            owner_grant = self.live_grant(account_row.owner, account)
            assert owner_grant is not None
            owner_grant.role = Role.ADMINISTRATOR
            receiver_grant.role, receiver_grant.allowlist, receiver_grant.until, receiver_grant.engagement = (
                Role.OWNER,
                None,
                None,
                None,
            )
            account_row.owner = by
        del self.offers[account]
        return SUCCESS
