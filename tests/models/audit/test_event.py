"""Events: each mutation records its change, and no table contains a secret afterwards."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import orjson
import pytest

import embedded
import schema
from auth import tokens
from database import db
from models.accounts.account import Account
from models.audit import event
from models.base.caller import Caller, OperationConfig
from models.billing import subscription, voucher
from models.outbox.message import Message
from resolvers import ids
from tests.api import KEY, PASSWORD, TABLES, Api, Person, codes
from tests.conftest import connect, execute_outside_transaction
from tests.models.refusals import attempt, events

ExpectedEvents = Sequence[tuple[str, str | None]]
SECOND, THIRD = "marble thicket cobalt", "granite willow ember"
CHANGES = {
    "user:profile:update",
    "account:account:update",
    "account:settings:update",
    *(f"account:invitation:{action}" for action in ("update", "resend", "revoke")),
    *(f"account:grant:{action}" for action in ("update", "revoke", "restore", "resign")),
    *("account:subscription:give", "account:subscription:extend", "account:subscription:redeem"),
}
"""The types of events that change an existing row. They contain the values before and after."""
MAIN_PATH = {
    *("register", "resendActivation", "activate", "signIn", "signOut", "revokeSession", "revokeOtherSessions"),
    *("updateProfile", "changePassword", "requestPasswordReset", "resetPassword"),
    *("createAccount", "updateAccount", "updateAccountSettings", "switchAccount"),
    *("inviteUser", "updateInvitation", "resendInvitation", "revokeInvitation"),
    *("acceptInvitation", "declineInvitation", "updateGrant", "revokeGrant", "restoreGrant", "resignGrant"),
    "extendSubscription",
    "redeemVoucher",
}
"""The mutations of this test. tests/schema/test_matrix.py checks that every mutation records an event."""
IGNORED_TYPES = {"account:account:enter"}
"""Recorded with the first request in an account, independently of the mutation."""


class Story:
    """Runs mutations, checks the events of each, and collects all secrets."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.mutations: set[str] = set()
        self.secrets = {PASSWORD, SECOND, THIRD, KEY}
        self._known_ids: set[object] = set()

    async def do(
        self,
        mutation: str,
        variables: Mapping[str, Any] | None,
        expected_events: ExpectedEvents,
        *,
        by: Person | None = None,
        show: str = "",
    ) -> dict[str, Any]:
        """Run a mutation and assert that it records exactly `expected_events`: their types and roles."""
        await self.new_events()
        payload = await self.api.do(mutation, variables, show, by=by)
        assert payload["errors"] == []
        rows = await self.new_events()
        assert [(row.type, row.actor_role) for row in rows] == [*expected_events], mutation
        for row in rows:
            self._check(row, by)
        self.mutations.add(mutation)
        return payload

    def _check(self, event: Any, by: Person | None) -> None:
        assert event.request_id
        assert event.ip_address
        if by is not None:
            assert event.actor_id == ids.decode("User", by.user_id)
        if event.type in CHANGES:
            before, after = orjson.loads(event.before), orjson.loads(event.after)
            assert before.keys() >= after.keys() - {"days"}
            assert before != after

    async def new_events(self) -> list[Any]:
        """The events since the last call."""
        sql = f"SELECT {db.select_list(event.COLUMNS)} FROM events e ORDER BY e.id"
        rows: list[Any] = await db.fetch(sql, row=db.Row)
        new_rows = [row for row in rows if row.id not in self._known_ids and row.type not in IGNORED_TYPES]
        self._known_ids |= {row.id for row in rows}
        return new_rows

    async def link(self, email: str, purpose: str) -> str:
        """The token in the newest mail, which is a secret."""
        return await self.api.link(email, purpose)

    async def sign_in_with(
        self, email: str, mutation: str, variables: Mapping[str, Any], expected_events: ExpectedEvents
    ) -> Person:
        """Run a mutation that signs a user in. Returns the user."""
        show = "accessToken viewer { user { id } currentAccount { id } }"
        payload = await self.do(mutation, variables, expected_events, show=show)
        current_account = payload["viewer"]["currentAccount"]
        account_id = current_account["id"] if current_account else ""
        return Person(email, payload["accessToken"], payload["viewer"]["user"]["id"], account_id)


