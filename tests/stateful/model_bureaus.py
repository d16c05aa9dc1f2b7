"""The operations of the reference model on engagements and consultants."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from tests.stateful.model_access import AccessModel
from tests.stateful.model_rows import BUREAU, SUCCESS, Engagement, Grant


@dataclass
class BureauModel(AccessModel):
    """The rules of engagements and of the bureau's consultants."""

    blind_request_ends: dict[tuple[int, int], datetime] = field(default_factory=dict[tuple[int, int], datetime])
    """The end of the pending blind request of each requester for each client."""

    def find_open_engagement(self, client: int) -> int | None:
        """The number of a client's open engagement, or None."""
        for engagement in self.engagements:
            if engagement.status == "PENDING" and engagement.expires_at <= self.now:
                engagement.status = "EXPIRED"
        return next((n for n, e in enumerate(self.engagements) if e.client == client and e.is_open), None)

    def _request_end(self, requester: int, client: int, *, is_blind: bool) -> datetime:
        """The end of a request. A blind one that is repeated keeps its end, also if it reached no account before."""
        end = self.now + timedelta(days=30)
        if not is_blind:
            return end
        key = (requester, client)
        if self.blind_request_ends.get(key, self.now) <= self.now:
            self.blind_request_ends[key] = end
        return self.blind_request_ends[key]

    def engage(self, by: int, client: int, *, by_bureau: bool) -> str:
        """Request an engagement by the number of the target."""
        requester, target = (BUREAU, client) if by_bureau else (client, BUREAU)
        if code := self.permission_refusal(by, requester, Permission.USERS_WRITE):
            return code
        number, is_visible = self.find_open_engagement(client), bool(self.bits(by, target))
        if number is None:
            end = self._request_end(requester, client, is_blind=not is_visible)
            self.engagements.append(Engagement(client, requester, not is_visible, end))
        elif self.engagements[number].status == "PENDING" and self.engagements[number].requester == target:
            self._answer(self.engagements[number], "ACTIVE")
        elif is_visible:
            return "ALREADY_EXISTS"
        else:
            _ = self._request_end(requester, client, is_blind=True)
        return SUCCESS

    def _engagement_refusal(self, by: int, engagement: Engagement) -> str | None:
        visible_sides = [
            side
            for side in engagement.sides
            if not (
                engagement.is_blind and engagement.status in {"PENDING", "EXPIRED"} and side == engagement.requester
            )
        ]
        refusals = [
            self.permission_refusal(by, side, Permission.USERS_WRITE) for side in visible_sides if self.bits(by, side)
        ]
        if not refusals:
            return "NOT_FOUND"
        return None if None in refusals else refusals[0]

    def answer_engagement(self, by: int, number: int, status: str) -> str:
        """Accept or decline an engagement."""
        engagement = self.engagements[number]
        _ = self.find_open_engagement(engagement.client)
        if code := self._engagement_refusal(by, engagement):
            return code
        if engagement.status != "PENDING" or not self.bits(by, engagement.answering_account):
            return "INVALID_STATE"
        if code := self.permission_refusal(by, engagement.answering_account, Permission.USERS_WRITE):
            return code
        self._answer(engagement, status)
        return SUCCESS

    def _answer(self, engagement: Engagement, status: str) -> None:
        """Set the status of an engagement. The answer to a blind request ends it."""
        if engagement.is_blind and engagement.status == "PENDING":
            _ = self.blind_request_ends.pop((engagement.requester, engagement.client), None)
        engagement.status = status

    def end_engagement(self, by: int, number: int) -> str:
        """End an engagement and its derived grants. The client's users take only what they could give."""
        engagement = self.engagements[number]
        _ = self.find_open_engagement(engagement.client)
        if code := self._engagement_refusal(by, engagement):
            return code
        if not engagement.is_open:
            return "INVALID_STATE"
        derived_grants = [grant for grant in self.grants if grant.engagement == number and self.is_live(grant)]
        is_by_bureau = self.permission_refusal(by, BUREAU, Permission.USERS_WRITE) is None
        if not is_by_bureau and any(self.taking_refusal(by, grant) for grant in derived_grants):
            return "ROLE_TOO_HIGH"
        self._answer(engagement, "ENDED")
        for grant in self.grants:
            if grant.engagement == number and self.is_live(grant):
                grant.status = GrantStatus.REVOKED
        return SUCCESS

    def is_consultant(self, user: int) -> bool:
        grant = self.live_grant(user, BUREAU)
        return grant is not None and grant.status is GrantStatus.ACTIVE

    def earliest_end(self, user: int, own_until: datetime | None) -> datetime | None:
        """The end of a derived grant: the earlier of its own end and the end of the base grant."""
        base = self.live_grant(user, BUREAU)
        ends = (own_until, base.until if base else None)
        return min((end for end in ends if end is not None), default=None)

    def assign(self, by: int, user: int, client: int, requested_allowlist: int | None) -> str:
        """Assign a consultant to a client. Returns the outcome for the client."""
        if code := self.permission_refusal(by, BUREAU, Permission.USERS_WRITE):
            return code
        number = self.find_open_engagement(client)
        if not self.is_consultant(user) or number is None or self.engagements[number].status != "ACTIVE":
            return "NOT_FOUND"
        waiting = next((g for g in self.grants if (g.user, g.engagement) == (user, number) and self.is_live(g)), None)
        allowlist, own_until = None, waiting.own_until if waiting else None
        caller_grant = self.live_grant(by, client)
        if requested_allowlist and caller_grant and not self.permission_refusal(by, client, Permission.USERS_WRITE):
            own_until = own_until or caller_grant.until
            if not policy.may_grant(self.grant_facts(by, client), Role.CONSULTANT, requested_allowlist):
                return "ROLE_TOO_HIGH"
            allowlist = requested_allowlist
        if waiting is not None and waiting.status is GrantStatus.AWAITING_PERMISSIONS and allowlist:
            waiting.allowlist, waiting.own_until = allowlist, own_until
            waiting.until, waiting.status = self.earliest_end(user, own_until), GrantStatus.ACTIVE
            return SUCCESS
        if self.live_grant(user, client):
            return "ALREADY_MEMBER"
        until = self.earliest_end(user, own_until)
        grant = Grant(user, client, Role.CONSULTANT, allowlist, until, engagement=number, own_until=own_until)
        self.set_initial_status(grant)
        self.grants.append(grant)
        return SUCCESS

    def replace(self, by: int, user: int, new_user: int) -> tuple[str, dict[int, str]]:
        """Replace a consultant by another. Returns the outcome, and the outcome for each client."""
        if code := self.permission_refusal(by, BUREAU, Permission.USERS_WRITE):
            return code, {}
        if user == new_user:
            return "INVALID", {}
        if not any((grant.user, grant.account) == (user, BUREAU) for grant in self.grants):
            return "NOT_FOUND", {}
        if not self.is_consultant(new_user):
            return "NOT_FOUND", {}
        outcomes: dict[int, str] = {}
        for grant in list(self.grants):
            if grant.user == user and grant.engagement is not None and self.is_live(grant):
                outcomes[grant.account] = self._replace_at(by, grant, new_user)
        return (SUCCESS, outcomes) if outcomes else ("INVALID_STATE", {})

    def has_former_clients(self, user: int) -> bool:
        """True if a user had a grant from an active engagement that has ended. The model does not know how."""
        engagements = [
            {grant.engagement for grant in self.grants if grant.user == user and self.is_live(grant) is is_live}
            for is_live in (False, True)
        ]
        former_engagements = engagements[0] - engagements[1] - {None}
        return any(self.engagements[number].status == "ACTIVE" for number in former_engagements if number is not None)

    def _replace_at(self, by: int, former: Grant, new_user: int) -> str:
        """Replace a consultant at one client. The permissions move if the caller may give them there."""
        client = former.account
        if self.live_grant(new_user, client):
            return "ALREADY_MEMBER"
        giver, role, allowlist, own_until = self.live_grant(by, client), Role.CONSULTANT, None, None
        if giver is not None and not self.permission_refusal(by, client, Permission.USERS_WRITE):
            end = min((end for end in (former.own_until, giver.until) if end is not None), default=None)
            if not self.grant_refusal(by, client, former.role, former.allowlist, end):
                role, allowlist, own_until = former.role, former.allowlist, end
        former.status = GrantStatus.REVOKED
        if code := self.seat_refusal(client, role, is_derived=True):
            former.status = GrantStatus.ACTIVE
            return code
        until = self.earliest_end(new_user, own_until)
        self.grants.append(
            Grant(new_user, client, role, allowlist, until, engagement=former.engagement, own_until=own_until)
        )
        self.set_initial_status(self.grants[-1])
        return SUCCESS

    def unassign(self, by: int, user: int, client: int) -> str:
        """End a consultant's grant at a client."""
        if code := self.permission_refusal(by, BUREAU, Permission.USERS_WRITE):
            return code
        number = self.find_open_engagement(client)
        if number is None or self.engagements[number].status != "ACTIVE":
            return "NOT_FOUND"
        for grant in self.grants:
            if (grant.user, grant.engagement) == (user, number) and self.is_live(grant):
                grant.status = GrantStatus.REVOKED
                return SUCCESS
        return "NOT_FOUND"
