"""What becomes of requests for access: approved with less, declined, expired, and who reads them."""

from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from tests.api import Api, Clock, Person, codes
from tests.models.refusals import events, mails, refused, rejected
from tests.models.sharing.access_requests import (
    BY_NUMBER,
    FREE,
    NOT_PENDING,
    NUMBER,
    SHOWN,
    approve,
    asked,
    firm,
    own,
    received,
)
from tests.resolvers.statements import counted
from tests.schema.world import key

# ---- Approving -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
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
async def test_less_or_other_than_asked_is_given_but_never_more(
    api: Api, wanted: str, given: dict[str, Any], expected: object
) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await asked(api, bo, wanted), **given}

    if expected == "ROLE_TOO_HIGH":
        assert await refused(api, "approveAccessRequest", request, by=anna) == [("ROLE_TOO_HIGH", ["role"])]
    else:
        done = await approve(api, anna, request.pop("accessRequestId"), **request)
        assert (done["grant"]["role"], done["grant"]["status"]) == expected


async def test_nobody_approves_more_than_he_holds(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    few = ["USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]
    consultant, _ = await api.guest(anna, "consultant@example.com", "CONSULTANT", permissions=few)
    request = {"accessRequestId": await asked(api, bo, "ACCOUNTANT")}
    collaborator, _ = await api.guest(anna, "collaborator@example.com", "COLLABORATOR")

    assert await refused(api, "approveAccessRequest", request, by=consultant) == [("ROLE_TOO_HIGH", ["role"])]
    for mutation in ("approveAccessRequest", "declineAccessRequest"):
        assert (await rejected(api, mutation, request, by=collaborator)).codes == ["FORBIDDEN"]
        for stranger in (bo, await api.person(f"{mutation}@example.com")):
            assert await refused(api, mutation, request, by=stranger) == [("NOT_FOUND", ["accessRequestId"])]
    less = {**request, "role": "SIMPLE_USER", "permissions": ["DOCUMENTS_READ"]}
    assert codes(await api.do("approveAccessRequest", less, by=consultant)) == []


async def test_a_request_that_reached_nobody_is_nobodys_to_decide(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await asked(api, bo, **FREE)}

    for mutation in ("approveAccessRequest", "declineAccessRequest"):
        for person in (anna, bo):
            assert await refused(api, mutation, request, by=person) == [("NOT_FOUND", ["accessRequestId"])]


async def test_approved_access_ends_when_it_should(api: Api, clock: Clock) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = await asked(api, bo)
    past = {"accessRequestId": request, "grantValidUntil": "2020-01-01T00:00:00Z"}
    assert await refused(api, "approveAccessRequest", past, by=anna) == [("OUT_OF_RANGE", ["grantValidUntil"])]
    clock.forward(seconds=1)
    until = clock().isoformat().replace("+00:00", "Z")
    clock.forward(seconds=-1)

    done = await approve(api, anna, request, grantValidUntil=until)

    assert done["grant"]["validUntil"] == until
    clock.forward(seconds=1)
    entered = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": anna.account_id}, by=bo)
    assert entered.data["account"] is None


async def test_a_request_is_decided_once(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    ways = {
        "APPROVED": ("approveAccessRequest", anna),
        "DECLINED": ("declineAccessRequest", anna),
        "WITHDRAWN": ("withdrawAccessRequest", bo),
    }
    for status, (mutation, person) in ways.items():
        request = {"accessRequestId": await asked(api, bo)}
        done = await api.do(mutation, request, SHOWN, by=person)
        assert done["accessRequest"]["status"] == status

        for late, who in ways.values():
            assert await refused(api, late, request, by=who) == NOT_PENDING
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")


async def test_a_request_expires_after_thirty_days_to_the_second(api: Api, clock: Clock) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await asked(api, bo)}
    clock.forward(days=13)
    for _ in range(2):  # a session that is not used ends
        await api.ask("{ __typename }", by=anna)
        await api.ask("{ __typename }", by=bo)
        clock.forward(days=8)
    anna, bo = [await signed_in(api, one) for one in (anna, bo)]
    clock.forward(seconds=24 * 3600 - 1)
    assert await own(api, bo) == [{"status": "PENDING"}]
    clock.forward(seconds=1)

    for mutation, person in (
        ("approveAccessRequest", anna),
        ("declineAccessRequest", anna),
        ("withdrawAccessRequest", bo),
    ):
        assert await refused(api, mutation, request, by=person) == NOT_PENDING
    assert await own(api, bo) == [{"status": "EXPIRED"}]
    assert [one["status"] for one in await received(api, anna)] == ["EXPIRED"]
    again = await asked(api, bo)
    assert again != request["accessRequestId"]
    assert [one["status"] for one in await own(api, bo)] == ["PENDING", "EXPIRED"]


async def signed_in(api: Api, person: Person) -> Person:
    done = await api.do("signIn", {"email": person.email, "password": "kestrel orbit lantern"}, "accessToken")
    return Person(person.email, done["accessToken"], person.user_id, person.account_id)


async def test_who_became_a_member_meanwhile_needs_no_approval(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await asked(api, bo)}
    given = {"accountId": anna.account_id, "email": bo.email, "role": "SIMPLE_USER"}
    await api.do("inviteUser", given, by=anna)
    await api.do("acceptInvitation", {"token": await api.link(bo.email, "invitation")}, by=bo)

    assert await refused(api, "approveAccessRequest", request, by=anna) == [("ALREADY_MEMBER", ["accessRequestId"])]
    assert codes(await api.do("declineAccessRequest", request, by=anna)) == []


async def test_who_has_no_login_any_more_gets_nothing(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = {"accessRequestId": await asked(api, bo)}
    await db.execute("UPDATE users SET activated_at = NULL WHERE id = $1", key(bo.user_id))

    assert await refused(api, "approveAccessRequest", request, by=anna) == NOT_PENDING


async def test_requests_are_decided_after_the_subscriptions_end(api: Api, clock: Clock) -> None:
    """Giving access is part of what goes on; the list goes on being read."""
    anna, bo = await firm(api), await api.person("bo@example.com")
    await db.execute("UPDATE accounts SET subscription_until = $1", clock())
    request = await asked(api, bo)

    assert [one["status"] for one in await received(api, anna)] == ["PENDING"]
    assert (await approve(api, anna, request))["errors"] == []


async def test_who_is_declined_is_told_no_name(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    request = await asked(api, bo)

    done = await api.do("declineAccessRequest", {"accessRequestId": request}, SHOWN, by=anna)

    assert done["accessRequest"]["status"] == "DECLINED"
    (mail,) = await mails(bo.email, "access-declined")
    assert "Nowak" not in f"{mail.subject} {mail.params}"
    assert f"NO {NUMBER}" in mail.params
    assert await Grant.filter(user_id=key(bo.user_id)).count() == 1


async def test_every_step_is_recorded_with_who_did_it_in_which_role(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    admin, _ = await api.guest(anna, "admin@example.com", "ADMINISTRATOR")

    await approve(api, admin, await asked(api, bo))

    (done,) = await events("account:access-request:approve")
    assert (done.actor_id, done.actor_role, done.account_id) == (
        key(admin.user_id),
        "ADMINISTRATOR",
        key(anna.account_id),
    )
    given = (await events("account:grant:give"))[-1]
    assert (given.actor_id, given.actor_role) == (key(admin.user_id), "ADMINISTRATOR")
    assert (await events("user:access-request:ask"))[0].account_id is None


async def test_only_who_reads_users_sees_who_asks(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com", "Bo Berg")
    request = await asked(api, bo)
    accountant, _ = await api.guest(anna, "accountant@example.com", "ACCOUNTANT")
    stranger = await api.person("stranger@example.com")
    node = "query ($id: ID!) { node(id: $id) { ... on AccessRequest { status requester { name email } } } }"
    user = "query ($id: ID!) { node(id: $id) { ... on User { email } } }"

    for person in (accountant, stranger):
        assert (await api.ask(node, {"id": request}, by=person)).data["node"] is None
        assert (await api.ask(user, {"id": bo.user_id}, by=person)).data["node"] is None
    for person in (anna, bo):
        found = (await api.ask(node, {"id": request}, by=person)).data["node"]
        assert found == {"status": "PENDING", "requester": {"name": "Bo Berg", "email": bo.email}}
        assert (await api.ask(user, {"id": bo.user_id}, by=person)).data["node"] == {"email": bo.email}
    refused_list = await api.ask("{ viewer { currentAccount { accessRequests { totalCount } } } }", by=accountant)
    assert refused_list.codes == ["FORBIDDEN"]


async def test_a_longer_list_takes_no_more_statements(api: Api) -> None:
    anna = await firm(api)
    query = """query ($id: ID!) { account(id: $id) { accessRequests { totalCount nodes {
        status requesterAccountName requester { name email } } } } }"""
    sent: list[int] = []
    for place in range(2):
        for number in range(3):
            bo = await api.person(f"bo{place}{number}@example.com")
            await asked(api, bo, **BY_NUMBER, onBehalfOfAccountId=bo.account_id)
        await api.ask("{ __typename }", by=anna)
        with counted() as statements:
            await api.ask(query, {"id": anna.account_id}, by=anna)
        sent.append(len(statements))

    assert sent[0] == sent[1]
