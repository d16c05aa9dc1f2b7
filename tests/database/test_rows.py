"""Column batches: the same values and types as driver rows."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from database import db, rows
from database.listing import ConnectionQuery, Page
from executor import columnar
from models import lists
from resolvers import ids
from tests.api import Api

KEY_1, KEY_2, KEY_3 = UUID(int=1), UUID(int=2), UUID(int=3)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make_batch() -> rows.FetchedColumns:
    texts: dict[str, str | bytes] = {
        "id": KEY_1.bytes + KEY_2.bytes + KEY_1.bytes,
        "owner": KEY_2.bytes + b"\xff" * 32,
        "user.id": KEY_2.bytes + KEY_1.bytes + KEY_2.bytes,
        "user.name": '["Bo", null],["Kari"]',
        "line": 'one\x1f\x1e\x1fthree, "3"',
        "at": '["2026-11-21T12:00:00+00:00"],[null, "2026-11-21T13:30:00.5+01:00"]',
    }
    kinds: dict[str, rows.Kind] = {
        "id": "key", "owner": "key", "user.id": "key", "user.name": "text", "at": "instant", "line": "line",
    }  # fmt: skip
    return rows.FetchedColumns(3, texts, kinds)


def make_batch_with_parents() -> rows.FetchedColumns:
    """Four rows under two parents. The column of the parents' keys was not sent."""
    parent_runs = rows.ParentRuns("account_id", [KEY_1.hex, KEY_3.hex], [1, 3])
    return rows.FetchedColumns(4, {"role": "a\x1fb\x1fc\x1fd"}, {"account_id": "key", "role": "line"}, parent_runs)


def test_columns_have_python_values() -> None:
    batch = make_batch()

    assert batch.column("id") == [KEY_1, KEY_2, KEY_1]
    assert batch.column("owner") == [KEY_2, None, None]
    assert batch.column("at") == [NOW, None, NOW + timedelta(minutes=30, seconds=0.5)]
    assert {instant.tzinfo for instant in batch.column("at") if instant} == {UTC}
    assert batch.key_hex("owner") == [KEY_2.hex, "", ""]
    assert batch.column("line") == ["one", None, 'three, "3"']


def test_nil_key_is_a_key_like_any_other() -> None:
    """The placeholder for a hidden user is looked up like any other user."""
    batch = rows.FetchedColumns(3, {"id": ids.NIL_KEY.bytes + b"\xff" * 16 + KEY_1.bytes}, {"id": "key"})

    assert batch.column("id") == [ids.NIL_KEY, None, KEY_1]
    assert rows.distinct(batch, "id") == {ids.NIL_KEY.hex, KEY_1.hex}


def test_row_is_read_by_key_and_as_attributes() -> None:
    row = make_batch()[1]

    assert (row["id"], row.owner, [*row.keys()]) == (KEY_2, None, ["id", "owner", "user.id", "user.name", "at", "line"])
    with pytest.raises(KeyError):
        row["name"]
    with pytest.raises(AttributeError):
        _ = row.name


def test_subset_keeps_the_joined_part() -> None:
    subset = make_batch().subset([2, 0])
    user = subset.part("user")

    assert user is not None
    assert (len(user), [*user.names]) == (2, ["id", "name"])
    assert (user.column("name"), user.key_hex("id")) == (["Kari", "Bo"], [KEY_2.hex, KEY_2.hex])
    assert user.subset([1])[0].name == "Bo"
    assert subset.part("account") is None


def test_slice_is_a_sequence_of_rows() -> None:
    slice_ = rows.Slice(make_batch(), 1, 3)

    assert [row.id for row in slice_] == [KEY_2, KEY_1]
    assert (len(slice_), slice_[-1].id, [row.id for row in slice_[:1]]) == (2, KEY_1, [KEY_2])
    with pytest.raises(IndexError):
        slice_[2]


def test_executor_joins_the_slices_of_a_batch_without_its_rows() -> None:
    batch = make_batch()

    assert columnar.join_slices([rows.Slice(batch, 0, 1), rows.Slice(batch, 1, 3)]) is batch


