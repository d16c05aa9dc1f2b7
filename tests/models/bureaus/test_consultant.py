"""Consultants: assignment to several clients, permissions, unassignment and replacement."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from resolvers import ids
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    add_staff,
    assign,
    assign_with_permissions,
    can_enter,
    engage,
    list_consultants,
    list_engagements,
    register_bureau,
    register_trio,
    request_by_bureau,
)
from tests.models.refusals import attempt, mails, refusal_codes, rejection

NOT_FOUND = [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}]
ALREADY_MEMBER = [{"code": "ALREADY_MEMBER", "field": ["clientAccountIds"]}]


# ---- Assigning -------------------------------------------------------------------------------


async def test_assigned_consultant_waits_until_client_grants_permissions(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)

    (outcome,) = await assign(api, bureau, kari, [anna.account_id], ["ACCOUNT_READ", "DOCUMENTS_READ"])

    assert outcome["clientAccountId"] == anna.account_id
    assert outcome["errors"] == []
    assert (outcome["grant"]["status"], outcome["grant"]["permissions"]) == ("AWAITING_PERMISSIONS", [])
    consultant = {"user": {"name": "Bo Berg", "email": kari.email}, "accountName": "Nowak AS"}
    expected_consultant = {**consultant, "status": "AWAITING_PERMISSIONS", "permissions": []}
    assert await list_consultants(api, anna) == await list_consultants(api, bureau) == [[expected_consultant]]
    assert not await can_enter(api, kari, anna.account_id)
    assert len(await mails(anna.email, "consultant-assigned")) == 1

    update_payload = await api.do("updateGrant", {"grantId": outcome["grant"]["id"], "removeEnd": True}, by=anna)
    assert codes(update_payload) == []
    assert not await can_enter(api, kari, anna.account_id)
    arguments = {"grantId": outcome["grant"]["id"], "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}
    payload = await api.do("updateGrant", arguments, "grant { status permissions }", by=anna)

    assert payload["grant"] == {"status": "ACTIVE", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}
    assert await can_enter(api, kari, anna.account_id)
    accounts = await api.ask("{ viewer { accounts { nodes { name viewerGrant { role } } } } }", by=kari)
    assert {"name": "Nowak AS", "viewerGrant": {"role": "CONSULTANT"}} in accounts.data["viewer"]["accounts"]["nodes"]


async def test_caller_with_access_to_client_grants_at_once_but_no_more_than_own_permissions(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    ada, _ = await api.guest(anna, "ada@example.com", "CONSULTANT", permissions=WRITER_PERMISSIONS)
    payload = await api.do(
        "inviteUser", {"accountId": bureau.account_id, "email": ada.email, "role": "ADMINISTRATOR"}, by=bureau
    )
    assert codes(payload) == []
    await api.do("acceptInvitation", {"token": await api.link(ada.email, "invitation")}, by=ada)
    ada = Person(ada.email, ada.token, ada.user_id, bureau.account_id)

    (excessive,) = await assign(api, ada, kari, [anna.account_id], ["DOCUMENTS_READ", "DOCUMENTS_DELETE"])
    (sufficient,) = await assign(api, ada, kari, [anna.account_id], ["DOCUMENTS_READ"])

    assert excessive["grant"] is None
    assert excessive["errors"] == [{"code": "ROLE_TOO_HIGH", "field": ["permissions"]}]
    assert sufficient["grant"]["status"] == "ACTIVE"
    assert sufficient["grant"]["permissions"] == ["ACCOUNT_READ", "DOCUMENTS_READ"]
    assert await can_enter(api, kari, anna.account_id)


WRITER_PERMISSIONS = ["ACCOUNT_READ", "USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]


async def test_assigning_again_with_permissions_completes_a_waiting_grant(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    (waiting,) = await assign(api, bureau, kari, [anna.account_id])
    ada, _ = await api.guest(bureau, "ada@example.com", "ADMINISTRATOR")
    writer = {"accountId": anna.account_id, "email": ada.email, "role": "CONSULTANT", "permissions": WRITER_PERMISSIONS}
    assert codes(await api.do("inviteUser", writer, by=anna)) == []
    await api.do("acceptInvitation", {"token": await api.link(ada.email, "invitation")}, by=ada)
    ada = Person(ada.email, ada.token, ada.user_id, bureau.account_id)
    end = (api.clock() + timedelta(days=4)).isoformat().replace("+00:00", "Z")

    # The bureau's owner has no right at the client, and ada does not have each one.
    assert [
        outcome["errors"] for outcome in await assign(api, bureau, kari, [anna.account_id], ["DOCUMENTS_READ"])
    ] == [ALREADY_MEMBER]
    (excessive,) = await assign(api, ada, kari, [anna.account_id], ["DOCUMENTS_READ", "DOCUMENTS_DELETE"])
    assert excessive["errors"] == [{"code": "ROLE_TOO_HIGH", "field": ["permissions"]}]
    assert not await can_enter(api, kari, anna.account_id)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    values |= {"permissions": ["DOCUMENTS_READ"], "validUntil": end}
    selection = "outcomes { grant { id status permissions validUntil } errors { code } }"
    payload = await api.do("assignConsultant", values, selection, by=ada)

    assert payload["outcomes"] == [
        {
            "grant": {
                "id": waiting["grant"]["id"],
                "status": "ACTIVE",
                "permissions": ["ACCOUNT_READ", "DOCUMENTS_READ"],
                "validUntil": end,
            },
            "errors": [],
        }
    ]
    assert len(await mails(anna.email, "consultant-assigned")) == 2
    assert len(await mails(kari.email, "grant-changed")) == 1
    again = await api.do("assignConsultant", values, "outcomes { errors { code field } }", by=ada)
    assert again["outcomes"] == [{"errors": ALREADY_MEMBER}]


async def test_waiting_grant_is_completed_once_by_two_at_once(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await assign(api, bureau, kari, [anna.account_id])
    values = {"accountId": anna.account_id, "email": bureau.email, "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", values, by=anna)) == []
    await api.do("acceptInvitation", {"token": await api.link(bureau.email, "invitation")}, by=bureau)

    outcomes = await asyncio.gather(*(assign(api, bureau, kari, [anna.account_id], ["DOCUMENTS_READ"]) for _ in "ab"))

    assert sorted((outcome["errors"] for (outcome,) in outcomes), key=len) == [[], ALREADY_MEMBER]
    assert len(await mails(kari.email, "grant-changed")) == 1


async def test_end_of_an_assignment_is_in_the_future(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    past = (api.clock() - timedelta(days=1)).isoformat()

    assert await refusal_codes(api, "assignConsultant", {**values, "validUntil": past}, by=bureau) == [
        ("OUT_OF_RANGE", ["validUntil"])
    ]
    assert codes(await api.do("assignConsultant", {**values, "validUntil": None}, by=bureau)) == []


async def test_consultant_of_a_bureau_of_the_bureau_cannot_be_assigned(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await assign_with_permissions(api, bureau, kari, anna)
    assert codes(await api.do("changeAccountKind", {"accountId": anna.account_id, "kind": "BUREAU"}, by=anna)) == []
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await request_and_accept(api, anna, ole)
    values = {"bureauAccountId": anna.account_id, "userId": kari.user_id, "clientAccountIds": [ole.account_id]}

    assert await refusal_codes(api, "assignConsultant", values, by=anna) == [("NOT_FOUND", ["userId"])]


async def request_and_accept(api: Api, bureau: Person, client: Person) -> None:
    engagement_id = await request_by_bureau(api, bureau, client)
    assert codes(await api.do("acceptEngagement", {"engagementId": engagement_id}, by=client)) == []


async def test_each_client_has_its_own_outcome(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engage(api, bureau, ole)
    stranger = await api.person("stig@example.com")
    pending_client = await api.person("ask@example.com")
    arguments = {"bureauAccountId": bureau.account_id, "clientAccountId": pending_client.account_id}
    assert codes(await api.do("engageBureau", arguments, by=bureau)) == []
    await assign_with_permissions(api, bureau, kari, ole)
    client_ids = [
        ole.account_id,
        stranger.account_id,
        UNKNOWN_ID,
        "x",
        pending_client.account_id,
        bureau.account_id,
        anna.account_id,
    ]

    outcomes = await assign(api, bureau, kari, [*client_ids, anna.account_id])

    assert [outcome["clientAccountId"] for outcome in outcomes] == client_ids
    assert [outcome["errors"] for outcome in outcomes] == [ALREADY_MEMBER, *[NOT_FOUND] * 5, []]
    assert [bool(outcome["grant"]) for outcome in outcomes] == [False] * 6 + [True]


async def test_only_users_of_the_bureau_can_be_assigned(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    stranger = await api.person("stig@example.com")
    former, former_grant = await add_staff(api, bureau, "former@example.com")
    await api.do("revokeGrant", {"grantId": former_grant}, by=bureau)
    idle, _ = await add_staff(api, bureau, "idle@example.com", "CONSULTANT")
    base_input = {"bureauAccountId": bureau.account_id, "clientAccountIds": [anna.account_id]}

    for user_id in (stranger.user_id, former.user_id, idle.user_id, anna.user_id, UNKNOWN_ID, "x"):
        assert await refusal_codes(api, "assignConsultant", {**base_input, "userId": user_id}, by=bureau) == [
            ("NOT_FOUND", ["userId"])
        ]
    for mutation in ("assignConsultant", "unassignConsultant"):
        empty_input = {**base_input, "userId": kari.user_id, "clientAccountIds": []}
        assert await refusal_codes(api, mutation, empty_input, by=bureau) == [("REQUIRED", ["clientAccountIds"])]
        long_input = {**empty_input, "clientAccountIds": [anna.account_id] * 101}
        assert (await rejection(api, mutation, long_input, by=bureau)).codes == ["BAD_USER_INPUT"]
    invalid_input = {**base_input, "userId": kari.user_id, "permissions": ["OWNERSHIP", "ACCOUNT_READ"]}
    assert await refusal_codes(api, "assignConsultant", invalid_input, by=bureau) == [("INVALID", ["permissions"])]


@pytest.mark.parametrize("mutation", ["assignConsultant", "unassignConsultant", "replaceConsultant"])
async def test_assignment_requires_permission_in_the_bureau(api: Api, mutation: str) -> None:
    bureau, kari, anna = await register_trio(api)
    assign_input = {"userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    replace_input = {"fromUserId": kari.user_id, "toUserId": bureau.user_id}
    arguments = {
        "bureauAccountId": bureau.account_id,
        **(replace_input if mutation == "replaceConsultant" else assign_input),
    }

    assert (await rejection(api, mutation, arguments, by=kari)).codes == ["FORBIDDEN"]
    assert await refusal_codes(api, mutation, arguments, by=anna) == [("NOT_FOUND", ["bureauAccountId"])]
    assert (await attempt(api, mutation, arguments)).codes == ["UNAUTHENTICATED"]


async def test_client_cannot_assign_and_bureau_cannot_grant(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    (outcome,) = await assign(api, bureau, kari, [anna.account_id])
    grant = outcome["grant"]["id"]

    assert await refusal_codes(
        api, "updateGrant", {"grantId": grant, "permissions": ["DOCUMENTS_READ"]}, by=bureau
    ) == [("NOT_FOUND", ["grantId"])]
    arguments = {"bureauAccountId": anna.account_id, "userId": anna.user_id, "clientAccountIds": [bureau.account_id]}
    payload = await api.do("assignConsultant", arguments, "outcomes { errors { code field } }", by=anna)
    assert payload == {"outcomes": [{"errors": NOT_FOUND}], "errors": []}


# ---- Clients of a consultant -----------------------------------------------------------------


async def list_client_names(api: Api, by: Person, user: Person) -> list[str]:
    query = "query ($id: ID!) { viewer { accounts(filter: { consultantId: $id }) { totalCount nodes { name } } } }"
    connection = (await api.ask(query, {"id": user.user_id}, by=by)).data["viewer"]["accounts"]
    assert connection["totalCount"] == len(connection["nodes"])
    return [node["name"] for node in connection["nodes"]]


async def test_filter_by_consultant_requires_users_read_in_the_bureau(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    engagement_id = await engage(api, bureau, ole)
    clerk, _ = await add_staff(api, bureau, "clerk@example.com")
    chief, _ = await add_staff(api, bureau, "chief@example.com", "COLLABORATOR")
    await assign_with_permissions(api, bureau, kari, anna)
    for colleague in (clerk, chief):
        await assign_with_permissions(api, bureau, colleague, anna)
        await assign_with_permissions(api, bureau, colleague, ole)

    assert await list_client_names(api, kari, kari) == ["Nowak AS"]
    assert await list_client_names(api, chief, kari) == ["Nowak AS"]
    assert sorted(await list_client_names(api, chief, clerk)) == ["Nowak AS", "Olsen AS"]
    assert await list_client_names(api, clerk, kari) == []
    assert await list_client_names(api, anna, kari) == []
    nodes = await list_engagements(api, bureau, f'filter: {{ consultantId: "{kari.user_id}" }}')
    assert [node["client"]["name"] for node in nodes] == ["Nowak AS"]
    await api.do("endEngagement", {"engagementId": engagement_id}, by=ole)
    assert await list_client_names(api, chief, clerk) == ["Nowak AS"]


async def test_grant_at_client_is_visible_to_users_readers_of_the_bureau_only(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    clerk, _ = await add_staff(api, bureau, "clerk@example.com")
    other_bureau = await register_bureau(api, "other@example.com")
    await engage(api, other_bureau, anna)
    grant = await assign_with_permissions(api, bureau, kari, anna)
    query = "query ($id: ID!) { node(id: $id) { ... on Grant { accountName account { name } } } }"

    async def load(by: Person) -> Any:
        return (await api.ask(query, {"id": grant}, by=by)).data["node"]

    assert await load(anna) == await load(kari) == {"accountName": "Nowak AS", "account": {"name": "Nowak AS"}}
    assert await load(bureau) == {"accountName": "Nowak AS", "account": None}
    assert [await load(by) for by in (clerk, other_bureau)] == [None, None]


# ---- Replacement -----------------------------------------------------------------------------


async def test_replacement_keeps_permissions_status_and_end_where_the_caller_may_give_them(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    invite_input = {"accountId": anna.account_id, "email": bureau.email, "role": "ADMINISTRATOR"}
    await api.do("inviteUser", invite_input, by=anna)
    await api.do("acceptInvitation", {"token": await api.link(bureau.email, "invitation")}, by=bureau)
    names = ("ole", "per")
    ole, per = [await api.person(f"{name}@example.com", accountName=f"{name} AS") for name in names]
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    for client in (ole, per):
        await engage(api, bureau, client)
    grant = await assign_with_permissions(api, bureau, kari, anna, ["CONTACTS_READ"])
    end = (api.clock() + timedelta(days=4)).isoformat().replace("+00:00", "Z")
    await api.do("updateGrant", {"grantId": grant, "validUntil": end}, by=anna)
    await assign(api, bureau, kari, [ole.account_id])
    await assign_with_permissions(api, bureau, kari, per)
    await assign_with_permissions(api, bureau, nils, per)
    arguments = {"bureauAccountId": bureau.account_id, "fromUserId": kari.user_id, "toUserId": nils.user_id}
    selection = "outcomes { clientAccountId grant { status permissions validUntil user { id } } errors { code field } }"

    payload = await api.do("replaceConsultant", arguments, selection, by=bureau)

    outcomes = {outcome["clientAccountId"]: outcome for outcome in payload["outcomes"]}
    user = {"id": nils.user_id}
    moved_grant = {
        "status": "ACTIVE",
        "permissions": ["ACCOUNT_READ", "CONTACTS_READ"],
        "validUntil": end,
        "user": user,
    }
    waiting_grant: dict[str, Any] = {
        "status": "AWAITING_PERMISSIONS",
        "permissions": [],
        "validUntil": None,
        "user": user,
    }
    assert outcomes == {
        anna.account_id: {"clientAccountId": anna.account_id, "grant": moved_grant, "errors": []},
        ole.account_id: {"clientAccountId": ole.account_id, "grant": waiting_grant, "errors": []},
        per.account_id: {"clientAccountId": per.account_id, "grant": None, "errors": ALREADY_MEMBER},
    }
    assert [await can_enter(api, kari, client.account_id) for client in (anna, ole, per)] == [False, False, True]
    assert await can_enter(api, nils, anna.account_id)


async def test_replacement_by_same_user_or_outsider_is_refused(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await assign_with_permissions(api, bureau, kari, anna)
    base_input = {"bureauAccountId": bureau.account_id, "fromUserId": kari.user_id}

    same_user_codes = await refusal_codes(api, "replaceConsultant", {**base_input, "toUserId": kari.user_id}, by=bureau)
    outsider_codes = await refusal_codes(api, "replaceConsultant", {**base_input, "toUserId": anna.user_id}, by=bureau)

    assert same_user_codes == [("INVALID", ["toUserId"])]
    assert outsider_codes == [("NOT_FOUND", ["toUserId"])]
    assert await can_enter(api, kari, anna.account_id)


async def test_bureau_with_expired_subscription_can_still_assign(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())

    (outcome,) = await assign(api, bureau, kari, [anna.account_id])

    assert outcome["errors"] == []


async def test_derived_grants_stay_when_their_holder_becomes_owner_of_the_bureau(api: Api) -> None:
    end = api.clock.now + timedelta(days=90)
    bureau, kari, anna = await register_trio(api, grantValidUntil=end.isoformat())
    grant_id = await assign_with_permissions(api, bureau, kari, anna)
    arguments = {"accountId": bureau.account_id, "userId": kari.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", arguments, by=bureau)) == []

    assert codes(await api.do("acceptOwnership", {"accountId": bureau.account_id}, by=kari)) == []

    row = await Grant.get(id=ids.decode("Grant", grant_id))
    assert (row.status, row.valid_until) == ("ACTIVE", None)
