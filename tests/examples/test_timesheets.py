"""The example of a host's module, in a scratch copy outside of the checkout: no file of the product changes."""

import json
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

import embedded
from database import migrate
from models.tables import SCHEMA
from tests.conftest import connect, database_address, execute_outside_transaction
from tests.examples.copies import PACKAGE, copy_example, edit, run, run_command
from tests.serving import run_process

NUMBERS = count(1)
TESTS_OF_THE_PRODUCT = (
    "tests/schema/test_build.py",
    "tests/schema/test_row_columns.py",
    "tests/models/privacy/test_personal_data.py::test_every_table_is_described",
    "tests/models/privacy/test_personal_data.py::test_every_reference_to_users_identifies_personal_data",
    "tests/models/privacy/test_personal_data.py::test_every_described_column_exists",
    "tests/database/test_migrate.py::test_servers_of_the_release_before_run_on_the_new_schema",
)
"""Tests that read the schema and the database. They find a module by themselves."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scratch copy of the example."""
    return copy_example(tmp_path)


@pytest.fixture
async def empty_database(postgres: str) -> AsyncIterator[str]:
    """The address of a database without tables."""
    name = f"host_{next(NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name}")
    yield database_address(postgres, name)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_tests_of_the_example_pass(folder: Path) -> None:
    process = run(
        folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", "-p", "tests.conftest",
        str(folder / PACKAGE / "tests"),
    )  # fmt: skip

    assert process.returncode == 0, process.stdout + process.stderr


def test_strict_types_are_checked_in_the_copy(folder: Path) -> None:
    variables = {"MYPYPATH": str(folder), "PYTHONPATH": ""}
    sound = run(folder, "-m", "mypy", "-p", PACKAGE, **variables)
    edit(folder / PACKAGE / "time_entry.py", "    return entry.id\n", "    return entry.minutes\n")

    defective = run(folder, "-m", "mypy", "-p", PACKAGE, **variables)

    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "timesheets/time_entry.py" in defective.stdout
    assert "[return-value]" in defective.stdout


def test_list_of_the_example_reads_few_rows_of_a_long_table(folder: Path) -> None:
    process = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/examples/list_plans.py")

    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize("workspace", ["on", "off"])
def test_schema_and_matrix_have_the_rules_of_the_module(folder: Path, workspace: str) -> None:
    matrix = run(folder, "cli.py", "matrix", FULLMAKT_WORKSPACE=workspace)
    sdl = run(folder, "cli.py", "schema", FULLMAKT_WORKSPACE=workspace)

    rows = {line.split()[0]: line.split()[1:] for line in matrix.stdout.splitlines() if line.strip()}
    assert rows["TIMESHEETS_READ_ALL"] == ["x", "x", "x", "x", "o", "."], matrix.stderr
    assert rows["TimeEntry.project"] == ["x", "x", "x", "x", "o", "o", "TIMESHEETS_READ"]
    assert rows["Account.timeEntries"][-1] == "TIMESHEETS_READ"
    assert rows["Mutation.deleteTimeEntry"][-1] == "TIMESHEETS_WRITE"
    assert "type TimeEntry implements Node @hasPermission(permission: TIMESHEETS_READ)" in sdl.stdout, sdl.stderr
    assert ("type Contact " in sdl.stdout) is (workspace == "on")


def test_tests_of_the_product_that_read_the_schema_pass_with_the_module(folder: Path) -> None:
    process = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS_OF_THE_PRODUCT)

    assert process.returncode == 0, process.stdout


async def test_demo_has_rows_of_the_module(folder: Path, database_url: str) -> None:
    variables = {"FULLMAKT_ENV": "development", "FULLMAKT_DATABASE_URL": database_url}

    processes = [run(folder, "cli.py", "demo", **variables) for _ in range(2)]

    connection = await connect(database_url)
    try:
        counts = await connection.fetch("SELECT count(*) FROM time_entries GROUP BY account_id")
    finally:
        await connection.close()
    assert [process.returncode for process in processes] == [0, 0], processes[0].stderr
    assert len(counts) > 3
    assert {row["count"] for row in counts} == {7}


