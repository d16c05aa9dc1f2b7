"""A client gives permissions to every consultant of a bureau, and grants follow them."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from resolvers import ids
from tests.api import Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    account_number,
    add_staff,
    assign,
    can_enter,
    list_engagements,
    register_pair,
    register_trio,
    request_by_bureau,
)
from tests.models.refusals import mails, refusal_codes, rejection

READER = ["ACCOUNT_READ", "DOCUMENTS_READ"]
WRITER = ["ACCOUNT_READ", "DOCUMENTS_READ", "DOCUMENTS_WRITE"]
SELECTION = "engagement { consultantPermissions consultantValidUntil }"


def end_in(api: Api, days: int) -> str:
    return (api.clock() + timedelta(days=days)).isoformat().replace("+00:00", "Z")


async def engagement_id(api: Api, by: Person) -> str:
    return str((await list_engagements(api, by))[0]["id"])


async def give(api: Api, client: Person, permissions: list[str] | None = None, **values: object) -> Any:
    """Change what every consultant may do. Returns the engagement."""
    key = await engagement_id(api, client)
    new_values = {} if permissions is None else {"consultantPermissions": permissions}
    payload = await api.do("updateEngagement", {"engagementId": key, **new_values, **values}, SELECTION, by=client)
    assert payload["errors"] == []
    return payload["engagement"]


async def load_grant(api: Api, client: Person, user: Person) -> tuple[str, list[str], str | None]:
    """The status, the permissions and the end of a consultant's grant at a client."""
    query = """query ($id: ID!) { account(id: $id) { engagements { nodes {
        consultants { user { id } status permissions validUntil } } } } }"""
    answer = await api.ask(query, {"id": client.account_id}, by=client)
    grants = [grant for node in answer.data["account"]["engagements"]["nodes"] for grant in node["consultants"]]
    (grant,) = [grant for grant in grants if grant["user"]["id"] == user.user_id]
    return grant["status"], grant["permissions"], grant["validUntil"]


# ---- Giving ----------------------------------------------------------------------------------


async def test_assigning_makes_an_active_grant_with_what_the_client_gives(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)

    assert await give(api, anna, READER) == {"consultantPermissions": READER, "consultantValidUntil": None}
    (outcome,) = await assign(api, bureau, kari, [anna.account_id])

    assert (outcome["grant"]["status"], outcome["grant"]["permissions"]) == ("ACTIVE", READER)
    assert await can_enter(api, kari, anna.account_id)
    assert len(await mails(bureau.email, "engagement-changed")) == 1
    assert len(await mails(anna.email, "engagement-changed")) == 1
    query = "query ($id: ID!) { account(id: $id) { engagements { nodes { consultantPermissions } } } }"
    for side in (bureau, anna):
        answer = await api.ask(query, {"id": side.account_id}, by=side)
        assert answer.data["account"]["engagements"]["nodes"] == [{"consultantPermissions": READER}]
        events = "query ($id: ID!) { account(id: $id) { events(first: 50) { nodes { type after } } } }"
        nodes = (await api.ask(events, {"id": side.account_id}, by=side)).data["account"]["events"]["nodes"]
        (after,) = [node["after"] for node in nodes if node["type"] == "account:engagement:update"]
        assert after["consultant_permissions"] == READER


