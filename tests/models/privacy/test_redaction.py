"""An erasure takes what names the person, by ids and addresses, and nothing else. It leaves a record."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

import models
from database import db
from models.audit import chain
from models.base.caller import Caller, OperationConfig
from models.outbox.message import Message
from models.privacy import erasure
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.conftest import connect
from tests.models.privacy.test_erasure import register_busy_user
from tests.models.refusals import events, mails

MODELS = Path(models.__file__).parent
ERASE = {"password": PASSWORD}
OLD_IBAN, NEW_IBAN = "PL61109010140000071219812874", "PL27114020040000300201355387"


async def erase(api: Api, by: Person) -> None:
    assert codes(await api.do("eraseMe", ERASE, by=by)) == []


async def first_breaks() -> list[tuple[int, str]]:
    reports = [report async for report in chain.verify()]
    return [(report.first_break.position, report.first_break.reason) for report in reports if report.first_break]


async def set_bank_account(api: Api, account: Person, number: str, by: Person) -> None:
    variables = {"accountId": account.account_id, "bankAccountNumber": number}
    assert codes(await api.do("updateAccountSettings", variables, by=by)) == []


async def replace_bank_account(api: Api) -> tuple[Person, Person]:
    """An administrator replaces the bank account number of the owner. Returns the owner and the administrator."""
    anna = await api.person("anna@example.com", country="PL")
    thief, _ = await api.guest(anna, "thief@example.com", "ADMINISTRATOR")
    await set_bank_account(api, anna, OLD_IBAN, anna)
    await set_bank_account(api, anna, NEW_IBAN, thief)
    return anna, thief


# ---- Evidence --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [OLD_IBAN, NEW_IBAN, "bank_account_number"])
async def test_user_with_the_name_of_a_value_cannot_take_it_from_events(api: Api, name: str) -> None:
    _, thief = await replace_bank_account(api)
    assert codes(await api.do("updateProfile", {"name": name}, by=thief)) == []
    before = await events("account:settings:update")

    await erase(api, thief)

    after = await events("account:settings:update")
    assert [(row.before, row.after) for row in after] == [(row.before, row.after) for row in before]
    assert [row.ip_address for row in after] == ["127.0.0.1", None]
    assert await first_breaks() == []


async def test_user_whose_address_became_the_name_of_an_account_cannot_take_the_name(api: Api) -> None:
    """A text that only looks like the address names the account."""
    anna, thief = await replace_bank_account(api)
    variables = {"accountId": anna.account_id, "name": thief.email}
    assert codes(await api.do("updateAccount", variables, by=thief)) == []
    before = await events("account:account:update")

    await erase(api, thief)

    assert [(row.before, row.after) for row in await events("account:account:update")] == [
        (row.before, row.after) for row in before
    ]


@pytest.mark.parametrize("name", ["Nowak Meble", "Anna Nowak", "ACCOUNTANT", "cy@example.com"])
async def test_user_with_the_name_of_another_text_takes_only_their_own_from_messages(api: Api, name: str) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak Meble")
    thief, _ = await api.guest(anna, "thief@example.com", "ADMINISTRATOR")
    assert codes(await api.do("updateProfile", {"name": name}, by=thief)) == []
    for by in (anna, thief):
        variables = {"accountId": anna.account_id, "role": "ACCOUNTANT", "message": "Hello"}
        await api.do("inviteUser", {**variables, "email": f"cy{by.token[:4].lower()}@example.com"}, by=by)
    before = {row.id: row.params for row in await Message.all()}

    await erase(api, thief)

    for row in await Message.all():
        # Mails about the erasure itself are new.
        former = before.get(row.id, row.params)
        changed = {key for key, value in row.params.items() if value != former[key]}
        is_own = former.get("sender_email") == thief.email or row.to_address.endswith("erased.invalid")
        addresses = {key for key, value in former.items() if value == thief.email}
        assert changed <= ({"inviter_name", "sender_email", "message"} if is_own else set()) | addresses, row.kind
        if not is_own and former.get("inviter_name"):
            assert row.params["inviter_name"] == "Anna Nowak"


async def test_erasure_is_an_event_that_lists_what_it_took(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "New"}, by=bo)
    (issue,) = await events("account:invitation:issue")
    (update,) = await events("account:account:update")

    await erase(api, bo)

    (record,) = await events("account:data:erase")
    parts = orjson.loads(record.after)["parts"]
    assert parts[str(issue.id)] == ["after.email"]
    assert parts[str(update.id)] == ["origin"]
    assert ids.encode("User", record.actor_id) == bo.user_id
    assert ids.encode("Account", record.account_id) == anna.account_id
    (own,) = await events("user:data:erase")
    (start,) = [row for row in await events("user:session:start") if row.actor_id == record.actor_id]
    assert orjson.loads(own.after)["parts"][str(start.id)] == ["origin"]
    query = "query ($id: ID!) { account(id: $id) { events(first: 1) { nodes { type after } } } }"
    newest = (await api.ask(query, {"id": anna.account_id}, by=anna)).data["account"]["events"]["nodes"]
    assert newest == [{"type": "account:data:erase", "after": {"parts": parts}}]


async def test_each_text_with_an_address_is_recorded_as_naming_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await register_busy_user(api, anna)

    rows: list[Any] = await db.fetch("SELECT personal::text FROM events WHERE personal IS NOT NULL", row=db.Row)
    texts_without_name = []
    for row in rows:
        personal = orjson.loads(row.personal)
        named = {path for paths in personal.get("named", {}).values() for path in paths}
        texts_without_name += [
            f"{side}.{name}"
            for side in ("before", "after")
            for name, value in personal.get(side, {}).items()
            if "@" in str(value) and f"{side}.{name}" not in named
        ]
    assert texts_without_name == []


def marked_names(module: ast.Module) -> set[str]:
    """The variables and functions of a module whose value is a marked text."""
    assigned = {
        ast.unparse(target)
        for node in ast.walk(module)
        if isinstance(node, ast.Assign) and "naming." in ast.unparse(node.value)
        for target in node.targets
    }
    return assigned | {
        node.name
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "naming." in ast.unparse(node)
    }


def parameters(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters of a message that a call queues."""
    if ast.unparse(call.func) in {"mailed_link.send", "mail_owners", "engagement.mail_owners", "_queue"}:
        yield from ((keyword.arg or "", keyword.value) for keyword in call.keywords)
    for keyword in call.keywords:
        for part in ast.walk(keyword.value) if keyword.arg == "params" else ():
            if isinstance(part, ast.Dict):
                yield from (
                    (str(key.value), value)
                    for key, value in zip(part.keys, part.values, strict=True)
                    if isinstance(key, ast.Constant)
                )