async def test_module_migrates_an_empty_database(folder: Path, empty_database: str) -> None:
    migration = run_command(folder, empty_database, "migrate")
    check = run_command(folder, empty_database, "modules")

    assert "Applied 0001_time_entries." in migration.stdout, migration.stderr
    assert check.returncode == 0, check.stderr
    assert "timesheets\n  permissions: 44 TIMESHEETS_READ, 45 TIMESHEETS_READ_ALL, 46" in check.stdout
    assert check.stdout.endswith("Each module is complete.\n")


GUEST = """
import asyncio, json, sys
from tests.api import Api, Clock, Person, run_application
from tests.conftest import create_application

LIST = "query ($id: ID!) { account(id: $id) { timeEntries { totalCount } } }"

async def main():
    clock = Clock()
    async with run_application(create_application(sys.argv[1], clock)) as http:
        api = Api(http, clock)
        if sys.argv[2] == "new":
            anna = await api.person("anna@example.com")
            permissions = ["TIMESHEETS_READ", "TIMESHEETS_READ_ALL", "CONTACTS_READ"]
            _, grant = await api.guest(anna, "bo@example.com", "CONSULTANT", permissions=permissions)
            values = {"accountId": anna.account_id, "project": "Shop", "minutes": 1}
            await api.do("createTimeEntry", values, by=anna)
        bo = await api.sign_in(Person("bo@example.com", "", "", ""))
        query = "{ accounts { nodes { id viewerGrant { permissions } } } }"
        (account,) = (await api.ask(query, by=bo)).data["accounts"]["nodes"]
        answer = await api.ask(LIST, {"id": account["id"]}, by=bo)
        print(json.dumps([account["viewerGrant"]["permissions"], answer.body.get("data")]))

asyncio.run(main())
"""


async def test_module_is_added_to_a_database_and_removed_again(folder: Path, database_url: str) -> None:
    """The fixture has a database that was made without the module."""

    def read_as_guest(step: str, modules: str) -> tuple[list[str], object]:
        """The permissions of the guest, and their answer to the list of the module."""
        process = run(folder, "-c", GUEST, database_url, step, modules=modules)
        assert process.returncode == 0, process.stderr
        permissions, data = json.loads(process.stdout)
        return permissions, data

    migration = run_command(folder, database_url, "migrate", FULLMAKT_DATABASE_ROLE=embedded.SERVER_ROLE)
    answer_with_module = read_as_guest("new", PACKAGE)
    answer_without_module = read_as_guest("again", "")
    check = run_command(folder, database_url, "modules", modules="")
    pending_names = await migrate.pending_migrations(database_url, SCHEMA)
    async with run_process(database_url) as server:
        health = await server.api.http.get("/readyz")
    answer_afterwards = read_as_guest("again", PACKAGE)
    connection = await connect(database_url)
    try:
        bits = await connection.fetchval("SELECT listed FROM grants WHERE role = 'CONSULTANT'")
        row_count = await connection.fetchval("SELECT count(*) FROM time_entries")
    finally:
        await connection.close()

    assert migration.stdout.startswith("Applied 0001_time_entries.\n"), migration.stderr
    permissions, data = answer_with_module
    assert answer_with_module == answer_afterwards
    assert data == {"account": {"timeEntries": {"totalCount": 1}}}
    assert {"TIMESHEETS_READ", "TIMESHEETS_READ_ALL"} <= {*permissions}
    assert answer_without_module == ([name for name in permissions if not name.startswith("TIMESHEETS")], None)
    assert (pending_names, health.status_code) == ([], 200)
    assert (bits >> 44 & 0b111, row_count) == (0b11, 1)
    assert check.returncode == 1
    assert "The table time_entries is neither in PERSONAL_DATA nor in IMPERSONAL_TABLES" in check.stderr
