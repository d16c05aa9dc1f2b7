"""Time entries over HTTP, on a real database: who sees and changes which, and what each change leaves behind.

`tests.api` and the fixture `api` are those of the product. The guide says how to run this file.
"""

from typing import Any

import pytest

from database import db
from tests.api import PASSWORD, Api, Person, codes

FIELDS = "timeEntry { id project minutes workedOn createdBy { id } }"
LIST = """query ($id: ID!, $filter: TimeEntryFilter, $order: TimeEntryOrder, $first: Int, $after: String) {
    account(id: $id) { timeEntries(first: $first, after: $after, filter: $filter, orderBy: $order) {
        totalCount nodes { id project workedOn } pageInfo { endCursor } } } }"""
EVENTS = """query ($id: ID!) { account(id: $id) { events(first: 5, filter: { type: "account:time-entry" }) {
    nodes { type before after } } } }"""


async def create(api: Api, by: Person, **fields: object) -> dict[str, Any]:
    """The payload of createTimeEntry."""
    values = {"accountId": by.account_id, "project": "Shop", "minutes": 90, "workedOn": "2026-01-05", **fields}
    return await api.do("createTimeEntry", values, FIELDS, by=by)


async def entry_id(api: Api, by: Person, **fields: object) -> str:
    """The id of a new entry."""
    payload = await create(api, by, **fields)
    assert codes(payload) == []
    return str(payload["timeEntry"]["id"])


async def entries(api: Api, by: Person, **variables: object) -> list[str]:
    """The projects of the list that the user reads."""
    answer = await api.ask(LIST, {"id": by.account_id, **variables}, by=by)
    connection = answer.data["account"]["timeEntries"]
    assert connection["totalCount"] >= len(connection["nodes"])
    return [node["project"] for node in connection["nodes"]]


async def count_entries() -> int:
    """The number of rows in the table."""
    (row,) = await db.fetch("SELECT count(*)::int AS rows FROM time_entries", row=db.Row)
    return int(row.rows)


