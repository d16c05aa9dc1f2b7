"""Erasure removes the user's name and addresses everywhere. The events of the user stay."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from models.accounts.account import Account
from models.audit import chain
from models.outbox.message import Message
from models.sharing.invitation import Invitation
from resolvers import ids
from tests.api import PASSWORD, TABLES, Api, Person, codes
from tests.models.refusals import refusal_codes, subjects
from tests.races.rounds import ROUNDS

ADDRESS, NAME = "bo.berg@example.com", "Bo Annar Berg"
ERASE = {"password": PASSWORD}


async def dump_database() -> str:
    """All rows of the database as text."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    tables: list[Any] = await db.fetch(sql, row=db.Row)
    assert {row.table_name for row in tables} >= {*TABLES}
    rows: list[str] = []
    for row in tables:
        texts: list[Any] = await db.fetch(f"SELECT t::text AS text FROM {row.table_name} t", row=db.Row)
        rows += [f"{row.table_name}: {record.text}" for record in texts]
    return "\n".join(rows)


async def erase(api: Api, by: Person) -> None:
    payload = await api.do("eraseMe", ERASE, by=by)
    assert payload["errors"] == []


async def check_chains() -> None:
    assert [report.first_break async for report in chain.verify() if report.first_break] == []
    assert await chain.find_unlinked() is None


async def register_busy_user(api: Api, anna: Person) -> Person:
    """Register a user whose name is in every table: as owner, guest, inviter and invitee, in events and messages."""
    invite_input = {"accountId": anna.account_id, "email": ADDRESS.replace("bo", "Bo"), "role": "ADMINISTRATOR"}
    bo = await api.person(ADDRESS, NAME, country="NO", organizationNumber="974760673")
    await api.do("inviteUser", {**invite_input, "message": f"Welcome, {NAME}"}, by=anna)
    token = await api.link(invite_input["email"], "invitation")
    await api.do("acceptInvitation", {"token": token}, by=bo)
    await api.do("updateProfile", {"name": "Bo"}, by=bo)
    await api.do("updateProfile", {"name": NAME}, by=bo)
    for account, address in ((anna.account_id, "cy@example.com"), (bo.account_id, "di@example.com")):
        guest_input = {"accountId": account, "email": address, "role": "ACCOUNTANT", "message": f"Yours, {NAME}"}
        assert (await api.do("inviteUser", guest_input, by=bo))["errors"] == []
    await api.do(
        "acceptInvitation",
        {"token": await api.link("cy@example.com", "invitation"), "name": "Cy Dahl", "password": PASSWORD},
        by=None,
    )
    await api.do(
        "inviteUser", {**invite_input, "accountId": (await create_second_account(api, anna)), "email": ADDRESS}, by=anna
    )
    await api.do("createAccount", {"name": "Bergs Bakeri"}, by=bo)
    await api.do("requestPasswordReset", {"email": ADDRESS})
    await api.do("register", {"name": "Else", "email": ADDRESS, "password": PASSWORD})
    return bo


async def create_second_account(api: Api, anna: Person) -> str:
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    account: str = payload["account"]["id"]
    return account