START = ("user:session:start", None)


async def test_each_mutation_records_its_change_without_secrets(api: Api) -> None:  # noqa: PLR0915 - one story
    story = Story(api)
    do = story.do

    # Registration
    await do(
        "register",
        {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD},
        [("user:login:register", None), ("account:account:create", "OWNER")],
    )
    await do("resendActivation", {"email": "anna@example.com"}, [("user:login:resend", None)])
    token = await story.link("anna@example.com", "activation")
    anna = await story.sign_in_with(
        "anna@example.com",
        "activate",
        {"token": token, "password": PASSWORD},
        [("account:account:activate", "OWNER"), ("user:login:activate", None), START],
    )
    second_session = await story.sign_in_with(
        anna.email, "signIn", {"email": anna.email, "password": PASSWORD}, [START]
    )
    third_session = await story.sign_in_with(anna.email, "signIn", {"email": anna.email, "password": PASSWORD}, [START])
    story.secrets |= {anna.token, second_session.token, third_session.token}
    sessions = await api.ask("{ viewer { sessions { nodes { id isCurrent } } } }", by=anna)
    newest = sessions.data["viewer"]["sessions"]["nodes"][0]["id"]
    await do("revokeSession", {"sessionId": newest}, [("user:session:revoke", None)], by=anna)
    await do("revokeOtherSessions", None, [("user:session:revoke-others", None)], by=anna)
    await do("updateProfile", {"name": "Anna N"}, [("user:profile:update", None)], by=anna)
    await do(
        "changePassword",
        {"currentPassword": PASSWORD, "newPassword": SECOND},
        [("user:password:change", None)],
        by=anna,
    )
    await do("requestPasswordReset", {"email": anna.email}, [("user:password:forget", None)])
    token = await story.link(anna.email, "reset")
    await do(
        "resetPassword",
        {"token": token, "password": THIRD},
        [("user:session:revoke-others", None), ("user:password:reset", None)],
    )
    anna = await story.sign_in_with(anna.email, "signIn", {"email": anna.email, "password": THIRD}, [START])
    story.secrets.add(anna.token)

    # Accounts
    account = anna.account_id
    payload = await do(
        "createAccount", {"name": "Second"}, [("account:account:create", "OWNER")], by=anna, show="account { id }"
    )
    second = payload["account"]["id"]
    await do("updateAccount", {"accountId": account, "name": "N"}, [("account:account:update", "OWNER")], by=anna)
    await do(
        "updateAccountSettings",
        {"accountId": account, "locks": ["REPORTS_READ"], "invoicePrefix": "N/"},
        [("account:settings:update", "OWNER")],
        by=anna,
    )
    await do("switchAccount", {"accountId": second}, [], by=anna)
    await do("switchAccount", {"accountId": account}, [], by=anna)
    assert [event.actor_role for event in await events("account:account:enter")][-2:] == ["OWNER", "OWNER"]

    # Invitations
    offer = {"accountId": account, "email": "bo@example.com", "role": "COLLABORATOR"}
    issue_events, show = [("account:invitation:issue", "OWNER")], "invitation { id }"
    key = (await do("inviteUser", offer, issue_events, by=anna, show=show))["invitation"]["id"]
    await do(
        "updateInvitation",
        {"invitationId": key, "role": "ACCOUNTANT"},
        [("account:invitation:update", "OWNER")],
        by=anna,
    )
    api.clock.forward(minutes=1)
    await do("resendInvitation", {"invitationId": key}, [("account:invitation:resend", "OWNER")], by=anna)
    await do("revokeInvitation", {"invitationId": key}, [("account:invitation:revoke", "OWNER")], by=anna)
    await do("inviteUser", offer, issue_events, by=anna)
    token = await story.link("bo@example.com", "invitation")
    await do("declineInvitation", {"token": token}, [("account:invitation:decline", None)])
    await do("inviteUser", offer, issue_events, by=anna)
    token = await story.link("bo@example.com", "invitation")
    bo = await story.sign_in_with(
        "bo@example.com",
        "acceptInvitation",
        {"token": token, "name": "Bo Berg", "password": PASSWORD, "ownAccountName": "Berg"},
        [
            ("user:login:register", None),
            ("account:grant:give", "COLLABORATOR"),
            ("account:invitation:accept", "COLLABORATOR"),
            ("account:account:create", "OWNER"),
            START,
        ],
    )
    story.secrets.add(bo.token)

    # Grants
    answer = await api.ask("{ viewer { currentGrant { id } } }", by=bo)
    grant = answer.data["viewer"]["currentGrant"]["id"]
    until = (api.clock.now + timedelta(days=9)).isoformat()
    await do("updateGrant", {"grantId": grant, "validUntil": until}, [("account:grant:update", "OWNER")], by=anna)
    await do("revokeGrant", {"grantId": grant}, [("account:grant:revoke", "OWNER")], by=anna)
    await do("restoreGrant", {"grantId": grant}, [("account:grant:restore", "OWNER")], by=anna)
    await do("resignGrant", {"grantId": grant}, [("account:grant:resign", "COLLABORATOR")], by=bo)

    # Subscription
    await db.execute("UPDATE accounts SET trial_until = NULL")  # the days can be transferred
    await do(
        "extendSubscription",
        {"accountId": second, "payerAccountId": account, "days": 10, "idempotencyKey": "k"},
        [("account:subscription:give", "OWNER"), ("account:subscription:extend", "OWNER")],
        by=anna,
    )
    row = await Account.get(name="Second")
    await subscription.credit(Caller(now=api.clock.now, config=OperationConfig(KEY)), row.number, 10, reference="A1")
    assert [event.type for event in await story.new_events()] == ["operator:subscription:credit"]
    (code,) = voucher.new_codes(1)
    story.secrets |= {code, code.replace("-", "")}
    await voucher.issue(Caller(now=api.clock.now, config=OperationConfig(KEY)), [code], days=10, reference="B1")
    assert [event.type for event in await story.new_events()] == ["operator:voucher:issue"]
    redeem_events = [("account:subscription:redeem", "OWNER")]
    await do("redeemVoucher", {"accountId": account, "code": code}, redeem_events, by=anna)
    await do("signOut", None, [("user:session:end", None)], by=bo)

    assert story.mutations == MAIN_PATH & set(schema.build().mutation_type.fields)  # type: ignore[union-attr]  # there are some
    await assert_no_table_contains(story.secrets | await every_link())


