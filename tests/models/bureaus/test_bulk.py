"""Operations for many clients: each request goes on where the former one stopped, and tells the outcome of each."""

import asyncio
import os
import sys
from time import monotonic
from typing import Any, Final

import pytest

from database import db
from models.bureaus import bulk
from resolvers import ids
from tests.api import Api, Person
from tests.conftest import connect
from tests.models.bureaus.bureau_setup import add_staff, assign, base_grant_id, register_trio
from tests.models.bureaus.many_clients import add_clients
from tests.models.refusals import mails, refusal_codes
from tests.resolvers.statements import record_statements

CLIENTS: Final = int(os.environ.get("FULLMAKT_MANY_CLIENTS", "12"))
"""The number of clients. The short form of the test has a small limit for each request."""
LIMIT: Final = 5 if CLIENTS < 100 else bulk.MAX_CLIENTS
SELECTION: Final = """progress { doneCount refusedCount remainingCount }
    outcomes { clientAccountId grant { id status } errors { code } }"""
READER: Final = ["ACCOUNT_READ", "DOCUMENTS_READ"]


async def run_all(api: Api, mutation: str, values: dict[str, Any], by: Person) -> list[Any]:
    """Send a mutation with a key until no client remains. Returns the payloads."""
    payloads: list[Any] = []
    started_at = monotonic()
    while not payloads or payloads[-1]["progress"]["remainingCount"]:
        await api.keep_proof(by)
        payloads.append(await api.do(mutation, {**values, "idempotencyKey": mutation}, SELECTION, by=by))
        assert payloads[-1]["errors"] == []
        assert len(payloads) <= CLIENTS
    if CLIENTS >= 100:
        seconds = monotonic() - started_at
        sys.stderr.write(f"\n{mutation}: {CLIENTS + 1} clients, {len(payloads)} calls, {seconds:.1f} seconds\n")
    return payloads


async def live_grants(user: Person) -> dict[str, int]:
    """The number of live derived grants of a user by status."""
    sql = """SELECT status, count(*)::int AS count FROM grants WHERE user_id = $1 AND engagement_id IS NOT NULL
        AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS') GROUP BY status"""
    return {row.status: row.count for row in await db.fetch(sql, ids.decode("User", user.user_id), row=db.Row)}


async def give_everywhere() -> None:
    """Let the owner of each client give every consultant the permissions that one of them gave."""
    await db.execute("""UPDATE engagements e SET standing_by_id = a.owner_id,
        standing_bits = (SELECT max(standing_bits) FROM engagements) FROM accounts a WHERE a.id = e.client_id""")


async def test_calls_with_a_key_reach_each_client_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    engagement = await api.ask(
        "query ($id: ID!) { account(id: $id) { engagements { nodes { id } } } }", {"id": anna.account_id}, by=anna
    )
    values: dict[str, Any] = {"engagementId": engagement.data["account"]["engagements"]["nodes"][0]["id"]}
    assert (await api.do("updateEngagement", {**values, "consultantPermissions": READER}, by=anna))["errors"] == []
    await add_clients(bureau, anna, CLIENTS)
    await give_everywhere()
    monkeypatch.setattr(bulk, "MAX_CLIENTS", LIMIT)
    base: dict[str, Any] = {"bureauAccountId": bureau.account_id}
    everywhere = {**base, "clientAccountIds": [], "allClients": True}

    for mutation, values in (
        ("assignConsultant", {**everywhere, "userId": kari.user_id}),
        ("replaceConsultant", {**base, "fromUserId": kari.user_id, "toUserId": nils.user_id}),
        ("unassignConsultant", {**everywhere, "userId": nils.user_id}),
    ):
        payloads = await run_all(api, mutation, values, bureau)

        counts = [payload["progress"] for payload in payloads]
        assert counts[-1] == {"doneCount": CLIENTS + 1, "refusedCount": 0, "remainingCount": 0}
        assert all(count["doneCount"] + count["remainingCount"] == CLIENTS + 1 for count in counts)
        assert [count["remainingCount"] for count in counts] == sorted(
            (count["remainingCount"] for count in counts), reverse=True
        )
        outcomes = {outcome["clientAccountId"]: outcome for payload in payloads for outcome in payload["outcomes"]}
        assert len(outcomes) == CLIENTS + 1
        assert max(len(payload["outcomes"]) for payload in payloads) <= LIMIT
        assert all(outcome["errors"] == [] and outcome["grant"] for outcome in outcomes.values())
        if mutation != "unassignConsultant":
            holder = kari if mutation == "assignConsultant" else nils
            assert await live_grants(holder) == {"ACTIVE": CLIENTS + 1}
    assert await live_grants(kari) == await live_grants(nils) == {}
    assert await refusal_codes(
        api, "replaceConsultant", {**base, "fromUserId": kari.user_id, "toUserId": nils.user_id}, by=bureau
    ) == [("INVALID_STATE", ["fromUserId"])]