async def test_no_table_and_no_log_line_contains_name_or_address_of_erased_user(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await api.person("anna@example.com")
    bo = await register_busy_user(api, anna)
    before = await dump_database()
    assert ADDRESS in before
    assert NAME in before
    entries = await db.fetch("SELECT * FROM subscription_entries ORDER BY id", row=db.Row)

    await erase(api, bo)

    after = (await dump_database()).lower()
    for identifier in (ADDRESS, NAME, "Bergs Bakeri", "974760673"):
        assert identifier.lower() not in after, [line for line in after.splitlines() if identifier.lower() in line]
        assert identifier not in caplog.text
    assert "127.0.0.1" not in str([row.ip_address for row in await load_events_by(bo)])
    assert await db.fetch("SELECT * FROM subscription_entries ORDER BY id", row=db.Row) == entries
    await check_chains()


async def load_events_by(person: Person) -> list[Any]:
    sql = "SELECT origin ->> 'ip_address' AS ip_address FROM events WHERE actor_id = $1"
    rows: list[Any] = await db.fetch(sql, ids.decode("User", person.user_id), row=db.Row)
    assert len(rows) > 10
    return rows


async def test_events_of_erased_user_and_of_other_users_stay(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await register_busy_user(api, anna)
    query = "SELECT id, type, actor_id, actor_role, before, after FROM events ORDER BY id"
    before = await db.fetch(query, row=db.Row)

    await erase(api, bo)

    assert (await db.fetch(query, row=db.Row))[: len(before)] == before
    answer = await api.ask(
        "query ($id: ID!) { account(id: $id) { events(first: 100) { nodes { type actor { name email } after } } } }",
        {"id": anna.account_id},
        by=anna,
    )
    issue_events = [
        node for node in answer.data["account"]["events"]["nodes"] if node["type"] == "account:invitation:issue"
    ]
    assert [node["actor"]["name"] for node in issue_events] == ["Erased user", "Anna Nowak"]
    assert [node["after"].get("email") for node in issue_events] == ["cy@example.com", None]


async def test_erasure_ends_sessions_grants_and_invitations(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await register_busy_user(api, anna)

    await erase(api, bo)

    assert (await api.ask("{ viewer { user { name } } }", by=bo)).data["viewer"] is None
    assert codes(await api.do("signIn", {"email": ADDRESS, "password": PASSWORD})) == [("INVALID_CREDENTIALS", None)]
    grants = await Grant.filter(user_id=ids.decode("User", bo.user_id))
    # The user's own accounts are closed.
    assert {(grant.role, grant.status) for grant in grants if grant.role == "OWNER"} == {("OWNER", "REVOKED")}
    assert {grant.status for grant in grants if grant.role != "OWNER"} == {"RESIGNED"}
    pending_emails = await Invitation.filter(status="PENDING").values_list("email", flat=True)
    assert pending_emails == []
    closed_accounts = await Account.filter(closed_at__isnull=False)
    assert [row.name for row in closed_accounts] == ["Closed account"] * 2
    assert await db.fetch("SELECT FROM organization_numbers", row=db.Row) == []
    queued_messages = await Message.filter(status="QUEUED", to_address__contains="erased.invalid")
    assert queued_messages == []
    event_types = sorted(row.type for row in await load_erasure_events())
    assert event_types.count("user:login:erase") == 1
    assert event_types.count("account:account:close") == 2
    assert event_types.count("account:grant:resign") == 1
    assert event_types.count("account:grant:revoke") == 2
    assert event_types.count("account:invitation:revoke") == 1
    assert event_types.count("account:invitation:decline") == 1


async def load_erasure_events() -> list[Any]:
    sql = "SELECT type FROM events WHERE request_id = (SELECT request_id FROM events WHERE type = 'user:login:erase')"
    rows: list[Any] = await db.fetch(sql, row=db.Row)
    return rows


async def test_address_can_be_registered_again_as_new_user(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await register_busy_user(api, anna)
    await erase(api, bo)

    new_user = await api.person(ADDRESS, NAME, country="NO", organizationNumber="974760673")

    assert new_user.user_id != bo.user_id
    answer = await api.ask(
        "{ viewer { accounts { nodes { id } } invitations { nodes { id } } events { nodes { type } } } }", by=new_user
    )
    assert [node["id"] for node in answer.data["viewer"]["accounts"]["nodes"]] == [new_user.account_id]
    assert answer.data["viewer"]["invitations"]["nodes"] == []
    assert "user:profile:update" not in str(answer.data["viewer"]["events"])


async def test_owner_of_shared_account_is_refused_with_advice(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak Meble")
    _, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    assert await refusal_codes(api, "eraseMe", ERASE, by=anna) == [("INVALID_STATE", None)]
    payload = await api.do("eraseMe", ERASE, by=anna)
    assert "Nowak Meble" in payload["errors"][0]["message"]
    assert "Transfer their ownership" in payload["errors"][0]["message"]

    await api.do("revokeGrant", {"grantId": grant}, by=anna)
    await erase(api, anna)


async def test_wrong_password_erases_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "eraseMe", {"password": "wrong wrong wrong"}, by=anna) == [
        ("INVALID_CREDENTIALS", ["password"])
    ]


async def test_name_inside_other_text_is_not_redacted(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Board of Bo")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await api.do("updateProfile", {"name": "Bo"}, by=bo)
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}, by=bo)

    await erase(api, bo)

    assert await subjects("cy@example.com", "invitation") == ["Erased user invites you to “Board of Bo”"]


async def test_revoked_grant_of_erased_user_cannot_be_restored(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []
    assert codes(await api.do("eraseMe", ERASE, by=bo)) == []

    assert await refusal_codes(api, "restoreGrant", {"grantId": key}, by=anna) == [("INVALID_STATE", None)]


async def test_erasure_concurrent_with_acceptance_is_complete_or_absent(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for index in range(min(ROUNDS, 25)):
        bo = await api.person(f"bo{index}@example.com")
        arguments = {"accountId": anna.account_id, "email": bo.email, "role": "ACCOUNTANT"}
        await api.do("inviteUser", arguments, by=anna)
        token = await api.link(bo.email, "invitation")

        def run_mutation(mutation: str, arguments: Mapping[str, object], by: Person | None = None) -> Any:
            name = mutation[0].upper() + mutation[1:]
            document = f"mutation ($i: {name}Input!) {{ {mutation}(input: $i) {{ errors {{ code }} }} }}"
            return api.ask(document, {"i": arguments}, by=by)

        answers = await asyncio.gather(
            run_mutation("eraseMe", ERASE, bo),
            run_mutation("acceptInvitation", {"token": token}, bo),
            run_mutation("signIn", {"email": bo.email, "password": PASSWORD}),
            run_mutation("createAccount", {"name": "More"}, bo),
        )
        assert {code for answer in answers for code in answer.codes} <= {"UNAUTHENTICATED"}

        key = ids.decode("User", bo.user_id)
        (user,) = await db.fetch("SELECT erased_at FROM users WHERE id = $1", key, row=db.Row)
        live_grant_count = await Grant.filter(user_id=key, status="ACTIVE").count()
        if user.erased_at:
            assert live_grant_count == 0
            assert await db.fetch("SELECT FROM sessions WHERE user_id = $1", key, row=db.Row) == []
            assert await Account.filter(owner_id=key, closed_at=None).count() == 0
    await check_chains()
