"""The end of derived grants: with the engagement, with the base grant, at their own end, or by unassignment."""

from datetime import timedelta
from typing import Any

import pytest

from models.access.grant import Grant
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, codes
from tests.models.bureaus.bureau_setup import (
    add_staff,
    assign,
    assign_with_permissions,
    base_grant_id,
    can_enter,
    engage,
    list_consultants,
    list_engagements,
    register_bureau,
    register_trio,
)
from tests.models.refusals import events, mails, refusal_codes

NOT_FOUND = [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}]
ALREADY_MEMBER = [{"code": "ALREADY_MEMBER", "field": ["clientAccountIds"]}]
INVALID_STATE = [("INVALID_STATE", ["grantId"])]


async def test_end_of_engagement_ends_its_derived_grants_at_once(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    awaiting_consultant, _ = await add_staff(api, bureau, "waiting@example.com")
    accountant, accountant_grant = await api.guest(anna, "own@example.com", "ACCOUNTANT")
    grant = await assign_with_permissions(api, bureau, kari, anna)
    await assign(api, bureau, awaiting_consultant, [anna.account_id])
    (engagement,) = await list_engagements(api, anna)

    payload = await api.do(
        "endEngagement", {"engagementId": engagement["id"]}, "engagement { consultants { id } }", by=anna
    )

    assert payload == {"engagement": {"consultants": []}, "errors": []}
    assert not await can_enter(api, kari, anna.account_id)
    rows = await Grant.filter(account_id=ids.decode("Account", anna.account_id), role="CONSULTANT")
    assert [(row.status, row.ended_at) for row in rows] == [("REVOKED", api.clock())] * 2
    assert await can_enter(api, accountant, anna.account_id)
    assert [len(await mails(side.email, "engagement-ended")) for side in (bureau, anna)] == [1, 1]
    assert len(await events("account:grant:revoke")) == 2
    assert await refusal_codes(api, "restoreGrant", {"grantId": grant}, by=anna) == INVALID_STATE
    assert codes(await api.do("revokeGrant", {"grantId": accountant_grant}, by=anna)) == []


@pytest.mark.parametrize("way", ["revoke", "resign"])
async def test_end_of_base_grant_ends_grants_at_all_clients(api: Api, way: str) -> None:
    bureau, kari, anna = await register_trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engage(api, bureau, ole)
    grants = [await assign_with_permissions(api, bureau, kari, client) for client in (anna, ole)]
    base = await base_grant_id(bureau, kari)

    payload = await api.do(f"{way}Grant", {"grantId": base}, by=bureau if way == "revoke" else kari)

    assert codes(payload) == []
    for client in (anna, ole):
        assert not await can_enter(api, kari, client.account_id)
        assert len(await mails(client.email, "consultant-ended")) == 1
    (mail,) = await mails(bureau.email, "consultant-left")
    assert "Nowak AS" in mail.params
    assert "Olsen AS" in mail.params
    for grant, client in zip(grants, (anna, ole), strict=True):
        assert await refusal_codes(api, "restoreGrant", {"grantId": grant}, by=client) == INVALID_STATE
    if way == "revoke":
        assert codes(await api.do("restoreGrant", {"grantId": base}, by=bureau)) == []
        assert not await can_enter(api, kari, anna.account_id)
        assert codes(await api.do("restoreGrant", {"grantId": grants[0]}, by=anna)) == []
        assert await can_enter(api, kari, anna.account_id)
        assert not await can_enter(api, kari, ole.account_id)


async def test_base_grant_and_derived_grant_expire_at_the_same_second(api: Api) -> None:
    end = api.clock() + timedelta(hours=3)
    bureau, kari, anna = await register_trio(api, grantValidUntil=end.isoformat())
    grant = await assign_with_permissions(api, bureau, kari, anna)
    assert (await Grant.get(id=ids.decode("Grant", grant))).valid_until == end

    api.clock.now = end - timedelta(seconds=1)
    assert await can_enter(api, kari, anna.account_id)
    api.clock.now = end

    assert not await can_enter(api, kari, anna.account_id)
    assert await list_consultants(api, anna) == [[]]
    bureau = await api.sign_in(bureau)
    arguments = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    assert await refusal_codes(api, "assignConsultant", arguments, by=bureau) == [("NOT_FOUND", ["userId"])]


async def test_expiry_is_mailed_to_client_and_bureau(api: Api) -> None:
    end = api.clock() + timedelta(hours=3)
    bureau, kari, anna = await register_trio(api, grantValidUntil=end.isoformat())
    await assign_with_permissions(api, bureau, kari, anna)
    api.clock.now = end

    for _ in range(2):
        await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))

    assert len(await mails(anna.email, "consultant-ended")) == 1
    (mail,) = await mails(bureau.email, "consultant-left")
    assert "Nowak AS" in mail.params


