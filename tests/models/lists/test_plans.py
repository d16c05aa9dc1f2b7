"""Query plans of connections: generic, and without sequential scans."""

import pytest

from database import db
from tests.api import Api

LISTS = """{ viewer {
    accounts(first: 2) { totalCount nodes { id settings { locks }
        grants(first: 2, filter: {search: "anna"}) { totalCount nodes { id user { email } } }
        invitations(first: 2) { totalCount nodes { id } } engagements(first: 2) { totalCount nodes { id } }
        accessRequests(first: 2) { totalCount nodes { id } } links(first: 2) { totalCount nodes { relation } }
        events(first: 2, filter: {type: "account"}) { totalCount nodes { id } }
        messages(first: 2) { totalCount nodes { id } } } }
    grants(first: 2) { totalCount nodes { id account { name } } }
    invitations(first: 2) { totalCount nodes { id } } accessRequests(first: 2) { totalCount nodes { id } }
    sessions(first: 2) { totalCount nodes { id } } events(first: 2) { totalCount nodes { id } }
} }"""
QUERIES = [
    *[f"{{ viewer {{ {part} }} }}" for part in ("user { name email }", "currentAccount { name }")],
    LISTS,
]


async def test_statements_use_generic_plans(api: Api) -> None:
    (setting,) = await db.fetch("SHOW plan_cache_mode", row=db.Row)

    assert setting.plan_cache_mode == "force_generic_plan"


async def test_connections_use_no_sequential_scan(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    statements: dict[str, tuple[object, ...]] = {}
    fetch = db.fetch

    async def record_and_fetch(sql: str, *args: object, row: type[db.Row]) -> list[db.Row]:
        statements[sql] = args
        return await fetch(sql, *args, row=row)

    monkeypatch.setattr(db, "fetch", record_and_fetch)
    for query in QUERIES:
        assert (await api.ask(query, by=anna)).codes == []
    monkeypatch.undo()

    assert len(statements) > 20
    async with db.transaction():
        _ = await db.fetch("SELECT set_config('enable_seqscan', 'off', true)", row=db.Row)
        for sql, args in statements.items():
            plan = await db.fetch(f"EXPLAIN {sql}", *args, row=db.Row)
            lines = [line["QUERY PLAN"].strip() for line in plan]
            assert [line for line in lines if "Seq Scan on" in line] == [], "\n".join([sql, *lines])
