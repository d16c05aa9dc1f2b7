"""Closing an account by its owner: the thirty days in which it is read-only, and reopening it."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from database import db
from models.access.grant import Grant
from models.accounts.account import Account
from models.billing import subscription
from models.bureaus.engagement import Engagement
from models.sharing.access_request import AccessRequest
from resolvers import ids
from tests.api import PASSWORD, Api, Person, codes
from tests.authenticator import enable_second_factor
from tests.models.bureaus.bureau_setup import (
    account_number,
    add_staff,
    assign,
    assign_with_permissions,
    can_enter,
    register_pair,
    register_trio,
    request_by_bureau,
)
from tests.models.bureaus.client_accounts import account_key
from tests.models.closing.closing_setup import close, decide, operator
from tests.models.refusals import events, mails, refusal_codes, rejection, subjects
from tests.models.sharing.invitations import invite

CLOSING_REFUSAL = [("ACCOUNT_CLOSING", None)]


async def test_account_is_read_only_at_once_and_says_when_it_closes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    closes_at = f"{api.clock.now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"

    payload = await close(api, anna, "account { status closesAt subscription { daysLeft } } lostDays")

    account = {"status": "READ_ONLY", "closesAt": closes_at, "subscription": {"daysLeft": 30}}
    assert payload == {"account": account, "lostDays": 0, "errors": []}
    query = """query ($id: ID!) { account(id: $id) { name status closesAt settings { invoicePrefix }
        grants(first: 5) { totalCount } events(first: 1) { nodes { type after } } } }"""
    answer = await api.ask(query, {"id": anna.account_id}, by=bo)
    assert answer.data["account"] == {
        "name": "Anna Nowak",
        "status": "READ_ONLY",
        "closesAt": closes_at,
        "settings": {"invoicePrefix": ""},
        "grants": {"totalCount": 2},
        "events": answer.data["account"]["events"],
    }
    assert [row.after for row in await events("account:account:close-request")] != []
    for person in (anna, bo):
        values = {"accountId": anna.account_id, "name": "New AS"}
        assert await refusal_codes(api, "updateAccount", values, by=person) == CLOSING_REFUSAL


async def test_decision_and_refusal_give_the_same_reason(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    await close(api, anna)

    denial = {"allowed": False, "reason": "ACCOUNT_CLOSING", "grantableBy": ["OWNER"]}
    grant = {"allowed": True, "reason": "GRANTED", "grantableBy": []}
    for permission in ("SETTINGS_WRITE", "USERS_WRITE", "SUBSCRIPTION_WRITE", "DOCUMENTS_WRITE"):
        assert await decide(api, anna, permission) == denial, permission
    for permission in ("DOCUMENTS_READ", "EVENTS_READ", "EXPORTS_CREATE", "OWNERSHIP"):
        assert await decide(api, anna, permission) == grant, permission
    # A permission that the role lacks has the reason of the role.
    assert (await decide(api, bo, "SETTINGS_WRITE"))["reason"] == "ROLE"
    values = {"accountId": anna.account_id, "name": "New AS"}
    assert (await rejection(api, "updateAccount", values, by=bo)).codes == ["FORBIDDEN"]


async def test_view_as_shows_the_closing_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await close(api, anna)
    query = "query ($id: ID!) { account(id: $id) { name viewerPermissions } }"

    headers = {"X-Account": anna.account_id, "X-View-As": "ADMINISTRATOR"}
    answer = await api.ask(query, {"id": anna.account_id}, by=anna, headers=headers)

    assert answer.data["account"]["name"] == "Anna Nowak"
    assert "SETTINGS_READ" in answer.data["account"]["viewerPermissions"]
    assert "SETTINGS_WRITE" not in answer.data["account"]["viewerPermissions"]


# ---- Who may close ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "ACCOUNTANT"])
async def test_only_the_owner_closes_and_reopens(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", role)
    stranger = await api.person("stig@example.com")
    values = {"accountId": anna.account_id, "password": PASSWORD}

    for password in (PASSWORD, "a wrong password"):  # users who are not the owner try no passwords here
        guess = {**values, "password": password}
        assert (await rejection(api, "closeAccount", guess, by=bo)).codes == ["FORBIDDEN"]
        assert await refusal_codes(api, "closeAccount", guess, by=stranger) == [("NOT_FOUND", ["accountId"])]
    assert (await rejection(api, "closeAccount", values)).codes == ["UNAUTHENTICATED"]
    await close(api, anna)
    values = {"accountId": anna.account_id}
    assert (await rejection(api, "reopenAccount", values, by=bo)).codes == ["FORBIDDEN"]
    assert await refusal_codes(api, "reopenAccount", values, by=stranger) == [("NOT_FOUND", ["accountId"])]


async def test_closing_needs_the_password_and_a_recent_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "password": "a wrong password"}
    assert await refusal_codes(api, "closeAccount", values, by=anna) == [("INVALID_CREDENTIALS", ["password"])]
    _ = await enable_second_factor(api, anna)
    api.clock.forward(minutes=11)
    api.reauthenticates = False

    values["password"] = PASSWORD
    assert await refusal_codes(api, "closeAccount", values, by=anna) == [("REAUTHENTICATION_REQUIRED", None)]
    assert (await Account.get(id=account_key(anna.account_id))).closes_at is None


async def test_owner_without_the_required_factor_is_told_so(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await db.execute("UPDATE accounts SET requires_two_factor = TRUE")

    values = {"accountId": anna.account_id, "password": PASSWORD}
    assert await refusal_codes(api, "closeAccount", values, by=anna) == [("TWO_FACTOR_REQUIRED", ["accountId"])]


async def test_second_request_is_refused_and_keeps_the_date(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await close(api, anna)
    api.clock.forward(days=3)

    values = {"accountId": anna.account_id, "password": PASSWORD}
    assert await refusal_codes(api, "closeAccount", values, by=anna) == [("ALREADY_CLOSING", ["accountId"])]
    await reopen(api, anna)
    assert await refusal_codes(api, "reopenAccount", {"accountId": anna.account_id}, by=anna) == [
        ("INVALID_STATE", ["accountId"])
    ]


async def test_closings_of_a_day_are_limited(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    for _ in range(5):
        await close(limited_api, anna)
        await reopen(limited_api, anna)

    values = {"accountId": anna.account_id, "password": PASSWORD}
    assert (await rejection(limited_api, "closeAccount", values, by=anna)).codes == ["RATE_LIMITED"]


async def test_expired_account_can_be_closed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock.now)

    await close(api, anna)

    assert (await decide(api, anna, "DOCUMENTS_WRITE"))["reason"] == "ACCOUNT_CLOSING"
    await reopen(api, anna)
    assert (await decide(api, anna, "DOCUMENTS_WRITE"))["reason"] == "SUBSCRIPTION_EXPIRED"


# ---- Reopening -------------------------------------------------------------------------------


async def reopen(api: Api, owner: Person) -> Any:
    """Reopen the owner's account."""
    payload = await api.do("reopenAccount", {"accountId": owner.account_id}, "account { status closesAt }", by=owner)
    assert payload["errors"] == []
    return payload["account"]