async def colleagues(api: Api) -> tuple[Person, Person]:
    """The owner of an account, and a simple user there. Simple users have no TIMESHEETS_READ_ALL."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    return anna, bo


async def test_entry_belongs_to_the_user_who_created_it(api: Api) -> None:
    anna = await api.person("anna@example.com")

    entry = (await create(api, anna))["timeEntry"]

    assert entry.pop("id").startswith("time")
    assert entry == {"project": "Shop", "minutes": 90, "workedOn": "2026-01-05", "createdBy": {"id": anna.user_id}}


async def test_user_without_read_all_has_only_their_entries_on_each_path(api: Api) -> None:
    anna, bo = await colleagues(api)
    entry_of_anna = await entry_id(api, anna, project="Of Anna")
    entry_of_bo = await entry_id(api, bo, project="Of Bo")

    node = await api.ask(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [entry_of_anna, entry_of_bo]}, by=bo
    )
    changes = [
        await api.do("updateTimeEntry", {"timeEntryId": entry_of_anna, "minutes": 1}, by=bo),
        await api.do("deleteTimeEntry", {"timeEntryId": entry_of_anna}, by=bo),
    ]

    assert await entries(api, bo) == ["Of Bo"]
    assert sorted(await entries(api, anna)) == ["Of Anna", "Of Bo"]
    assert await entries(api, bo, filter={"search": "anna"}) == []
    assert node.data == {"nodes": [None, {"id": entry_of_bo}]}
    assert [codes(payload) for payload in changes] == [[("NOT_FOUND", ["timeEntryId"])]] * 2
    assert await count_entries() == 2


async def test_user_without_the_permissions_is_refused_and_writes_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    entry = await entry_id(api, anna)
    reader, _ = await api.guest(
        anna, "r@example.com", "CONSULTANT", permissions=["TIMESHEETS_READ", "TIMESHEETS_READ_ALL"]
    )
    stranger, _ = await api.guest(anna, "s@example.com", "CONSULTANT", permissions=["CONTACTS_READ"])
    change = "mutation ($id: ID!) { deleteTimeEntry(input: { timeEntryId: $id }) { errors { code } } }"

    reading = await api.ask(LIST, {"id": anna.account_id}, by=stranger)
    refusal = await api.ask(change, {"id": entry}, by=reader)

    assert await entries(api, reader) == ["Shop"]
    assert (reading.partial, reading.codes) == ({"account": {"timeEntries": None}}, ["FORBIDDEN"])
    assert refusal.codes == ["FORBIDDEN"]
    assert await count_entries() == 1


async def test_restriction_and_end_of_the_subscription_hold_for_the_module(api: Api) -> None:
    anna, bo = await colleagues(api)
    values = {"accountId": anna.account_id, "simpleUserRestrictions": ["TIMESHEETS_WRITE"]}
    assert codes(await api.do("updateAccountSettings", values, by=anna)) == []
    change = "mutation ($input: CreateTimeEntryInput!) { createTimeEntry(input: $input) { errors { code } } }"
    entry = {"accountId": anna.account_id, "project": "Shop", "minutes": 1}

    refusal = await api.ask(change, {"input": entry}, by=bo)
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())
    late = await api.do("createTimeEntry", entry, by=anna)

    assert refusal.codes == ["FORBIDDEN"]
    assert codes(late) == [("SUBSCRIPTION_EXPIRED", None)]
    assert await count_entries() == 0


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("project", " ", "REQUIRED"),
        ("project", "x" * 201, "TOO_LONG"),
        ("minutes", 0, "OUT_OF_RANGE"),
        ("minutes", 1441, "OUT_OF_RANGE"),
        ("workedOn", "1999-12-31", "OUT_OF_RANGE"),
        ("workedOn", "2999-01-01", "OUT_OF_RANGE"),
    ],
)
async def test_bad_value_is_refused_with_its_field(api: Api, field: str, value: object, code: str) -> None:
    anna = await api.person("anna@example.com")
    entry = await entry_id(api, anna)

    creation = await create(api, anna, **{field: value})
    change = await api.do("updateTimeEntry", {"timeEntryId": entry, field: value}, by=anna)

    assert codes(creation) == codes(change) == [(code, [field])]
    assert await count_entries() == 1


async def test_filters_orders_and_cursors_of_the_list(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for project, day in (("Middle", "2026-01-02"), ("Late", "2026-01-03"), ("Early", "2026-01-01")):
        _ = await create(api, anna, project=project, workedOn=day)
    first = await api.ask(LIST, {"id": anna.account_id, "first": 2}, by=anna)
    cursor = first.data["account"]["timeEntries"]["pageInfo"]["endCursor"]

    assert await entries(api, anna) == ["Late", "Middle", "Early"]
    assert await entries(api, anna, first=2, after=cursor) == ["Early"]
    assert await entries(api, anna, order="CREATED_AT") == ["Early", "Late", "Middle"]
    assert await entries(api, anna, filter={"since": "2026-01-02", "until": "2026-01-02"}) == ["Middle"]
    assert await entries(api, anna, filter={"since": "2026-01-02"}, order="CREATED_AT") == ["Late", "Middle"]
    assert await entries(api, anna, filter={"search": "LAT"}) == ["Late"]


async def test_repeated_request_creates_one_entry(api: Api) -> None:
    anna = await api.person("anna@example.com")

    payloads = [await create(api, anna, idempotencyKey="the same") for _ in range(2)]

    assert payloads[0] == payloads[1]
    assert await count_entries() == 1


async def test_each_change_writes_an_event_that_exists_for_readers_of_the_entry(api: Api) -> None:
    anna, _ = await colleagues(api)
    permissions = ["EVENTS_READ", "TIMESHEETS_READ"]
    auditor, _ = await api.guest(anna, "a@example.com", "CONSULTANT", permissions=permissions)
    entry = await entry_id(api, anna)
    _ = await api.do("updateTimeEntry", {"timeEntryId": entry, "minutes": 90}, by=anna)  # changes nothing
    _ = await api.do("updateTimeEntry", {"timeEntryId": entry, "minutes": 30}, by=anna)
    deletion = await api.do("deleteTimeEntry", {"timeEntryId": entry}, "deletedTimeEntryId", by=anna)

    events, events_of_auditor = [
        (await api.ask(EVENTS, {"id": anna.account_id}, by=person)).data["account"]["events"]["nodes"]
        for person in (anna, auditor)
    ]

    assert deletion["deletedTimeEntryId"] == entry
    assert [event["type"].rpartition(":")[2] for event in events] == ["delete", "update", "create"]
    assert (events[1]["before"]["minutes"], events[1]["after"]["minutes"]) == (90, 30)
    assert events[0]["before"]["worked_on"] == "2026-01-05"
    assert events_of_auditor == []


async def test_export_of_personal_data_has_the_entries_of_the_user(api: Api) -> None:
    anna, bo = await colleagues(api)
    _ = await entry_id(api, anna, project="Of Anna")
    _ = await entry_id(api, bo, project="Of Bo")

    export = await api.do("exportMyData", {"password": PASSWORD}, "document", by=bo)

    assert [entry["project"] for entry in export["document"]["timeEntries"]] == ["Of Bo"]