def test_each_name_and_address_in_a_message_is_marked() -> None:
    """The parameters that hold a name, an address or a text of a user are calls of `naming`."""
    calls_without_mark = []
    for path in MODELS.glob("**/*.py"):
        module = ast.parse(path.read_text())
        marks = {"naming", *marked_names(module)}
        for call in [node for node in ast.walk(module) if isinstance(node, ast.Call)]:
            calls_without_mark += [
                f"{path.name}: {name}"
                for name, value in parameters(call)
                if name.endswith(("_name", "_names", "_email")) or name == "message"
                if not marks & {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
            ]

    assert calls_without_mark == []


# ---- A compromised server ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET personal = NULL",
        "UPDATE events SET origin = NULL",
        "INSERT INTO erasures VALUES ($1, '{anna@example.com}', now(), NULL)",
        "UPDATE erasures SET finished_at = NULL",
    ],
)
async def test_role_of_the_server_lacks_the_privilege(api: Api, statement: str) -> None:
    anna = await api.person("anna@example.com")
    arguments = [ids.decode("User", anna.user_id)] if "$1" in statement else []

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement, *arguments)


async def test_user_who_is_not_erased_is_not_forgotten(api: Api) -> None:
    anna = await api.person("anna@example.com")

    with pytest.raises(asyncpg.RaiseError, match="is not being erased"):
        await db.execute("SELECT forget_person($1, '{}', now())", ids.decode("User", anna.user_id))


async def test_only_the_database_records_an_erasure(api: Api) -> None:
    await api.person("anna@example.com")

    for kind in ("account:data:erase", "user:data:erase"):
        with pytest.raises(asyncpg.RaiseError, match="only forget_person"):
            await db.execute(
                "INSERT INTO events (id, type, occurred_at) VALUES (gen_random_uuid(), $1::text, now())", kind
            )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE users SET erased_at = now() WHERE id = $1", "still has a login"),
        ("UPDATE users SET email_key = 'thief@example.com' WHERE id = $1", "the address of user"),
    ],
)
async def test_role_of_the_server_cannot_pretend_an_erasure(api: Api, statement: str, message: str) -> None:
    anna = await api.person("anna@example.com")

    with pytest.raises(asyncpg.RaiseError, match=message):
        await db.execute(statement, ids.decode("User", anna.user_id))


END_LOGIN = """
UPDATE users SET erased_at = $2, email = id || '@erased.invalid', email_key = id || '@erased.invalid',
    password_hash = NULL, activated_at = NULL WHERE id = $1
"""


