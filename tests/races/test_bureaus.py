"""Engagements and consultants, when their ends meet their beginnings.

Whatever comes first, at the end no grant is live that hangs on nothing, and nobody has waited for
somebody who waits for him: a deadlock would be an error of the answer.
"""

from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person
from tests.models.bureaus.bureau_setup import bureau, engaged, engagements, number_of, staff
from tests.races.racing import ROUNDS, at_once, outcome

LOOSE = """
SELECT g.id FROM grants g JOIN engagements e ON e.id = g.engagement_id
WHERE g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (e.status <> 'ACTIVE' OR NOT EXISTS (
    SELECT FROM grants b WHERE b.account_id = e.bureau_id AND b.user_id = g.user_id AND b.status = 'ACTIVE'
        AND COALESCE(b.valid_until, 'infinity') >= COALESCE(g.valid_until, 'infinity')))
"""


async def loose() -> int:
    """How many live grants hang on an engagement, or on a grant on a bureau, that is over or ends sooner."""
    return len(await db.fetch(LOOSE, row=db.Row))


async def trio(api: Api, clients: int = 1) -> tuple[Person, Person, str, list[Person]]:
    """A bureau, one of its staff, his grant on it, and clients, older and younger than the bureau."""
    older = [await api.person(f"older{place}@example.com") for place in range(clients // 2)]
    biuro = await bureau(api)
    kari, grant = await staff(api, biuro, "kari@example.com")
    younger = [await api.person(f"younger{place}@example.com") for place in range(clients - clients // 2)]
    for client in (*older, *younger):
        await engaged(api, biuro, client)
    return biuro, kari, grant, [*older, *younger]


def assign(api: Api, biuro: Person, kari: Person, clients: list[Person]) -> Any:
    keys = [client.account_id for client in clients]
    given = {"bureauAccountId": biuro.account_id, "userId": kari.user_id, "clientAccountIds": keys}
    return api.do("assignConsultant", given, "outcomes { grant { id } errors { code } }", by=biuro)


def refusals(payload: dict[str, Any]) -> set[str]:
    return {error["code"] for one in payload.get("outcomes", []) for error in one["errors"]}


@pytest.mark.parametrize("by_client", [True, False])
async def test_an_engagement_that_ends_leaves_no_consultant_behind(api: Api, by_client: bool) -> None:  # noqa: FBT001 - a parameter
    biuro, kari, _, (client,) = await trio(api)
    for _ in range(ROUNDS):
        (found,) = await engagements(api, biuro, "first: 10, filter: { status: [ACTIVE] }")

        assigned, ended = await at_once(
            assign(api, biuro, kari, [client]),
            api.do("endEngagement", {"engagementId": found["id"]}, by=client if by_client else biuro),
        )

        assert outcome(ended) == outcome(assigned) == "done"
        assert refusals(assigned) <= {"NOT_FOUND"}
        assert await loose() == 0
        await engaged(api, biuro, client)


async def test_a_consultant_who_leaves_while_he_is_assigned_has_nothing_left(api: Api) -> None:
    biuro, kari, base, clients = await trio(api, 4)
    for _ in range(ROUNDS):
        first, second, revoked = await at_once(
            assign(api, biuro, kari, clients),
            assign(api, biuro, kari, clients[::-1]),
            api.do("revokeGrant", {"grantId": base}, by=biuro),
        )

        assert outcome(revoked) == "done"
        assert {outcome(first), outcome(second)} <= {"done", "NOT_FOUND"}
        assert refusals(first) | refusals(second) <= {"NOT_FOUND", "ALREADY_MEMBER"}
        assert await loose() == 0
        assert (await api.do("restoreGrant", {"grantId": base}, by=biuro))["errors"] == []
        assert await loose() == 0


async def test_leaving_meets_what_clients_do_without_deadlock(api: Api) -> None:
    biuro, kari, base, clients = await trio(api, 4)
    for _ in range(ROUNDS):
        done = await assign(api, biuro, kari, clients)
        grants = [one["grant"]["id"] for one in done["outcomes"]]
        given = {"permissions": ["DOCUMENTS_READ"]}

        *changed, revoked = await at_once(
            api.do("updateGrant", {"grantId": grants[0], **given}, by=clients[0]),
            api.do("revokeGrant", {"grantId": grants[1]}, by=clients[1]),
            api.do("resignGrant", {"grantId": grants[2]}, by=kari),
            api.do("updateGrant", {"grantId": base, "validUntil": None}, by=biuro),
            api.do("revokeGrant", {"grantId": base}, by=biuro),
        )

        assert outcome(revoked) == "done"
        assert {outcome(one) for one in changed} <= {"done", "INVALID_STATE"}
        assert await loose() == 0
        restored, given_again = await at_once(
            api.do("restoreGrant", {"grantId": grants[1]}, by=clients[1]),
            api.do("restoreGrant", {"grantId": base}, by=biuro),
        )
        assert outcome(given_again) == "done"
        assert outcome(restored) in {"done", "INVALID_STATE"}
        assert await loose() == 0
        await db.execute("UPDATE grants SET status = 'RESIGNED' WHERE engagement_id IS NOT NULL")


async def test_two_bureaus_that_are_each_others_clients_do_not_deadlock(api: Api) -> None:
    one, two = await bureau(api, "one@example.com"), await bureau(api, "two@example.com")
    pairs = []
    for own, other, email in ((one, two, "kari@example.com"), (two, one, "nils@example.com")):
        user, base = await staff(api, own, email)
        await engaged(api, own, other)
        pairs.append((own, other, user, base))
    for _ in range(ROUNDS):
        await at_once(*(assign(api, own, user, [other]) for own, other, user, _ in pairs))

        done = await at_once(
            *(api.do("revokeGrant", {"grantId": base}, by=own) for own, _, _, base in pairs),
            *(assign(api, own, user, [other]) for own, other, user, _ in pairs),
        )

        assert {outcome(payload) for payload in done} <= {"done", "NOT_FOUND"}
        assert await loose() == 0
        for own, _, _, base in pairs:
            assert (await api.do("restoreGrant", {"grantId": base}, by=own))["errors"] == []


async def test_two_who_ask_each_other_at_once_have_one_engagement(api: Api) -> None:
    biuro, client = await bureau(api), await api.person("anna@example.com")
    by_bureau = {"bureauAccountId": biuro.account_id, "clientNumber": await number_of(client)}
    by_client = {"clientAccountId": client.account_id, "bureauNumber": await number_of(biuro)}
    for _ in range(ROUNDS):
        done = await at_once(api.do("engageBureau", by_bureau, by=biuro), api.do("engageBureau", by_client, by=client))

        assert [outcome(payload) for payload in done] == ["done", "done"]
        sql = "SELECT id, status FROM engagements WHERE status IN ('PENDING', 'ACTIVE')"
        (row,) = await db.fetch(sql, row=db.Row)
        assert row.status == "ACTIVE"
        key = ids.encode("Engagement", row.id)
        ended = await at_once(*(api.do("endEngagement", {"engagementId": key}, by=by) for by in (biuro, client)))
        assert sorted(map(outcome, ended)) == ["INVALID_STATE", "done"]
