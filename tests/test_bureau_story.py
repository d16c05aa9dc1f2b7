"""A bureau and its client, from the first day to the last, through the API alone."""

from typing import Any

from tests.api import PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import assigned, consultants, engaged, engagements, enters, staff

CLIENT = "kim@example.com"


async def days(api: Api, by: Person, account_id: str) -> int:
    query = "query ($id: ID!) { account(id: $id) { subscription { daysLeft } } }"
    found = (await api.ask(query, {"id": account_id}, by=by)).data["account"]["subscription"]
    left: int = found["daysLeft"]
    return left


async def test_a_bureau_works_for_a_client_until_the_engagement_ends(api: Api) -> None:
    # A bureau opens an account for its client, and works in it before he has been there.
    beata = await api.person("beata@example.com", "Beata Biuro")
    done = await api.do("createAccount", {"name": "Biuro AS", "kind": "BUREAU"}, "account { id }", by=beata)
    biuro = Person(beata.email, beata.token, beata.user_id, done["account"]["id"])
    given = {"bureauAccountId": biuro.account_id, "name": "Kunde AS", "ownerName": "Kim Kunde", "ownerEmail": CLIENT}
    done = await api.do("createClientAccount", given, "account { id status } grant { role }", by=biuro)
    client = done["account"]["id"]
    assert (done["account"]["status"], done["grant"]["role"]) == ("PENDING_ACTIVATION", "COLLABORATOR")
    changed = await api.do("updateAccountSettings", {"accountId": client, "invoicePrefix": "K"}, by=biuro)
    assert codes(changed) == []

    # The client comes, and it is his.
    given = {"token": await api.link(CLIENT, "activation"), "password": PASSWORD}
    shown = "accessToken viewer { user { id } currentAccount { id status settings { invoicePrefix } } }"
    done = await api.do("activate", given, shown)
    kim = Person(CLIENT, done["accessToken"], done["viewer"]["user"]["id"], client)
    assert done["viewer"]["currentAccount"] == {"id": client, "status": "ACTIVE", "settings": {"invoicePrefix": "K"}}

    # A second client engages the bureau by its number; consultants are assigned to both in one call.
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    await engaged(api, biuro, anna)
    kari, _ = await staff(api, biuro, "kari@example.com")
    outcomes = await assigned(api, biuro, kari, [client, anna.account_id, kari.account_id])
    assert [outcome["errors"] for outcome in outcomes] == [
        [],
        [],
        [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}],
    ]
    grant = outcomes[0]["grant"]
    assert grant["status"] == "AWAITING_PERMISSIONS"
    assert not await enters(api, kari, client)
    assert codes(await api.do("switchAccount", {"accountId": client}, by=kari)) == [("NOT_FOUND", ["accountId"])]

    # The client gives permissions, and the consultant goes in.
    given_permissions = {"grantId": grant["id"], "permissions": ["DOCUMENTS_READ", "DOCUMENTS_WRITE"]}
    assert codes(await api.do("updateGrant", given_permissions, by=kim)) == []
    switched = await api.do("switchAccount", {"accountId": client}, "viewer { currentAccount { name } }", by=kari)
    assert switched["viewer"]["currentAccount"] == {"name": "Kunde AS"}
    names = {one["user"]["email"] for found in await consultants(api, kim) for one in found}
    assert names == {biuro.email, kari.email}

    # The bureau pays days for its client.
    before = await days(api, biuro, client), await days(api, biuro, biuro.account_id)
    sides = {"accountId": client, "payerAccountId": biuro.account_id}
    paid = await api.do("extendSubscription", {**sides, "days": 20}, "entry { days counterpart { name } }", by=biuro)
    assert paid["entry"] == {"days": 20, "counterpart": {"name": "Biuro AS"}}
    after = await days(api, biuro, client), await days(api, biuro, biuro.account_id)
    assert after == (before[0] + 20, before[1] - 20)

    # What they did there stands in the client's events, in the role in which they did it.
    entered = await happened(api, kim, "account:account:enter")
    assert (kari.email, "CONSULTANT") in entered
    assert (biuro.email, "COLLABORATOR") in await happened(api, kim, "account:settings:update")

    # The engagement ends, and with it all access, on the very next request.
    ours = await engagements(api, kim)
    assert [node["status"] for node in ours] == ["ACTIVE"]
    assert codes(await api.do("endEngagement", {"engagementId": ours[0]["id"]}, by=kim)) == []
    assert [await enters(api, person, client) for person in (biuro, kari, kim)] == [False, False, True]
    current = await api.ask("{ viewer { currentAccount { name } currentGrant { role } } }", by=kari)
    assert current.data["viewer"] == {"currentAccount": None, "currentGrant": None}
    shut_out = await api.ask("{ viewer { currentAccount { name } } }", by=kari, account=client)
    assert shut_out.codes == ["ACCOUNT_REQUIRED"]
    assert codes(await api.do("extendSubscription", {**sides, "days": 10}, by=biuro)) == [("NOT_FOUND", ["accountId"])]


async def happened(api: Api, by: Person, kind: str) -> list[tuple[Any, Any]]:
    """Who did a kind of thing in somebody's account, in which role."""
    query = """query ($id: ID!, $type: String!) { account(id: $id) { events(filter: { type: $type }) {
        nodes { actor { email } actorRole } } } }"""
    found = (await api.ask(query, {"id": by.account_id, "type": kind}, by=by)).data["account"]["events"]["nodes"]
    return [(event["actor"]["email"], event["actorRole"]) for event in found]
