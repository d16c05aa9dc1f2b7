"""Lists in columns: the same values as the driver's rows, of the same types."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from database import db, rows
from database.listing import ConnectionQuery, Page
from models import lists
from resolvers import ids
from tests.api import Api

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def fetched() -> rows.FetchedColumns:
    texts: dict[str, str | bytes] = {
        "id": ONE.bytes + TWO.bytes + ONE.bytes,
        "owner": TWO.bytes + b"\xff" * 32,
        "user.id": TWO.bytes + ONE.bytes + TWO.bytes,
        "user.name": '["Bo", null],["Kari"]',
        "line": 'one\x1f\x1e\x1fthree, "3"',
        "at": '["2026-11-21T12:00:00+00:00"],[null, "2026-11-21T13:30:00.5+01:00"]',
    }
    kinds: dict[str, rows.Kind] = {
        "id": "key", "owner": "key", "user.id": "key", "user.name": "text", "at": "instant", "line": "line",
    }  # fmt: skip
    return rows.FetchedColumns(3, texts, kinds)


def under_parents() -> rows.FetchedColumns:
    """Four rows under two parents; whose they are was not sent."""
    owners = rows.ParentRuns("account_id", [ONE.hex, THREE.hex], [1, 3])
    return rows.FetchedColumns(4, {"role": "a\x1fb\x1fc\x1fd"}, {"account_id": "key", "role": "line"}, owners)


def test_columns_have_pythons_values() -> None:
    found = fetched()

    assert found.column("id") == [ONE, TWO, ONE]
    assert found.column("owner") == [TWO, None, None]
    assert found.column("at") == [NOW, None, NOW + timedelta(minutes=30, seconds=0.5)]
    assert {instant.tzinfo for instant in found.column("at") if instant} == {UTC}
    assert found.key_hex("owner") == [TWO.hex, "", ""]
    assert found.column("line") == ["one", None, 'three, "3"']


def test_the_key_of_nobody_is_a_key_like_any_other() -> None:
    """Who stands for one that may not be told of is looked up as that one would be."""
    found = rows.FetchedColumns(3, {"id": ids.NOBODY.bytes + b"\xff" * 16 + ONE.bytes}, {"id": "key"})

    assert found.column("id") == [ids.NOBODY, None, ONE]
    assert rows.distinct(found, "id") == {ids.NOBODY.hex, ONE.hex}


def test_a_row_reads_by_key_and_as_attributes() -> None:
    row = fetched()[1]

    assert (row["id"], row.owner, [*row.keys()]) == (TWO, None, ["id", "owner", "user.id", "user.name", "at", "line"])
    with pytest.raises(KeyError):
        row["name"]
    with pytest.raises(AttributeError):
        _ = row.name


def test_some_rows_and_what_is_joined_to_them() -> None:
    some = fetched().subset([2, 0])
    user = some.part("user")

    assert user is not None
    assert (len(user), [*user.names]) == (2, ["id", "name"])
    assert (user.column("name"), user.key_hex("id")) == (["Kari", "Bo"], [TWO.hex, TWO.hex])
    assert user.subset([1])[0].name == "Bo"
    assert some.part("account") is None


def test_a_slice_is_a_list_of_rows() -> None:
    slice_ = rows.Slice(fetched(), 1, 3)

    assert [row.id for row in slice_] == [TWO, ONE]
    assert (len(slice_), slice_[-1].id, [row.id for row in slice_[:1]]) == (2, ONE, [TWO])
    with pytest.raises(IndexError):
        slice_[2]


def test_keys_are_looked_up_once_each() -> None:
    asked: list[str] = []

    def counting(digits: str) -> str:
        asked.append(digits)
        return digits[-1]

    found = rows.mapped(fetched(), "id", counting)

    assert (found, sorted(asked)) == (["1", "2", "1"], [ONE.hex, TWO.hex])
    assert [*rows.where(fetched(), "id", ONE)] == [0, 2]
    assert [*rows.where(fetched(), "id", THREE)] == []
    assert rows.distinct(fetched(), "owner") == {TWO.hex}


def test_whose_rows_they_are_need_not_be_sent() -> None:
    found = under_parents()

    assert found.key_hex("account_id") == [ONE.hex, *[THREE.hex] * 3]
    assert found.column("account_id") == [ONE, *[THREE] * 3]
    assert rows.mapped(found, "account_id", lambda digits: digits[-1]) == ["1", "3", "3", "3"]
    assert rows.mapped(found.subset([3, 0]), "account_id", lambda digits: digits[-1]) == ["3", "1"]
    assert rows.distinct(found, "account_id") == {ONE.hex, THREE.hex}
    assert rows.distinct(found.subset([3]), "account_id") == {THREE.hex}


def test_lines_that_cannot_be_told_apart_are_none() -> None:
    with pytest.raises(rows.DelimiterInText):
        rows.FetchedColumns(2, {"name": "a\x1fb\x1fc"}, {"name": "line"})


def test_lists_of_driver_rows_answer_alike() -> None:
    plain: list[dict[str, Any]] = [{"id": ONE, "owner": TWO}, {"id": TWO, "owner": None}]

    assert rows.column(plain, "owner") == [TWO, None]
    assert rows.key_hex(plain, "owner") == [TWO.hex, ""]
    assert rows.distinct(plain, "owner") == {TWO.hex}
    assert rows.part(plain, "user") is None


def test_a_column_of_a_type_that_cannot_be_sent_is_refused() -> None:
    class Odd(db.Row):
        seed: bytes

    with pytest.raises(TypeError, match=r"Odd\.seed: a column of bytes cannot be listed"):
        rows.kinds(Odd)


def test_nothing_at_all_has_empty_columns() -> None:
    empty = rows.FetchedColumns(0, {"id": None}, {"id": "key"})  # as PostgreSQL sums up nothing

    assert (len(empty), empty.column("id"), empty.key_hex("id")) == (0, [], [])


# ---- Against the driver ----------------------------------------------------------------------

LISTINGS: dict[str, ConnectionQuery[Any]] = {
    "accounts": lists.accounts(NOW),
    "grants_of_accounts": lists.grants_of_accounts(NOW),
    "grants_of_user": lists.grants_of_user(NOW),
    "invitations_of_accounts": lists.invitations_of_accounts(NOW),
    "sessions": lists.sessions(NOW),
    "entries": lists.entries(),
    "events_of_accounts": lists.events_of_accounts(),
}


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("text", ['a "b", \\ \n \t \u2028 ż 🙂', "a \x1f b", "\x1f", " "])
async def test_every_list_gives_what_the_driver_would(api: Api, name: str, text: str) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    _ = await db.execute("UPDATE accounts SET vat_number = $1, name = $1", text)
    listing = LISTINGS[name]
    keys = [UUID(hex=anna.account_id[1:]), await _user_id(anna.email)]

    found = [row for page in await listing.pages(keys, Page(size=100)) for row in page.nodes]

    assert found or name == "invitations_of_accounts"
    for row in found:
        plain = await _plainly(listing, row["id"])
        assert {column: row[column] for column in row.keys() if column in plain.keys()} == dict(plain)  # noqa: SIM118


async def _plainly(listing: Any, key: UUID) -> Any:
    own = {column: sql for column, sql in listing.columns.items() if "." not in column}
    source = " ".join([listing.source, *listing.joins.values()])
    named = ", ".join(f"({_bare(sql)}) AS {column}" for column, sql in own.items())
    return await db.fetch_one(f"SELECT {named} FROM {source} WHERE {own['id']} = $1", key, row=db.Row)


def _bare(sql: str) -> str:
    return sql.rpartition(" AS ")[0] or sql


async def _user_id(email: str) -> UUID:
    (found,) = await db.fetch("SELECT id FROM users WHERE email = $1", email, row=db.Row)
    return found["id"]  # type: ignore[no-any-return]
