"""One scenario: a sequence of operations that run on the real API and on the reference model."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from auth import policy
from auth.policy import GrantStatus, Role
from database import db
from models.access import seat
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.billing import voucher
from resolvers import ids
from tests.api import KEY, PASSWORD
from tests.stateful.model_rows import BUREAU, SUCCESS
from tests.stateful.reference_model import ReferenceModel
from tests.stateful.steps import Step, index_from_newest, stored_bits
from tests.stateful.system import FREE_SEATS, PEOPLE, System, outcome_of

LINKS: Final = "query ($id: ID!) { account(id: $id) { links(first: 100) { nodes { relation account { id } } } } }"
VIEWER_PERMISSIONS: Final = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Account { id viewerPermissions } } }"
CHECK: Final = """
SELECT a.id, a.subscription_until, a.purchased_seats,
    (SELECT count(*) FROM grants g WHERE g.account_id = a.id AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
     AND (g.role IN ('ADMINISTRATOR', 'COLLABORATOR', 'SIMPLE_USER')
          OR g.role = 'CONSULTANT' AND g.engagement_id IS NULL)
     AND (g.valid_until > $2 OR g.valid_until IS NULL))
     AS seated,
    (SELECT count(*) FROM grants g
     WHERE g.account_id = a.id AND g.role = 'OWNER' AND g.status = 'ACTIVE' AND g.user_id = a.owner_id) AS owners,
    (SELECT sum(e.days) FROM subscription_entries e WHERE e.account_id = a.id) AS days