async def every_link() -> set[str]:
    """The tokens of all mailed links, including expired ones."""
    mails = await Message.filter(link_seed__not_isnull=True)
    assert len(mails) >= 7
    return {tokens.derive(KEY, mail.link_purpose, mail.link_seed) for mail in mails if mail.link_seed is not None}


async def assert_no_table_contains(secrets: set[str]) -> None:
    """Assert that no column of any table contains a secret, as text or as bytes."""
    leaks: list[str] = []
    for table in TABLES:
        for row in await db.fetch(f"SELECT t::text AS text FROM {table} t", row=db.Row):
            leaks += [f"{table}: {secret}" for secret in secrets if contains_secret(secret, row.text)]
    assert leaks == []


def contains_secret(secret: str, text: str) -> bool:
    return secret in text or secret.encode().hex() in text


async def test_search_for_secrets_finds_a_stored_token(api: Api) -> None:
    """The check of the check: it finds a secret as text and as bytes."""
    anna = await api.person("anna@example.com")
    for column in ("user_agent = $1", "user_agent = encode(convert_to($1, 'UTF8'), 'hex')"):
        await db.execute(f"UPDATE sessions SET {column}", anna.token)

        with pytest.raises(AssertionError, match="sessions"):
            await assert_no_table_contains({anna.token})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET type = 'x'",
        "UPDATE events SET personal = personal || '{}', origin = origin || '{\"ip_address\": \"10.0.0.1\"}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE event_links SET position = 9",
        "DELETE FROM event_links",
        "TRUNCATE event_links",
    ],
)
async def test_event_cannot_be_changed_or_deleted(api: Api, database_url: str, statement: str) -> None:
    """The role of the server lacks the privilege, and a trigger stops the owner of the tables."""
    await api.person("anna@example.com")

    with pytest.raises(Exception, match="append-only"):
        await execute_outside_transaction(database_url, statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO event_links VALUES (gen_random_uuid(), 1, gen_random_uuid(), sha256(''))",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TABLE events",
        "CREATE OR REPLACE FUNCTION events_link() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE public.extra (id int)",
        "DELETE FROM tortoise_migrations",
    ],
)
async def test_role_of_the_server_cannot_bypass_the_chain(api: Api, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)


