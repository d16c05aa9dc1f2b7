"""Consultants leave: with the engagement, with their place at the bureau, by the clock, or taken off."""

from datetime import timedelta
from typing import Any

import pytest

from models.access.grant import Grant
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from resolvers import ids
from tests.api import KEY, PASSWORD, Api, codes
from tests.models.bureaus.bureau_setup import (
    assigned,
    bureau,
    consultants,
    engaged,
    engagements,
    enters,
    grant_at_bureau,
    staff,
    trio,
    working,
)
from tests.models.refusals import events, mails, refused

MISSING = [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}]
MEMBER = [{"code": "ALREADY_MEMBER", "field": ["clientAccountIds"]}]
ENDED = [("INVALID_STATE", ["grantId"])]


async def test_the_end_of_the_engagement_ends_what_hangs_on_it_at_once(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    waiting, _ = await staff(api, biuro, "waiting@example.com")
    own, own_grant = await api.guest(anna, "own@example.com", "ACCOUNTANT")
    grant = await working(api, biuro, kari, anna)
    await assigned(api, biuro, waiting, [anna.account_id])
    (engagement,) = await engagements(api, anna)

    done = await api.do(
        "endEngagement", {"engagementId": engagement["id"]}, "engagement { consultants { id } }", by=anna
    )

    assert done == {"engagement": {"consultants": []}, "errors": []}
    assert not await enters(api, kari, anna.account_id)
    rows = await Grant.filter(account_id=ids.decode("Account", anna.account_id), role="CONSULTANT")
    assert [(row.status, row.ended_at) for row in rows] == [("REVOKED", api.clock())] * 2
    assert await enters(api, own, anna.account_id)
    assert [len(await mails(side.email, "engagement-ended")) for side in (biuro, anna)] == [1, 1]
    assert len(await events("account:grant:revoke")) == 2
    assert await refused(api, "restoreGrant", {"grantId": grant}, by=anna) == ENDED
    assert codes(await api.do("revokeGrant", {"grantId": own_grant}, by=anna)) == []


@pytest.mark.parametrize("way", ["revoke", "resign"])
async def test_leaving_the_bureau_ends_everything_at_its_clients(api: Api, way: str) -> None:
    biuro, kari, anna = await trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engaged(api, biuro, ole)
    grants = [await working(api, biuro, kari, client) for client in (anna, ole)]
    base = await grant_at_bureau(biuro, kari)

    done = await api.do(f"{way}Grant", {"grantId": base}, by=biuro if way == "revoke" else kari)

    assert codes(done) == []
    for client in (anna, ole):
        assert not await enters(api, kari, client.account_id)
        assert len(await mails(client.email, "consultant-ended")) == 1
    (mail,) = await mails(biuro.email, "consultant-left")
    assert "Nowak AS" in mail.params
    assert "Olsen AS" in mail.params
    for grant, client in zip(grants, (anna, ole), strict=True):
        assert await refused(api, "restoreGrant", {"grantId": grant}, by=client) == ENDED
    if way == "revoke":
        assert codes(await api.do("restoreGrant", {"grantId": base}, by=biuro)) == []
        assert not await enters(api, kari, anna.account_id)
        assert codes(await api.do("restoreGrant", {"grantId": grants[0]}, by=anna)) == []
        assert await enters(api, kari, anna.account_id)
        assert not await enters(api, kari, ole.account_id)


async def test_the_clock_ends_both_grants_at_the_same_second(api: Api) -> None:
    end = api.clock() + timedelta(hours=3)
    biuro, kari, anna = await trio(api, grantValidUntil=end.isoformat())
    grant = await working(api, biuro, kari, anna)
    assert (await Grant.get(id=ids.decode("Grant", grant))).valid_until == end

    api.clock.now = end - timedelta(seconds=1)
    assert await enters(api, kari, anna.account_id)
    api.clock.now = end

    assert not await enters(api, kari, anna.account_id)
    assert await consultants(api, anna) == [[]]
    given = {"bureauAccountId": biuro.account_id, "userId": kari.user_id, "clientAccountIds": [anna.account_id]}
    assert await refused(api, "assignConsultant", given, by=biuro) == [("NOT_FOUND", ["userId"])]


async def test_an_end_by_the_clock_is_told_to_client_and_bureau(api: Api) -> None:
    end = api.clock() + timedelta(hours=3)
    biuro, kari, anna = await trio(api, grantValidUntil=end.isoformat())
    await working(api, biuro, kari, anna)
    api.clock.now = end

    for _ in range(2):
        await jobs.run(Caller(now=api.clock.now, config=OperationConfig(KEY)))

    assert len(await mails(anna.email, "consultant-ended")) == 1
    (mail,) = await mails(biuro.email, "consultant-left")
    assert "Nowak AS" in mail.params


async def test_who_erases_himself_leaves_his_clients_and_they_hear_of_it(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    await working(api, biuro, kari, anna)

    done = await api.do("eraseMe", {"password": PASSWORD}, by=kari)

    assert codes(done) == []
    assert await consultants(api, anna) == [[]]
    (mail,) = await mails(anna.email, "consultant-ended")
    assert "Bo Berg" not in mail.params
    assert len(await mails(biuro.email, "consultant-left")) == 1


async def test_a_bureau_that_erases_itself_ends_its_engagements(api: Api) -> None:
    biuro = await bureau(api)
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    await engaged(api, biuro, anna)
    await working(api, biuro, biuro, anna)

    done = await api.do("eraseMe", {"password": PASSWORD}, by=biuro)

    assert codes(done) == []
    assert [row["status"] for row in await engagements(api, anna)] == ["ENDED"]
    assert await consultants(api, anna) == [[]]
    assert len(await mails(anna.email, "engagement-ended")) == 1


async def test_a_grant_ends_with_the_bureaus_or_by_its_own_end_whichever_is_first(api: Api) -> None:
    start = api.clock()
    soon, later, last = (start + timedelta(days=days) for days in (1, 2, 3))
    biuro, kari, anna = await trio(api)
    grant, base = await working(api, biuro, kari, anna), await grant_at_bureau(biuro, kari)

    async def ends(**changed: str | None) -> Any:
        for name, until in changed.items():
            target, by = (base, biuro) if name == "base" else (grant, anna)
            assert codes(await api.do("updateGrant", {"grantId": target, "validUntil": until}, by=by)) == []
        return (await Grant.get(id=ids.decode("Grant", grant))).valid_until

    assert await ends(own=None) is None
    assert await ends(base=later.isoformat()) == later
    assert await ends(own=last.isoformat()) == later
    assert await ends(own=soon.isoformat()) == soon
    assert await ends(base=last.isoformat()) == soon
    assert await ends(own=last.isoformat()) == last
    assert await ends(base=later.isoformat()) == later
    assert await ends(own=later.isoformat(), base=None) == later
    assert await ends(own=None) is None
    api.clock.now = last
    assert await enters(api, kari, anna.account_id)


async def test_what_has_ended_is_not_revived_by_a_new_place_in_the_bureau(api: Api) -> None:
    end = api.clock() + timedelta(hours=3)
    biuro, kari, anna = await trio(api, grantValidUntil=end.isoformat())
    grant = await working(api, biuro, kari, anna)
    api.clock.now = end
    given = {"accountId": biuro.account_id, "email": kari.email, "role": "ACCOUNTANT"}
    await api.do("inviteUser", given, by=biuro)
    done = await api.do(
        "acceptInvitation", {"token": await api.link(kari.email, "invitation")}, "grant { id }", by=kari
    )
    again = {"grantId": done["grant"]["id"], "validUntil": (end + timedelta(days=9)).isoformat()}

    assert codes(await api.do("updateGrant", again, by=biuro)) == []

    assert not await enters(api, kari, anna.account_id)
    assert (await Grant.get(id=ids.decode("Grant", grant))).valid_until == end
    (outcome,) = await assigned(api, biuro, kari, [anna.account_id])
    assert outcome["errors"] == []


async def test_a_consultant_is_taken_off_some_clients(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engaged(api, biuro, ole)
    for client in (anna, ole):
        await working(api, biuro, kari, client)
    own = await api.person("own@example.com")
    clients = [anna.account_id, own.account_id]
    given = {"bureauAccountId": biuro.account_id, "userId": kari.user_id, "clientAccountIds": clients}
    shown = "outcomes { grant { status } errors { code field } }"

    done = await api.do("unassignConsultant", given, shown, by=biuro)

    assert done["outcomes"] == [{"grant": {"status": "REVOKED"}, "errors": []}, {"grant": None, "errors": MISSING}]
    assert [await enters(api, kari, client.account_id) for client in (anna, ole)] == [False, True]
    assert len(await mails(anna.email, "consultant-ended")) == 1
    again = await api.do("unassignConsultant", given, shown, by=biuro)
    assert [outcome["errors"] for outcome in again["outcomes"]] == [MISSING, MISSING]


async def test_what_the_bureau_did_not_assign_is_not_the_bureaus_to_take(api: Api) -> None:
    biuro, kari, anna = await trio(api)
    given = {"accountId": anna.account_id, "email": kari.email, "role": "ACCOUNTANT"}
    await api.do("inviteUser", given, by=anna)
    await api.do("acceptInvitation", {"token": await api.link(kari.email, "invitation")}, by=kari)
    one = {"bureauAccountId": biuro.account_id, "userId": kari.user_id, "clientAccountIds": [anna.account_id]}

    done = await api.do("unassignConsultant", one, "outcomes { errors { code field } }", by=biuro)
    (outcome,) = await assigned(api, biuro, kari, [anna.account_id])
    await api.do("revokeGrant", {"grantId": await grant_at_bureau(biuro, kari)}, by=biuro)

    assert done["outcomes"] == [{"errors": MISSING}]
    assert outcome["errors"] == MEMBER
    assert await enters(api, kari, anna.account_id)
