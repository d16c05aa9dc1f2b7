"""Consultants: assigned in bulk, worth nothing until somebody gives permissions, gone with their bureau."""

from datetime import timedelta
from typing import Any

import pytest

from models import db, jobs
from models.caller import Caller, Site
from models.grant import Grant
from resolvers import ids
from tests.api import KEY, NOWHERE, PASSWORD, Api, Person, codes
from tests.models.bureaus import assigned, bureau, consultants, engaged, engagements, enters, staff, working
from tests.models.refusing import attempt, events, mails, refused, rejected

MISSING = [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}]
MEMBER = [{"code": "ALREADY_MEMBER", "field": ["clientAccountIds"]}]
ENDED = [("INVALID_STATE", ["grantId"])]


async def trio(api: Api, **more: Any) -> tuple[Person, Person, Person]:
    """A bureau's owner, one who works there, and the owner of a client that has engaged it."""
    biuro = await bureau(api)
    kari, _ = await staff(api, biuro, "kari@example.com", **more)
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    await engaged(api, biuro, anna)
    return biuro, kari, anna


async def grant_at_bureau(biuro: Person, user: Person) -> str:
    row = await Grant.get(account_id=key(biuro.account_id), user_id=ids.decode("User", user.user_id))
    return ids.encode("Grant", row.id)


def key(account_id: str) -> Any:
    return ids.decode("Account", account_id)


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


# ---- Ending ----------------------------------------------------------------------------------


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
    rows = await Grant.filter(account_id=key(anna.account_id), role="CONSULTANT")
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
        await jobs.run(Caller(now=api.clock.now, site=Site(KEY)))

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