async def test_temporary_table_does_not_receive_links(api: Api, database_url: str) -> None:
    """The function that writes links runs as the owner, and must not write to a table of the caller."""
    connection = await connect(embedded.as_server(database_url))
    try:
        await connection.execute("CREATE TEMP TABLE event_links (LIKE public.event_links)")
        await connection.execute(
            "INSERT INTO events (id, type, occurred_at) VALUES (gen_random_uuid(), 'user:login:resend', now())"
        )
    finally:
        await connection.close()

    assert len(await db.fetch("SELECT FROM event_links", row=db.Row)) == 1


async def test_refused_mutation_records_no_event(api: Api) -> None:
    """The tests of other files check this for each refusal. This test checks their helper."""
    anna = await api.person("anna@example.com")
    before = len(await db.fetch("SELECT FROM events", row=db.Row))

    await api.do("signIn", {"email": anna.email, "password": SECOND})

    assert len(await db.fetch("SELECT FROM events", row=db.Row)) == before


async def test_forbidden_mutation_is_recorded_once_for_the_account_and_the_caller(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    variables = {"accountId": anna.account_id, "email": "cai@example.com", "role": "ACCOUNTANT"}

    answer = await attempt(api, "inviteUser", variables, by=bo)

    assert answer.codes == ["FORBIDDEN"]
    (row,) = await events("refused:account:invitation:issue")
    facts = (ids.encode("User", row.actor_id), row.actor_role, ids.encode("Account", row.account_id), row.after)
    assert facts == (bo.user_id, "ACCOUNTANT", anna.account_id, '{"permission": "USERS_WRITE"}')
    query = """{ viewer { currentAccount { events(first: 100, filter: { type: "refused" }) { nodes { type } } }
        events(first: 100) { nodes { type } } } }"""
    account_events = (await api.ask(query, by=anna)).data["viewer"]["currentAccount"]["events"]["nodes"]
    assert account_events == [{"type": "refused:account:invitation:issue"}]
    user_events = (await api.ask(query, by=bo)).partial["viewer"]["events"]["nodes"]
    assert {"type": "refused:account:invitation:issue"} in user_events
    assert await db.fetch("SELECT FROM invitations WHERE status = 'PENDING'", row=db.Row) == []


async def test_refusal_of_a_stranger_is_not_recorded(api: Api) -> None:
    """An account that the caller cannot enter does not exist for them, so the refusal is NOT_FOUND without an event."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    variables = {"accountId": anna.account_id, "email": "cai@example.com", "role": "ACCOUNTANT"}

    answer = await attempt(api, "inviteUser", variables, by=bo)

    assert codes(answer.data["inviteUser"]) == [("NOT_FOUND", ["accountId"])]
    assert await db.fetch("SELECT FROM events WHERE type LIKE 'refused:%'", row=db.Row) == []


async def test_event_is_visible_to_the_account_and_the_actor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await api.do("resignGrant", {"grantId": key}, by=bo)
    resign_event = {"type": "account:grant:resign", "actor": {"id": bo.user_id}, "actorRole": "ACCOUNTANT"}

    events_of = "events(first: 3) { nodes { type actor { id } actorRole } }"
    owner = await api.ask(f"{{ viewer {{ currentAccount {{ {events_of} }} }} }}", by=anna)
    actor = await api.ask(f"{{ viewer {{ {events_of} }} }}", by=bo)

    assert resign_event in owner.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert resign_event in actor.data["viewer"]["events"]["nodes"]
