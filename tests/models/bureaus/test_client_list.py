"""The list of a bureau's clients at its real size: 3,000 clients and 40 consultants."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person
from tests.conftest import connect
from tests.models.bureaus.bureau_setup import engage, register_bureau, register_pair
from tests.models.lists.test_long_lists import Statements, rows_read

CLIENTS, CONSULTANTS = 3_000, 40
_STATEMENTS = """
SET session_replication_role = replica;
CREATE FUNCTION key(kind int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(1000000 + n), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(kind), 12, '0'))::uuid $$;
INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)
SELECT key(1, n), 'u' || n || '@example.org', 'u' || n || '@example.org', 'User ' || n, 'en', 'x', now(), now()
FROM generate_series(1, {clients} + {consultants}) n;
INSERT INTO accounts (id, number, name, kind, owner_id, created_at, activated_at, subscription_until, invoice_prefix,
    default_currency, default_locale, payment_term_days, simple_user_restrictions, locks, requires_two_factor, country,
    organization_number)
SELECT key(2, n), 100000 + n, CASE n WHEN 7 THEN 'Łódź Meble' ELSE 'Client k' || lpad(n::text, 4, '0') END, 'BUSINESS',
    key(1, n), now(), now(), now() + interval '1 year', '', 'EUR', 'en', 14, 0, 0, false, 'SE',
    (5560000000 + n)::text FROM generate_series(1, {clients}) n;
INSERT INTO engagements (id, bureau_id, client_id, status, asked_by_id, is_blind, created_at)
SELECT key(3, n), '{bureau}', key(2, n), 'ACTIVE', '{bureau}', false, now() FROM generate_series(1, {clients}) n;
INSERT INTO grants (id, account_id, user_id, role, status, created_at)
SELECT key(4, n), '{bureau}', key(1, {clients} + n), 'CONSULTANT', 'ACTIVE', now()
FROM generate_series(1, {consultants}) n;
-- The first client has no consultant, the second waits for permissions, the access to the third ends soon.
INSERT INTO grants (id, account_id, user_id, role, status, engagement_id, listed, valid_until, created_at)
SELECT key(5, n), key(2, n), key(1, {clients} + 1 + n % {consultants}), 'CONSULTANT',
    CASE n WHEN 2 THEN 'AWAITING_PERMISSIONS' ELSE 'ACTIVE' END, key(3, n), 1,
    CASE n WHEN 3 THEN now() + interval '1 day' WHEN 4 THEN now() + interval '60 days' END, now()
