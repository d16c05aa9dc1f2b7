"""Erasure and export of a user who had other addresses, and of users who had the same address one after the other."""

from typing import Any

import orjson

from database import db
from tests.api import PASSWORD, Api, Person, codes
from tests.models.people.test_email_change import NEW, OLD, change
from tests.models.privacy.test_redaction import first_breaks
from tests.models.refusals import events

ADDRESS_COUNT = """
SELECT (SELECT count(*)::int FROM events e WHERE e::text LIKE '%' || $1 || '%') AS events,
    (SELECT count(*)::int FROM messages m WHERE m::text LIKE '%' || $1 || '%') AS messages,
    (SELECT count(*)::int FROM invitations i WHERE i::text LIKE '%' || $1 || '%') AS invitations,
    (SELECT count(*)::int FROM users u WHERE u::text LIKE '%' || $1 || '%') AS users,
    (SELECT count(*)::int FROM user_tokens t WHERE t::text LIKE '%' || $1 || '%') AS links,
    (SELECT count(*)::int FROM former_addresses f WHERE f::text LIKE '%' || $1 || '%') AS former_addresses
"""


async def count_address(address: str) -> dict[str, int]:
    """The number of rows with an address, by table, without tables that have none."""
    (row,) = await db.fetch(ADDRESS_COUNT, address, row=db.Row)
    return {name: count for name, count in row.items() if count}


async def invite(api: Api, host: Person, email: str) -> None:
    offer = {"accountId": host.account_id, "email": email, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", offer, by=host)) == []


async def erase(api: Api, person: Person) -> None:
    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=person)) == []


async def export(api: Api, person: Person) -> Any:
    payload = await api.do("exportMyData", {"password": PASSWORD}, "document", by=person)
    assert payload["errors"] == []
    return payload["document"]


async def test_erasure_forgets_former_addresses(api: Api) -> None:
    host = await api.person("host@example.com", "Host")
    anna = await api.person(OLD)
    await invite(api, host, OLD)
    await change(api, anna)
    await invite(api, host, NEW)
    api.clock.forward(minutes=1)
    assert await count_address(OLD)
    assert await count_address(NEW)

    await erase(api, anna)

    assert (await count_address(OLD), await count_address(NEW)) == ({}, {})
    assert await first_breaks() == []


async def test_erasure_leaves_the_facts_of_the_next_user_of_an_address(api: Api) -> None:
    """Anna leaves the address, and Bo registers it. Each erasure takes what named its own person."""
    host = await api.person("host@example.com", "Host")
    anna = await api.person(OLD)
    await invite(api, host, OLD)
    await change(api, anna)
    api.clock.forward(minutes=1)
    bo = await api.person(OLD, "Bo Berg")
    host_two = await api.person("host2@example.com", "Second Host")
    await invite(api, host_two, OLD)
    api.clock.forward(minutes=1)

    await erase(api, anna)

    invited_addresses = [orjson.loads(event.after).get("email") for event in await events("account:invitation:issue")]
    assert invited_addresses == [None, OLD]
    invitation_rows = await db.fetch("SELECT email FROM invitations ORDER BY id", row=db.Row)
    assert [row.email == OLD for row in invitation_rows] == [False, True]
    assert (await count_address(OLD))["messages"] > 0
    await erase(api, bo)
    assert await count_address(OLD) == {}
    assert await first_breaks() == []


async def test_erasure_of_the_next_user_leaves_the_facts_of_the_former_one(api: Api) -> None:
    host = await api.person("host@example.com", "Host")
    anna = await api.person(OLD)
    await invite(api, host, OLD)
    await change(api, anna)
    api.clock.forward(minutes=1)
    bo = await api.person(OLD, "Bo Berg")
    api.clock.forward(minutes=1)

    await erase(api, bo)

    (event,) = await events("account:invitation:issue")
    assert orjson.loads(event.after)["email"] == OLD
    assert [row.email for row in await db.fetch("SELECT email FROM invitations", row=db.Row)] == [OLD]
    assert (await export(api, anna))["formerAddresses"][0]["email"] == OLD


async def test_export_has_former_addresses_and_nothing_of_their_next_user(api: Api) -> None:
    host = await api.person("host@example.com", "Host")
    anna = await api.person(OLD)
    await invite(api, host, OLD)
    await change(api, anna)
    api.clock.forward(minutes=1)
    await api.person(OLD, "Bo Berg")
    host_two = await api.person("host2@example.com", "Second Host")
    await invite(api, host_two, OLD)

    document = await export(api, anna)

    assert [row["email"] for row in document["formerAddresses"]] == [OLD]
    assert [row["email"] for row in document["invitations"]] == [OLD]
    assert len(document["eventsAboutMe"]) == 1
    kinds = [message["kind"] for message in document["messages"]]
    assert kinds.count("activation") == 1
    assert kinds.count("invitation") == 1


async def test_erasure_leaves_what_named_an_undone_address_before(api: Api) -> None:
    """A thief moved the login to their own address. Mails to that address from before the change stay."""
    host = await api.person("host@example.com", "Host")
    anna = await api.person(OLD)
    await invite(api, host, NEW)
    api.clock.forward(minutes=1)
    await change(api, anna)
    api.clock.forward(minutes=1)
    payload = await api.do("undoEmailChange", {"token": await api.link(OLD, "email-undo")})
    assert codes(payload) == []
    new_password = "marble thicket cobalt"
    reset = {"token": await api.link(OLD, "reset"), "password": new_password}
    assert codes(await api.do("resetPassword", reset)) == []
    signed_in = await api.do("signIn", {"email": OLD, "password": new_password}, "accessToken")
    assert codes(await api.do("eraseMe", {"password": new_password}, by=signed_in["accessToken"])) == []

    assert await count_address(OLD) == {}
    assert [row.email for row in await db.fetch("SELECT email FROM invitations", row=db.Row)] == [NEW]