async def test_bureau_gets_what_it_asks_for_out_of_what_the_client_gives(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await give(api, anna, WRITER, consultantValidUntil=end_in(api, 30))
    bureau_values = {
        "userId": kari.user_id,
        "permissions": ["DOCUMENTS_READ", "CONTACTS_READ"],
        "validUntil": end_in(api, 60),
    }
    values = {"bureauAccountId": bureau.account_id, "clientAccountIds": [anna.account_id], **bureau_values}

    payload = await api.do("assignConsultant", values, "outcomes { grant { permissions validUntil } }", by=bureau)

    assert payload["outcomes"] == [{"grant": {"permissions": READER, "validUntil": end_in(api, 30)}}]


async def test_client_gives_when_it_requests_and_when_it_accepts(api: Api) -> None:
    bureau, anna = await register_pair(api)
    values = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(bureau)}
    payload = await api.do("engageBureau", {**values, "consultantPermissions": READER}, by=anna)
    assert codes(payload) == []
    key = await engagement_id(api, bureau)
    acceptance = await api.do("acceptEngagement", {"engagementId": key}, SELECTION, by=bureau)
    assert acceptance["engagement"]["consultantPermissions"] == READER
    (mail,) = await mails(bureau.email, "engagement-accepted")
    assert "DOCUMENTS_READ" in mail.params

    ole = await api.person("ole@example.com", accountName="Olsen AS")
    key = await request_by_bureau(api, bureau, ole)
    values = {"engagementId": key, "consultantPermissions": WRITER, "consultantValidUntil": end_in(api, 9)}
    acceptance = await api.do("acceptEngagement", values, SELECTION, by=ole)

    assert acceptance["engagement"] == {"consultantPermissions": WRITER, "consultantValidUntil": end_in(api, 9)}


async def test_request_of_a_client_that_accepts_gives_its_permissions(api: Api) -> None:
    bureau, anna = await register_pair(api)
    _ = await request_by_bureau(api, bureau, anna)
    values = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(bureau)}

    assert codes(await api.do("engageBureau", {**values, "consultantPermissions": READER}, by=anna)) == []

    kari, _ = await add_staff(api, bureau, "kari@example.com")
    (outcome,) = await assign(api, bureau, kari, [anna.account_id])
    assert outcome["grant"]["status"] == "ACTIVE"


