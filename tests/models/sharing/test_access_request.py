"""Requests for access: asked by number, and told to nobody who must not know."""

import asyncio
import re
from typing import Any

import pytest

from database import db
from models.sharing.access_request import MOST_PER_DAY
from tests.api import NOWHERE, Api, Clock, Person, codes, counts
from tests.models.bureaus.bureau_setup import number_of
from tests.models.refusals import mails, refused, rejected, state
from tests.models.sharing.access_requests import (
    BY_NUMBER,
    FREE,
    NOT_PENDING,
    NUMBER,
    approve,
    ask,
    asked,
    firm,
    own,
    received,
)
from tests.resolvers.statements import counted
from tests.schema.world import key

OWN = """{ viewer { accessRequests { totalCount nodes { requester { name email } requesterAccountName
    organizationNumber accountNumber country role message status createdAt expiresAt } } } }"""


# ---- Asking ----------------------------------------------------------------------------------


async def test_who_is_refused_a_number_asks_for_access_and_gets_it(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com", "Bo Berg")
    taken = await api.do("createAccount", {"name": "Mine AS", **BY_NUMBER}, by=bo)
    assert codes(taken) == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]
    assert "ask for access" in taken["errors"][0]["message"]

    assert await ask(api, bo, **BY_NUMBER, message="Your books, please") == []

    shown = await received(api, anna, "id role status message requester { name email }")
    assert [{name: value for name, value in one.items() if name != "id"} for one in shown] == [
        {
            "role": "ACCOUNTANT",
            "status": "PENDING",
            "message": "Your books, please",
            "requester": {"name": "Bo Berg", "email": bo.email},
        }
    ]
    done = await approve(api, anna, shown[0]["id"])
    assert done["errors"] == []
    assert done["accessRequest"]["status"] == "APPROVED"
    assert done["grant"]["role"] == "ACCOUNTANT"
    assert done["grant"]["user"] == {"name": "Bo Berg"}
    assert done["grant"]["grantedBy"] == {"name": "Anna Nowak"}
    entered = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": anna.account_id}, by=bo)
    assert entered.data["account"] == {"name": "Nowak AS"}
    assert await own(api, bo) == [{"status": "APPROVED"}]
    assert len(await mails(bo.email, "access-approved")) == 1


async def test_the_public_number_does_as_well(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")

    assert await ask(api, bo, "SIMPLE_USER", accountNumber=await number_of(anna)) == []

    assert [one["role"] for one in await received(api, anna)] == ["SIMPLE_USER"]


async def test_everyone_who_can_decide_gets_a_mail_and_nobody_else(api: Api, clock: Clock) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com", "Bo Berg")
    admin, _ = await api.guest(anna, "admin@example.com", "ADMINISTRATOR")
    until = clock().isoformat().replace("+00:00", "Z")
    clock.forward(hours=-1)
    ended, _ = await api.guest(anna, "ended@example.com", "ADMINISTRATOR", grantValidUntil=until)
    clock.forward(hours=1)
    helper, _ = await api.guest(anna, "helper@example.com", "COLLABORATOR")
    gone, grant = await api.guest(anna, "gone@example.com", "ADMINISTRATOR")
    await api.do("revokeGrant", {"grantId": grant}, by=anna)

    await asked(api, bo)

    told = {one: len(await mails(one.email, "access-requested")) for one in (anna, admin, ended, helper, gone, bo)}
    assert told == {anna: 1, admin: 1, ended: 0, helper: 0, gone: 0, bo: 0}
    mail = (await mails(anna.email, "access-requested"))[0]
    assert mail.subject == "Bo Berg asks for access to Nowak AS"


async def test_of_an_owners_accounts_with_one_number_the_oldest_that_one_is_not_in_is_asked(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    second = await api.do("createAccount", {"name": "Nowak Two", **BY_NUMBER}, "account { id }", by=anna)
    await approve(api, anna, await asked(api, bo))

    await asked(api, bo)

    there = await received(api, Person(anna.email, anna.token, anna.user_id, second["account"]["id"]))
    assert [one["status"] for one in there] == ["PENDING"]
    assert [one["status"] for one in await received(api, anna)] == ["APPROVED"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("REQUIRED", ["organizationNumber"])]),
        ({**BY_NUMBER, "accountNumber": 12345678}, [("REQUIRED", ["organizationNumber"])]),
        ({"organizationNumber": NUMBER}, [("REQUIRED", ["country"])]),
        ({"organizationNumber": "923609017", "country": "NO"}, [("INVALID", ["organizationNumber"])]),
        ({**BY_NUMBER, "country": "XX"}, [("INVALID", ["country"])]),
        ({"accountNumber": 99_999}, [("INVALID", ["accountNumber"])]),
        ({"accountNumber": -5}, [("INVALID", ["accountNumber"])]),
        ({**BY_NUMBER, "role": "OWNER"}, [("ROLE_TOO_HIGH", ["role"])]),
        ({**BY_NUMBER, "role": "ADMINISTRATOR"}, [("ROLE_TOO_HIGH", ["role"])]),
        ({**BY_NUMBER, "message": "x" * 2001}, [("TOO_LONG", ["message"])]),
        ({**BY_NUMBER, "message": "\u202eevil"}, [("INVALID", ["message"])]),
        ({**BY_NUMBER, "onBehalfOfAccountId": NOWHERE}, [("NOT_FOUND", ["onBehalfOfAccountId"])]),
        ({**BY_NUMBER, "onBehalfOfAccountId": "x"}, [("NOT_FOUND", ["onBehalfOfAccountId"])]),
    ],
)
async def test_what_is_wrong_with_the_input_is_said_before_anything_is_looked_up(
    api: Api, given: dict[str, Any], expected: object
) -> None:
    await firm(api)
    bo = await api.person("bo@example.com")

    assert await refused(api, "requestAccess", {"role": "ACCOUNTANT", **given}, by=bo) == expected


