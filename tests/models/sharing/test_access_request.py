"""Access requests: submission by number, and secrecy about accounts."""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from database import db
from models.outbox.mail_limit import NEW
from tests.api import UNKNOWN_ID, Api, Clock, Person, codes, count_rows
from tests.models.bureaus.bureau_setup import account_number
from tests.models.refusals import attempt, mails, refusal_codes, rejection, state, subjects
from tests.models.sharing.access_requests import (
    FIRM_NUMBER,
    FREE_NUMBER,
    NOT_PENDING,
    NUMBER,
    approve,
    create_firm,
    create_request,
    load_own_requests,
    load_received_requests,
    request_access,
)
from tests.resolvers.statements import record_statements
from tests.schema.world import key

OWN_REQUESTS_QUERY = """{ viewer { accessRequests { totalCount nodes { requester { name email } requesterAccountName
    organizationNumber accountNumber country role message status createdAt expiresAt } } } }"""


# ---- Submission ------------------------------------------------------------------------------


async def test_user_refused_a_taken_number_gets_access_by_request(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com", "Bo Berg")
    refused_account = await api.do("createAccount", {"name": "Mine AS", **FIRM_NUMBER}, by=bo)
    assert codes(refused_account) == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
    assert "ask for access" in refused_account["errors"][0]["message"]

    assert await request_access(api, bo, **FIRM_NUMBER, message="Your books, please") == []

    nodes = await load_received_requests(api, anna, "id role status message requester { name email }")
    assert [{name: value for name, value in item.items() if name != "id"} for item in nodes] == [
        {
            "role": "ACCOUNTANT",
            "status": "PENDING",
            "message": "Your books, please",
            "requester": {"name": "Bo Berg", "email": bo.email},
        }
    ]
    payload = await approve(api, anna, nodes[0]["id"])
    assert payload["errors"] == []
    assert payload["accessRequest"]["status"] == "APPROVED"
    assert payload["grant"]["role"] == "ACCOUNTANT"
    assert payload["grant"]["user"] == {"name": "Bo Berg"}
    assert payload["grant"]["grantedBy"] == {"name": "Anna Nowak"}
    response = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": anna.account_id}, by=bo)
    assert response.data["account"] == {"name": "Nowak AS"}
    assert await load_own_requests(api, bo) == [{"status": "APPROVED"}]
    assert len(await mails(bo.email, "access-approved")) == 1


async def test_request_by_account_number_reaches_the_account(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")

    assert await request_access(api, bo, "SIMPLE_USER", accountNumber=await account_number(anna)) == []

    assert [item["role"] for item in await load_received_requests(api, anna)] == ["SIMPLE_USER"]


async def test_only_users_who_can_decide_get_a_mail(api: Api, clock: Clock) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com", "Bo Berg")
    admin, _ = await api.guest(anna, "admin@example.com", "ADMINISTRATOR")
    until = clock().isoformat().replace("+00:00", "Z")
    clock.forward(hours=-1)
    expired_admin, _ = await api.guest(anna, "ended@example.com", "ADMINISTRATOR", grantValidUntil=until)
    clock.forward(hours=1)
    collaborator, _ = await api.guest(anna, "helper@example.com", "COLLABORATOR")
    revoked_admin, grant_id = await api.guest(anna, "gone@example.com", "ADMINISTRATOR")
    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    await create_request(api, bo)

    mail_counts = {
        user: len(await mails(user.email, "access-requested"))
        for user in (anna, admin, expired_admin, collaborator, revoked_admin, bo)
    }
    assert mail_counts == {anna: 1, admin: 1, expired_admin: 0, collaborator: 0, revoked_admin: 0, bo: 0}
    assert await subjects(anna.email, "access-requested") == ["bo@example.com asks for access to Nowak AS"]


async def test_request_reaches_the_oldest_account_without_access(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    second = await api.do("createAccount", {"name": "Nowak Two", **FIRM_NUMBER}, "account { id }", by=anna)
    await approve(api, anna, await create_request(api, bo))

    await create_request(api, bo)

    requests_of_second = await load_received_requests(
        api, Person(anna.email, anna.token, anna.user_id, second["account"]["id"])
    )
    assert [item["status"] for item in requests_of_second] == ["PENDING"]
    assert [item["status"] for item in await load_received_requests(api, anna)] == ["APPROVED"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [("REQUIRED", ["organizationNumber"])]),
        ({**FIRM_NUMBER, "accountNumber": 12345678}, [("REQUIRED", ["organizationNumber"])]),
        ({"organizationNumber": NUMBER}, [("REQUIRED", ["country"])]),
        ({"organizationNumber": "923609017", "country": "NO"}, [("INVALID", ["organizationNumber"])]),
        ({**FIRM_NUMBER, "country": "XX"}, [("INVALID", ["country"])]),
        ({"accountNumber": 99_999}, [("INVALID", ["accountNumber"])]),
        ({"accountNumber": -5}, [("INVALID", ["accountNumber"])]),
        ({**FIRM_NUMBER, "role": "OWNER"}, [("ROLE_TOO_HIGH", ["role"])]),
        ({**FIRM_NUMBER, "role": "ADMINISTRATOR"}, [("ROLE_TOO_HIGH", ["role"])]),
        ({**FIRM_NUMBER, "message": "x" * 2001}, [("TOO_LONG", ["message"])]),
        ({**FIRM_NUMBER, "message": "\u202eevil"}, [("INVALID", ["message"])]),
        ({**FIRM_NUMBER, "onBehalfOfAccountId": UNKNOWN_ID}, [("NOT_FOUND", ["onBehalfOfAccountId"])]),
        ({**FIRM_NUMBER, "onBehalfOfAccountId": "x"}, [("NOT_FOUND", ["onBehalfOfAccountId"])]),
    ],
)
async def test_invalid_input_is_refused(api: Api, fields: dict[str, Any], expected: object) -> None:
    await create_firm(api)
    bo = await api.person("bo@example.com")

    assert await refusal_codes(api, "requestAccess", {"role": "ACCOUNTANT", **fields}, by=bo) == expected


async def test_request_needs_a_signed_in_user(api: Api) -> None:
    await create_firm(api)

    assert (await rejection(api, "requestAccess", {"role": "ACCOUNTANT", **FIRM_NUMBER})).codes == ["UNAUTHENTICATED"]


async def test_request_on_behalf_of_an_account_needs_users_write_there(api: Api) -> None:
    anna, bureau = await create_firm(api), await api.person("eva@example.com", accountName="Eva Bureau")
    admin, _ = await api.guest(bureau, "admin@example.com", "ADMINISTRATOR")
    collaborator, _ = await api.guest(bureau, "helper@example.com", "COLLABORATOR")
    fields = {"role": "ACCOUNTANT", **FIRM_NUMBER, "onBehalfOfAccountId": bureau.account_id}

    assert codes(await api.do("requestAccess", fields, by=admin)) == []
    assert (await rejection(api, "requestAccess", fields, by=collaborator)).codes == ["FORBIDDEN"]
    assert await refusal_codes(api, "requestAccess", fields, by=anna) == [("NOT_FOUND", ["onBehalfOfAccountId"])]

    assert await load_received_requests(api, anna, "requesterAccountName") == [{"requesterAccountName": "Eva Bureau"}]


async def test_approval_fails_when_the_requester_no_longer_represents_the_account(api: Api) -> None:
    anna, bureau = await create_firm(api), await api.person("eva@example.com", accountName="Eva Bureau")
    admin, grant_id = await api.guest(bureau, "admin@example.com", "ADMINISTRATOR")
    request_id = await create_request(api, admin, **FIRM_NUMBER, onBehalfOfAccountId=bureau.account_id)
    await api.do("revokeGrant", {"grantId": grant_id}, by=bureau)

    assert await refusal_codes(api, "approveAccessRequest", {"accessRequestId": request_id}, by=anna) == NOT_PENDING


async def test_requests_of_a_user_are_limited_per_day(api: Api, clock: Clock) -> None:
    bo = await api.person("bo@example.com")
    for number in range(NEW.access_requests.max_attempts):
        request_id = await create_request(api, bo, accountNumber=20_000_000 + number)
        if number % 2:
            await api.do("withdrawAccessRequest", {"accessRequestId": request_id}, by=bo)

    fields = {"role": "ACCOUNTANT", "accountNumber": 30_000_000}
    clock.forward(hours=6)
    refused = await rejection(api, "requestAccess", fields, by=bo)
    assert refused.codes == ["RATE_LIMITED"]
    assert refused.errors[0]["extensions"]["retryAfterSeconds"] == 18 * 60 * 60
    clock.forward(hours=18)
    assert await request_access(api, bo, accountNumber=30_000_000) == []


async def test_repeated_request_within_a_day_sends_no_second_mail(api: Api, clock: Clock) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    for hours in (1, 1, 23):
        await api.do("withdrawAccessRequest", {"accessRequestId": await create_request(api, bo)}, by=bo)
        clock.forward(hours=hours)

    assert len(await mails(anna.email, "access-requested")) == 1
    clock.forward(hours=2)
    await create_request(api, bo)
    assert len(await mails(anna.email, "access-requested")) == 2


async def test_daily_limit_counts_concurrent_requests(api: Api) -> None:
    bo = await api.person("bo@example.com")
    for number in range(NEW.access_requests.max_attempts - 2):
        await create_request(api, bo, accountNumber=20_000_000 + number)

    inputs = [{"role": "ACCOUNTANT", "accountNumber": 30_000_000 + number} for number in range(5)]
    answers = await asyncio.gather(*(attempt(api, "requestAccess", values, by=bo) for values in inputs))

    assert sorted(answer.codes for answer in answers) == [[], [], *[["RATE_LIMITED"]] * 3]
    assert (await state())["access_requests"] is not None


# ---- Secrecy ---------------------------------------------------------------------------------


@dataclass
class Observation:
    """Everything that the requester can observe of a request: responses, and the statements as a measure of time."""

    payload: object
    statements: list[str]
    text: str
    """The list of requests and the events, without ids, the number and the address."""
    list_statements: list[str]

    def without(self, other_number: object) -> "Observation":
        """The same without the number of a former request."""
        return replace(self, text=self.text.replace(str(other_number), "FORMER"))


async def observe_request(api: Api, by: Person, fields: dict[str, Any]) -> Observation:
    await api.ask("{ __typename }", by=by)
    with record_statements() as statements:
        payload = await api.do("requestAccess", {"role": "ACCOUNTANT", "message": "Hi", **fields}, by=by)
    with record_statements() as list_statements:
        list_response = await api.ask(OWN_REQUESTS_QUERY, by=by)
    events_response = await api.ask(
        "{ viewer { events(first: 1) { nodes { type before after account { id } } } } }", by=by
    )
    entered_number = str(fields.get("organizationNumber", fields.get("accountNumber")))
    text = re.sub(r"[0-9a-f-]{36}", "ID", f"{list_response.data} {events_response.data}").replace(
        entered_number, "NUMBER"
    )
    return Observation(payload, statements, text.replace(by.email, "ADDRESS"), list_statements)


async def test_unknown_number_pending_request_and_membership_are_indistinguishable(api: Api) -> None:
    """Response, list, events and statements are the same whether a request reaches an account or not."""
    anna = await create_firm(api)
    member, _ = await api.guest(anna, "member@example.com", "SIMPLE_USER", permissions=["DOCUMENTS_READ"])
    waiting_member, _ = await api.guest(anna, "waiting@example.com", "SIMPLE_USER")
    await db.execute(
        "UPDATE grants SET status = 'AWAITING_PERMISSIONS' WHERE user_id = $1", key(waiting_member.user_id)
    )
    free = await api.person("free@example.com", "Bo Berg")
    stranger = await api.person("bo@example.com", "Bo Berg")
    former_requester = await api.person("again@example.com", "Bo Berg")
    await create_request(api, former_requester, accountNumber=await account_number(anna))
    unreached_requester = await api.person("other@example.com", "Bo Berg")
    await create_request(api, unreached_requester, accountNumber=87_654_321)

    first = await observe_request(api, stranger, FIRM_NUMBER)
    assert "'totalCount': 1" in first.text
    assert await observe_request(api, free, FREE_NUMBER) == first
    for person in (member, waiting_member):
        assert (await observe_request(api, person, FIRM_NUMBER)).statements == first.statements
    # A second request by another number looks the same, whether the first one reached the account or not.
    second = await observe_request(api, former_requester, FIRM_NUMBER)
    unreached_observation = await observe_request(api, unreached_requester, FREE_NUMBER)
    assert second.without(await account_number(anna)) == unreached_observation.without(87_654_321)
    assert second.statements == first.statements
    assert len(await load_received_requests(api, anna)) == 2


async def test_repeated_request_runs_the_same_statements_with_and_without_an_account(api: Api) -> None:
    await create_firm(api)
    bo, eva = await api.person("bo@example.com"), await api.person("eva@example.com")
    statement_lists: list[list[str]] = []
    for person, fields in ((bo, FIRM_NUMBER), (eva, FREE_NUMBER)):
        await create_request(api, person, **fields)
        await api.ask("{ __typename }", by=person)
        before = await count_rows()

        with record_statements() as statements:
            assert (
                await request_access(
                    api,
                    person,
                    "COLLABORATOR",
                    **{**fields, "organizationNumber": f"  {fields['organizationNumber']} "},
                )
                == []
            )

        assert await count_rows() == before
        assert [item["role"] for item in await load_own_requests(api, person, "role")] == ["ACCOUNTANT"]
        statement_lists.append(statements)
    assert statement_lists[0] == statement_lists[1]


async def test_withdrawal_runs_the_same_statements_with_and_without_an_account(api: Api) -> None:
    anna = await create_firm(api)
    bo, eva = await api.person("bo@example.com", "Bo"), await api.person("eva@example.com", "Bo")
    observations: list[tuple[object, list[str]]] = []
    for person, fields in ((bo, FIRM_NUMBER), (eva, FREE_NUMBER)):
        request_id = await create_request(api, person, **fields)
        await api.ask("{ __typename }", by=person)
        with record_statements() as statements:
            payload = await api.do(
                "withdrawAccessRequest", {"accessRequestId": request_id}, "accessRequest { status }", by=person
            )
        observations.append((payload, statements))

    assert observations[0] == observations[1]
    assert observations[0][0] == {"accessRequest": {"status": "WITHDRAWN"}, "errors": []}
    assert [item["status"] for item in await load_received_requests(api, anna)] == ["WITHDRAWN"]


async def test_events_of_the_requester_do_not_name_the_account(api: Api) -> None:
    anna, bo = await create_firm(api), await api.person("bo@example.com")
    await api.do("withdrawAccessRequest", {"accessRequestId": await create_request(api, bo)}, by=bo)

    requester_data = (await api.ask("{ viewer { events(first: 2) { nodes { type account { id } } } } }", by=bo)).data
    assert requester_data["viewer"]["events"]["nodes"] == [
        {"type": "user:access-request:withdraw", "account": None},
        {"type": "user:access-request:ask", "account": None},
    ]
    account_response = await api.ask(
        '{ viewer { currentAccount { events(filter: { type: "account:access-request" }) { nodes { type after } } } } }',
        by=anna,
    )
    account_events = account_response.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert [item["type"] for item in account_events] == [
        "account:access-request:withdraw",
        "account:access-request:ask",
    ]
    assert {item["after"]["requester"] for item in account_events} == {str(key(bo.user_id))}


async def test_inactive_or_closed_account_is_not_reached(api: Api) -> None:
    anna = await create_firm(api)
    fields = {"name": "Nils Ny", "email": "nils@example.com", "password": "kestrel orbit lantern", **FREE_NUMBER}
    await api.do("register", fields)
    await db.execute("UPDATE accounts SET closed_at = created_at WHERE id = $1", key(anna.account_id))
    bo = await api.person("bo@example.com")

    assert await request_access(api, bo, **FIRM_NUMBER) == []
    assert await request_access(api, bo, **FREE_NUMBER) == []

    assert [row.account_id for row in await db.fetch("SELECT account_id FROM access_requests", row=db.Row)] == [
        None,
        None,
    ]
    assert await mails("nils@example.com", "access-requested") == []