async def test_reopened_account_is_as_before(api: Api) -> None:
    anna = await api.person("anna@example.com", country="PL", organizationNumber="5260250274")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await invite(api, anna, email="kim@example.com")
    token = await api.link("kim@example.com", "invitation")
    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", offer, by=anna)) == []
    await close(api, anna)
    acceptance = {"token": token, "name": "Kim", "password": PASSWORD}
    assert await refusal_codes(api, "acceptInvitation", acceptance) == CLOSING_REFUSAL
    account_input = {"accountId": anna.account_id}
    assert await refusal_codes(api, "acceptOwnership", account_input, by=bo) == [("ACCOUNT_CLOSING", ["accountId"])]
    api.clock.forward(days=2)

    assert await reopen(api, anna) == {"status": "ACTIVE", "closesAt": None}

    assert codes(await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)) == []
    assert codes(await api.do("acceptInvitation", acceptance)) == []
    assert codes(await api.do("acceptOwnership", account_input, by=bo)) == []
    account = await Account.get(id=account_key(anna.account_id))
    assert (account.organization_number, account.closes_at) == ("5260250274", None)
    (event,) = await events("account:account:reopen")
    assert event.actor_role == "OWNER"


async def test_days_run_on_and_the_request_says_how_many_are_lost(api: Api) -> None:
    anna = await api.person("anna@example.com")
    number = (await Account.get(id=account_key(anna.account_id))).number
    await subscription.credit(operator(api), number, 15, reference="order")

    payload = await close(api, anna, "lostDays")
    api.clock.forward(days=4)

    assert payload["lostDays"] == 15
    (mail,) = await mails("anna@example.com", "account-closing")
    assert orjson.loads(mail.params)["lost_days"] == "15"
    query = "{ viewer { currentAccount { subscription { daysLeft } } } }"
    assert (await api.ask(query, by=anna)).data["viewer"]["currentAccount"]["subscription"]["daysLeft"] == 41


async def test_no_days_arrive_in_a_closing_account_or_leave_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    payload = await api.do("createAccount", {"name": "Rik AS"}, "account { id number }", by=anna)
    rich, number = payload["account"]["id"], payload["account"]["number"]
    await subscription.credit(operator(api), number, 100, reference="order")
    await close(api, anna)

    days_in = {"accountId": anna.account_id, "payerAccountId": rich, "days": 10}
    days_out = {"accountId": rich, "payerAccountId": anna.account_id, "days": 10}
    assert await refusal_codes(api, "extendSubscription", days_in, by=anna) == [("ACCOUNT_CLOSING", ["accountId"])]
    assert await refusal_codes(api, "extendSubscription", days_out, by=anna) == CLOSING_REFUSAL
    voucher = {"accountId": anna.account_id, "code": "AAAAA-AAAAA-AAAAA-AAAAA"}
    assert await refusal_codes(api, "redeemVoucher", voucher, by=anna) == CLOSING_REFUSAL