FROM accounts a WHERE a.id = ANY($1::uuid[])
"""

OPERATIONS: Final[dict[str, Callable[["Scenario", Step], None]]] = {}
"""The operations of scenarios by name."""


def operation(run: Callable[["Scenario", Step], None]) -> Callable[["Scenario", Step], None]:
    """Register an operation, so that random sequences can contain it."""
    OPERATIONS[run.__name__] = run
    return run


class Scenario:
    """One sequence of operations on three accounts, with the ids that the API returned."""

    def __init__(self, system: System, outcome_counts: Counter[tuple[str, str]]) -> None:
        self.system = system
        self.outcome_counts = outcome_counts
        self.model = ReferenceModel(system.clock.now, FREE_SEATS)
        self.account_ids: list[str] = []
        self.numbers: list[int] = []
        self.grant_ids: list[str] = []
        self.invitation_ids: list[str] = []
        self.engagement_ids: list[str] = []
        self.step_count = 0

    # ---- Running -----------------------------------------------------------------------------

    def run_and_compare(
        self, expected_outcome: str, name: str, arguments: dict[str, Any], selection: str = "", *, by: int
    ) -> dict[str, Any]:
        """Run a mutation as person `by` and check that its outcome is the one of the model. Returns the payload."""
        input_name = name[0].upper() + name[1:]
        document = f"mutation ($i: {input_name}Input!) {{ {name}(input: $i) {{ {selection} errors {{ code }} }} }}"
        answer = self.system.run(self.system.api.ask(document, {"i": arguments}, by=self.system.people[by]))
        outcome, payload = outcome_of(answer, name)
        assert outcome == expected_outcome, (outcome, expected_outcome, name, arguments, by)
        self.outcome_counts[name, outcome] += 1
        return payload

    def actor(self, step: Step, account: int) -> int:
        """The acting person: the one of the step, or the account's owner by default."""
        return self.model.accounts[account].owner if step.by is None else step.by

    def set_up(self, roles: Sequence[Role]) -> None:
        """Create a business, a bureau and a second business. All other people are guests of the first one."""
        self.system.extend_sessions()
        self.system.close_accounts()
        self.system.reset_rate_limits()
        for owner, kind in ((0, "BUSINESS"), (1, "BUREAU"), (0, "BUSINESS")):
            arguments = {"name": "Account", "kind": kind}
            payload = self.run_and_compare(
                SUCCESS, "createAccount", arguments, "account { id number viewerGrant { id } }", by=owner
            )
            self.model.open_account(owner)
            self.account_ids.append(payload["account"]["id"])
            self.numbers.append(payload["account"]["number"])
            self.grant_ids.append(payload["account"]["viewerGrant"]["id"])
        for guest, role in enumerate(roles, start=1):
            self.invite(Step(by=0, receiver=guest, role=role))
            self.accept(Step(by=guest))

    def run_step(self, step: Step) -> None:
        """Run one step and check the invariants."""
        self.system.reset_rate_limits()
        OPERATIONS[step.name](self, step)
        self.check()

    # ---- Accounts ----------------------------------------------------------------------------

    @operation
    def set_bounds(self, step: Step) -> None:
        by = self.actor(step, step.account)
        expected_outcome = self.model.set_bounds(
            by, step.account, policy.mask(step.restrictions), policy.mask(step.locks)
        )
        arguments = {
            "accountId": self.account_ids[step.account],
            "simpleUserRestrictions": list(step.restrictions),
            "locks": list(step.locks),
        }
        self.run_and_compare(expected_outcome, "updateAccountSettings", arguments, by=by)

    @operation
    def extend(self, step: Step) -> None:
        by = self.actor(step, step.payer)
        expected_outcome = self.model.extend(by, step.payer, step.account, step.days)
        arguments = {
            "accountId": self.account_ids[step.account],
            "payerAccountId": self.account_ids[step.payer],
            "days": step.days,
        }
        self.run_and_compare(expected_outcome, "extendSubscription", arguments, by=by)

    @operation
    def redeem(self, step: Step) -> None:
        """Redeem a new voucher of the operator."""
        by = self.actor(step, step.account)
        expected_outcome = self.model.redeem(by, step.account, step.days)
        (code,) = voucher.new_codes(1)
        operator = Caller(now=self.system.clock.now, config=OperationConfig(KEY))
        self.system.run(voucher.issue(operator, [code], days=step.days, reference=code))
        arguments = {"accountId": self.account_ids[step.account], "code": code}
        self.run_and_compare(expected_outcome, "redeemVoucher", arguments, by=by)

    @operation
    def sell(self, step: Step) -> None:
        """Sell seats, as the operator does on the command line."""
        expected_outcome = self.model.sell_seats(step.account, step.seats)
        operator = Caller(now=self.system.clock.now, config=OperationConfig(KEY))
        outcome = SUCCESS
        try:
            self.system.run(seat.sell(operator, self.numbers[step.account], step.seats))
        except Refusal as refusal:
            (outcome,) = (problem.code for problem in refusal.problems)
        assert outcome == expected_outcome
        self.outcome_counts["seats", outcome] += 1

    @operation
    def wait(self, step: Step) -> None:
        self.system.clock.forward(days=step.days_passed)
        self.model.now = self.system.clock.now

    # ---- Invitations -------------------------------------------------------------------------

    @operation
    def invite(self, step: Step) -> None:
        by, permissions = self.actor(step, step.account), step.role_permissions()
        until = None if step.valid_days is None else self.model.now + timedelta(days=step.valid_days)
        expected_outcome = self.model.invite(
            by, step.account, step.receiver, step.role, stored_bits(permissions), until
        )
        arguments: dict[str, Any] = {
            "accountId": self.account_ids[step.account],
            "email": self.system.people[step.receiver].email,
            "role": step.role,
            "permissions": permissions,
            "grantValidUntil": until and until.isoformat(),
        }
        payload = self.run_and_compare(expected_outcome, "inviteUser", arguments, "invitation { id }", by=by)
        if expected_outcome == SUCCESS:
            self.invitation_ids.append(payload["invitation"]["id"])

    def _invitation(self, step: Step) -> int:
        pending_numbers = [n for n, offer in enumerate(self.model.invitations) if offer.status == "PENDING"]
        return (
            pending_numbers[-1]
            if pending_numbers and step.nth % 2
            else index_from_newest(self.invitation_ids, step.nth)
        )

    @operation
    def accept(self, step: Step) -> None:
        number = self._invitation(step)
        by = self.model.invitations[number].user if step.by is None else step.by
        expected_outcome = self.model.accept(by, number)
        arguments = {"invitationId": self.invitation_ids[number]}
        payload = self.run_and_compare(expected_outcome, "acceptInvitation", arguments, "grant { id }", by=by)
        if expected_outcome == SUCCESS:
            self.grant_ids.append(payload["grant"]["id"])

    @operation
    def decline(self, step: Step) -> None:
        number = self._invitation(step)
        by = self.model.invitations[number].user if step.by is None else step.by
        expected_outcome = self.model.decline(by, number)
        self.run_and_compare(
            expected_outcome, "declineInvitation", {"invitationId": self.invitation_ids[number]}, by=by
        )

    @operation
    def revoke_invitation(self, step: Step) -> None:
        number = self._invitation(step)
        by = self.actor(step, self.model.invitations[number].account)
        expected_outcome = self.model.revoke_invitation(by, number)
        self.run_and_compare(expected_outcome, "revokeInvitation", {"invitationId": self.invitation_ids[number]}, by=by)

    # ---- Grants ------------------------------------------------------------------------------

    def _grant(self, step: Step) -> int:
        return index_from_newest(self.grant_ids, step.nth)

    @operation
    def update_grant(self, step: Step) -> None:
        number, permissions = self._grant(step), step.role_permissions()
        by = self.actor(step, self.model.grants[number].account)
        expected_outcome = self.model.update_grant(by, number, step.role, stored_bits(permissions))
        arguments = {"grantId": self.grant_ids[number], "role": step.role, "permissions": permissions}
        self.run_and_compare(expected_outcome, "updateGrant", arguments, by=by)

    @operation
    def revoke_grant(self, step: Step) -> None:
        number = self._grant(step)
        by = self.actor(step, self.model.grants[number].account)
        expected_outcome = self.model.revoke_grant(by, number)
        self.run_and_compare(expected_outcome, "revokeGrant", {"grantId": self.grant_ids[number]}, by=by)

    @operation
    def restore_grant(self, step: Step) -> None:
        revoked_numbers = [n for n, grant in enumerate(self.model.grants) if grant.status is GrantStatus.REVOKED]
        number = revoked_numbers[-1] if revoked_numbers and step.nth % 2 else self._grant(step)
        by = self.actor(step, self.model.grants[number].account)
        end = None if step.valid_days is None else self.model.now + timedelta(days=step.valid_days)
        expected_outcome = self.model.restore_grant(by, number, end)
        arguments = {"grantId": self.grant_ids[number], "validUntil": end and end.isoformat()}
        self.run_and_compare(expected_outcome, "restoreGrant", arguments, by=by)

    @operation
    def resign(self, step: Step) -> None:
        number = self._grant(step)
        by = self.model.grants[number].user if step.by is None else step.by
        expected_outcome = self.model.resign(by, number)
        self.run_and_compare(expected_outcome, "resignGrant", {"grantId": self.grant_ids[number]}, by=by)

    # ---- Ownership ---------------------------------------------------------------------------

    @operation
    def offer(self, step: Step) -> None:
        by = self.actor(step, step.account)
        expected_outcome = self.model.offer_ownership(by, step.account, step.receiver)
        receiver = self.system.people[step.receiver].user_id
        arguments = {"accountId": self.account_ids[step.account], "userId": receiver, "password": PASSWORD}
        self.run_and_compare(expected_outcome, "transferOwnership", arguments, by=by)

    def _receiver(self, step: Step) -> int:
        """The person who answers an offer: the one of the step, or the offer's receiver by default."""
        offer = self.model.offers.get(step.account)
        return step.by if step.by is not None else offer.receiver if offer else step.receiver

    @operation
    def accept_ownership(self, step: Step) -> None:
        by = self._receiver(step)
        expected_outcome = self.model.answer_offer(by, step.account, accept=True)
        self.run_and_compare(expected_outcome, "acceptOwnership", {"accountId": self.account_ids[step.account]}, by=by)

    @operation
    def decline_ownership(self, step: Step) -> None:
        by = self._receiver(step)
        expected_outcome = self.model.answer_offer(by, step.account, accept=False)
        self.run_and_compare(expected_outcome, "declineOwnership", {"accountId": self.account_ids[step.account]}, by=by)

    @operation
    def withdraw_ownership(self, step: Step) -> None:
        by = self.actor(step, step.account)
        expected_outcome = self.model.withdraw_offer(by, step.account)
        self.run_and_compare(
            expected_outcome, "withdrawOwnership", {"accountId": self.account_ids[step.account]}, by=by
        )

    # ---- Bureaus -----------------------------------------------------------------------------

    @operation
    def engage(self, step: Step) -> None:
        client, by_bureau = step.client, bool(step.nth % 2)
        by = self.actor(step, BUREAU if by_bureau else client)
        expected_outcome = self.model.engage(by, client, by_bureau=by_bureau)
        requester_field, target_field = (
            ("bureauAccountId", "clientNumber") if by_bureau else ("clientAccountId", "bureauNumber")
        )
        sides = (BUREAU, client) if by_bureau else (client, BUREAU)
        arguments = {requester_field: self.account_ids[sides[0]], target_field: self.numbers[sides[1]]}
        self.run_and_compare(expected_outcome, "engageBureau", arguments, by=by)
        self.engagement_ids = self.system.run(self._find_engagements())

    async def _find_engagements(self) -> list[str]:
        """The ids of all engagements, oldest first. The response to a blind request does not contain the id."""
        keys = [ids.decode("Account", account_id) for account_id in self.account_ids]
        rows = await db.fetch("SELECT id FROM engagements WHERE client_id = ANY($1) ORDER BY id", keys, row=db.Row)
        return [ids.encode("Engagement", row.id) for row in rows]

    def _answer(self, step: Step, name: str, status: str) -> None:
        if self.engagement_ids:
            number = index_from_newest(self.engagement_ids, step.nth // 2)
            by = self.actor(step, self.model.engagements[number].answering_account)
            arguments = {"engagementId": self.engagement_ids[number]}
            self.run_and_compare(self.model.answer_engagement(by, number, status), name, arguments, by=by)

    @operation
    def accept_engagement(self, step: Step) -> None:
        self._answer(step, "acceptEngagement", "ACTIVE")

    @operation
    def decline_engagement(self, step: Step) -> None:
        self._answer(step, "declineEngagement", "DECLINED")

    @operation
    def end_engagement(self, step: Step) -> None:
        if self.engagement_ids:
            number = index_from_newest(self.engagement_ids, step.nth // 2)
            by = self.actor(step, self.model.engagements[number].answering_account)
            arguments = {"engagementId": self.engagement_ids[number]}
            self.run_and_compare(self.model.end_engagement(by, number), "endEngagement", arguments, by=by)

    # ---- Checks at the end -------------------------------------------------------------------

    def check_links(self) -> None:
        """Check the relation of each pair of accounts, from both sides."""
        for number, account in enumerate(self.model.accounts):
            person = self.system.people[account.owner]
            answer = self.system.run(self.system.api.ask(LINKS, {"id": self.account_ids[number]}, by=person))
            relations = {row["account"]["id"]: row["relation"] for row in answer.data["account"]["links"]["nodes"]}
            for other_number, key in enumerate(self.account_ids):
                assert relations.get(key) == self.model.relation(number, other_number), (number, other_number)

    # ---- Checks after each step --------------------------------------------------------------

    def check(self) -> None:
        """Check the permissions of one person in all accounts, another person at each step, and the database."""
        self.step_count += 1
        by = self.step_count % PEOPLE
        answer = self.system.run(
            self.system.api.ask(VIEWER_PERMISSIONS, {"ids": self.account_ids}, by=self.system.people[by])
        )
        actual_permissions = [None if node is None else set(node["viewerPermissions"]) for node in answer.data["nodes"]]
        expected_permissions = [
            set(policy.permissions(self.model.bits(by, n))) or None for n in range(len(self.account_ids))
        ]
        assert actual_permissions == expected_permissions
        self.system.run(self._check_database())

    async def _check_database(self) -> None:
        keys = [ids.decode("Account", account_id) for account_id in self.account_ids]
        rows = await db.fetch(CHECK, keys, self.model.now, row=db.Row)
        by_key = {row.id: row for row in rows}
        assert [by_key[key].owners for key in keys] == [1] * len(keys)
        assert [by_key[key].subscription_until for key in keys] == [account.until for account in self.model.accounts]
        seats = [(row.purchased_seats, row.seated) for row in (by_key[key] for key in keys)]
        assert seats == [(account.seats, self.model.used_seats(n)) for n, account in enumerate(self.model.accounts)]
        assert all(used_count <= purchased_count for purchased_count, used_count in seats)
        assert sum(row.days for row in rows) == self.model.credited_days