async def test_each_call_tries_a_client_even_without_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    bureau, kari, anna = await register_trio(api)
    await add_clients(bureau, anna, 2)
    monkeypatch.setattr(bulk, "SHARE", 0.0)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [], "allClients": True}

    payloads = [
        await api.do("assignConsultant", {**values, "idempotencyKey": "k"}, SELECTION, by=bureau) for _ in range(3)
    ]

    assert [payload["progress"]["remainingCount"] for payload in payloads] == [2, 1, 0]
    assert len(payloads[-1]["outcomes"]) == 3


async def test_refused_clients_do_not_stop_the_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    await add_clients(bureau, anna, 3)
    base: dict[str, Any] = {"bureauAccountId": bureau.account_id}
    everywhere = {**base, "clientAccountIds": [], "allClients": True, "userId": kari.user_id}
    assert (await api.do("assignConsultant", {**everywhere, "idempotencyKey": "k"}, by=bureau))["errors"] == []
    first_ids = await first_clients(2)
    client_ids = [ids.decode("Account", key) for key in first_ids]
    await db.execute(_DIRECT_GRANTS, ids.decode("User", nils.user_id), client_ids)
    monkeypatch.setattr(bulk, "SHARE", 0.0)
    values = {**base, "fromUserId": kari.user_id, "toUserId": nils.user_id, "idempotencyKey": "k"}

    payloads = [await api.do("replaceConsultant", values, SELECTION, by=bureau) for _ in range(5)]

    counts = [tuple(payload["progress"].values()) for payload in payloads]
    assert counts == [(0, 1, 3), (0, 2, 2), (1, 2, 1), (2, 2, 0), (2, 2, 0)]
    errors_again = [outcome for outcome in payloads[-1]["outcomes"] if outcome["errors"]]
    assert [(outcome["clientAccountId"], outcome["errors"]) for outcome in errors_again] == [
        (first_ids[0], [{"code": "ALREADY_MEMBER"}])
    ]


# The client itself has given the user access. Only the transaction of the client finds that.
_DIRECT_GRANTS: Final = """
INSERT INTO grants (id, account_id, user_id, role, status, created_at)
SELECT gen_random_uuid(), client_id, $1, 'ACCOUNTANT', 'ACTIVE', now() FROM unnest($2::uuid[]) client_id
"""


async def first_clients(count: int) -> list[str]:
    """The clients that an operation for all clients tries first."""
    sql = "SELECT client_id AS id FROM engagements ORDER BY client_id LIMIT $1"
    return [ids.encode("Account", row.id) for row in await db.fetch(sql, count, row=db.Row)]


