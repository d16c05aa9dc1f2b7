"""Who erases himself is named nowhere any more, and what he did stays."""

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
from tests.models.refusals import refused
from tests.races.racing import ROUNDS

ADDRESS, NAME = "bo.berg@example.com", "Bo Annar Berg"
ERASE = {"password": PASSWORD}


async def dump() -> str:
    """All that is in the database."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    tables: list[Any] = await db.fetch(sql, row=db.Row)
    assert {row.table_name for row in tables} >= {*TABLES}
    rows: list[str] = []
    for row in tables:
        found: list[Any] = await db.fetch(f"SELECT t::text AS text FROM {row.table_name} t", row=db.Row)
        rows += [f"{row.table_name}: {one.text}" for one in found]
    return "\n".join(rows)


async def erase(api: Api, by: Person) -> None:
    done = await api.do("eraseMe", ERASE, by=by)
    assert done["errors"] == []


async def whole() -> None:
    assert [one.broken async for one in chain.verify() if one.broken] == []
    assert await chain.unlinked() is None


async def busy(api: Api, anna: Person) -> Person:
    """Somebody named in every place: as owner, guest, inviter, invitee, in events and mails."""
    given = {"accountId": anna.account_id, "email": ADDRESS.replace("bo", "Bo"), "role": "ADMINISTRATOR"}
    bo = await api.person(ADDRESS, NAME, country="NO", organizationNumber="974760673")
    await api.do("inviteUser", {**given, "message": f"Welcome, {NAME}"}, by=anna)
    token = await api.link(given["email"], "invitation")
    await api.do("acceptInvitation", {"token": token}, by=bo)
    await api.do("updateProfile", {"name": "Bo"}, by=bo)
    await api.do("updateProfile", {"name": NAME}, by=bo)
    for account, address in ((anna.account_id, "cy@example.com"), (bo.account_id, "di@example.com")):
        invited = {"accountId": account, "email": address, "role": "ACCOUNTANT", "message": f"Yours, {NAME}"}
        assert (await api.do("inviteUser", invited, by=bo))["errors"] == []
    await api.do(
        "acceptInvitation",
        {"token": await api.link("cy@example.com", "invitation"), "name": "Cy Dahl", "password": PASSWORD},
        by=None,
    )
    await api.do("inviteUser", {**given, "accountId": (await second(api, anna)), "email": ADDRESS}, by=anna)
    await api.do("createAccount", {"name": "Bergs Bakeri"}, by=bo)
    await api.do("requestPasswordReset", {"email": ADDRESS})
    await api.do("register", {"name": "Else", "email": ADDRESS, "password": PASSWORD})
    return bo


async def second(api: Api, anna: Person) -> str:
    done = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    account: str = done["account"]["id"]
    return account


async def test_no_table_and_no_line_of_the_log_holds_his_name_or_address(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await api.person("anna@example.com")
    bo = await busy(api, anna)
    before = await dump()
    assert ADDRESS in before
    assert NAME in before
    entries = await db.fetch("SELECT * FROM subscription_entries ORDER BY id", row=db.Row)

    await erase(api, bo)

    after = (await dump()).lower()
    for told in (ADDRESS, NAME, "Bergs Bakeri", "974760673"):
        assert told.lower() not in after, [line for line in after.splitlines() if told.lower() in line]
        assert told not in caplog.text
    assert "127.0.0.1" not in str([row.ip_address for row in await acted(bo)])
    assert await db.fetch("SELECT * FROM subscription_entries ORDER BY id", row=db.Row) == entries
    await whole()


async def acted(person: Person) -> list[Any]:
    sql = "SELECT origin ->> 'ip_address' AS ip_address FROM events WHERE actor_id = $1"
    rows: list[Any] = await db.fetch(sql, ids.decode("User", person.user_id), row=db.Row)
    assert len(rows) > 10
    return rows


async def test_what_he_did_stays_and_what_others_did_is_untouched(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await busy(api, anna)
    shown = "SELECT id, type, actor_id, actor_role, before, after FROM events ORDER BY id"
    before = await db.fetch(shown, row=db.Row)

    await erase(api, bo)

    assert (await db.fetch(shown, row=db.Row))[: len(before)] == before
    answer = await api.ask(
        "query ($id: ID!) { account(id: $id) { events(first: 100) { nodes { type actor { name email } after } } } }",
        {"id": anna.account_id},
        by=anna,
    )
    told = [one for one in answer.data["account"]["events"]["nodes"] if one["type"] == "account:invitation:issue"]
    assert [one["actor"]["name"] for one in told] == ["Erased user", "Anna Nowak"]
    assert [one["after"].get("email") for one in told] == ["cy@example.com", None]


async def test_his_sessions_grants_and_invitations_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await busy(api, anna)

    await erase(api, bo)

    assert (await api.ask("{ viewer { user { name } } }", by=bo)).data["viewer"] is None
    assert codes(await api.do("signIn", {"email": ADDRESS, "password": PASSWORD})) == [("INVALID_CREDENTIALS", None)]
    his = await Grant.filter(user_id=ids.decode("User", bo.user_id))
    assert {grant.status for grant in his} == {"RESIGNED"}
    pending = await Invitation.filter(status="PENDING").values_list("email", flat=True)
    assert pending == []
    closed = await Account.filter(closed_at__isnull=False)
    assert [row.name for row in closed] == ["Closed account"] * 2
    assert await db.fetch("SELECT FROM organization_numbers", row=db.Row) == []
    queued = await Message.filter(status="QUEUED", to_address__contains="erased.invalid")
    assert queued == []
    ended = sorted(row.type for row in await told_by_erasing())
    assert ended.count("user:login:erase") == 1
    assert ended.count("account:account:close") == 2
    assert ended.count("account:grant:resign") == 3
    assert ended.count("account:invitation:revoke") == 1
    assert ended.count("account:invitation:decline") == 1


async def told_by_erasing() -> list[Any]:
    sql = "SELECT type FROM events WHERE request_id = (SELECT request_id FROM events WHERE type = 'user:login:erase')"
    rows: list[Any] = await db.fetch(sql, row=db.Row)
    return rows


async def test_the_address_registers_again_as_a_stranger(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await busy(api, anna)
    await erase(api, bo)

    again = await api.person(ADDRESS, NAME, country="NO", organizationNumber="974760673")

    assert again.user_id != bo.user_id
    answer = await api.ask(
        "{ viewer { accounts { nodes { id } } invitations { nodes { id } } events { nodes { type } } } }", by=again
    )
    assert [one["id"] for one in answer.data["viewer"]["accounts"]["nodes"]] == [again.account_id]
    assert answer.data["viewer"]["invitations"]["nodes"] == []
    assert "user:profile:update" not in str(answer.data["viewer"]["events"])


async def test_an_owner_of_what_others_use_is_refused_and_told_the_way_out(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak Meble")
    _, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    assert await refused(api, "eraseMe", ERASE, by=anna) == [("INVALID_STATE", None)]
    done = await api.do("eraseMe", ERASE, by=anna)
    assert "Nowak Meble" in done["errors"][0]["message"]
    assert "Transfer their ownership" in done["errors"][0]["message"]

    await api.do("revokeGrant", {"grantId": grant}, by=anna)
    await erase(api, anna)


async def test_a_wrong_password_erases_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "eraseMe", {"password": "wrong wrong wrong"}, by=anna) == [
        ("INVALID_CREDENTIALS", ["password"])
    ]


async def test_a_name_that_is_part_of_others_words_leaves_them(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Board of Bo")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await api.do("updateProfile", {"name": "Bo"}, by=bo)
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}, by=bo)

    await erase(api, bo)

    (mail,) = await Message.filter(to_address="cy@example.com")
    assert mail.subject == "Erased user invites you to Board of Bo"


async def test_the_role_that_serves_makes_nobody_else_forgotten(api: Api) -> None:
    anna = await api.person("anna@example.com")

    with pytest.raises(Exception, match="only who erases himself"):
        await db.execute("SELECT forget_person($1, '{}')", ids.decode("User", anna.user_id))


async def test_access_that_was_taken_back_is_not_restored_to_who_has_gone(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []
    assert codes(await api.do("eraseMe", ERASE, by=bo)) == []

    assert await refused(api, "restoreGrant", {"grantId": key}, by=anna) == [("INVALID_STATE", None)]


async def test_erasing_and_being_let_in_at_once_leaves_nobody_half_erased(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for place in range(min(ROUNDS, 25)):
        bo = await api.person(f"bo{place}@example.com")
        given = {"accountId": anna.account_id, "email": bo.email, "role": "ACCOUNTANT"}
        await api.do("inviteUser", given, by=anna)
        token = await api.link(bo.email, "invitation")

        def asked(mutation: str, given: Mapping[str, object], by: Person | None = None) -> Any:
            name = mutation[0].upper() + mutation[1:]
            document = f"mutation ($i: {name}Input!) {{ {mutation}(input: $i) {{ errors {{ code }} }} }}"
            return api.ask(document, {"i": given}, by=by)

        answers = await asyncio.gather(
            asked("eraseMe", ERASE, bo),
            asked("acceptInvitation", {"token": token}, bo),
            asked("signIn", {"email": bo.email, "password": PASSWORD}),
            asked("createAccount", {"name": "More"}, bo),
        )
        assert {code for answer in answers for code in answer.codes} <= {"UNAUTHENTICATED"}

        key = ids.decode("User", bo.user_id)
        (user,) = await db.fetch("SELECT erased_at FROM users WHERE id = $1", key, row=db.Row)
        live = await Grant.filter(user_id=key, status="ACTIVE").count()
        if user.erased_at:
            assert live == 0
            assert await db.fetch("SELECT FROM sessions WHERE user_id = $1", key, row=db.Row) == []
            assert await Account.filter(owner_id=key, closed_at=None).count() == 0
    await whole()
