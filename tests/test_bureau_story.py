"""The work of a bureau for a client from beginning to end, through the API only."""

from typing import Any

from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    account_number,
    add_staff,
    assign,
    can_enter,
    engage,
    list_consultants,
    list_engagements,
)

CLIENT = "kim@example.com"


async def load_days_left(api: Api, by: Person, account_id: str) -> int:
    query = "query ($id: ID!) { account(id: $id) { subscription { daysLeft } } }"
    subscription = (await api.ask(query, {"id": account_id}, by=by)).data["account"]["subscription"]
    days_left: int = subscription["daysLeft"]
    return days_left


async def test_bureau_works_for_client_until_engagement_ends(api: Api) -> None:
    # A bureau opens an account for its client and works in it before the client activates the login.
    beata = await api.person("beata@example.com", "Beata Biuro")
    payload = await api.do("createAccount", {"name": "Biuro AS", "kind": "BUREAU"}, "account { id }", by=beata)
    bureau = Person(beata.email, beata.token, beata.user_id, payload["account"]["id"])
    arguments = {
        "bureauAccountId": bureau.account_id,
        "name": "Kunde AS",
        "ownerName": "Kim Kunde",
        "ownerEmail": CLIENT,
    }
    payload = await api.do("createClientAccount", arguments, "account { id status } grant { role }", by=bureau)
    client_id = payload["account"]["id"]
    assert (payload["account"]["status"], payload["grant"]["role"]) == ("PENDING_ACTIVATION", "COLLABORATOR")
    settings_payload = await api.do("updateAccountSettings", {"accountId": client_id, "invoicePrefix": "K"}, by=bureau)
    assert codes(settings_payload) == []

    # The client activates the login and owns the account.
    arguments = {"token": await api.link(CLIENT, "activation"), "password": PASSWORD}
    selection = "accessToken viewer { user { id } currentAccount { id status settings { invoicePrefix } } }"
    payload = await api.do("activate", arguments, selection)
    kim = Person(CLIENT, payload["accessToken"], payload["viewer"]["user"]["id"], client_id)
    assert payload["viewer"]["currentAccount"] == {
        "id": client_id,
        "status": "ACTIVE",
        "settings": {"invoicePrefix": "K"},
    }

    # A second client engages the bureau by its number; consultants are assigned to both in one call.
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    await engage(api, bureau, anna)
    kari, _ = await add_staff(api, bureau, "kari@example.com")
    outcomes = await assign(api, bureau, kari, [client_id, anna.account_id, kari.account_id])
    assert [outcome["errors"] for outcome in outcomes] == [
        [],
        [],
        [{"code": "NOT_FOUND", "field": ["clientAccountIds"]}],
    ]
    grant = outcomes[0]["grant"]
    assert grant["status"] == "AWAITING_PERMISSIONS"
    assert not await can_enter(api, kari, client_id)
    assert codes(await api.do("switchAccount", {"accountId": client_id}, by=kari)) == [("NOT_FOUND", ["accountId"])]

    # The client grants permissions, and the consultant enters the account.
    permissions_input = {"grantId": grant["id"], "permissions": ["DOCUMENTS_READ", "DOCUMENTS_WRITE"]}
    assert codes(await api.do("updateGrant", permissions_input, by=kim)) == []
    switch_payload = await api.do(
        "switchAccount", {"accountId": client_id}, "viewer { currentAccount { name } }", by=kari
    )
    assert switch_payload["viewer"]["currentAccount"] == {"name": "Kunde AS"}
    names = {entry["user"]["email"] for consultants in await list_consultants(api, kim) for entry in consultants}
    assert names == {bureau.email, kari.email}

    # The bureau transfers days, which the operator credited, to its client.
    operator = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await subscription.credit(operator, await account_number(bureau), 40, reference="order 1")
    days_before = await load_days_left(api, bureau, client_id), await load_days_left(api, bureau, bureau.account_id)
    sides = {"accountId": client_id, "payerAccountId": bureau.account_id}
    extend_payload = await api.do(
        "extendSubscription", {**sides, "days": 20}, "entry { days counterpart { name } }", by=bureau
    )
    assert extend_payload["entry"] == {"days": 20, "counterpart": {"name": "Biuro AS"}}
    days_after = await load_days_left(api, bureau, client_id), await load_days_left(api, bureau, bureau.account_id)
    assert days_after == (days_before[0] + 20, days_before[1] - 20)

    # The client's events show the operations of the bureau's users, each with the role.
    enter_events = await list_actors(api, kim, "account:account:enter")
    assert (kari.email, "CONSULTANT") in enter_events
    assert (bureau.email, "COLLABORATOR") in await list_actors(api, kim, "account:settings:update")

    # The engagement ends. All access ends with the next request.
    engagements = await list_engagements(api, kim)
    assert [node["status"] for node in engagements] == ["ACTIVE"]
    assert codes(await api.do("endEngagement", {"engagementId": engagements[0]["id"]}, by=kim)) == []
    assert [await can_enter(api, person, client_id) for person in (bureau, kari, kim)] == [False, False, True]
    current = await api.ask("{ viewer { currentAccount { name } currentGrant { role } } }", by=kari)
    assert current.data["viewer"] == {"currentAccount": None, "currentGrant": None}
    refused_answer = await api.ask("{ viewer { currentAccount { name } } }", by=kari, account=client_id)
    assert refused_answer.codes == ["ACCOUNT_REQUIRED"]
    assert codes(await api.do("extendSubscription", {**sides, "days": 10}, by=bureau)) == [("NOT_FOUND", ["accountId"])]


async def list_actors(api: Api, by: Person, kind: str) -> list[tuple[Any, Any]]:
    """The actors and their roles of an account's events of one type."""
    query = """query ($id: ID!, $type: String!) { account(id: $id) { events(filter: { type: $type }) {
        nodes { actor { email } actorRole } } } }"""
    nodes = (await api.ask(query, {"id": by.account_id, "type": kind}, by=by)).data["account"]["events"]["nodes"]
    return [(event["actor"]["email"], event["actorRole"]) for event in nodes]