async def test_consultants_who_wait_get_what_the_client_gives(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await assign(api, bureau, kari, [anna.account_id])

    await give(api, anna, READER)

    assert await load_grant(api, anna, kari) == ("ACTIVE", READER, None)
    assert len(await mails(kari.email, "grant-changed")) == 1


# ---- Who gives -------------------------------------------------------------------------------


async def test_only_the_client_gives(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    key = await engagement_id(api, anna)
    stranger = await api.person("stig@example.com")
    reader, _ = await api.guest(anna, "rita@example.com", "COLLABORATOR")
    values = {"engagementId": key, "consultantPermissions": READER}

    assert await refusal_codes(api, "updateEngagement", values, by=bureau) == [("INVALID_STATE", ["engagementId"])]
    assert await refusal_codes(api, "updateEngagement", values, by=stranger) == [("NOT_FOUND", ["engagementId"])]
    assert (await rejection(api, "updateEngagement", values, by=reader)).codes == ["FORBIDDEN"]
    assert (await rejection(api, "updateEngagement", values, by=kari)).codes == ["FORBIDDEN"]
    assert (await api.ask(MUTATION, {"input": values})).codes == ["UNAUTHENTICATED"]
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    request = {"bureauAccountId": bureau.account_id, "clientNumber": await account_number(ole)}
    new_values = {**request, "consultantPermissions": READER}
    assert await refusal_codes(api, "engageBureau", new_values, by=bureau) == [("INVALID", ["consultantPermissions"])]
    per = await api.person("per@example.com", accountName="Per AS")
    request = {"clientAccountId": per.account_id, "bureauNumber": await account_number(bureau)}
    assert codes(await api.do("engageBureau", request, by=per)) == []
    (request_node,) = await list_engagements(api, bureau, "filter: { status: [PENDING] }")
    new_values = {"engagementId": request_node["id"], "consultantPermissions": READER}
    assert await refusal_codes(api, "acceptEngagement", new_values, by=bureau) == [
        ("INVALID", ["consultantPermissions"])
    ]

    assert await db.fetch("SELECT 1 AS x FROM engagements WHERE standing_bits IS NOT NULL", row=db.Row) == []


MUTATION = "mutation ($input: UpdateEngagementInput!) { updateEngagement(input: $input) { errors { code } } }"


async def test_users_give_no_more_and_no_longer_than_they_have(api: Api) -> None:
    _, _, anna = await register_trio(api)
    end = end_in(api, 5)
    rights = ["ACCOUNT_READ", "USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]
    ada, _ = await api.guest(anna, "ada@example.com", "CONSULTANT", permissions=rights, grantValidUntil=end)
    base = {"engagementId": await engagement_id(api, anna)}

    excessive = {**base, "consultantPermissions": WRITER, "consultantValidUntil": end}
    endless = {**base, "consultantPermissions": READER}
    assert await refusal_codes(api, "updateEngagement", excessive, by=ada) == [
        ("ROLE_TOO_HIGH", ["consultantPermissions"])
    ]
    assert await refusal_codes(api, "updateEngagement", endless, by=ada) == [
        ("ROLE_TOO_HIGH", ["consultantValidUntil"])
    ]
    await give(api, anna, WRITER)
    removal = {**base, "removeConsultantPermissions": True}
    assert await refusal_codes(api, "updateEngagement", removal, by=ada) == [("ROLE_TOO_HIGH", ["engagementId"])]


@pytest.mark.parametrize("loss", ["revoked", "lowered", "narrowed", "shortened"])
async def test_permissions_are_worth_what_their_giver_could_give(api: Api, loss: str) -> None:
    bureau, kari, anna = await register_trio(api)
    ada, grant_id = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    key = await engagement_id(api, anna)
    values = {"engagementId": key, "consultantPermissions": READER}
    assert codes(await api.do("updateEngagement", values, by=ada)) == []
    end = end_in(api, 3)
    changes: dict[str, tuple[str, dict[str, object]]] = {
        "revoked": ("revokeGrant", {}),
        "lowered": ("updateGrant", {"role": "COLLABORATOR"}),
        "narrowed": ("updateGrant", {"role": "CONSULTANT", "permissions": ["USERS_READ", "USERS_WRITE"]}),
        "shortened": ("updateGrant", {"validUntil": end}),
    }
    mutation, change = changes[loss]
    assert codes(await api.do(mutation, {"grantId": grant_id, **change}, by=anna)) == []

    (outcome,) = await assign(api, bureau, kari, [anna.account_id])

    if loss == "shortened":
        assert (outcome["grant"]["status"], outcome["grant"]["validUntil"]) == ("ACTIVE", end)
        return
    assert outcome["grant"]["status"] == "AWAITING_PERMISSIONS"
    query = "query ($id: ID!) { node(id: $id) { ... on Engagement { consultantPermissions } } }"
    assert (await api.ask(query, {"id": key}, by=bureau)).data["node"] == {"consultantPermissions": None}
    await give(api, anna, READER)
    assert (await load_grant(api, anna, kari))[:2] == ("ACTIVE", READER)


# ---- Changing and taking back ----------------------------------------------------------------


async def test_grants_follow_each_change_at_once(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await give(api, anna, WRITER)
    await assign(api, bureau, kari, [anna.account_id])
    query = """query ($id: ID!) { account(id: $id) { viewerCan(permission: DOCUMENTS_READ) { allowed } } }"""

    end = end_in(api, 7)
    await give(api, anna, READER, consultantValidUntil=end)
    assert await load_grant(api, anna, kari) == ("ACTIVE", READER, end)
    await give(api, anna, WRITER, removeConsultantEnd=True)
    assert await load_grant(api, anna, kari) == ("ACTIVE", WRITER, None)
    assert (await api.ask(query, {"id": anna.account_id}, by=kari)).data["account"]["viewerCan"] == {"allowed": True}
    assert await give(api, anna, removeConsultantPermissions=True) == {
        "consultantPermissions": None,
        "consultantValidUntil": None,
    }

    assert await load_grant(api, anna, kari) == ("AWAITING_PERMISSIONS", [], None)
    assert not await can_enter(api, kari, anna.account_id)


async def test_grant_that_the_client_changed_alone_stays(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    await give(api, anna, WRITER)
    for user in (kari, nils):
        await assign(api, bureau, user, [anna.account_id])
    rows = {ids.encode("User", row.user_id): row for row in await Grant.filter(engagement_id__isnull=False)}
    single = {"grantId": ids.encode("Grant", rows[kari.user_id].id), "permissions": ["CONTACTS_READ"]}
    assert codes(await api.do("updateGrant", single, by=anna)) == []
    end = end_in(api, 4)
    shorter = {"grantId": ids.encode("Grant", rows[nils.user_id].id), "validUntil": end}
    assert codes(await api.do("updateGrant", shorter, by=anna)) == []

    await give(api, anna, READER)

    assert await load_grant(api, anna, kari) == ("ACTIVE", ["ACCOUNT_READ", "CONTACTS_READ"], None)
    assert await load_grant(api, anna, nils) == ("ACTIVE", READER, end)


async def test_expired_permissions_are_not_given(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await give(api, anna, READER, consultantValidUntil=end_in(api, 2))
    api.clock.now += timedelta(days=2)

    (outcome,) = await assign(api, bureau, kari, [anna.account_id])

    assert outcome["grant"]["status"] == "AWAITING_PERMISSIONS"


async def test_null_changes_nothing(api: Api) -> None:
    _, _, anna = await register_trio(api)
    end = end_in(api, 8)
    new_values = await give(api, anna, READER, consultantValidUntil=end)
    nulls = dict.fromkeys(("consultantPermissions", "consultantValidUntil", "removeConsultantPermissions"))

    engagement_after = await give(api, anna, **nulls, removeConsultantEnd=None)

    assert new_values == engagement_after == {"consultantPermissions": READER, "consultantValidUntil": end}


async def test_invalid_changes_are_refused(api: Api) -> None:
    _, _, anna = await register_trio(api)
    base = {"engagementId": await engagement_id(api, anna)}
    cases: list[tuple[dict[str, object], str, str]] = [
        ({"consultantPermissions": []}, "REQUIRED", "consultantPermissions"),
        ({"consultantValidUntil": end_in(api, 2)}, "REQUIRED", "consultantPermissions"),
        ({"consultantPermissions": ["OWNERSHIP"]}, "INVALID", "consultantPermissions"),
        ({"consultantPermissions": ["DOCUMENTS_WRITE"]}, "INVALID", "consultantPermissions"),
        (
            {"consultantPermissions": READER, "consultantValidUntil": end_in(api, -1)},
            "OUT_OF_RANGE",
            "consultantValidUntil",
        ),
        (
            {"consultantPermissions": READER, "removeConsultantPermissions": True},
            "INVALID",
            "removeConsultantPermissions",
        ),
    ]

    for values, code, field in cases:
        assert await refusal_codes(api, "updateEngagement", {**base, **values}, by=anna) == [(code, [field])]
    assert codes(await api.do("endEngagement", base, by=anna)) == []
    end_values = {**base, "consultantPermissions": READER}
    assert await refusal_codes(api, "updateEngagement", end_values, by=anna) == [("INVALID_STATE", ["engagementId"])]


# ---- Replacing -------------------------------------------------------------------------------


async def test_replacement_gets_what_the_client_gives(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    await give(api, anna, WRITER)
    await assign(api, bureau, kari, [anna.account_id], ["DOCUMENTS_READ"])
    values = {"bureauAccountId": bureau.account_id, "fromUserId": kari.user_id, "toUserId": nils.user_id}

    assert codes(await api.do("replaceConsultant", values, by=bureau)) == []

    assert await load_grant(api, anna, nils) == ("ACTIVE", READER, None)
    await give(api, anna, ["CONTACTS_READ"])
    assert await load_grant(api, anna, nils) == ("ACTIVE", ["ACCOUNT_READ"], None)
