"""Random sequences of all operations, by several people over several accounts, against a plain model.

Each step asks the real API, and the plain model beside it, and compares the outcome; after each step
the database is asked for what must always hold, and somebody for what he may do. CI runs a short,
reproducible form; a campaign draws afresh:

    FULLMAKT_STATEFUL=2000 .venv/bin/python -m pytest tests/stateful
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from auth import policy
from auth.policy import GrantStatus, Permission, Role
from database import db
from models.access import seat
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.billing import voucher
from resolvers import ids
from tests.api import KEY, PASSWORD, Answer
from tests.stateful.house import FREE_SEATS, PEOPLE, House
from tests.stateful.plain import BUREAU, DONE, Plain

EXAMPLES: Final = int(os.environ.get("FULLMAKT_STATEFUL", "0"))


GUEST_ROLES: Final = [role for role in Role if role is not Role.OWNER]
LISTS: Final[list[tuple[Permission, ...] | None]] = [
    None,
    (),
    (Permission.DOCUMENTS_READ,),
    (Permission.DOCUMENTS_READ, Permission.DOCUMENTS_WRITE, Permission.USERS_READ),
    (Permission.USERS_READ, Permission.USERS_WRITE, Permission.DOCUMENTS_READ),
]
BOUNDS: Final[list[tuple[Permission, ...]]] = [
    (),
    (Permission.DOCUMENTS_READ,),
    (Permission.DOCUMENTS_WRITE, Permission.REPORTS_READ),
]


@dataclass(frozen=True)
class Step:
    """One thing that somebody does; an operation takes of it what it needs."""

    name: str = ""
    by: int | None = None
    nth: int = 0
    """Which invitation or grant, counted from the newest."""
    account: int = 0
    other: int = 0
    to: int = 0
    role: Role = Role.SIMPLE_USER
    listed: tuple[Permission, ...] | None = None
    restrictions: tuple[Permission, ...] = ()
    locks: tuple[Permission, ...] = ()
    days: int = 10
    seats: int = 3
    pause: float = 1
    ends_in: int | None = None

    @property
    def client(self) -> int:
        """One of the two accounts that a bureau can work for."""
        return 2 if self.account == BUREAU else self.account

    def permissions(self) -> list[Permission] | None:
        """The list."""
        return None if self.listed is None else list(self.listed)

    def list_for_role(self) -> list[Permission] | None:
        """The list, for a role that a list narrows."""
        return self.permissions() if self.role in policy.WITH_ALLOWLIST else None


OPERATIONS: Final[dict[str, Callable[["Life", Step], None]]] = {}
"""What people do, by name."""


def operation(run: Callable[["Life", Step], None]) -> Callable[["Life", Step], None]:
    """Make it one of what sequences are drawn from."""
    OPERATIONS[run.__name__] = run
    return run


class Life:
    """What people do to each other's accounts: one sequence."""

    def __init__(self, house: House, seen: Counter[tuple[str, str]]) -> None:
        self.house = house
        self.seen = seen
        self.plain = Plain(house.clock.now, FREE_SEATS)
        self.account_ids: list[str] = []
        self.numbers: list[int] = []
        self.grant_ids: list[str] = []
        self.invitation_ids: list[str] = []
        self.engagement_ids: list[str] = []
        self.asked = 0

    # ---- Asking ------------------------------------------------------------------------------

    def agree(self, expected: str, name: str, given: dict[str, Any], show: str = "", *, by: int) -> dict[str, Any]:
        """Run a mutation as somebody, and demand that the API says what the model says; its payload."""
        kind = name[0].upper() + name[1:]
        document = f"mutation ($i: {kind}Input!) {{ {name}(input: $i) {{ {show} errors {{ code }} }} }}"
        answer = self.house.run(self.house.api.ask(document, {"i": given}, by=self.house.people[by]))
        outcome, payload = outcome_of(answer, name)
        assert outcome == expected, (name, given, by)
        self.seen[name, outcome] += 1
        return payload

    def who(self, step: Step, account: int) -> int:
        """Who acts: the account's owner where nobody else was drawn."""
        return self.plain.accounts[account].owner if step.by is None else step.by

    def begin(self, roles: Sequence[Role]) -> None:
        """Two accounts of one owner, in the first of which everybody has some role; and one of another."""
        self.house.keep_signed_in()
        self.house.clear()
        for owner, kind in ((0, "BUSINESS"), (1, "BUREAU"), (0, "BUSINESS")):
            given = {"name": "House", "kind": kind}
            payload = self.agree(DONE, "createAccount", given, "account { id number viewerGrant { id } }", by=owner)
            self.plain.open(owner)
            self.account_ids.append(payload["account"]["id"])
            self.numbers.append(payload["account"]["number"])
            self.grant_ids.append(payload["account"]["viewerGrant"]["id"])
        for guest, role in enumerate(roles, start=1):
            self.invite(Step(by=0, to=guest, role=role))
            self.accept(Step(by=guest))

    def go(self, step: Step) -> None:
        """Do one thing, and look whether all is well."""
        OPERATIONS[step.name](self, step)
        self.look()

    # ---- Accounts ----------------------------------------------------------------------------

    @operation
    def set_bounds(self, step: Step) -> None:
        by = self.who(step, step.account)
        expected = self.plain.set_bounds(by, step.account, policy.mask(step.restrictions), policy.mask(step.locks))
        given = {
            "accountId": self.account_ids[step.account],
            "simpleUserRestrictions": list(step.restrictions),
            "locks": list(step.locks),
        }
        self.agree(expected, "updateAccountSettings", given, by=by)

    @operation
    def extend(self, step: Step) -> None:
        by = self.who(step, step.other)
        expected = self.plain.extend(by, step.other, step.account, step.days)
        given = {
            "accountId": self.account_ids[step.account],
            "payerAccountId": self.account_ids[step.other],
            "days": step.days,
        }
        self.agree(expected, "extendSubscription", given, by=by)

    @operation
    def redeem(self, step: Step) -> None:
        """A voucher that the operator has just made."""
        by = self.who(step, step.account)
        expected = self.plain.redeem(by, step.account, step.days)
        (code,) = voucher.new_codes(1)
        operator = Caller(now=self.house.clock.now, config=OperationConfig(KEY))
        self.house.run(voucher.issue(operator, [code], days=step.days, reference=code))
        given = {"accountId": self.account_ids[step.account], "code": code}
        self.agree(expected, "redeemVoucher", given, by=by)

    @operation
    def sell(self, step: Step) -> None:
        """Seats, sold by the operator at the command line."""
        expected = self.plain.sell(step.account, step.seats)
        operator = Caller(now=self.house.clock.now, config=OperationConfig(KEY))
        outcome = DONE
        try:
            self.house.run(seat.sell(operator, self.numbers[step.account], step.seats))
        except Refusal as refusal:
            (outcome,) = (problem.code for problem in refusal.problems)
        assert outcome == expected
        self.seen["seats", outcome] += 1

    @operation
    def wait(self, step: Step) -> None:
        self.house.clock.forward(days=step.pause)
        self.plain.now = self.house.clock.now

    # ---- Invitations -------------------------------------------------------------------------

    @operation
    def invite(self, step: Step) -> None:
        by, listed = self.who(step, step.account), step.list_for_role()
        until = None if step.ends_in is None else self.plain.now + timedelta(days=step.ends_in)
        expected = self.plain.invite(by, step.account, step.to, step.role, stored(listed), until)
        given: dict[str, Any] = {
            "accountId": self.account_ids[step.account],
            "email": self.house.people[step.to].email,
            "role": step.role,
            "permissions": listed,
            "grantValidUntil": until and until.isoformat(),
        }
        payload = self.agree(expected, "inviteUser", given, "invitation { id }", by=by)
        if expected == DONE:
            self.invitation_ids.append(payload["invitation"]["id"])

    def _invitation(self, step: Step) -> int:
        pending = [n for n, offer in enumerate(self.plain.invitations) if offer.status == "PENDING"]
        return pending[-1] if pending and step.nth % 2 else newest(self.invitation_ids, step.nth)

    @operation
    def accept(self, step: Step) -> None:
        number = self._invitation(step)
        by = self.plain.invitations[number].user if step.by is None else step.by
        expected = self.plain.accept(by, number)
        given = {"invitationId": self.invitation_ids[number]}
        payload = self.agree(expected, "acceptInvitation", given, "grant { id }", by=by)
        if expected == DONE:
            self.grant_ids.append(payload["grant"]["id"])

    @operation
    def decline(self, step: Step) -> None:
        number = self._invitation(step)
        by = self.plain.invitations[number].user if step.by is None else step.by
        expected = self.plain.decline(by, number)
        self.agree(expected, "declineInvitation", {"invitationId": self.invitation_ids[number]}, by=by)

    @operation
    def revoke_invitation(self, step: Step) -> None:
        number = self._invitation(step)
        by = self.who(step, self.plain.invitations[number].account)
        expected = self.plain.revoke_invitation(by, number)
        self.agree(expected, "revokeInvitation", {"invitationId": self.invitation_ids[number]}, by=by)

    # ---- Grants ------------------------------------------------------------------------------

    def _grant(self, step: Step) -> int:
        return newest(self.grant_ids, step.nth)

    @operation
    def update_grant(self, step: Step) -> None:
        number, listed = self._grant(step), step.list_for_role()
        by = self.who(step, self.plain.grants[number].account)
        expected = self.plain.update_grant(by, number, step.role, stored(listed))
        given = {"grantId": self.grant_ids[number], "role": step.role, "permissions": listed}
        self.agree(expected, "updateGrant", given, by=by)

    @operation
    def revoke_grant(self, step: Step) -> None:
        number = self._grant(step)
        by = self.who(step, self.plain.grants[number].account)
        expected = self.plain.revoke_grant(by, number)
        self.agree(expected, "revokeGrant", {"grantId": self.grant_ids[number]}, by=by)

    @operation
    def restore_grant(self, step: Step) -> None:
        revoked = [n for n, grant in enumerate(self.plain.grants) if grant.status is GrantStatus.REVOKED]
        number = revoked[-1] if revoked and step.nth % 2 else self._grant(step)
        by = self.who(step, self.plain.grants[number].account)
        expected = self.plain.restore_grant(by, number)
        self.agree(expected, "restoreGrant", {"grantId": self.grant_ids[number]}, by=by)

    @operation
    def resign(self, step: Step) -> None:
        number = self._grant(step)
        by = self.plain.grants[number].user if step.by is None else step.by
        expected = self.plain.resign(by, number)
        self.agree(expected, "resignGrant", {"grantId": self.grant_ids[number]}, by=by)

    # ---- Ownership ---------------------------------------------------------------------------

    @operation
    def offer(self, step: Step) -> None:
        by = self.who(step, step.account)
        expected = self.plain.offer(by, step.account, step.to)
        receiver = self.house.people[step.to].user_id
        given = {"accountId": self.account_ids[step.account], "userId": receiver, "password": PASSWORD}
        self.agree(expected, "transferOwnership", given, by=by)

    def _receiver(self, step: Step) -> int:
        """Who answers an offer: the one whom it was made to, if nobody else was drawn."""
        offer = self.plain.offers.get(step.account)
        return step.by if step.by is not None else offer.receiver if offer else step.to

    @operation
    def accept_ownership(self, step: Step) -> None:
        by = self._receiver(step)
        expected = self.plain.own(by, step.account, accept=True)
        self.agree(expected, "acceptOwnership", {"accountId": self.account_ids[step.account]}, by=by)

    @operation
    def decline_ownership(self, step: Step) -> None:
        by = self._receiver(step)
        expected = self.plain.own(by, step.account, accept=False)
        self.agree(expected, "declineOwnership", {"accountId": self.account_ids[step.account]}, by=by)

    @operation
    def withdraw_ownership(self, step: Step) -> None:
        by = self.who(step, step.account)
        expected = self.plain.withdraw(by, step.account)
        self.agree(expected, "withdrawOwnership", {"accountId": self.account_ids[step.account]}, by=by)

    # ---- The bureau --------------------------------------------------------------------------

    @operation
    def engage(self, step: Step) -> None:
        client, by_bureau = step.client, bool(step.nth % 2)
        by = self.who(step, BUREAU if by_bureau else client)
        expected = self.plain.engage(by, client, by_bureau=by_bureau)
        own, other = ("bureauAccountId", "clientNumber") if by_bureau else ("clientAccountId", "bureauNumber")
        sides = (BUREAU, client) if by_bureau else (client, BUREAU)
        given = {own: self.account_ids[sides[0]], other: self.numbers[sides[1]]}
        self.agree(expected, "engageBureau", given, by=by)
        self.engagement_ids = self.house.run(self._find_engagements())

    async def _find_engagements(self) -> list[str]:
        """Who asks blindly learns no id: they are looked up, in the order of asking."""
        keys = [ids.decode("Account", one) for one in self.account_ids]
        rows = await db.fetch("SELECT id FROM engagements WHERE client_id = ANY($1) ORDER BY id", keys, row=db.Row)
        return [ids.encode("Engagement", row.id) for row in rows]

    def _answer(self, step: Step, name: str, status: str) -> None:
        if self.engagement_ids:
            number = newest(self.engagement_ids, step.nth // 2)
            by = self.who(step, self.plain.engagements[number].asked)
            expected = self.plain.answer(by, number, status)
            self.agree(expected, name, {"engagementId": self.engagement_ids[number]}, by=by)

    @operation
    def accept_engagement(self, step: Step) -> None:
        self._answer(step, "acceptEngagement", "ACTIVE")

    @operation
    def decline_engagement(self, step: Step) -> None:
        self._answer(step, "declineEngagement", "DECLINED")

    @operation
    def end_engagement(self, step: Step) -> None:
        if self.engagement_ids:
            number = newest(self.engagement_ids, step.nth // 2)
            by = self.who(step, self.plain.engagements[number].asked)
            expected = self.plain.end_engagement(by, number)
            self.agree(expected, "endEngagement", {"engagementId": self.engagement_ids[number]}, by=by)

    @operation
    def assign(self, step: Step) -> None:
        by, client = self.who(step, BUREAU), step.client
        expected = self.plain.assign(by, step.to, client, stored(step.permissions()))
        given = {"permissions": step.permissions(), **self._at(step.to, client)}
        done = self._agree_for_client(expected, "assignConsultant", given, by=by)
        if done:
            self.grant_ids.append(done)

    @operation
    def unassign(self, step: Step) -> None:
        by, client = self.who(step, BUREAU), step.client
        expected = self.plain.unassign(by, step.to, client)
        self._agree_for_client(expected, "unassignConsultant", self._at(step.to, client), by=by)

    def _at(self, user: int, client: int) -> dict[str, Any]:
        return {
            "bureauAccountId": self.account_ids[BUREAU],
            "userId": self.house.people[user].user_id,
            "clientAccountIds": [self.account_ids[client]],
        }

    def _agree_for_client(self, expected: str, name: str, given: dict[str, Any], *, by: int) -> str | None:
        """As `agree`, where the answer may stand in the outcome of the one client; the grant's id."""
        kind = name[0].upper() + name[1:]
        document = (
            f"mutation ($i: {kind}Input!) {{ {name}(input: $i) {{ outcomes {{ grantId: clientAccountId"
            " grant { id } errors { code } } errors { code } } }"
        )
        answer = self.house.run(self.house.api.ask(document, {"i": given}, by=self.house.people[by]))
        outcome, payload = outcome_of(answer, name)
        (one,) = payload.get("outcomes") or [None]
        if outcome == DONE and one:
            outcome = one["errors"][0]["code"] if one["errors"] else DONE
        assert outcome == expected, (name, given, by)
        self.seen[name, outcome] += 1
        return one["grant"]["id"] if outcome == DONE and one and one["grant"] else None

    # ---- At the end --------------------------------------------------------------------------

    def look_at_links(self) -> None:
        """Each account shows of each other one what the model says, and so both sides say the same."""
        for number, house in enumerate(self.plain.accounts):
            person = self.house.people[house.owner]
            answer = self.house.run(self.house.api.ask(LINKS, {"id": self.account_ids[number]}, by=person))
            shown = {row["account"]["id"]: row["relation"] for row in answer.data["account"]["links"]["nodes"]}
            for other, key in enumerate(self.account_ids):
                assert shown.get(key) == self.plain.relation(number, other), (number, other)

    # ---- What always holds -------------------------------------------------------------------

    def look(self) -> None:
        """One person a step, in turn, over all accounts of the sequence; and the database."""
        self.asked += 1
        by = self.asked % PEOPLE
        answer = self.house.run(self.house.api.ask(MAY, {"ids": self.account_ids}, by=self.house.people[by]))
        seen = [None if node is None else set(node["viewerPermissions"]) for node in answer.data["nodes"]]
        expected = [set(policy.permissions(self.plain.bits(by, n))) or None for n in range(len(self.account_ids))]
        assert seen == expected
        self.house.run(self._check_database())

    async def _check_database(self) -> None:
        keys = [ids.decode("Account", one) for one in self.account_ids]
        rows = await db.fetch(CHECK, keys, self.plain.now, row=db.Row)
        by_key = {row.id: row for row in rows}
        assert [by_key[key].owners for key in keys] == [1] * len(keys)
        assert [by_key[key].subscription_until for key in keys] == [house.until for house in self.plain.accounts]
        seats = [(row.purchased_seats, row.seated) for row in (by_key[key] for key in keys)]
        assert seats == [(house.seats, self.plain.used(n)) for n, house in enumerate(self.plain.accounts)]
        assert all(seated <= purchased for purchased, seated in seats)
        assert sum(row.days for row in rows) == self.plain.credited


def outcome_of(answer: Answer, name: str) -> tuple[str, dict[str, Any]]:
    """What a mutation came to, in a word, and its payload."""
    if answer.errors:
        assert len(set(answer.codes)) == 1, answer.body
        return answer.codes[0], {}
    payload = answer.data[name]
    found = [error["code"] for error in payload["errors"]]
    return (found[0] if found else DONE), payload


LINKS: Final = "query ($id: ID!) { account(id: $id) { links(first: 100) { nodes { relation account { id } } } } }"
MAY: Final = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Account { id viewerPermissions } } }"


