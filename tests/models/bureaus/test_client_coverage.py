"""Clients of a consultant who leaves the bureau: they are shown, stay with the bureau, and can be handed over."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api import PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    add_staff,
    assign,
    assign_with_permissions,
    base_grant_id,
    can_enter,
    engage,
    list_engagements,
    register_bureau,
    register_trio,
)
from tests.models.bureaus.client_accounts import account_status, open_client_account
from tests.models.refusals import refusal_codes

NOTHING_TO_MOVE = [("INVALID_STATE", ["fromUserId"])]
MONTH = timedelta(days=30)


async def count_sole(api: Api, bureau: Person, user: Person) -> int:
    """The number of clients that have no other consultant, as a grant on the bureau shows it."""
    query = "query ($id: ID!) { node(id: $id) { ... on Grant { clientsWithoutOtherConsultant } } }"
    answer = await api.ask(query, {"id": await base_grant_id(bureau, user)}, by=bureau)
    count: int = answer.data["node"]["clientsWithoutOtherConsultant"]
    return count


async def clients(api: Api, bureau: Person, conditions: str) -> list[str]:
    """The names of the clients with engagements that satisfy a filter."""
    return sorted(node["client"]["name"] for node in await list_engagements(api, bureau, f"filter: {{ {conditions} }}"))


async def replace(api: Api, bureau: Person, former: Person, new: Person) -> dict[str, Any]:
    """Move the clients of one consultant to another. Returns the outcomes by client."""
    arguments = {"bureauAccountId": bureau.account_id, "fromUserId": former.user_id, "toUserId": new.user_id}
    selection = "outcomes { clientAccountId grant { status permissions user { id } } errors { code field } }"
    payload = await api.do("replaceConsultant", arguments, selection, by=bureau)
    assert payload["errors"] == []
    return {outcome["clientAccountId"]: outcome for outcome in payload["outcomes"]}


async def revoke(api: Api, bureau: Person, kari: Person) -> None:
    revoke_input = {"grantId": await base_grant_id(bureau, kari)}
    selection = "grant { status clientsWithoutOtherConsultant }"
    payload = await api.do("revokeGrant", revoke_input, selection, by=bureau)
    assert payload == {"grant": {"status": "REVOKED", "clientsWithoutOtherConsultant": 1}, "errors": []}


async def resign(api: Api, bureau: Person, kari: Person) -> None:
    assert codes(await api.do("resignGrant", {"grantId": await base_grant_id(bureau, kari)}, by=kari)) == []


async def erase(api: Api, _: Person, kari: Person) -> None:
    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=kari)) == []


async def expire(api: Api, _: Person, __: Person) -> None:
    api.clock.now += MONTH


async def come_back(api: Api, bureau: Person, kari: Person) -> None:
    """Removed by mistake. The clients were told that the access ended, so it is not restored there."""
    await revoke(api, bureau, kari)
    api.clock.forward(minutes=1)
    restore_input = {"grantId": await base_grant_id(bureau, kari)}
    assert codes(await api.do("restoreGrant", restore_input, by=bureau)) == []


# ---- Leaving the bureau ----------------------------------------------------------------------


@pytest.mark.parametrize("leave", [revoke, resign, erase, expire, come_back])
async def test_clients_of_a_former_consultant_stay_and_can_be_handed_over(api: Api, leave: Any) -> None:
    end = api.clock() + MONTH
    bureau, kari, anna = await register_trio(api, **({"grantValidUntil": end.isoformat()} if leave is expire else {}))
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engage(api, bureau, ole)
    await assign_with_permissions(api, bureau, kari, anna)
    for colleague in (kari, nils):
        await assign_with_permissions(api, bureau, colleague, ole)
    assert await count_sole(api, bureau, kari) == 1
    assert await clients(api, bureau, f'soleConsultantId: "{kari.user_id}"') == ["Nowak AS"]
    assert await clients(api, bureau, "withoutConsultant: true") == []
    api.clock.forward(minutes=1)

    await leave(api, bureau, kari)

    bureau = await api.sign_in(bureau)
    assert await count_sole(api, bureau, kari) == 1
    assert await clients(api, bureau, "withoutConsultant: true") == ["Nowak AS"]
    assert await clients(api, bureau, "withoutConsultant: false") == ["Olsen AS"]
    api.clock.forward(minutes=1)
    outcomes = await replace(api, bureau, kari, nils)
    outcome_at_anna = outcomes.pop(anna.account_id)
    assert outcome_at_anna["errors"] == []
    assert outcome_at_anna["grant"] == {
        "status": "AWAITING_PERMISSIONS",
        "permissions": [],
        "user": {"id": nils.user_id},
    }
    assert [outcome["errors"] for outcome in outcomes.values()] == [
        [{"code": "ALREADY_MEMBER", "field": ["clientAccountIds"]}]
    ]
    assert await count_sole(api, bureau, kari) == 0
    assert await clients(api, bureau, "withoutConsultant: true") == []


async def test_replacement_without_clients_is_refused(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    arguments = {"bureauAccountId": bureau.account_id, "fromUserId": kari.user_id, "toUserId": nils.user_id}
    assert await refusal_codes(api, "replaceConsultant", arguments, by=bureau) == NOTHING_TO_MOVE
    await assign(api, bureau, kari, [anna.account_id])
    api.clock.forward(minutes=1)
    unassign_input = {"bureauAccountId": bureau.account_id, "userId": kari.user_id}
    await api.do("unassignConsultant", {**unassign_input, "clientAccountIds": [anna.account_id]}, by=bureau)
    api.clock.forward(minutes=1)

    await revoke_quietly(api, bureau, kari)

    assert await refusal_codes(api, "replaceConsultant", arguments, by=bureau) == NOTHING_TO_MOVE
    assert await clients(api, bureau, "withoutConsultant: true") == ["Nowak AS"]
    assert await count_sole(api, bureau, kari) == 0


async def revoke_quietly(api: Api, bureau: Person, kari: Person) -> None:
    assert codes(await api.do("revokeGrant", {"grantId": await base_grant_id(bureau, kari)}, by=bureau)) == []


async def test_clients_with_a_new_consultant_are_not_handed_over_again(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    ida, _ = await add_staff(api, bureau, "ida@example.com")
    await assign(api, bureau, kari, [anna.account_id])
    await revoke_quietly(api, bureau, kari)
    api.clock.forward(minutes=1)
    assert [outcome["errors"] for outcome in await assign(api, bureau, nils, [anna.account_id])] == [[]]

    arguments = {"bureauAccountId": bureau.account_id, "fromUserId": kari.user_id, "toUserId": ida.user_id}
    assert await refusal_codes(api, "replaceConsultant", arguments, by=bureau) == NOTHING_TO_MOVE


async def test_clients_of_an_ended_engagement_are_not_counted(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    await assign(api, bureau, kari, [anna.account_id])
    (node,) = await list_engagements(api, bureau)

    await api.do("endEngagement", {"engagementId": node["id"]}, by=anna)

    assert await count_sole(api, bureau, kari) == 0
    assert await clients(api, bureau, "withoutConsultant: true") == []


async def test_client_grant_of_another_account_counts_no_clients(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    grant = await assign_with_permissions(api, bureau, kari, anna)
    query = "query ($id: ID!) { node(id: $id) { ... on Grant { clientsWithoutOtherConsultant } } }"

    for by in (bureau, kari, anna):
        answer = await api.ask(query, {"id": grant}, by=by)
        assert answer.data["node"] == {"clientsWithoutOtherConsultant": 0}


# ---- Accounts without an owner ---------------------------------------------------------------


async def test_unclaimed_account_keeps_its_access_when_its_creator_leaves(api: Api) -> None:
    bureau = await register_bureau(api)
    ada, ada_grant = await add_staff(api, bureau, "ada@example.com", "ADMINISTRATOR")
    ada = Person(ada.email, ada.token, ada.user_id, bureau.account_id)
    nils, _ = await add_staff(api, bureau, "nils@example.com")
    client = await open_client_account(api, ada)
    api.clock.forward(minutes=1)
    assert codes(await api.do("revokeGrant", {"grantId": ada_grant}, by=bureau)) == []
    assert not await can_enter(api, ada, client)

    outcomes = await replace(api, bureau, ada, nils)

    assert outcomes[client]["errors"] == []
    assert await account_status(api, nils, client) == {
        "status": "PENDING_ACTIVATION",
        "viewerGrant": {"role": "COLLABORATOR"},
    }


async def test_bureau_gives_access_to_an_unclaimed_account_up_to_that_of_its_creator(api: Api) -> None:
    bureau, kari, anna = await register_trio(api)
    client = await open_client_account(api, bureau)

    (excessive,) = await assign(api, bureau, kari, [client], ["USERS_READ", "USERS_WRITE"])
    (outcome,) = await assign(api, bureau, kari, [client], ["DOCUMENTS_READ"])
    (waiting_outcome,) = await assign(api, bureau, kari, [anna.account_id], ["DOCUMENTS_READ"])

    assert excessive["errors"] == [{"code": "ROLE_TOO_HIGH", "field": ["permissions"]}]
    assert (outcome["grant"]["status"], outcome["grant"]["permissions"]) == (
        "ACTIVE",
        ["ACCOUNT_READ", "DOCUMENTS_READ"],
    )
    assert waiting_outcome["grant"]["status"] == "AWAITING_PERMISSIONS"
