"""Decisions on access requests: approval, decline and expiry, and the visibility of requests."""

from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from tests.api import Api, Clock, codes
from tests.models.refusals import events, mails, refusal_codes, rejection
from tests.models.sharing.access_requests import (
    FIRM_NUMBER,
    FREE_NUMBER,
    NOT_PENDING,
    NUMBER,
    REQUEST_SELECTION,
    approve,
    create_firm,
    create_request,
    load_own_requests,
    load_received_requests,
)
from tests.resolvers.statements import record_statements
from tests.schema.world import key

# ---- Approving -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested_role", "changes", "expected"),
    [
        ("ACCOUNTANT", {}, ("ACCOUNTANT", "ACTIVE")),
        ("ACCOUNTANT", {"role": "SIMPLE_USER", "permissions": ["DOCUMENTS_READ"]}, ("SIMPLE_USER", "ACTIVE")),
        ("COLLABORATOR", {"role": "ACCOUNTANT"}, ("ACCOUNTANT", "ACTIVE")),
        ("ACCOUNTANT", {"role": "CONSULTANT", "permissions": ["REPORTS_READ"]}, ("CONSULTANT", "ACTIVE")),
        ("CONSULTANT", {}, ("CONSULTANT", "AWAITING_PERMISSIONS")),
        ("CONSULTANT", {"role": "ACCOUNTANT"}, ("ACCOUNTANT", "ACTIVE")),
        ("ACCOUNTANT", {"role": "COLLABORATOR"}, "ROLE_TOO_HIGH"),
        ("SIMPLE_USER", {"role": "ACCOUNTANT"}, "ROLE_TOO_HIGH"),
        ("CONSULTANT", {"role": "COLLABORATOR"}, "ROLE_TOO_HIGH"),
        ("COLLABORATOR", {"role": "ADMINISTRATOR"}, "ROLE_TOO_HIGH"),
        ("COLLABORATOR", {"role": "OWNER"}, "ROLE_TOO_HIGH"),
        ("ACCOUNTANT", {"role": "CONSULTANT", "permissions": ["SETTINGS_READ"]}, "ROLE_TOO_HIGH"),
        ("COLLABORATOR", {"role": "CONSULTANT", "permissions": ["USERS_READ", "USERS_WRITE"]}, "ROLE_TOO_HIGH"),
    ],
)
async def test_approval_can_reduce_but_not_extend_requested_role(
    api: Api, requested_role: str, changes: dict[str, Any], expected: object
) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await create_request(api, bo, requested_role), **changes}

    if expected == "ROLE_TOO_HIGH":
        assert await refusal_codes(api, "approveAccessRequest", request, by=anna) == [("ROLE_TOO_HIGH", ["role"])]
    else:
        payload = await approve(api, anna, request.pop("accessRequestId"), **request)
        assert (payload["grant"]["role"], payload["grant"]["status"]) == expected


