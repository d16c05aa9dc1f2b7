"""Consultants: assigned in bulk, worth nothing until somebody gives permissions, replaced by others."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from resolvers import ids
from tests.api import NOWHERE, PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    assigned,
    bureau,
    consultants,
    engaged,
    engagements,
    enters,
    staff,
    trio,
    working,
)
from tests.models.refusals import attempt, mails, refused, rejected

MISSING = [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}]
MEMBER = [{"code": "ALREADY_MEMBER", "field": ["clientAccountIds"]}]


# ---- Assigning -------------------------------------------------------------------------------


async def test_an_assigned_consultant_waits_until_the_client_gives_permissions(api: Api) -> None:
    biuro, kari, anna = await trio(api)

    (outcome,) = await assigned(api, biuro, kari, [anna.account_id], ["ACCOUNT_READ", "DOCUMENTS_READ"])

    assert outcome["clientAccountId"] == anna.account_id
    assert outcome["errors"] == []
    assert (outcome["grant"]["status"], outcome["grant"]["permissions"]) == ("AWAITING_PERMISSIONS", [])
    shown = {"user": {"name": "Bo Berg", "email": kari.email}, "accountName": "Nowak AS"}
    awaiting = {**shown, "status": "AWAITING_PERMISSIONS", "permissions": []}
    assert await consultants(api, anna) == await consultants(api, biuro) == [[awaiting]]
    assert not await enters(api, kari, anna.account_id)
    assert len(await mails(anna.email, "consultant-assigned")) == 1

    changed = await api.do("updateGrant", {"grantId": outcome["grant"]["id"], "validUntil": None}, by=anna)
    assert codes(changed) == []
    assert not await enters(api, kari, anna.account_id)
    given = {"grantId": outcome["grant"]["id"], "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}
    done = await api.do("updateGrant", given, "grant { status permissions }", by=anna)

    assert done["grant"] == {"status": "ACTIVE", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}
    assert await enters(api, kari, anna.account_id)
    accounts = await api.ask("{ viewer { accounts { nodes { name viewerGrant { role } } } } }", by=kari)
    assert {"name": "Nowak AS", "viewerGrant": {"role": "CONSULTANT"}} in accounts.data["viewer"]["accounts"]["nodes"]


async def test_who_may_give_at_the_client_gives_at_once_and_never_more_than_he_has(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    ada, _ = await api.guest(anna, "ada@example.com", "CONSULTANT", permissions=WRITER)
    done = await api.do(
        "inviteUser", {"accountId": biuro.account_id, "email": ada.email, "role": "ADMINISTRATOR"}, by=biuro
    )
    assert codes(done) == []
    await api.do("acceptInvitation", {"token": await api.link(ada.email, "invitation")}, by=ada)
    ada = Person(ada.email, ada.token, ada.user_id, biuro.account_id)

    (too_much,) = await assigned(api, ada, kari, [anna.account_id], ["DOCUMENTS_READ", "DOCUMENTS_DELETE"])
    (enough,) = await assigned(api, ada, kari, [anna.account_id], ["DOCUMENTS_READ"])

    assert too_much["grant"] is None
    assert too_much["errors"] == [{"code": "ROLE_TOO_HIGH", "field": ["permissions"]}]
    assert enough["grant"]["status"] == "ACTIVE"
    assert enough["grant"]["permissions"] == ["ACCOUNT_READ", "DOCUMENTS_READ"]
    assert await enters(api, kari, anna.account_id)


WRITER = ["ACCOUNT_READ", "USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]


async def test_each_client_has_an_outcome_of_its_own(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engaged(api, biuro, ole)
    foreign = await api.person("stig@example.com")
    asked = await api.person("ask@example.com")
    given = {"bureauAccountId": biuro.account_id, "clientAccountId": asked.account_id}
    assert codes(await api.do("engageBureau", given, by=biuro)) == []
    await working(api, biuro, kari, ole)
    wanted = [ole.account_id, foreign.account_id, NOWHERE, "x", asked.account_id, biuro.account_id, anna.account_id]

    outcomes = await assigned(api, biuro, kari, [*wanted, anna.account_id])

    assert [outcome["clientAccountId"] for outcome in outcomes] == wanted
    assert [outcome["errors"] for outcome in outcomes] == [MEMBER, *[MISSING] * 5, []]
    assert [bool(outcome["grant"]) for outcome in outcomes] == [False] * 6 + [True]


async def test_only_who_works_at_the_bureau_is_assigned(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    stranger = await api.person("stig@example.com")
    gone, grant = await staff(api, biuro, "gone@example.com")
    await api.do("revokeGrant", {"grantId": grant}, by=biuro)
    idle, _ = await staff(api, biuro, "idle@example.com", "CONSULTANT")
    own = {"bureauAccountId": biuro.account_id, "clientAccountIds": [anna.account_id]}

    for user_id in (stranger.user_id, gone.user_id, idle.user_id, anna.user_id, NOWHERE, "x"):
        assert await refused(api, "assignConsultant", {**own, "userId": user_id}, by=biuro) == [
            ("NOT_FOUND", ["userId"])
        ]
    for mutation in ("assignConsultant", "unassignConsultant"):
        nobody = {**own, "userId": kari.user_id, "clientAccountIds": []}
        assert await refused(api, mutation, nobody, by=biuro) == [("REQUIRED", ["clientAccountIds"])]
        many = {**nobody, "clientAccountIds": [anna.account_id] * 101}
        assert (await rejected(api, mutation, many, by=biuro)).codes == ["BAD_USER_INPUT"]
    bad = {**own, "userId": kari.user_id, "permissions": ["OWNERSHIP", "ACCOUNT_READ"]}
    assert await refused(api, "assignConsultant", bad, by=biuro) == [("INVALID", ["permissions"])]


@pytest.mark.parametrize("mutation", ["assignConsultant", "unassignConsultant", "replaceConsultant"])
async def test_assigning_needs_the_permission_in_the_bureau(api: Api, mutation: str) -> None:
    biuro, kari, anna = await trio(api)
    one = {"userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    two = {"fromUserId": kari.user_id, "toUserId": biuro.user_id}
    given = {"bureauAccountId": biuro.account_id, **(two if mutation == "replaceConsultant" else one)}

    assert (await rejected(api, mutation, given, by=kari)).codes == ["FORBIDDEN"]
    assert await refused(api, mutation, given, by=anna) == [("NOT_FOUND", ["bureauAccountId"])]
    assert (await attempt(api, mutation, given)).codes == ["UNAUTHENTICATED"]


async def test_the_client_side_cannot_assign_and_the_bureau_cannot_give(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    (outcome,) = await assigned(api, biuro, kari, [anna.account_id])
    grant = outcome["grant"]["id"]

    assert await refused(api, "updateGrant", {"grantId": grant, "permissions": ["DOCUMENTS_READ"]}, by=biuro) == [
        ("NOT_FOUND", ["grantId"])
    ]
    given = {"bureauAccountId": anna.account_id, "userId": anna.user_id, "clientAccountIds": [biuro.account_id]}
    done = await api.do("assignConsultant", given, "outcomes { errors { code field } }", by=anna)
    assert done == {"outcomes": [{"errors": MISSING}], "errors": []}


# ---- Whose clients ---------------------------------------------------------------------------


async def named(api: Api, by: Person, user: Person) -> list[str]:
    query = "query ($id: ID!) { viewer { accounts(filter: { consultantId: $id }) { totalCount nodes { name } } } }"
    found = (await api.ask(query, {"id": user.user_id}, by=by)).data["viewer"]["accounts"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def test_clients_are_filtered_by_consultant_for_who_reads_the_bureaus_users(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    key_ = await engaged(api, biuro, ole)
    clerk, _ = await staff(api, biuro, "clerk@example.com")
    chief, _ = await staff(api, biuro, "chief@example.com", "COLLABORATOR")
    await working(api, biuro, kari, anna)
    for other in (clerk, chief):
        await working(api, biuro, other, anna)
        await working(api, biuro, other, ole)

    assert await named(api, kari, kari) == ["Nowak AS"]
    assert await named(api, chief, kari) == ["Nowak AS"]
    assert sorted(await named(api, chief, clerk)) == ["Nowak AS", "Olsen AS"]
    assert await named(api, clerk, kari) == []
    assert await named(api, anna, kari) == []
    mine = await engagements(api, biuro, f'filter: {{ consultantId: "{kari.user_id}" }}')
    assert [node["client"]["name"] for node in mine] == ["Nowak AS"]
    await api.do("endEngagement", {"engagementId": key_}, by=ole)
    assert await named(api, chief, clerk) == ["Nowak AS"]


async def test_a_grant_at_a_client_is_seen_by_the_bureaus_readers_alone(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    clerk, _ = await staff(api, biuro, "clerk@example.com")
    other = await bureau(api, "other@example.com")
    await engaged(api, other, anna)
    grant = await working(api, biuro, kari, anna)
    query = "query ($id: ID!) { node(id: $id) { ... on Grant { accountName account { name } } } }"

    async def seen(by: Person) -> Any:
        return (await api.ask(query, {"id": grant}, by=by)).data["node"]

    assert await seen(anna) == await seen(kari) == {"accountName": "Nowak AS", "account": {"name": "Nowak AS"}}
    assert await seen(biuro) == {"accountName": "Nowak AS", "account": None}
    assert [await seen(by) for by in (clerk, other)] == [None, None]


# ---- Another in his place --------------------------------------------------------------------


async def test_another_takes_over_all_clients_with_permissions_status_and_end(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    names = ("ole", "per")
    ole, per = [await api.person(f"{name}@example.com", accountName=f"{name} AS") for name in names]
    nils, _ = await staff(api, biuro, "nils@example.com")
    for client in (ole, per):
        await engaged(api, biuro, client)
    grant = await working(api, biuro, kari, anna, ["CONTACTS_READ"])
    end = (api.clock() + timedelta(days=4)).isoformat().replace("+00:00", "Z")
    await api.do("updateGrant", {"grantId": grant, "validUntil": end}, by=anna)
    await assigned(api, biuro, kari, [ole.account_id])
    await working(api, biuro, kari, per)
    await working(api, biuro, nils, per)
    given = {"bureauAccountId": biuro.account_id, "fromUserId": kari.user_id, "toUserId": nils.user_id}
    shown = "outcomes { clientAccountId grant { status permissions validUntil user { id } } errors { code field } }"

    done = await api.do("replaceConsultant", given, shown, by=biuro)

    outcomes = {outcome["clientAccountId"]: outcome for outcome in done["outcomes"]}
    user = {"id": nils.user_id}
    moved = {"status": "ACTIVE", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"], "validUntil": end, "user": user}
    waits: dict[str, Any] = {"status": "AWAITING_PERMISSIONS", "permissions": [], "validUntil": None, "user": user}
    assert outcomes == {
        anna.account_id: {"clientAccountId": anna.account_id, "grant": moved, "errors": []},
        ole.account_id: {"clientAccountId": ole.account_id, "grant": waits, "errors": []},
        per.account_id: {"clientAccountId": per.account_id, "grant": None, "errors": MEMBER},
    }
    assert [await enters(api, kari, client.account_id) for client in (anna, ole, per)] == [False, False, True]
    assert await enters(api, nils, anna.account_id)


async def test_nobody_is_put_in_his_own_place_or_in_from_outside(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    await working(api, biuro, kari, anna)
    own = {"bureauAccountId": biuro.account_id, "fromUserId": kari.user_id}

    same = await refused(api, "replaceConsultant", {**own, "toUserId": kari.user_id}, by=biuro)
    outside = await refused(api, "replaceConsultant", {**own, "toUserId": anna.user_id}, by=biuro)

    assert same == [("INVALID", ["toUserId"])]
    assert outside == [("NOT_FOUND", ["toUserId"])]
    assert await enters(api, kari, anna.account_id)


async def test_a_bureau_whose_subscription_is_over_still_assigns_and_takes_back(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())

    (outcome,) = await assigned(api, biuro, kari, [anna.account_id])

    assert outcome["errors"] == []


async def test_what_hangs_on_a_place_at_a_bureau_lasts_when_its_holder_becomes_the_owner(api: Api) -> None:
    end = api.clock.now + timedelta(days=90)
    biuro, kari, anna = await trio(api, grantValidUntil=end.isoformat())
    grant_id = await working(api, biuro, kari, anna)
    given = {"accountId": biuro.account_id, "userId": kari.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", given, by=biuro)) == []

    assert codes(await api.do("acceptOwnership", {"accountId": biuro.account_id}, by=kari)) == []

    row = await Grant.get(id=ids.decode("Grant", grant_id))
    assert (row.status, row.valid_until) == ("ACTIVE", None)