async def test_erasure_that_the_server_role_forces_ends_the_login_and_is_recorded(api: Api) -> None:
    """A compromised server can end a login for good. It cannot undo this, and what it takes is listed."""
    anna = await api.person("anna@example.com")
    key = ids.decode("User", anna.user_id)
    await db.execute(END_LOGIN, key, api.clock.now)
    event_ids = [row.id for row in await db.fetch("SELECT id FROM events", row=db.Row)]
    await db.execute("SELECT forget_person($1, $2, $3)", key, event_ids, api.clock.now)

    with pytest.raises(asyncpg.RaiseError, match="is erased"):
        await db.execute("UPDATE users SET erased_at = NULL, email_key = 'anna@example.com' WHERE id = $1", key)
    assert len(await events("account:data:erase")) == 1
    (name,) = [orjson.loads(row.after)["name"] for row in await events("account:account:create")]
    assert name == "Anna Nowak"  # The account is not closed, so its name stays.
    assert await first_breaks() == []


async def test_account_that_is_closed_only_for_an_erasure_is_found(api: Api) -> None:
    """A compromised server lends an account to an erased user, takes its texts, and gives the account back."""
    anna, thief = await replace_bank_account(api)
    owner, key = ids.decode("User", anna.user_id), ids.decode("User", thief.user_id)
    account = ids.decode("Account", anna.account_id)
    event_ids = [row.id for row in await events("account:settings:update")]
    async with db.transaction():
        lend = "UPDATE accounts SET owner_id = $1, closed_at = now(), bank_account_number = NULL WHERE id = $2"
        await db.execute(lend, key, account)
        await db.execute(END_LOGIN, key, api.clock.now)
        await db.execute("SELECT forget_person($1, $2, $3)", key, event_ids, api.clock.now)
        await db.execute("UPDATE accounts SET owner_id = $1, closed_at = NULL WHERE id = $2", owner, account)
    assert [orjson.loads(row.after) for row in await events("account:settings:update")] == [{}, {}]

    ((_, reason),) = await first_breaks()

    assert reason == "personal data of the event at this position was removed, and no erasure of its person is recorded"


# ---- Locks and interruptions -------------------------------------------------------------------


async def test_erasure_that_waits_blocks_no_operation_of_others(api: Api, database_url: str) -> None:
    """The erasure waits for a locked event. Meanwhile the host's account and the user's address can be used."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    (issue,) = await events("account:invitation:issue")
    blocker = await connect(database_url)
    try:
        await blocker.execute("BEGIN")
        await blocker.execute("SELECT FROM events WHERE id = $1 FOR UPDATE", issue.id)
        erasure_task = asyncio.create_task(erase(api, bo))
        await wait_for_lock(blocker)

        async with asyncio.timeout(5):
            variables = {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}
            assert codes(await api.do("inviteUser", variables, by=anna)) == []
            assert codes(await api.do("updateAccount", {"accountId": anna.account_id, "name": "A"}, by=anna)) == []
            api.clock.forward(seconds=1)
            await api.person("bo@example.com")
        assert not erasure_task.done()
    finally:
        await blocker.close()
    await erasure_task
    assert await first_breaks() == []
    assert "bo@example.com" not in str([row.after for row in await events("account:invitation:issue")])
    assert len(await mails("bo@example.com", "activation")) == 1  # The new user's mail stays.


async def wait_for_lock(connection: Any) -> None:
    """Wait until another connection of this database waits for a lock."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while not await connection.fetchval(sql):  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.02)


async def test_interrupted_erasure_is_continued_by_the_job(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    (issue,) = await events("account:invitation:issue")
    blocker = await connect(database_url)
    try:
        await blocker.execute("BEGIN")
        await blocker.execute("SELECT FROM events WHERE id = $1 FOR UPDATE", issue.id)
        erasure_task = asyncio.create_task(erase(api, bo))
        await wait_for_lock(blocker)
        await blocker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await erasure_task
    finally:
        await blocker.close()
    assert "bo@example.com" in str([row.after for row in await events("account:invitation:issue")])
    job_caller = Caller(now=api.clock.now, config=OperationConfig(KEY))

    assert await erasure.run(job_caller) == 1

    assert await erasure.run(job_caller) == 0
    assert "bo@example.com" not in str([row.after for row in await events("account:invitation:issue")])
    assert await db.fetch("SELECT FROM erasures WHERE finished_at IS NULL OR addresses <> '{}'", row=db.Row) == []
    assert await first_breaks() == []


@pytest.mark.parametrize("mutation", ["exportMyData", "eraseMe"])
async def test_repeated_export_or_erasure_is_rate_limited(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ACCOUNTANT")  # so that the erasure is refused
    document = f"mutation ($i: {mutation[0].upper()}{mutation[1:]}Input!) {{ {mutation}(input: $i) {{ __typename }} }}"

    answers = [await api.ask(document, {"i": ERASE}, by=anna) for _ in range(6)]

    assert [answer.codes for answer in answers] == [[]] * 5 + [["RATE_LIMITED"]]
    api.clock.forward(hours=1)
    assert (await api.ask(document, {"i": ERASE}, by=anna)).codes == []
