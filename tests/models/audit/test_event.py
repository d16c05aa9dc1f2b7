"""Every change is told: all mutations in one story, then a search for secrets in all that it left."""

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
from tests.conftest import administer, connect
from tests.models.refusals import attempt, events

Told = Sequence[tuple[str, str | None]]
SECOND, THIRD = "marble thicket cobalt", "granite willow ember"
CHANGES = {
    "user:profile:update",
    "account:account:update",
    "account:settings:update",
    *(f"account:invitation:{done}" for done in ("update", "resend", "revoke")),
    *(f"account:grant:{done}" for done in ("update", "revoke", "restore", "resign")),
    *("account:subscription:give", "account:subscription:extend", "account:subscription:redeem"),
}
"""What changes something that was there: these tell it as it was and as it is."""
MAIN_PATH = {
    *("register", "resendActivation", "activate", "signIn", "signOut", "revokeSession", "revokeOtherSessions"),
    *("updateProfile", "changePassword", "requestPasswordReset", "resetPassword"),
    *("createAccount", "updateAccount", "updateAccountSettings", "switchAccount"),
    *("inviteUser", "updateInvitation", "resendInvitation", "revokeInvitation"),
    *("acceptInvitation", "declineInvitation", "updateGrant", "revokeGrant", "restoreGrant", "resignGrant"),
    "extendSubscription",
    "redeemVoucher",
}
"""The mutations of this story. That each one of all tells something, tests/schema/test_matrix.py holds."""
UNTOLD = {"account:account:enter"}
"""Noted with whatever request comes first, so that it is no part of a mutation."""