async def test_who_is_not_signed_in_asks_for_nothing(api: Api) -> None:
    await firm(api)

    assert (await rejected(api, "requestAccess", {"role": "ACCOUNTANT", **BY_NUMBER})).codes == ["UNAUTHENTICATED"]


async def test_on_behalf_of_an_account_speaks_who_may_bind_it(api: Api) -> None:
    anna, bureau = await firm(api), await api.person("eva@example.com", accountName="Eva Bureau")
    admin, _ = await api.guest(bureau, "admin@example.com", "ADMINISTRATOR")
    helper, _ = await api.guest(bureau, "helper@example.com", "COLLABORATOR")
    given = {"role": "ACCOUNTANT", **BY_NUMBER, "onBehalfOfAccountId": bureau.account_id}

    assert codes(await api.do("requestAccess", given, by=admin)) == []
    assert (await rejected(api, "requestAccess", given, by=helper)).codes == ["FORBIDDEN"]
    assert await refused(api, "requestAccess", given, by=anna) == [("NOT_FOUND", ["onBehalfOfAccountId"])]

    assert await received(api, anna, "requesterAccountName") == [{"requesterAccountName": "Eva Bureau"}]


async def test_who_no_longer_speaks_for_the_account_he_named_is_not_let_in(api: Api) -> None:
    anna, bureau = await firm(api), await api.person("eva@example.com", accountName="Eva Bureau")
    admin, grant = await api.guest(bureau, "admin@example.com", "ADMINISTRATOR")
    key = await asked(api, admin, **BY_NUMBER, onBehalfOfAccountId=bureau.account_id)
    await api.do("revokeGrant", {"grantId": grant}, by=bureau)

    assert await refused(api, "approveAccessRequest", {"accessRequestId": key}, by=anna) == NOT_PENDING


async def test_a_user_asks_so_often_a_day_whatever_became_of_it(api: Api, clock: Clock) -> None:
    bo = await api.person("bo@example.com")
    for place in range(MOST_PER_DAY):
        key = await asked(api, bo, accountNumber=20_000_000 + place)
        if place % 2:
            await api.do("withdrawAccessRequest", {"accessRequestId": key}, by=bo)

    given = {"role": "ACCOUNTANT", "accountNumber": 30_000_000}
    assert await refused(api, "requestAccess", given, by=bo) == [("OUT_OF_RANGE", None)]
    clock.forward(days=1)
    assert await ask(api, bo, accountNumber=30_000_000) == []


async def test_asking_again_the_same_day_writes_no_second_mail(api: Api, clock: Clock) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    for hours in (1, 1, 23):
        await api.do("withdrawAccessRequest", {"accessRequestId": await asked(api, bo)}, by=bo)
        clock.forward(hours=hours)

    assert len(await mails(anna.email, "access-requested")) == 1
    clock.forward(hours=2)
    await asked(api, bo)
    assert len(await mails(anna.email, "access-requested")) == 2


async def test_twenty_at_once_are_counted_one_by_one(api: Api) -> None:
    bo = await api.person("bo@example.com")
    for place in range(MOST_PER_DAY - 2):
        await asked(api, bo, accountNumber=20_000_000 + place)

    done = await asyncio.gather(*(ask(api, bo, accountNumber=30_000_000 + place) for place in range(5)))

    assert sorted(map(str, done)) == sorted(["[]"] * 2 + ["[('OUT_OF_RANGE', None)]"] * 3)
    assert (await state())["access_requests"] is not None


# ---- Nobody learns anything ------------------------------------------------------------------


async def told(api: Api, by: Person, given: dict[str, Any]) -> tuple[object, list[str], object, list[str]]:
    """Everything that somebody sees of a request of his: the answer, his list and events; and its statements."""
    await api.ask("{ __typename }", by=by)
    with counted() as sent:
        done = await api.do("requestAccess", {"role": "ACCOUNTANT", "message": "Hi", **given}, by=by)
    with counted() as read:
        listed = await api.ask(OWN, by=by)
    happened = await api.ask("{ viewer { events(first: 1) { nodes { type before after account { id } } } } }", by=by)
    typed = str(given.get("organizationNumber", given.get("accountNumber")))
    text = re.sub(r"[0-9a-f-]{36}", "ID", f"{listed.data} {happened.data}").replace(typed, "NUMBER")
    return done, sent, text.replace(by.email, "ADDRESS"), read