async def test_clients_of_the_new_consultant_do_not_stop_a_replacement_without_a_key(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key no call knows what the former one has refused."""
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    await add_clients(bureau, anna, 3)
    everywhere = {"bureauAccountId": bureau.account_id, "clientAccountIds": [], "allClients": True}
    values = {**everywhere, "userId": kari.user_id, "idempotencyKey": "k"}
    assert (await api.do("assignConsultant", values, by=bureau))["errors"] == []
    await assign(api, bureau, nils, await first_clients(2))
    monkeypatch.setattr(bulk, "MAX_CLIENTS", 1)
    values = {"bureauAccountId": bureau.account_id, "fromUserId": kari.user_id, "toUserId": nils.user_id}

    payloads = [await api.do("replaceConsultant", values, SELECTION, by=bureau) for _ in range(3)]

    assert [tuple(payload["progress"].values()) for payload in payloads] == [(1, 0, 3), (1, 0, 2), (0, 1, 1)]
    assert await live_grants(nils) == {"AWAITING_PERMISSIONS": 4}


async def test_locked_client_remains_and_the_others_are_done(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau, kari, anna = await register_trio(api)
    await add_clients(bureau, anna, 2)
    monkeypatch.setattr(bulk, "CLIENT_SHARE", 0.05)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [], "allClients": True}
    connection = await connect(database_url)
    async with connection.transaction():
        locked_id = await connection.fetchval("SELECT min(client_id::text)::uuid FROM engagements")
        await connection.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", locked_id)
        first_payload = await api.do("assignConsultant", {**values, "idempotencyKey": "k"}, SELECTION, by=bureau)
    await connection.close()

    second_payload = await api.do("assignConsultant", {**values, "idempotencyKey": "k"}, SELECTION, by=bureau)

    assert tuple(first_payload["progress"].values()) == (2, 0, 1)
    assert ids.encode("Account", locked_id) not in [outcome["clientAccountId"] for outcome in first_payload["outcomes"]]
    assert tuple(second_payload["progress"].values()) == (3, 0, 0)
    assert await live_grants(kari) == {"AWAITING_PERMISSIONS": 3}


async def test_same_call_twice_at_once_assigns_once(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await add_clients(bureau, anna, 4)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [], "allClients": True}

    await asyncio.gather(
        *(api.do("assignConsultant", {**values, "idempotencyKey": "k"}, SELECTION, by=bureau) for _ in "ab")
    )

    assert await live_grants(kari) == {"AWAITING_PERMISSIONS": 5}
    assert len(await mails(kari.email, "client-assigned")) == 5


async def test_each_client_costs_few_statements(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await add_clients(bureau, anna, 7)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [], "allClients": True}

    with record_statements() as statements:
        payload = await api.do("assignConsultant", {**values, "idempotencyKey": "k"}, SELECTION, by=bureau)

    assert payload["progress"]["doneCount"] == 8
    assert len(statements) <= 8 * 36


async def test_removing_a_colleague_costs_the_same_for_any_number_of_clients(api: Api) -> None:
    """One transaction ends all grants: a bureau must be able to remove a consultant of 3,000 clients at once."""
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    await add_clients(bureau, anna, 30)
    await assign(api, bureau, nils, [anna.account_id])
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [], "allClients": True}
    assert (await api.do("assignConsultant", {**values, "idempotencyKey": "k"}, by=bureau))["errors"] == []
    counts: list[int] = []

    for user in (nils, kari):
        with record_statements() as statements:
            payload = await api.do("revokeGrant", {"grantId": await base_grant_id(bureau, user)}, by=bureau)
        assert payload["errors"] == []
        counts.append(len(statements))

    assert await live_grants(kari) == {}
    assert counts[0] == counts[1]
    for number in (1, 30):
        assert len(await mails(f"owner{number}@example.com", "consultant-ended")) == 1
    sql = "SELECT count(*)::int AS count FROM events WHERE type = 'account:grant:revoke'"
    assert [row.count for row in await db.fetch(sql, row=db.Row)] == [1 + 1 + 1 + 31]


async def test_all_clients_and_a_list_exclude_each_other_and_need_a_key(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    base = {"bureauAccountId": bureau.account_id, "userId": kari.user_id}
    list_and_all = {**base, "clientAccountIds": [anna.account_id], "allClients": True, "idempotencyKey": "k"}
    without_key = {**base, "clientAccountIds": [], "allClients": True}

    for mutation in ("assignConsultant", "unassignConsultant"):
        assert await refusal_codes(api, mutation, list_and_all, by=bureau) == [("INVALID", ["allClients"])]
        assert await refusal_codes(api, mutation, without_key, by=bureau) == [("REQUIRED", ["idempotencyKey"])]
        nulls: dict[str, Any] = {**base, "clientAccountIds": [], "allClients": None}
        assert await refusal_codes(api, mutation, nulls, by=bureau) == [("REQUIRED", ["clientAccountIds"])]
        assert await refusal_codes(api, mutation, {**without_key, "idempotencyKey": "k"}, by=anna) == [
            ("NOT_FOUND", ["bureauAccountId"])
        ]
    unassign = {**without_key, "idempotencyKey": "k"}
    assert await refusal_codes(api, "unassignConsultant", unassign, by=bureau) == [("INVALID_STATE", ["userId"])]
