"""Client accounts that a bureau opens. The client claims the account with a mailed link."""

import pytest

from database import db
from models.accounts.account import Account
from resolvers import ids
from tests.api import PASSWORD, UNKNOWN_ID, Api, codes
from tests.models.bureaus.bureau_setup import add_staff, list_consultants, list_engagements, register_bureau
from tests.models.bureaus.client_accounts import EMAIL, account_key, client_input
from tests.models.refusals import events, mails, refusal_codes, rejection

SELECTION = """account { id status name owner { name email isActivated } viewerGrant { role } organizationNumber }
    grant { role status }"""


# ---- Opening ---------------------------------------------------------------------------------


async def test_bureau_can_work_in_new_client_account_at_once(api: Api) -> None:
    bureau = await register_bureau(api)

    payload = await api.do(
        "createClientAccount", client_input(bureau, organizationNumber="974760673", country="NO"), SELECTION, by=bureau
    )

    assert codes(payload) == []
    assert payload["account"] == {
        "id": payload["account"]["id"],
        "status": "PENDING_ACTIVATION",
        "name": "Kunde AS",
        "owner": {"name": "Kim Kunde", "email": EMAIL, "isActivated": False},
        "viewerGrant": {"role": "COLLABORATOR"},
        "organizationNumber": "974760673",
    }
    assert payload["grant"] == {"role": "COLLABORATOR", "status": "ACTIVE"}
    client = payload["account"]["id"]
    update_payload = await api.do("updateAccount", {"accountId": client, "name": "Kunde Nord AS"}, by=bureau)
    assert codes(update_payload) == []
    (node,) = await list_engagements(api, bureau)
    assert (node["status"], node["client"]["name"]) == ("ACTIVE", "Kunde Nord AS")
    assert [
        [entry["user"]["email"] for entry in engagement_consultants]
        for engagement_consultants in await list_consultants(api, bureau)
    ] == [[bureau.email]]
    assert (await Account.get(id=account_key(client))).created_by_bureau_id == account_key(bureau.account_id)
    assert len(await mails(EMAIL, "client-activation")) == 1
    created_event = (await events("account:account:create"))[-1]
    assert (created_event.actor_id, created_event.actor_role) == (ids.decode("User", bureau.user_id), None)


@pytest.mark.parametrize("owner_state", ["active", "registered", "unknown"])
async def test_response_does_not_reveal_whether_owner_has_login(api: Api, owner_state: str) -> None:
    bureau = await register_bureau(api)
    if owner_state == "active":
        await api.person(EMAIL, "Kim Kunde-Hansen")
    elif owner_state == "registered":
        register_input = {"name": "Kim Kunde-Hansen", "email": EMAIL, "password": PASSWORD}
        await api.do("register", register_input)

    payload = await api.do("createClientAccount", client_input(bureau), SELECTION, by=bureau)

    assert codes(payload) == []
    assert payload["account"]["owner"] == {"name": "Kim Kunde", "email": EMAIL, "isActivated": False}
    assert payload["account"]["status"] == "PENDING_ACTIVATION"
    query = "query ($id: ID!) { account(id: $id) { owner { name isActivated } messages { nodes { kind to status } } } }"
    account = (await api.ask(query, {"id": payload["account"]["id"]}, by=bureau)).data["account"]
    assert account["owner"] == {"name": "Kim Kunde", "isActivated": False}
    assert [(mail["kind"], mail["to"]) for mail in account["messages"]["nodes"]] == [("client-activation", EMAIL)]


# ---- Refusals --------------------------------------------------------------------------------


async def test_opening_requires_bureau_permission_and_subscription(api: Api) -> None:
    bureau = await register_bureau(api)
    anna = await api.person("anna@example.com")
    clerk, _ = await add_staff(api, bureau, "clerk@example.com", "ACCOUNTANT")

    assert await refusal_codes(api, "createClientAccount", client_input(anna), by=anna) == [
        ("INVALID", ["bureauAccountId"])
    ]
    assert (await rejection(api, "createClientAccount", client_input(bureau), by=clerk)).codes == ["FORBIDDEN"]
    for foreign_id in (bureau.account_id, UNKNOWN_ID, "x"):
        arguments = client_input(bureau, bureauAccountId=foreign_id)
        assert await refusal_codes(api, "createClientAccount", arguments, by=anna) == [
            ("NOT_FOUND", ["bureauAccountId"])
        ]
    invalid_input = client_input(
        bureau, ownerEmail="nobody", ownerName=" ", name="", organizationNumber="1", country="NO"
    )
    assert sorted(await refusal_codes(api, "createClientAccount", invalid_input, by=bureau)) == [
        ("INVALID", ["organizationNumber"]),
        ("INVALID", ["ownerEmail"]),
        ("REQUIRED", ["name"]),
        ("REQUIRED", ["ownerName"]),
    ]
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())
    assert await refusal_codes(api, "createClientAccount", client_input(bureau), by=bureau) == [
        ("SUBSCRIPTION_EXPIRED", None)
    ]


async def test_taken_organization_number_is_refused(api: Api) -> None:
    bureau = await register_bureau(api)
    number = {"organizationNumber": "974760673", "country": "NO"}
    await api.person(EMAIL, **number)

    assert await refusal_codes(api, "createClientAccount", client_input(bureau, **number), by=bureau) == [
        ("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])
    ]
