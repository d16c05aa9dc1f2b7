"""Races between operations on engagements, consultants and base grants.

In any order, no derived grant stays live without an active engagement and an active base grant. A deadlock would be an
error in the response.
"""

from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person
from tests.models.bureaus.bureau_setup import account_number, add_staff, engage, list_engagements, register_bureau
from tests.races.rounds import ROUNDS, outcome, run_concurrently

INVALID_DERIVED_GRANTS = """
SELECT g.id FROM grants g JOIN engagements e ON e.id = g.engagement_id
WHERE g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (e.status <> 'ACTIVE' OR NOT EXISTS (
    SELECT FROM grants b WHERE b.account_id = e.bureau_id AND b.user_id = g.user_id AND b.status = 'ACTIVE'
        AND COALESCE(b.valid_until, 'infinity') >= COALESCE(g.valid_until, 'infinity')))
"""


async def count_invalid_derived_grants() -> int:
    """The number of live derived grants whose engagement or base grant has ended or ends earlier."""
    return len(await db.fetch(INVALID_DERIVED_GRANTS, row=db.Row))


async def register_bureau_with_clients(api: Api, client_count: int = 1) -> tuple[Person, Person, str, list[Person]]:
    """Register a bureau, a consultant, and engaged clients. Half of the clients are older than the bureau."""
    older = [await api.person(f"older{index}@example.com") for index in range(client_count // 2)]
    bureau = await register_bureau(api)
    consultant, base_grant_id = await add_staff(api, bureau, "kari@example.com")
    younger = [await api.person(f"younger{index}@example.com") for index in range(client_count - client_count // 2)]
    for client in (*older, *younger):
        await engage(api, bureau, client)
    return bureau, consultant, base_grant_id, [*older, *younger]


def assign_consultant(api: Api, bureau: Person, consultant: Person, clients: list[Person]) -> Any:
    client_ids = [client.account_id for client in clients]
    assign_input = {"bureauAccountId": bureau.account_id, "userId": consultant.user_id, "clientAccountIds": client_ids}
    return api.do("assignConsultant", assign_input, "outcomes { grant { id } errors { code } }", by=bureau)


def outcome_codes(payload: dict[str, Any]) -> set[str]:
    return {error["code"] for outcome_row in payload.get("outcomes", []) for error in outcome_row["errors"]}


@pytest.mark.parametrize("by_client", [True, False])
async def test_end_of_engagement_concurrent_with_assignment_leaves_no_grant(api: Api, by_client: bool) -> None:  # noqa: FBT001 - a parameter
    bureau, kari, _, (client,) = await register_bureau_with_clients(api)
    for _ in range(ROUNDS):
        (engagement,) = await list_engagements(api, bureau, "first: 10, filter: { status: [ACTIVE] }")

        assign_payload, end_payload = await run_concurrently(
            assign_consultant(api, bureau, kari, [client]),
            api.do("endEngagement", {"engagementId": engagement["id"]}, by=client if by_client else bureau),
        )

        assert outcome(end_payload) == outcome(assign_payload) == "done"
        assert outcome_codes(assign_payload) <= {"NOT_FOUND"}
        assert await count_invalid_derived_grants() == 0
        await engage(api, bureau, client)


async def test_end_of_base_grant_concurrent_with_assignments_leaves_no_grant(api: Api) -> None:
    bureau, kari, base_grant_id, clients = await register_bureau_with_clients(api, 4)
    for _ in range(ROUNDS):
        first_payload, second_payload, revoke_payload = await run_concurrently(
            assign_consultant(api, bureau, kari, clients),
            assign_consultant(api, bureau, kari, clients[::-1]),
            api.do("revokeGrant", {"grantId": base_grant_id}, by=bureau),
        )

        assert outcome(revoke_payload) == "done"
        assert {outcome(first_payload), outcome(second_payload)} <= {"done", "NOT_FOUND"}
        assert outcome_codes(first_payload) | outcome_codes(second_payload) <= {"NOT_FOUND", "ALREADY_MEMBER"}
        assert await count_invalid_derived_grants() == 0
        assert (await api.do("restoreGrant", {"grantId": base_grant_id}, by=bureau))["errors"] == []
        assert await count_invalid_derived_grants() == 0


async def test_end_of_base_grant_concurrent_with_changes_by_clients_does_not_deadlock(api: Api) -> None:
    bureau, kari, base_grant_id, clients = await register_bureau_with_clients(api, 4)
    for _ in range(ROUNDS):
        assign_payload = await assign_consultant(api, bureau, kari, clients)
        grants = [payload["grant"]["id"] for payload in assign_payload["outcomes"]]
        permissions_input = {"permissions": ["DOCUMENTS_READ"]}

        *change_payloads, revoke_payload = await run_concurrently(
            api.do("updateGrant", {"grantId": grants[0], **permissions_input}, by=clients[0]),
            api.do("revokeGrant", {"grantId": grants[1]}, by=clients[1]),
            api.do("resignGrant", {"grantId": grants[2]}, by=kari),
            api.do("updateGrant", {"grantId": base_grant_id, "removeEnd": True}, by=bureau),
            api.do("revokeGrant", {"grantId": base_grant_id}, by=bureau),
        )

        assert outcome(revoke_payload) == "done"
        assert {outcome(payload) for payload in change_payloads} <= {"done", "INVALID_STATE"}
        assert await count_invalid_derived_grants() == 0
        restore_payload, base_payload = await run_concurrently(
            api.do("restoreGrant", {"grantId": grants[1]}, by=clients[1]),
            api.do("restoreGrant", {"grantId": base_grant_id}, by=bureau),
        )
        assert outcome(base_payload) == "done"
        assert outcome(restore_payload) in {"done", "INVALID_STATE"}
        assert await count_invalid_derived_grants() == 0
        await db.execute("UPDATE grants SET status = 'RESIGNED' WHERE engagement_id IS NOT NULL")


async def test_mutual_clients_do_not_deadlock(api: Api) -> None:
    first_bureau, second_bureau = (
        await register_bureau(api, "one@example.com"),
        await register_bureau(api, "two@example.com"),
    )
    pairs = []
    for bureau, client, email in (
        (first_bureau, second_bureau, "kari@example.com"),
        (second_bureau, first_bureau, "nils@example.com"),
    ):
        user, base_grant_id = await add_staff(api, bureau, email)
        await engage(api, bureau, client)
        pairs.append((bureau, client, user, base_grant_id))
    for _ in range(ROUNDS):
        await run_concurrently(*(assign_consultant(api, bureau, user, [client]) for bureau, client, user, _ in pairs))

        payloads = await run_concurrently(
            *(api.do("revokeGrant", {"grantId": base_grant_id}, by=bureau) for bureau, _, _, base_grant_id in pairs),
            *(assign_consultant(api, bureau, user, [client]) for bureau, client, user, _ in pairs),
        )

        assert {outcome(payload) for payload in payloads} <= {"done", "NOT_FOUND"}
        assert await count_invalid_derived_grants() == 0
        for bureau, _, _, base_grant_id in pairs:
            assert (await api.do("restoreGrant", {"grantId": base_grant_id}, by=bureau))["errors"] == []


async def test_concurrent_mutual_requests_create_one_active_engagement(api: Api) -> None:
    bureau, client = await register_bureau(api), await api.person("anna@example.com")
    by_bureau = {"bureauAccountId": bureau.account_id, "clientNumber": await account_number(client)}
    by_client = {"clientAccountId": client.account_id, "bureauNumber": await account_number(bureau)}
    for _ in range(ROUNDS):
        payloads = await run_concurrently(
            api.do("engageBureau", by_bureau, by=bureau), api.do("engageBureau", by_client, by=client)
        )

        assert [outcome(payload) for payload in payloads] == ["done", "done"]
        sql = "SELECT id, status FROM engagements WHERE status IN ('PENDING', 'ACTIVE')"
        (row,) = await db.fetch(sql, row=db.Row)
        assert row.status == "ACTIVE"
        engagement_id = ids.encode("Engagement", row.id)
        end_payloads = await run_concurrently(
            *(api.do("endEngagement", {"engagementId": engagement_id}, by=by) for by in (bureau, client))
        )
        assert sorted(map(outcome, end_payloads)) == ["INVALID_STATE", "done"]