async def test_erasure_of_consultant_ends_grants_and_mails_clients(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await assign_with_permissions(api, bureau, kari, anna)

    payload = await api.do("eraseMe", {"password": PASSWORD}, by=kari)

    assert codes(payload) == []
    assert await list_consultants(api, anna) == [[]]
    (mail,) = await mails(anna.email, "grant-resigned")
    assert "Bo Berg" not in mail.params
    assert len(await mails(bureau.email, "consultant-left")) == 1


async def test_erasure_of_bureau_owner_ends_engagements(api: Api) -> None:
    bureau = await register_bureau(api)
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    await engage(api, bureau, anna)
    await assign_with_permissions(api, bureau, bureau, anna)

    payload = await api.do("eraseMe", {"password": PASSWORD}, by=bureau)

    assert codes(payload) == []
    assert [row["status"] for row in await list_engagements(api, anna)] == ["ENDED"]
    assert await list_consultants(api, anna) == [[]]
    assert len(await mails(anna.email, "engagement-ended")) == 1


async def test_derived_grant_ends_at_the_earlier_of_base_end_and_own_end(api: Api) -> None:
    start = api.clock()
    soon, later, last = (start + timedelta(days=days) for days in (1, 2, 3))
    bureau, kari, anna = await register_trio(api)
    grant, base = await assign_with_permissions(api, bureau, kari, anna), await base_grant_id(bureau, kari)

    async def end_after(**updates: str | None) -> Any:
        for name, until in updates.items():
            target, by = (base, bureau) if name == "base" else (grant, anna)
            change = {"validUntil": until} if until else {"removeEnd": True}
            assert codes(await api.do("updateGrant", {"grantId": target, **change}, by=by)) == []
        return (await Grant.get(id=ids.decode("Grant", grant))).valid_until

    assert await end_after(own=None) is None
    assert await end_after(base=later.isoformat()) == later
    assert await end_after(own=last.isoformat()) == later
    assert await end_after(own=soon.isoformat()) == soon
    assert await end_after(base=last.isoformat()) == soon
    assert await end_after(own=last.isoformat()) == last
    assert await end_after(base=later.isoformat()) == later
    assert await end_after(own=later.isoformat(), base=None) == later
    assert await end_after(own=None) is None
    api.clock.now = last
    assert await can_enter(api, kari, anna.account_id)


async def test_expired_derived_grant_is_not_revived_by_new_base_grant(api: Api) -> None:
    end = api.clock() + timedelta(hours=3)
    bureau, kari, anna = await register_trio(api, grantValidUntil=end.isoformat())
    grant = await assign_with_permissions(api, bureau, kari, anna)
    api.clock.now = end
    arguments = {"accountId": bureau.account_id, "email": kari.email, "role": "ACCOUNTANT"}
    await api.do("inviteUser", arguments, by=bureau)
    payload = await api.do(
        "acceptInvitation", {"token": await api.link(kari.email, "invitation")}, "grant { id }", by=kari
    )
    update_input = {"grantId": payload["grant"]["id"], "validUntil": (end + timedelta(days=9)).isoformat()}

    assert codes(await api.do("updateGrant", update_input, by=bureau)) == []

    assert not await can_enter(api, kari, anna.account_id)
    assert (await Grant.get(id=ids.decode("Grant", grant))).valid_until == end
    (outcome,) = await assign(api, bureau, kari, [anna.account_id])
    assert outcome["errors"] == []


async def test_consultant_is_unassigned_from_one_client_only(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engage(api, bureau, ole)
    for client in (anna, ole):
        await assign_with_permissions(api, bureau, kari, client)
    stranger = await api.person("own@example.com")
    account_ids = [anna.account_id, stranger.account_id]
    arguments = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": account_ids}
    selection = "outcomes { grant { status } errors { code field } }"

    payload = await api.do("unassignConsultant", arguments, selection, by=bureau)

    assert payload["outcomes"] == [{"grant": {"status": "REVOKED"}, "errors": []}, {"grant": None, "errors": NOT_FOUND}]
    assert [await can_enter(api, kari, client.account_id) for client in (anna, ole)] == [False, True]
    assert len(await mails(anna.email, "consultant-ended")) == 1
    second_payload = await api.do("unassignConsultant", arguments, selection, by=bureau)
    assert [outcome["errors"] for outcome in second_payload["outcomes"]] == [NOT_FOUND, NOT_FOUND]


async def test_bureau_cannot_end_grant_given_by_client(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    arguments = {"accountId": anna.account_id, "email": kari.email, "role": "ACCOUNTANT"}
    await api.do("inviteUser", arguments, by=anna)
    await api.do("acceptInvitation", {"token": await api.link(kari.email, "invitation")}, by=kari)
    unassign_input = {
        "bureauAccountId": bureau.account_id,
        "userId": kari.user_id,
        "clientAccountIds": [anna.account_id],
    }

    payload = await api.do("unassignConsultant", unassign_input, "outcomes { errors { code field } }", by=bureau)
    (outcome,) = await assign(api, bureau, kari, [anna.account_id])
    await api.do("revokeGrant", {"grantId": await base_grant_id(bureau, kari)}, by=bureau)

    assert payload["outcomes"] == [{"errors": NOT_FOUND}]
    assert outcome["errors"] == ALREADY_MEMBER
    assert await can_enter(api, kari, anna.account_id)


async def test_refusal_after_the_engagement_does_not_advise_to_restore(api: Api) -> None:
    """Advice that leads from one refusal to the next is a dead end."""
    bureau, kari, anna = await register_trio(api)
    grant_id = await assign_with_permissions(api, bureau, kari, anna)
    (node,) = await list_engagements(api, anna)
    assert (await api.do("endEngagement", {"engagementId": node["id"]}, by=anna))["errors"] == []
    api.clock.forward(minutes=1)

    payloads = [await api.do(mutation, {"grantId": grant_id}, by=anna) for mutation in ("updateGrant", "restoreGrant")]

    message = "The engagement, or this user's access to the bureau, has ended."
    assert [payload["errors"][0]["message"] for payload in payloads] == [message] * 2


async def test_waiting_grant_is_expired_from_its_end(api: Api) -> None:
    """Before a job has stored it: in the list, by its filter, and in the status."""
    bureau, kari, anna = await register_trio(api)
    values = {"bureauAccountId": bureau.account_id, "userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    until = {"validUntil": (api.clock.now + timedelta(days=1)).isoformat()}
    assert codes(await api.do("assignConsultant", {**values, **until}, by=bureau)) == []
    query = "query ($status: [GrantStatus!]) { viewer { grants(filter: { status: $status }) { nodes { status } } } }"

    before = await api.ask(query, {"status": ["AWAITING_PERMISSIONS"]}, by=kari)
    api.clock.forward(days=1)
    after = [await api.ask(query, {"status": [status]}, by=kari) for status in ("AWAITING_PERMISSIONS", "EXPIRED")]

    assert before.data["viewer"]["grants"]["nodes"] == [{"status": "AWAITING_PERMISSIONS"}]
    assert [answer.data["viewer"]["grants"]["nodes"] for answer in after] == [[], [{"status": "EXPIRED"}]]