class Story:
    """Runs mutations, and knows what each of them told, and every secret that passed."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.run: set[str] = set()
        self.secrets = {PASSWORD, SECOND, THIRD, KEY}
        self._seen: set[object] = set()

    async def do(
        self, mutation: str, given: Mapping[str, Any] | None, told: Told, *, by: Person | None = None, show: str = ""
    ) -> dict[str, Any]:
        """Run a mutation that must tell exactly `told`: types and roles."""
        await self.fresh()
        payload = await self.api.do(mutation, given, show, by=by)
        assert payload["errors"] == []
        found = await self.fresh()
        assert [(event.type, event.actor_role) for event in found] == [*told], mutation
        for one in found:
            self._check(one, by)
        self.run.add(mutation)
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

    async def fresh(self) -> list[Any]:
        """The events that were not there before."""
        sql = f"SELECT {', '.join(event.COLUMNS.values())} FROM events e ORDER BY e.id"
        rows: list[Any] = await db.fetch(sql, row=db.Row)
        new = [row for row in rows if row.id not in self._seen and row.type not in UNTOLD]
        self._seen |= {row.id for row in rows}
        return new

    async def link(self, email: str, purpose: str) -> str:
        """The token of the newest mail, which is a secret."""
        return await self.api.link(email, purpose)

    async def signs_in(self, email: str, mutation: str, given: Mapping[str, Any], told: Told) -> Person:
        """Somebody who is signed in by a mutation."""
        show = "accessToken viewer { user { id } currentAccount { id } }"
        done = await self.do(mutation, given, told, show=show)
        current = done["viewer"]["currentAccount"]
        return Person(email, done["accessToken"], done["viewer"]["user"]["id"], current["id"] if current else "")


START = ("user:session:start", None)


async def test_every_mutation_tells_what_it_changed_and_no_secret(api: Api) -> None:  # noqa: PLR0915 - one story
    story = Story(api)
    do = story.do

    # Signing up
    await do(
        "register",
        {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD},
        [("user:login:register", None), ("account:account:create", "OWNER")],
    )
    await do("resendActivation", {"email": "anna@example.com"}, [("user:login:resend", None)])
    token = await story.link("anna@example.com", "activation")
    anna = await story.signs_in(
        "anna@example.com",
        "activate",
        {"token": token},
        [("account:account:activate", "OWNER"), ("user:login:activate", None), START],
    )
    other = await story.signs_in(anna.email, "signIn", {"email": anna.email, "password": PASSWORD}, [START])
    third = await story.signs_in(anna.email, "signIn", {"email": anna.email, "password": PASSWORD}, [START])
    story.secrets |= {anna.token, other.token, third.token}
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
    anna = await story.signs_in(anna.email, "signIn", {"email": anna.email, "password": THIRD}, [START])
    story.secrets.add(anna.token)

    # Accounts
    account = anna.account_id
    done = await do(
        "createAccount", {"name": "Second"}, [("account:account:create", "OWNER")], by=anna, show="account { id }"
    )
    second = done["account"]["id"]
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
    issued, invited = [("account:invitation:issue", "OWNER")], "invitation { id }"
    key = (await do("inviteUser", offer, issued, by=anna, show=invited))["invitation"]["id"]
    await do(
        "updateInvitation",
        {"invitationId": key, "role": "ACCOUNTANT"},
        [("account:invitation:update", "OWNER")],
        by=anna,
    )
    api.clock.forward(minutes=1)
    await do("resendInvitation", {"invitationId": key}, [("account:invitation:resend", "OWNER")], by=anna)
    await do("revokeInvitation", {"invitationId": key}, [("account:invitation:revoke", "OWNER")], by=anna)
    await do("inviteUser", offer, issued, by=anna)
    token = await story.link("bo@example.com", "invitation")
    await do("declineInvitation", {"token": token}, [("account:invitation:decline", None)])
    await do("inviteUser", offer, issued, by=anna)
    token = await story.link("bo@example.com", "invitation")
    bo = await story.signs_in(
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
    seen = await api.ask("{ viewer { currentGrant { id } } }", by=bo)
    grant = seen.data["viewer"]["currentGrant"]["id"]
    until = (api.clock.now + timedelta(days=9)).isoformat()
    await do("updateGrant", {"grantId": grant, "validUntil": until}, [("account:grant:update", "OWNER")], by=anna)
    await do("revokeGrant", {"grantId": grant}, [("account:grant:revoke", "OWNER")], by=anna)
    await do("restoreGrant", {"grantId": grant}, [("account:grant:restore", "OWNER")], by=anna)
    await do("resignGrant", {"grantId": grant}, [("account:grant:resign", "COLLABORATOR")], by=bo)

    # Days
    await do(
        "extendSubscription",
        {"accountId": second, "payerAccountId": account, "days": 10, "idempotencyKey": "k"},
        [("account:subscription:give", "OWNER"), ("account:subscription:extend", "OWNER")],
        by=anna,
    )
    row = await Account.get(name="Second")
    await subscription.credit(Caller(now=api.clock.now, config=OperationConfig(KEY)), row.number, 10, reference="A1")
    assert [event.type for event in await story.fresh()] == ["operator:subscription:credit"]
    (code,) = voucher.new_codes(1)
    story.secrets |= {code, code.replace("-", "")}
    await voucher.issue(Caller(now=api.clock.now, config=OperationConfig(KEY)), [code], days=10, reference="B1")
    assert [event.type for event in await story.fresh()] == ["operator:voucher:issue"]
    redeemed = [("account:subscription:redeem", "OWNER")]
    await do("redeemVoucher", {"accountId": account, "code": code}, redeemed, by=anna)
    await do("signOut", None, [("user:session:end", None)], by=bo)

    assert story.run == MAIN_PATH & set(schema.build().mutation_type.fields)  # type: ignore[union-attr]  # there are some
    await no_table_holds(story.secrets | await every_link())


async def every_link() -> set[str]:
    """The tokens of all links that were mailed, dead ones too."""
    mails = await Message.filter(link_seed__not_isnull=True)
    assert len(mails) >= 7
    return {tokens.derive(KEY, mail.link_purpose, mail.link_seed) for mail in mails if mail.link_seed is not None}


async def no_table_holds(secrets: set[str]) -> None:
    """Not as text, not as bytes, in no column of any table."""
    found: list[str] = []
    for table in TABLES:
        for row in await db.fetch(f"SELECT t::text AS text FROM {table} t", row=db.Row):
            found += [f"{table}: {secret}" for secret in secrets if hidden_in(secret, row.text)]
    assert found == []


def hidden_in(secret: str, text: str) -> bool:
    return secret in text or secret.encode().hex() in text


async def test_the_search_finds_what_it_searches_for(api: Api) -> None:
    """Else a search that finds nothing would say nothing."""
    anna = await api.person("anna@example.com")
    for column in ("user_agent = $1", "user_agent = encode(convert_to($1, 'UTF8'), 'hex')"):
        await db.execute(f"UPDATE sessions SET {column}", anna.token)

        with pytest.raises(AssertionError, match="sessions"):
            await no_table_holds({anna.token})


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
async def test_an_event_is_never_changed_or_deleted(api: Api, database_url: str, statement: str) -> None:
    """Not by the server's role, which may not, nor by the tables' owner by mistake."""
    await api.person("anna@example.com")

    with pytest.raises(Exception, match="append-only"):
        await administer(database_url, statement)
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
        "CREATE TABLE public.more (id int)",
        "DELETE FROM tortoise_migrations",
    ],
)
async def test_the_role_that_serves_cannot_go_round_the_chain(api: Api, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)


async def test_a_table_of_ones_own_takes_no_links(api: Api, database_url: str) -> None:
    """The function that writes them runs as the owner, and must not be led astray."""
    connection = await connect(embedded.as_server(database_url))
    try:
        await connection.execute("CREATE TEMP TABLE event_links (LIKE public.event_links)")
        await connection.execute(
            "INSERT INTO events (id, type, occurred_at) VALUES (gen_random_uuid(), 'user:login:resend', now())"
        )
    finally:
        await connection.close()

    assert len(await db.fetch("SELECT FROM event_links", row=db.Row)) == 1


async def test_a_refused_mutation_tells_nothing(api: Api) -> None:
    """Each refusal of the other files is held to it; this is the guard of that guard."""
    anna = await api.person("anna@example.com")
    before = len(await db.fetch("SELECT FROM events", row=db.Row))

    await api.do("signIn", {"email": anna.email, "password": SECOND})

    assert len(await db.fetch("SELECT FROM events", row=db.Row)) == before


async def test_what_was_forbidden_is_told_once_to_the_account_and_to_who_tried(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    given = {"accountId": anna.account_id, "email": "cai@example.com", "role": "ACCOUNTANT"}

    answer = await attempt(api, "inviteUser", given, by=bo)

    assert answer.codes == ["FORBIDDEN"]
    (told,) = await events("refused:invitation:issue")
    shown = (ids.encode("User", told.actor_id), told.actor_role, ids.encode("Account", told.account_id), told.after)
    assert shown == (bo.user_id, "ACCOUNTANT", anna.account_id, '{"permission": "USERS_WRITE"}')
    seen = """{ viewer { currentAccount { events(first: 100, filter: { type: "refused" }) { nodes { type } } }
        events(first: 100) { nodes { type } } } }"""
    hers = (await api.ask(seen, by=anna)).data["viewer"]["currentAccount"]["events"]["nodes"]
    assert hers == [{"type": "refused:invitation:issue"}]
    his = (await api.ask(seen, by=bo)).partial["viewer"]["events"]["nodes"]
    assert {"type": "refused:invitation:issue"} in his
    assert await db.fetch("SELECT FROM invitations WHERE status = 'PENDING'", row=db.Row) == []


async def test_a_stranger_leaves_no_trace(api: Api) -> None:
    """Of an account that he cannot enter there is nothing to tell: it does not exist for him."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    given = {"accountId": anna.account_id, "email": "cai@example.com", "role": "ACCOUNTANT"}

    answer = await attempt(api, "inviteUser", given, by=bo)

    assert codes(answer.data["inviteUser"]) == [("NOT_FOUND", ["accountId"])]
    assert await db.fetch("SELECT FROM events WHERE type LIKE 'refused:%'", row=db.Row) == []


async def test_both_sides_see_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await api.do("resignGrant", {"grantId": key}, by=bo)
    resigned = {"type": "account:grant:resign", "actor": {"id": bo.user_id}, "actorRole": "ACCOUNTANT"}

    events_of = "events(first: 3) { nodes { type actor { id } actorRole } }"
    owner = await api.ask(f"{{ viewer {{ currentAccount {{ {events_of} }} }} }}", by=anna)
    actor = await api.ask(f"{{ viewer {{ {events_of} }} }}", by=bo)

    assert resigned in owner.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert resigned in actor.data["viewer"]["events"]["nodes"]