CHECK: Final = """
SELECT a.id, a.subscription_until, a.purchased_seats,
    (SELECT count(*) FROM grants g WHERE g.account_id = a.id AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
     AND g.role IN ('ADMINISTRATOR', 'COLLABORATOR', 'SIMPLE_USER') AND (g.valid_until > $2 OR g.valid_until IS NULL))
     AS seated,
    (SELECT count(*) FROM grants g
     WHERE g.account_id = a.id AND g.role = 'OWNER' AND g.status = 'ACTIVE' AND g.user_id = a.owner_id) AS owners,
    (SELECT sum(e.days) FROM subscription_entries e WHERE e.account_id = a.id) AS days
FROM accounts a WHERE a.id = ANY($1::uuid[])
"""


def newest(things: list[str], nth: int) -> int:
    """The place of the nth thing, counted from the newest."""
    return len(things) - 1 - nth % len(things)


def stored(listed: list[Permission] | None) -> int | None:
    """A list as a grant keeps it: what gives anything gives the account too."""
    if listed is None:
        return None
    bits = policy.mask(listed)
    return bits | policy.mask([Permission.ACCOUNT_READ]) if bits else 0


steps = st.builds(
    Step,
    name=st.sampled_from(list(OPERATIONS)),
    # Strangers are refused; half of the steps are the owner's, so that sequences come to something.
    by=st.sampled_from([None, None, None, None, *range(PEOPLE)]),
    nth=st.integers(0, 6),
    account=st.sampled_from([0, 0, 1, 2]),
    other=st.sampled_from([0, 1, 2]),
    to=st.integers(0, PEOPLE - 1),
    role=st.sampled_from([*GUEST_ROLES, *GUEST_ROLES, Role.OWNER]),
    listed=st.sampled_from(LISTS),
    restrictions=st.sampled_from(BOUNDS),
    locks=st.sampled_from(BOUNDS),
    days=st.integers(10, 31),
    seats=st.integers(0, 4),
    pause=st.sampled_from([0.001, 1, 3, 8, 20]),
    ends_in=st.sampled_from([None, None, 5, 15]),
)


