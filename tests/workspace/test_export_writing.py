"""Writing exports in parts: resumption, several writers, errors, lost rights, and the end of files."""

import asyncio
from datetime import timedelta

import pytest

from database import db
from models.scheduled import jobs
from tests.api import Api, Person, codes
from tests.conftest import connect
from tests.workspace.exports import (
    add_contacts,
    caller,
    create_export,
    csv_rows,
    download,
    link,
    load_export,
    parse_csv,
    ready_export,
    stored_parts,
)
from workspace import export, export_writing

ROWS = 7
NAMES = [f"Contact {number}" for number in range(1, ROWS + 1)]
BREAK = """
CREATE FUNCTION break_part() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.number = 1 THEN RAISE EXCEPTION 'the disk is full'; END IF; RETURN NEW; END $$;
CREATE TRIGGER break_part BEFORE INSERT ON export_parts FOR EACH ROW EXECUTE FUNCTION break_part();
"""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a part have two rows."""
    monkeypatch.setattr(export_writing, "PART_ROWS", 2)


async def owner_with_contacts(api: Api) -> Person:
    """An owner with ROWS contacts."""
    anna = await api.person("anna@example.com")
    await add_contacts(anna, ROWS)
    return anna


async def names_in_file(api: Api, by: Person, key: str) -> list[str]:
    """The names of the contacts in the file of an export."""
    return [row["name"] for row in parse_csv((await download(api, by, key)).content)]


# ---- Parts -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
async def test_interrupted_export_goes_on_after_its_last_part(api: Api) -> None:
    anna = await owner_with_contacts(api)
    key = await create_export(api, anna)

    states: list[tuple[str, int]] = []
    while await export_writing.write_part(caller(api)):  # each call could be in another process
        row = await load_export(api, anna, key)
        states.append((row["status"], row["rowCount"]))

    assert states == [("RUNNING", 2), ("RUNNING", 4), ("RUNNING", 6), ("READY", 7)]
    assert await names_in_file(api, anna, key) == NAMES
    assert (await load_export(api, anna, key))["byteCount"] == len((await download(api, anna, key)).content)


@pytest.mark.usefixtures("small_parts")
async def test_part_that_is_cut_off_before_its_commit_is_written_again(api: Api, database_url: str) -> None:
    """As with kill -9: the transaction of the part is rolled back, and the next writer has the former position."""
    anna = await owner_with_contacts(api)
    key = await create_export(api, anna)
    _ = await export_writing.write_part(caller(api))
    async with db.rolled_back():
        assert await export_writing.write_part(caller(api))
    assert await stored_parts() == 1

    _ = await export_writing.write_all(caller(api))

    assert await names_in_file(api, anna, key) == NAMES


@pytest.mark.usefixtures("small_parts")
async def test_several_writers_write_each_row_once(api: Api) -> None:
    anna = await owner_with_contacts(api)
    keys = [await create_export(api, anna) for _ in range(3)]

    part_counts = await asyncio.gather(*(export_writing.write_all(caller(api)) for _ in range(4)))

    while await export_writing.write_part(caller(api)):  # a writer stops if the others have locked all exports
        part_counts.append(1)
    assert sum(part_counts) == 3 * 4
    for key in keys:
        assert await names_in_file(api, anna, key) == NAMES


@pytest.mark.usefixtures("small_parts")
async def test_small_export_does_not_wait_for_a_large_one(api: Api) -> None:
    anna = await owner_with_contacts(api)
    large = await create_export(api, anna)
    _ = await export_writing.write_part(caller(api))
    api.clock.forward(seconds=1)
    small = await create_export(api, anna, "PRODUCTS")

    for _ in range(2):
        api.clock.forward(seconds=1)
        _ = await export_writing.write_part(caller(api))

    assert (await load_export(api, anna, small))["status"] == "READY"
    assert (await load_export(api, anna, large))["status"] == "RUNNING"


async def test_part_ends_at_its_size(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_writing, "PART_BYTES", 1)
    anna = await owner_with_contacts(api)
    key = await create_export(api, anna)

    assert await export_writing.write_all(caller(api)) == ROWS
    assert await names_in_file(api, anna, key) == NAMES


async def test_lines_of_one_document_continue_in_the_next_part(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.workspace.documents import add_line, draft_id

    anna = await api.person("anna@example.com")
    for _ in range(2):
        document = await draft_id(api, anna)
        for number in range(3):
            assert codes(await add_line(api, anna, document, description=f"Line {number}")) == []
    monkeypatch.setattr(export_writing, "PART_ROWS", 2)

    rows = await csv_rows(api, anna, "DOCUMENT_LINES")

    assert [row["description"] for row in rows] == ["Line 0", "Line 1", "Line 2"] * 2


async def test_too_large_export_fails_without_a_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_writing, "PART_ROWS", 2)
    monkeypatch.setattr(export_writing, "MAX_BYTES", 300)
    anna = await owner_with_contacts(api)
    key = await create_export(api, anna)

    _ = await export_writing.write_all(caller(api))

    row = await load_export(api, anna, key)
    assert (row["status"], row["failure"]) == ("FAILED", "TOO_LARGE")
    assert await stored_parts() == 0


async def test_number_of_statements_does_not_grow_with_the_rows(api: Api) -> None:
    from tests.resolvers.statements import record_statements

    anna = await api.person("anna@example.com")
    counts: list[int] = []
    for rows in (1, 1000):
        _ = await db.execute("DELETE FROM contacts")
        await add_contacts(anna, rows)
        _ = await create_export(api, anna)
        with record_statements() as statements:
            assert await export_writing.write_part(caller(api))
        counts.append(len(statements))

    assert counts[0] == counts[1]


# ---- Errors ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
async def test_error_of_the_database_repeats_the_part_and_then_fails_the_export(api: Api, database_url: str) -> None:
    anna = await owner_with_contacts(api)
    key = await create_export(api, anna)
    connection = await connect(database_url)
    try:
        await connection.execute(BREAK)
        assert await export_writing.write_part(caller(api))
        for _ in range(export_writing.MAX_ATTEMPTS - 1):
            with pytest.raises(Exception, match="the disk is full"):
                _ = await export_writing.write_part(caller(api))
        assert (await load_export(api, anna, key))["status"] == "RUNNING"

        with pytest.raises(Exception, match="the disk is full"):
            _ = await export_writing.write_part(caller(api))
    finally:
        await connection.close()

    row = await load_export(api, anna, key)
    assert (row["status"], row["failure"]) == ("FAILED", "INTERNAL")
    assert await stored_parts() == await export_writing.write_all(caller(api)) == 0


@pytest.mark.usefixtures("small_parts")
async def test_export_survives_errors_that_end(api: Api, database_url: str) -> None:
    anna = await owner_with_contacts(api)
    key = await create_export(api, anna)
    connection = await connect(database_url)
    try:
        await connection.execute(BREAK)
        assert await export_writing.write_part(caller(api))
        with pytest.raises(Exception, match="the disk is full"):
            _ = await export_writing.write_part(caller(api))
        await connection.execute("DROP TRIGGER break_part ON export_parts")
    finally:
        await connection.close()

    _ = await export_writing.write_all(caller(api))

    assert await names_in_file(api, anna, key) == NAMES


# ---- Rights ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("permission", ["EXPORTS_CREATE", "CONTACTS_READ"])
async def test_export_fails_if_its_creator_loses_a_needed_permission(api: Api, permission: str) -> None:
    anna = await owner_with_contacts(api)
    guest, grant = await api.guest(
        anna, "ola@example.com", "CONSULTANT", permissions=["EXPORTS_CREATE", "CONTACTS_READ", "PRODUCTS_READ"]
    )
    key = await create_export(api, guest, accountId=anna.account_id)
    _ = await export_writing.write_part(caller(api))
    permissions = [name for name in ("EXPORTS_CREATE", "CONTACTS_READ", "PRODUCTS_READ") if name != permission]
    assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": permissions}, by=anna)) == []

    _ = await export_writing.write_all(caller(api))

    (row,) = await export.Export.all()
    assert (row.status, row.failure) == ("FAILED", "RIGHTS_LOST")
    assert await stored_parts() == 0
    assert key


@pytest.mark.usefixtures("small_parts")
async def test_permission_that_the_content_does_not_need_may_go(api: Api) -> None:
    anna = await owner_with_contacts(api)
    rights = ["EXPORTS_CREATE", "CONTACTS_READ", "PRODUCTS_READ"]
    guest, grant = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=rights)
    key = await create_export(api, guest, accountId=anna.account_id)
    _ = await export_writing.write_part(caller(api))
    assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": rights[:2]}, by=anna)) == []

    _ = await export_writing.write_all(caller(api))

    assert await names_in_file(api, guest, key) == NAMES


async def test_lock_and_lost_document_scope_fail_the_export(api: Api) -> None:
    anna = await api.person("anna@example.com")
    rights = ["EXPORTS_CREATE", "DOCUMENTS_READ", "DOCUMENTS_READ_ALL"]
    guest, _ = await api.guest(anna, "ola@example.com", "SIMPLE_USER", permissions=rights)
    _ = await create_export(api, guest, "DOCUMENTS", accountId=anna.account_id)
    settings = {"accountId": anna.account_id, "simpleUserRestrictions": ["DOCUMENTS_READ_ALL"]}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []

    _ = await export_writing.write_all(caller(api))

    assert [row.failure for row in await export.Export.all()] == ["RIGHTS_LOST"]


# ---- The end of files ------------------------------------------------------------------------


async def test_file_is_deleted_after_a_day_and_its_export_after_a_week(api: Api) -> None:
    anna = await owner_with_contacts(api)
    key = await ready_export(api, anna)
    api.clock.forward(days=1)

    assert (await load_export(api, anna, key))["status"] == "EXPIRED"  # before any job
    assert codes(await api.do("createExportLink", {"exportId": key}, by=anna)) == [("INVALID_STATE", None)]
    assert await stored_parts() == 1
    counts = await jobs.run(caller(api))

    assert counts["exports ended"] == 1
    assert await stored_parts() == 0
    assert (await load_export(api, anna, key))["status"] == "EXPIRED"
    api.clock.forward(days=6)
    _ = await jobs.run(caller(api))
    assert await export.Export.all().count() == 0


async def test_export_that_waits_is_not_deleted(api: Api) -> None:
    anna = await owner_with_contacts(api)
    _ = await create_export(api, anna)
    api.clock.forward(days=20)

    assert await export_writing.end_all(caller(api)) == 0
    assert await export.Export.all().count() == 1


async def test_end_of_the_grant_deletes_the_export_and_its_file(api: Api) -> None:
    anna = await owner_with_contacts(api)
    guest, grant = await api.guest(anna, "ola@example.com", "ADMINISTRATOR")
    path = await link(api, guest, await ready_export(api, guest, accountId=anna.account_id))
    _ = await create_export(api, guest, accountId=anna.account_id)
    of_owner = await ready_export(api, anna)
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    assert (await api.http.get(path)).status_code == 403

    assert await export_writing.end_all(caller(api)) == 2

    assert await stored_parts() == 1
    assert await names_in_file(api, anna, of_owner) == NAMES


async def test_grant_that_ended_by_its_date_and_closed_account_delete_exports(api: Api) -> None:
    anna = await owner_with_contacts(api)
    until = (api.clock.now + timedelta(hours=1)).isoformat()
    guest, _ = await api.guest(anna, "ola@example.com", "ADMINISTRATOR", grantValidUntil=until)
    _ = await ready_export(api, guest, accountId=anna.account_id)
    _ = await ready_export(api, anna)
    api.clock.forward(hours=1)

    assert await export_writing.end_all(caller(api)) == 1
    _ = await db.execute("UPDATE accounts SET closes_at = $1", api.clock.now)
    assert await export_writing.end_all(caller(api)) == 1
    assert await stored_parts() == 0
