"""The list of the example reads few rows of a long table. tests/examples/test_timesheets.py runs this file."""

import pytest

from database import db
from resolvers import ids
from tests.api import Api
from tests.conftest import connect
from tests.models.lists.test_long_lists import FEW_ROWS, Statements, rows_read

ROWS = 20_000
"""Of these, the simple user has created the ten with the earliest days."""
ENTRIES = """
INSERT INTO time_entries (id, account_id, created_by_id, project, minutes, worked_on, created_at)
SELECT gen_random_uuid(), $1, CASE WHEN n > 10 THEN $2::uuid ELSE $3::uuid END, 'Project ' || n, 1,
    date '2020-01-01' + n % 1000, now() FROM generate_series(1, $4) n
"""
LIST = """query ($id: ID!, $filter: TimeEntryFilter, $order: TimeEntryOrder) { account(id: $id) {
    timeEntries(first: 1, filter: $filter, orderBy: $order) { nodes { project } pageInfo { endCursor } } } }"""


@pytest.mark.parametrize("role", ["OWNER", "SIMPLE_USER"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"order": "CREATED_AT"},
        {"filter": {"since": "2021-01-01", "until": "2021-01-31"}},
        {"filter": {"until": "2019-12-31"}},
    ],
)
async def test_page_is_read_by_an_index(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch, role: str, variables: dict[str, object]
) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    users = [ids.decode("User", person.user_id) for person in (anna, bo)]
    await db.execute(ENTRIES, ids.decode("Account", anna.account_id), *users, ROWS)
    connection = await connect(database_url)
    await connection.execute("ANALYZE time_entries")
    statements = Statements(monkeypatch)

    answer = await api.ask(LIST, {"id": anna.account_id, **variables}, by=anna if role == "OWNER" else bo)

    counts = [await rows_read(connection, *statement) for statement in statements.sent]
    await connection.close()
    assert answer.codes == []
    assert len(counts) == 1
    assert counts[0] <= FEW_ROWS
