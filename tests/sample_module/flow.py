"""A module at work, over HTTP. tests/test_modules.py runs this file in a process that has the module installed."""

from auth import policy
from auth.policy import Permission, Role
from database import db
from models.tables import SCHEMA
from schema.build import build
from schema.print import sdl
from tests.api import PASSWORD, Api, Person

WRITE = "mutation ($input: WriteNoteInput!) { writeNote(input: $input) { note { id text } errors { code field } } }"
READ = "query ($id: ID!) { account(id: $id) { notes { totalCount nodes { id text } } } }"


async def write(api: Api, by: Person, text: str = "Call back") -> str:
    answer = await api.ask(WRITE, {"input": {"accountId": by.account_id, "text": text}}, by=by)
    assert answer.data["writeNote"]["errors"] == []
    return str(answer.data["writeNote"]["note"]["id"])


async def test_owner_writes_and_reads_a_note(api: Api) -> None:
    anna = await api.person("anna@example.com")

    note = await write(api, anna)

    answer = await api.ask(READ, {"id": anna.account_id}, by=anna)
    node = await api.ask("query ($id: ID!) { node(id: $id) { id } greeting }", {"id": note}, by=anna)
    assert answer.data["account"]["notes"] == {"totalCount": 1, "nodes": [{"id": note, "text": "Call back"}]}
    assert node.data == {"node": {"id": note}, "greeting": "Hello"}
    assert note.startswith("note")


async def test_roles_of_the_permission_read_and_others_are_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    note = await write(api, anna)
    reader, _ = await api.guest(anna, "reader@example.com", "ACCOUNTANT")
    stranger, _ = await api.guest(anna, "other@example.com", "COLLABORATOR")

    reading = await api.ask(READ, {"id": anna.account_id}, by=reader)
    refusals = [
        await api.ask(READ, {"id": anna.account_id}, by=stranger),
        await api.ask(WRITE, {"input": {"accountId": anna.account_id, "text": "Mine"}}, by=reader),
    ]
    node = await api.ask("query ($id: ID!) { node(id: $id) { id } }", {"id": note}, by=stranger)

    assert reading.data["account"]["notes"]["totalCount"] == 1
    assert [answer.codes for answer in refusals] == [["FORBIDDEN"], ["FORBIDDEN"]]
    assert node.data == {"node": None}


async def test_lock_and_expiry_end_the_permission_of_the_module(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await write(api, anna)
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())

    answer = await api.ask(WRITE, {"input": {"accountId": anna.account_id, "text": "Late"}}, by=anna)

    assert [error["code"] for error in answer.data["writeNote"]["errors"]] == ["SUBSCRIPTION_EXPIRED"]
    assert (await api.ask(READ, {"id": anna.account_id}, by=anna)).data["account"]["notes"]["totalCount"] == 1


async def test_event_is_shown_with_its_facts(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await write(api, anna, "Secret plan")
    query = """query ($id: ID!) { account(id: $id) { events(first: 1, filter: { type: "account:note" }) {
        nodes { type after } } } }"""

    (event,) = (await api.ask(query, {"id": anna.account_id}, by=anna)).data["account"]["events"]["nodes"]

    assert (event["type"], event["after"]["text"]) == ("account:note:write", "Secret plan")


async def test_personal_data_of_the_module_is_exported(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await write(api, anna)
    export = await api.do("exportMyData", {"password": PASSWORD}, "document", by=anna)

    assert [note["text"] for note in export["document"]["notes"]] == ["Call back"]


async def test_role_of_the_server_cannot_change_append_only_rows_of_the_module(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await write(api, anna)

    sql = "SELECT has_table_privilege('fullmakt', 'notes', 'UPDATE') AS may"
    row = await db.fetch_one(sql.replace("fullmakt", await server_role()), row=db.Row)

    assert row is not None
    assert not row.may
    assert [part.label for part in SCHEMA.all_parts] == ["models", "workspace", "sample"]


async def server_role() -> str:
    import embedded

    return embedded.SERVER_ROLE


def test_permissions_keep_their_bits() -> None:
    assert policy.mask([Permission["NOTES_READ"], Permission["NOTES_WRITE"]]) == 0b11 << 40
    assert policy.mask([Permission.OWNERSHIP]) == 1 << 23
    assert policy.permissions(1 << 40 | 1 << 50 | 1) == [Permission.ACCOUNT_READ, Permission["NOTES_READ"]]
    assert policy.base_read(Permission["NOTES_WRITE"]) is Permission["NOTES_READ"]
    assert [role for role, bits in policy.ROLES.items() if bits >> 40 & 1] == [
        Role.OWNER, Role.ADMINISTRATOR, Role.ACCOUNTANT,
    ]  # fmt: skip


def test_schema_names_the_rules_of_the_module() -> None:
    assert "notes(" in sdl()
    assert "@hasPermission(permission: NOTES_READ)" in sdl()
    assert "Contact" in build().type_map