def test_function_is_called_once_for_each_distinct_key() -> None:
    calls: list[str] = []

    def last_digit(digits: str) -> str:
        calls.append(digits)
        return digits[-1]

    digits = rows.map_keys(make_batch(), "id", last_digit)

    assert (digits, sorted(calls)) == (["1", "2", "1"], [KEY_1.hex, KEY_2.hex])
    assert [*rows.indexes_of(make_batch(), "id", KEY_1)] == [0, 2]
    assert [*rows.indexes_of(make_batch(), "id", KEY_3)] == []
    assert rows.distinct(make_batch(), "owner") == {KEY_2.hex}


def test_parent_keys_are_read_without_being_sent() -> None:
    batch = make_batch_with_parents()

    assert batch.key_hex("account_id") == [KEY_1.hex, *[KEY_3.hex] * 3]
    assert batch.column("account_id") == [KEY_1, *[KEY_3] * 3]
    assert rows.map_keys(batch, "account_id", lambda digits: digits[-1]) == ["1", "3", "3", "3"]
    assert rows.map_keys(batch.subset([3, 0]), "account_id", lambda digits: digits[-1]) == ["3", "1"]
    assert rows.distinct(batch, "account_id") == {KEY_1.hex, KEY_3.hex}
    assert rows.distinct(batch.subset([3]), "account_id") == {KEY_3.hex}


def test_delimiter_in_a_text_is_an_error() -> None:
    with pytest.raises(rows.DelimiterInText):
        rows.FetchedColumns(2, {"name": "a\x1fb\x1fc"}, {"name": "line"})


def test_functions_accept_lists_of_driver_rows() -> None:
    plain: list[dict[str, Any]] = [{"id": KEY_1, "owner": KEY_2}, {"id": KEY_2, "owner": None}]

    assert rows.column(plain, "owner") == [KEY_2, None]
    assert rows.key_hex(plain, "owner") == [KEY_2.hex, ""]
    assert rows.distinct(plain, "owner") == {KEY_2.hex}
    assert rows.part(plain, "user") is None


def test_column_of_an_unreadable_type_is_an_error() -> None:
    class Odd(db.Row):
        seed: bytes

    with pytest.raises(TypeError, match=r"Odd\.seed: a connection cannot read a column of type bytes"):
        rows.kinds(Odd)


def test_empty_batch_has_empty_columns() -> None:
    empty = rows.FetchedColumns(0, {"id": None}, {"id": "key"})  # aggregates of no rows are null

    assert (len(empty), empty.column("id"), empty.key_hex("id")) == (0, [], [])


# ---- Against the driver ----------------------------------------------------------------------

CONNECTIONS: dict[str, ConnectionQuery[Any]] = {
    "accounts": lists.accounts(NOW),
    "grants_of_accounts": lists.grants_of_accounts(NOW),
    "grants_of_user": lists.grants_of_user(NOW),
    "invitations_of_accounts": lists.invitations_of_accounts(NOW),
    "sessions": lists.sessions(NOW),
    "entries": lists.entries(),
    "events_of_accounts": lists.events_of_accounts(),
}


@pytest.mark.parametrize("name", CONNECTIONS)
@pytest.mark.parametrize("text", ['a "b", \\ \n \t \u2028 ż 🙂', "a \x1f b", "\x1f", " "])
async def test_connection_has_the_same_values_as_driver_rows(api: Api, name: str, text: str) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _ = await db.execute("UPDATE accounts SET vat_number = $1, name = $1", text)
    query = CONNECTIONS[name]
    keys = [UUID(hex=anna.account_id[1:]), await _user_id(anna.email)]

    nodes = [row for page in await query.pages(keys, Page(size=100)) for row in page.nodes]

    assert nodes or name == "invitations_of_accounts"
    for row in nodes:
        plain = await _driver_row(query, row["id"])
        assert {column: row[column] for column in row.keys() if column in plain.keys()} == dict(plain)  # noqa: SIM118


async def _driver_row(query: Any, key: UUID) -> Any:
    columns = {column: sql for column, sql in query.columns.items() if "." not in column}
    source = " ".join([query.source, *query.joins.values()])
    return await db.fetch_one(
        f"SELECT {db.select_list(columns)} FROM {source} WHERE {columns['id']} = $1", key, row=db.Row
    )


async def _user_id(email: str) -> UUID:
    (user,) = await db.fetch("SELECT id FROM users WHERE email = $1", email, row=db.Row)
    return user["id"]  # type: ignore[no-any-return]