async def test_approver_cannot_give_more_than_their_own_access(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    permissions = ["USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]
    consultant, _ = await api.guest(anna, "consultant@example.com", "CONSULTANT", permissions=permissions)
    request = {"accessRequestId": await create_request(api, bo, "ACCOUNTANT")}
    collaborator, _ = await api.guest(anna, "collaborator@example.com", "COLLABORATOR")

    assert await refusal_codes(api, "approveAccessRequest", request, by=consultant) == [("ROLE_TOO_HIGH", ["role"])]
    for mutation in ("approveAccessRequest", "declineAccessRequest"):
        assert (await rejection(api, mutation, request, by=collaborator)).codes == ["FORBIDDEN"]
        for stranger in (bo, await api.person(f"{mutation}@example.com")):
            assert await refusal_codes(api, mutation, request, by=stranger) == [("NOT_FOUND", ["accessRequestId"])]
    reduced_request = {**request, "role": "SIMPLE_USER", "permissions": ["DOCUMENTS_READ"]}
    assert codes(await api.do("approveAccessRequest", reduced_request, by=consultant)) == []


async def test_request_for_unknown_account_cannot_be_decided(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await create_request(api, bo, **FREE_NUMBER)}

    for mutation in ("approveAccessRequest", "declineAccessRequest"):
        for person in (anna, bo):
            assert await refusal_codes(api, mutation, request, by=person) == [("NOT_FOUND", ["accessRequestId"])]


async def test_approved_grant_ends_at_its_exact_end(api: Api, clock: Clock) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = await create_request(api, bo)
    past = {"accessRequestId": request, "grantValidUntil": "2020-01-01T00:00:00Z"}
    assert await refusal_codes(api, "approveAccessRequest", past, by=anna) == [("OUT_OF_RANGE", ["grantValidUntil"])]
    clock.forward(seconds=1)
    until = clock().isoformat().replace("+00:00", "Z")
    clock.forward(seconds=-1)

    payload = await approve(api, anna, request, grantValidUntil=until)

    assert payload["grant"]["validUntil"] == until
    clock.forward(seconds=1)
    response = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": anna.account_id}, by=bo)
    assert response.data["account"] is None


async def test_request_is_decided_only_once(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    decisions = {
        "APPROVED": ("approveAccessRequest", anna),
        "DECLINED": ("declineAccessRequest", anna),
        "WITHDRAWN": ("withdrawAccessRequest", bo),
    }
    for status, (mutation, person) in decisions.items():
        request = {"accessRequestId": await create_request(api, bo)}
        payload = await api.do(mutation, request, REQUEST_SELECTION, by=person)
        assert payload["accessRequest"]["status"] == status

        for second_mutation, decider in decisions.values():
            assert await refusal_codes(api, second_mutation, request, by=decider) == NOT_PENDING
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")


async def test_request_expires_after_exactly_thirty_days(api: Api, clock: Clock) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await create_request(api, bo)}
    clock.forward(days=13)
    for _ in range(2):  # an unused session expires
        await api.ask("{ __typename }", by=anna)
        await api.ask("{ __typename }", by=bo)
        clock.forward(days=8)
    anna, bo = [await api.sign_in(person) for person in (anna, bo)]
    clock.forward(seconds=24 * 3600 - 1)
    assert await load_own_requests(api, bo) == [{"status": "PENDING"}]
    clock.forward(seconds=1)

    for mutation, person in (
        ("approveAccessRequest", anna),
        ("declineAccessRequest", anna),
        ("withdrawAccessRequest", bo),
    ):
        assert await refusal_codes(api, mutation, request, by=person) == NOT_PENDING
    assert await load_own_requests(api, bo) == [{"status": "EXPIRED"}]
    assert [request["status"] for request in await load_received_requests(api, anna)] == ["EXPIRED"]
    again = await create_request(api, bo)
    assert again != request["accessRequestId"]
    assert [request["status"] for request in await load_own_requests(api, bo)] == ["PENDING", "EXPIRED"]


async def test_request_of_member_cannot_be_approved(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await create_request(api, bo)}
    arguments = {"accountId": anna.account_id, "email": bo.email, "role": "SIMPLE_USER"}
    await api.do("inviteUser", arguments, by=anna)
    await api.do("acceptInvitation", {"token": await api.link(bo.email, "invitation")}, by=bo)

    assert await refusal_codes(api, "approveAccessRequest", request, by=anna) == [
        ("ALREADY_MEMBER", ["accessRequestId"])
    ]
    assert codes(await api.do("declineAccessRequest", request, by=anna)) == []


async def test_request_of_inactive_user_cannot_be_approved(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await create_request(api, bo)}
    await db.execute("UPDATE users SET activated_at = NULL WHERE id = $1", key(bo.user_id))

    assert await refusal_codes(api, "approveAccessRequest", request, by=anna) == NOT_PENDING


async def test_request_can_be_decided_after_subscription_end(api: Api, clock: Clock) -> None:
    """Giving access and reading the requests stay possible."""
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    await db.execute("UPDATE accounts SET subscription_until = $1", clock())
    request = await create_request(api, bo)

    assert [request["status"] for request in await load_received_requests(api, anna)] == ["PENDING"]
    assert (await approve(api, anna, request))["errors"] == []


async def test_decline_mail_contains_no_account_name(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    request = await create_request(api, bo)

    payload = await api.do("declineAccessRequest", {"accessRequestId": request}, REQUEST_SELECTION, by=anna)

    assert payload["accessRequest"]["status"] == "DECLINED"
    (mail,) = await mails(bo.email, "access-declined")
    assert "Nowak" not in f"{mail.params}"
    assert f"NO {NUMBER}" in mail.params
    assert await Grant.filter(user_id=key(bo.user_id)).count() == 1


async def test_approval_is_recorded_with_actor_and_role(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    admin, _ = await api.guest(anna, "admin@example.com", "ADMINISTRATOR")

    await approve(api, admin, await create_request(api, bo))

    (approval_event,) = await events("account:access-request:approve")
    assert (approval_event.actor_id, approval_event.actor_role, approval_event.account_id) == (
        key(admin.user_id),
        "ADMINISTRATOR",
        key(anna.account_id),
    )
    grant_event = (await events("account:grant:give"))[-1]
    assert (grant_event.actor_id, grant_event.actor_role) == (key(admin.user_id), "ADMINISTRATOR")
    assert (await events("user:access-request:ask"))[0].account_id is None


async def test_requester_is_visible_only_with_permission_to_read_users(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com", "Bo Berg")
    request = await create_request(api, bo)
    accountant, _ = await api.guest(anna, "accountant@example.com", "ACCOUNTANT")
    stranger = await api.person("stranger@example.com")
    node = "query ($id: ID!) { node(id: $id) { ... on AccessRequest { status requester { name email } } } }"
    user = "query ($id: ID!) { node(id: $id) { ... on User { email } } }"

    for person in (accountant, stranger):
        assert (await api.ask(node, {"id": request}, by=person)).data["node"] is None
        assert (await api.ask(user, {"id": bo.user_id}, by=person)).data["node"] is None
    for person in (anna, bo):
        request_fields = (await api.ask(node, {"id": request}, by=person)).data["node"]
        assert request_fields == {"status": "PENDING", "requester": {"name": "Bo Berg", "email": bo.email}}
        assert (await api.ask(user, {"id": bo.user_id}, by=person)).data["node"] == {"email": bo.email}
    list_answer = await api.ask("{ viewer { currentAccount { accessRequests { totalCount } } } }", by=accountant)
    assert list_answer.codes == ["FORBIDDEN"]


async def test_longer_request_list_takes_no_more_statements(api: Api) -> None:
    anna = await create_firm(api)
    query = """query ($id: ID!) { account(id: $id) { accessRequests { totalCount nodes {
        status requesterAccountName requester { name email } } } } }"""
    statement_counts: list[int] = []
    for batch in range(2):
        for number in range(3):
            bo = await api.person(f"bo{batch}{number}@example.com")
            await create_request(api, bo, **FIRM_NUMBER, onBehalfOfAccountId=bo.account_id)
        await api.ask("{ __typename }", by=anna)
        with record_statements() as statements:
            await api.ask(query, {"id": anna.account_id}, by=anna)
        statement_counts.append(len(statements))

    assert statement_counts[0] == statement_counts[1]
