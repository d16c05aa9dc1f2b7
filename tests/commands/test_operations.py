"""Tests of the commands for persisted operations."""

from pathlib import Path

from database import db
from models import persisted_operation
from models.audit.event import Event
from server import panel
from tests.api import PASSWORD, Api, count_rows
from tests.commands.command_line import run_command
from tests.commands.operation_files import NAMED_QUERY, ROLES_QUERY, digest, files, relay_id
from tests.server.persisted_requests import post, server


async def test_operations_are_added_listed_and_removed(api: Api, database_url: str, tmp_path: Path) -> None:
    spread = NAMED_QUERY + "fragment Shown on RoleDefinition { role }"
    paths = files(tmp_path, a_graphql=ROLES_QUERY, b_json={relay_id(spread): spread})

    add_result = await run_command(database_url, "operations", "add", *map(str, paths), "--client", "web")
    list_result = await run_command(database_url, "operations", "list", "--client", "web")
    response = await api.http.post("/graphql", json={"doc_id": relay_id(spread)})
    remove_result = await run_command(database_url, "operations", "remove", relay_id(spread), "--client", "web")

    roles_digest, named_digest = digest(ROLES_QUERY), digest(spread)
    alias = f"as {relay_id(spread)}"
    lines = [
        f"{roles_digest}  query Roles",
        f"{named_digest}  query Named  {alias}",
        "2 operations registered for web, 2 of them new.",
    ]
    assert add_result == (0, "\n".join(lines) + "\n", "")
    (row,) = await persisted_operation.load_all()
    client_and_date = f"web  {row.added_at:%Y-%m-%d}"
    assert (list_result[0], sorted(list_result[1].splitlines())) == (
        0,
        sorted(
            [
                f"{roles_digest}  {client_and_date}  query Roles",
                f"{named_digest}  {client_and_date}  query Named  {alias}",
            ]
        ),
    )
    assert (response.status_code, remove_result, row.text) == (200, (0, "1 removed.\n", ""), ROLES_QUERY)
    event_types = [event.type for event in await Event.all().order_by("id")]
    assert event_types == ["operator:document:add", "operator:document:remove"]


async def test_no_operation_is_added_if_one_is_invalid(api: Api, database_url: str, tmp_path: Path) -> None:
    invalid_document = "query A {\n  roles { nothing }\n}\nquery B { roles { role } nowhere }\n"
    paths = files(tmp_path, a_graphql=ROLES_QUERY, b_graphql=invalid_document, c_json={"x": "{ a"})
    before = await count_rows()

    code, output, error_output = await run_command(database_url, "operations", "add", *map(str, paths))

    assert (code, output) == (1, "")
    assert [line.removeprefix("Error: ") for line in error_output.splitlines()] == [
        f"{paths[1]}:2:11: Cannot query field 'nothing' on type 'RoleDefinition'.",
        f"{paths[1]}:4:26: Cannot query field 'nowhere' on type 'Query'.",
        f"{paths[2]}: x:1:4: Syntax Error: Expected Name, found <EOF>.",
    ]
    assert await count_rows() == before
    assert await db.fetch("SELECT 1 FROM documents", row=db.Row) == []


async def test_panel_works_where_only_registered_operations_are_allowed(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    paths = sorted(map(str, panel.FOLDER.glob("*.graphql")))

    async with server(database_url, "trusted") as api:
        operations = (await api.http.get("/static/panel/operations.json")).json()
        refusal = await post(api, {"query": operations["Viewer"], "operationName": "Viewer"})
        code, output, error_output = await run_command(database_url, "operations", "add", "--each", *paths)
        assert (code, error_output) == (0, "")
        variables = {"input": {"email": anna.email, "password": PASSWORD}}
        for name, text in operations.items():
            assert f"{digest(text)}  " in output, name
        body = {"query": operations["SignIn"], "operationName": "SignIn", "variables": variables}
        sign_in = await post(api, body, headers={"X-Session": "cookie"})
        viewer = await post(api, {"query": operations["Viewer"], "operationName": "Viewer"}, by=anna)

    assert refusal[0] == 403
    assert (sign_in[0], sign_in[1]["data"]["signIn"]["errors"]) == (200, [])
    assert (viewer[0], viewer[1]["data"]["viewer"]["user"]["email"]) == (200, anna.email)