async def test_no_such_account_a_pending_request_and_membership_all_look_alike(api: Api) -> None:
    """Answer, list, events and every statement: of a number that exists, and of those that do not."""
    anna = await firm(api)
    member, _ = await api.guest(anna, "member@example.com", "SIMPLE_USER", permissions=["DOCUMENTS_READ"])
    waiting, _ = await api.guest(anna, "waiting@example.com", "SIMPLE_USER")
    await db.execute("UPDATE grants SET status = 'AWAITING_PERMISSIONS' WHERE user_id = $1", key(waiting.user_id))
    free = await api.person("free@example.com", "Bo Berg")
    stranger = await api.person("bo@example.com", "Bo Berg")
    again = await api.person("again@example.com", "Bo Berg")
    await asked(api, again, accountNumber=await number_of(anna))
    other = await api.person("other@example.com", "Bo Berg")
    await asked(api, other, accountNumber=87_654_321)

    first = await told(api, stranger, BY_NUMBER)
    assert "'totalCount': 1" in str(first[2])
    assert await told(api, free, FREE) == first
    assert [one[1] for one in (await told(api, member, BY_NUMBER), await told(api, waiting, BY_NUMBER))] == [
        first[1]
    ] * 2
    # Who has asked the account by another number sees what who has asked nobody sees.
    second, nothing = await told(api, again, BY_NUMBER), await told(api, other, FREE)
    number = str(await number_of(anna))
    assert str(second[2]).replace(number, "FIRST") == str(nothing[2]).replace("87654321", "FIRST")
    assert (second[0], second[1], second[3]) == (nothing[0], nothing[1], nothing[3])
    assert second[1] == first[1]
    assert len(await received(api, anna)) == 2


async def test_the_same_asked_twice_is_one_request_whether_or_not_anybody_is_there(api: Api) -> None:
    await firm(api)
    bo, eva = await api.person("bo@example.com"), await api.person("eva@example.com")
    taken: list[list[str]] = []
    for person, given in ((bo, BY_NUMBER), (eva, FREE)):
        await asked(api, person, **given)
        await api.ask("{ __typename }", by=person)
        before = await counts()

        with counted() as sent:
            assert (
                await ask(
                    api, person, "COLLABORATOR", **{**given, "organizationNumber": f"  {given['organizationNumber']} "}
                )
                == []
            )

        assert await counts() == before
        assert [one["role"] for one in await own(api, person, "role")] == ["ACCOUNTANT"]
        taken.append(sent)
    assert taken[0] == taken[1]


async def test_withdrawing_takes_the_same_statements_whether_or_not_anybody_was_there(api: Api) -> None:
    anna = await firm(api)
    bo, eva = await api.person("bo@example.com", "Bo"), await api.person("eva@example.com", "Bo")
    taken: list[tuple[object, list[str]]] = []
    for person, given in ((bo, BY_NUMBER), (eva, FREE)):
        request = await asked(api, person, **given)
        await api.ask("{ __typename }", by=person)
        with counted() as sent:
            done = await api.do(
                "withdrawAccessRequest", {"accessRequestId": request}, "accessRequest { status }", by=person
            )
        taken.append((done, sent))

    assert taken[0] == taken[1]
    assert taken[0][0] == {"accessRequest": {"status": "WITHDRAWN"}, "errors": []}
    assert [one["status"] for one in await received(api, anna)] == ["WITHDRAWN"]


async def test_no_event_that_the_requester_reads_names_the_account(api: Api) -> None:
    anna, bo = await firm(api), await api.person("bo@example.com")
    await api.do("withdrawAccessRequest", {"accessRequestId": await asked(api, bo)}, by=bo)

    shown = (await api.ask("{ viewer { events(first: 2) { nodes { type account { id } } } } }", by=bo)).data
    assert shown["viewer"]["events"]["nodes"] == [
        {"type": "user:access-request:withdraw", "account": None},
        {"type": "user:access-request:ask", "account": None},
    ]
    inside = await api.ask(
        '{ viewer { currentAccount { events(filter: { type: "account:access-request" }) { nodes { type after } } } } }',
        by=anna,
    )
    read = inside.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert [one["type"] for one in read] == ["account:access-request:withdraw", "account:access-request:ask"]
    assert {one["after"]["requester"] for one in read} == {str(key(bo.user_id))}


async def test_an_account_that_was_never_activated_or_is_closed_is_not_reached(api: Api) -> None:
    anna = await firm(api)
    given = {"name": "Nils Ny", "email": "nils@example.com", "password": "kestrel orbit lantern", **FREE}
    await api.do("register", given)
    await db.execute("UPDATE accounts SET closed_at = created_at WHERE id = $1", key(anna.account_id))
    bo = await api.person("bo@example.com")

    assert await ask(api, bo, **BY_NUMBER) == []
    assert await ask(api, bo, **FREE) == []

    assert [row.account_id for row in await db.fetch("SELECT account_id FROM access_requests", row=db.Row)] == [
        None,
        None,
    ]
    assert await mails("nils@example.com", "access-requested") == []