# ---- Who is told -----------------------------------------------------------------------------


async def test_owner_members_and_bureau_hear_of_the_request_and_of_reopening(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    _ = await assign_with_permissions(api, bureau, consultant, anna)
    _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    await close(api, anna)
    await reopen(api, anna)

    for address in ("anna@example.com", "bo@example.com", "kari@example.com", "biuro@example.com"):
        assert await subjects(address, "account-closing") == ["Nowak AS closes soon"], address
        assert await subjects(address, "account-reopened") == ["Nowak AS does not close"], address
    (to_owner,) = await mails("anna@example.com", "account-closing")
    (to_bureau,) = await mails("biuro@example.com", "account-closing")
    assert [orjson.loads(mail.params)["is_owner"] for mail in (to_owner, to_bureau)] == ["yes", None]
    # The mail to the bureau is not in the list of the account: it shows the bureau's address.
    assert (to_owner.account_id, to_bureau.account_id) == (account_key(anna.account_id), None)


# ---- Bureaus ---------------------------------------------------------------------------------


async def test_grants_at_clients_end_with_the_bureau_and_are_as_before_when_it_reopens(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    grant_id = await assign_with_permissions(api, bureau, consultant, anna)
    closes_at = api.clock.now + timedelta(days=30)

    await close(api, bureau)

    assert await end_of_grant(grant_id) == closes_at
    assert await subjects("anna@example.com", "account-closing") == ["Biuro AS closes soon"]
    # The client gives more permissions: the end stays.
    update = {"grantId": grant_id, "permissions": ["ACCOUNT_READ", "CONTACTS_READ"], "removeEnd": True}
    assert codes(await api.do("updateGrant", update, by=anna)) == []
    assert await end_of_grant(grant_id) == closes_at
    await reopen(api, bureau)
    assert await end_of_grant(grant_id) is None
    assert await can_enter(api, consultant, anna.account_id)


async def end_of_grant(grant_id: str) -> datetime | None:
    """The end of a grant."""
    return (await Grant.get(id=ids.decode("Grant", grant_id))).valid_until


# ---- Strangers and partners ------------------------------------------------------------------


async def test_closing_account_looks_like_no_account_to_strangers(api: Api) -> None:
    bureau, anna = await register_pair(api)
    stig = await api.person("stig@example.com")
    number = await account_number(anna)
    await close(api, anna)

    request = {"accountNumber": number, "role": "ACCOUNTANT"}
    assert codes(await api.do("requestAccess", request, by=stig)) == []
    engage_input = {"bureauAccountId": bureau.account_id, "clientNumber": number}
    assert await api.do("engageBureau", engage_input, "engagement { id }", by=bureau) == {
        "engagement": None,
        "errors": [],
    }

    assert [row.account_id for row in await AccessRequest.all()] == [None]
    assert await Engagement.all().count() == 0
    assert await mails("anna@example.com", "access-requested") == []
    assert await mails("anna@example.com", "engagement-asked") == []


async def test_engagement_is_not_accepted_while_either_side_closes(api: Api) -> None:
    bureau, anna = await register_pair(api)
    engagement = {"engagementId": await request_by_bureau(api, bureau, anna)}

    await close(api, bureau)
    refusal = [("ACCOUNT_CLOSING", ["engagementId"])]
    assert await refusal_codes(api, "acceptEngagement", engagement, by=anna) == refusal
    await reopen(api, bureau)
    await close(api, anna)
    assert await refusal_codes(api, "acceptEngagement", engagement, by=anna) == CLOSING_REFUSAL
    await reopen(api, anna)
    assert codes(await api.do("acceptEngagement", engagement, by=anna)) == []


async def test_consultants_are_unassigned_but_not_assigned_at_a_closing_client(api: Api) -> None:
    bureau, consultant, anna = await register_trio(api)
    _ = await assign_with_permissions(api, bureau, consultant, anna)
    helper, _ = await add_staff(api, bureau, "helge@example.com")
    await close(api, anna)

    (outcome,) = await assign(api, bureau, helper, [anna.account_id])
    assert [error["code"] for error in outcome["errors"]] == ["ACCOUNT_CLOSING"]
    assignment = {"userId": consultant.user_id, "clientAccountIds": [anna.account_id]}
    values = {"bureauAccountId": bureau.account_id, **assignment}
    payload = await api.do("unassignConsultant", values, "outcomes { errors { code } }", by=bureau)
    assert payload == {"outcomes": [{"errors": []}], "errors": []}
    assert not await can_enter(api, consultant, anna.account_id)