ONE_OF_EACH: Final = [
    Step(name="offer", to=3),
    Step(name="withdraw_ownership"),
    Step(name="offer", to=3),
    Step(name="decline_ownership"),
    Step(name="set_bounds"),
    Step(name="extend", other=0, account=2),
    Step(name="invite", account=1, to=2),
    Step(name="decline"),
    Step(name="invite", account=1, to=3),
    Step(name="revoke_invitation"),
    Step(name="update_grant", role=Role.ACCOUNTANT),
    Step(name="revoke_grant"),
    Step(name="restore_grant"),
    Step(name="resign"),
    Step(name="engage", account=2),
    Step(name="decline_engagement"),
    Step(name="engage", account=2),
    Step(name="accept_engagement"),
    Step(name="assign", account=2, to=1, listed=LISTS[2]),
    Step(name="unassign", account=2, to=1),
    Step(name="end_engagement"),
    Step(name="redeem"),
    Step(name="offer", to=1),
    Step(name="accept_ownership"),
    Step(name="sell", seats=4),
    Step(name="wait"),
]


def test_life_goes_as_the_plain_model_says(database_url: str) -> None:
    house, seen = House(database_url), Counter[tuple[str, str]]()

    @settings(
        max_examples=EXAMPLES or 60,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @example(roles=[Role.ACCOUNTANT, Role.COLLABORATOR, Role.SIMPLE_USER], sequence=ONE_OF_EACH)
    @given(
        roles=st.lists(st.sampled_from(GUEST_ROLES), min_size=PEOPLE - 1, max_size=PEOPLE - 1),
        sequence=st.lists(steps, min_size=20, max_size=40),
    )
    def live(roles: list[Role], sequence: list[Step]) -> None:
        life = Life(house, seen)
        life.begin(roles)
        for step in sequence:
            life.go(step)
        life.look_at_links()

    try:
        live()
        assert house.broken_chains() == []
    finally:
        house.close()
    # Sequences that come to nothing would show nothing.
    assert {name for name, _ in seen} - {name for name, outcome in seen if outcome == DONE} == set()