FROM generate_series(2, {clients}) n;
ANALYZE;
"""
LIST = """query ($id: ID!, $filter: EngagementFilter, $orderBy: EngagementOrder, $first: Int, $after: String,
    $last: Int, $before: String) { account(id: $id) { engagements(filter: $filter, orderBy: $orderBy, first: $first,
    after: $after, last: $last, before: $before) {
    totalCount pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
    nodes { client { name number ownerEmail } bureau { name } clientOrganizationNumber status } } } }"""


async def register_large_bureau(api: Api, database_url: str) -> Person:
    """The owner of a bureau with all clients and consultants."""
    bureau = await register_bureau(api)
    sql = _STATEMENTS.replace("{clients}", str(CLIENTS)).replace("{consultants}", str(CONSULTANTS))
    connection = await connect(database_url)
    try:
        await connection.execute(sql.replace("{bureau}", str(ids.decode("Account", bureau.account_id))))
    finally:
        await connection.close()
    return bureau


async def page(api: Api, by: Person, **arguments: object) -> Any:
    answer = await api.ask(LIST, {"id": by.account_id, **arguments}, by=by)
    assert answer.codes == []
    return answer.data["account"]["engagements"]


async def numbers(api: Api, by: Person, **arguments: object) -> list[int]:
    return [node["client"]["number"] - 100_000 for node in (await page(api, by, **arguments))["nodes"]]


async def test_clients_are_found_sorted_and_filtered_without_a_scan_of_tables(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau = await register_large_bureau(api, database_url)
    statements = Statements(monkeypatch)
    soon = (api.clock() + timedelta(days=30)).isoformat()

    for search, expected in (
        ("lodz", [7]), ("MEBLE łódź", [7]), ("client k0042", [42]), ("K0042 CLIENT", [42]), ("100099", [99]),
        ("556000-0321", [321]), ("5560000321", [321]), ("client nowhere", []), ("%", []),
    ):  # fmt: skip
        assert await numbers(api, bureau, filter={"search": search}) == expected, search
    for filters, expected in (
        ({"withoutConsultant": True}, [1]),
        ({"awaitsPermissions": True}, [2]),
        ({"endsBefore": soon}, [3]),
        ({"withoutConsultant": True, "search": "k0002"}, []),
        ({"side": "CLIENT"}, []),
    ):
        assert await numbers(api, bureau, filter=filters) == expected, filters
    for order, first, last in (
        ("NAME", [1, 2], [3000, 7]), ("NUMBER", [1, 2], [2999, 3000]), ("ENDS_AT", [3, 4], [2999, 3000]),
        ("CREATED_AT", [3000, 2999], [2, 1]),
    ):  # fmt: skip
        assert await numbers(api, bureau, orderBy=order, first=2) == first, order
        assert await numbers(api, bureau, orderBy=order, last=2) == last, order
    totals = await page(api, bureau, filter={"awaitsPermissions": False, "side": "BUREAU"}, first=1)
    assert totals["totalCount"] == CLIENTS - 1

    assert len(statements.sent) > 20
    connection = await connect(database_url)
    # A page reads each client once, with the account or the grants.
    assert max([await rows_read(connection, *statement) for statement in statements.sent]) <= 4 * CLIENTS
    await connection.close()


async def test_all_clients_are_read_by_pages_in_both_directions(api: Api, database_url: str) -> None:
    bureau = await register_large_bureau(api, database_url)
    expected = [number for number in range(1, CLIENTS + 1) if number != 7] + [7]
    forward: list[int] = []
    position: dict[str, object] | None = {}
    while position is not None:
        part = await page(api, bureau, orderBy="NAME", first=100, **position)
        forward += [node["client"]["number"] - 100_000 for node in part["nodes"]]
        position = {"after": part["pageInfo"]["endCursor"]} if part["pageInfo"]["hasNextPage"] else None
    backward: list[int] = []
    position = {}
    while position is not None:
        part = await page(api, bureau, orderBy="NAME", last=100, **position)
        backward = [node["client"]["number"] - 100_000 for node in part["nodes"]] + backward
        position = {"before": part["pageInfo"]["startCursor"]} if part["pageInfo"]["hasPreviousPage"] else None

    assert forward == expected
    assert backward == expected


async def test_users_readers_of_the_bureau_read_the_address_of_a_client_that_engaged_it(api: Api) -> None:
    """A client that has asked, or an active one. On each path the answer is the same: decisions 51 and 60."""
    bureau, anna = await register_pair(api)
    ole = await api.person("ole@example.com", accountName="Ole AS")
    _ = await engage(api, bureau, ole)
    number = (await api.ask("{ accounts { nodes { number } } }", by=bureau)).data["accounts"]["nodes"][0]["number"]
    values = {"clientAccountId": anna.account_id, "bureauNumber": number}
    assert (await api.do("engageBureau", values, by=anna))["errors"] == []
    accountant, _ = await api.guest(bureau, "bo@example.com", "ACCOUNTANT")
    user = "query ($id: ID!) { node(id: $id) { ... on User { email } } }"

    async def addresses(by: Person) -> set[str]:
        answer = await api.ask(LIST, {"id": bureau.account_id}, by=by)
        nodes = answer.data["account"]["engagements"]["nodes"]
        return {node["client"]["ownerEmail"] for node in nodes}

    assert await addresses(bureau) == {anna.email, ole.email}
    answer = await api.ask(LIST, {"id": bureau.account_id}, by=accountant)
    assert answer.codes == ["FORBIDDEN"]
    engagement_ids = [
        ids.encode("Engagement", row.id) for row in await db.fetch("SELECT id FROM engagements ORDER BY id", row=db.Row)
    ]
    for engagement_id in engagement_ids:
        assert (await api.do("endEngagement", {"engagementId": engagement_id}, by=bureau))["errors"] == []
    answer = await api.ask(LIST, {"id": bureau.account_id}, by=bureau)
    assert [node["client"]["ownerEmail"] for node in answer.partial["account"]["engagements"]["nodes"]] == [None, None]
    assert (await api.ask(user, {"id": anna.user_id}, by=bureau)).data["node"] is None


async def test_organization_number_is_compared_only_where_it_is_shown(api: Api) -> None:
    bureau = await register_bureau(api, organizationNumber="923609016", country="NO")
    ole = await api.person("ole@example.com", organizationNumber="974760673", country="NO", accountName="Ole AS")
    _ = await engage(api, bureau, ole)
    by_client, by_bureau = {"search": "974 760 673"}, {"search": "923 609 016"}

    assert [node["clientOrganizationNumber"] for node in (await page(api, bureau, filter=by_client))["nodes"]] == [
        "974760673"
    ]
    assert (await page(api, ole, filter=by_bureau))["nodes"] == []
    row = (await db.fetch("SELECT id FROM engagements", row=db.Row))[0]
    assert (await api.do("endEngagement", {"engagementId": ids.encode("Engagement", row.id)}, by=ole))["errors"] == []
    answer = await api.ask(LIST, {"id": bureau.account_id}, by=bureau)
    assert [node["clientOrganizationNumber"] for node in answer.partial["account"]["engagements"]["nodes"]] == [None]
    assert (await page(api, bureau, filter=by_client))["nodes"] == []
