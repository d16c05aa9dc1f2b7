"""Bureaus and their clients, as tests need them."""

from typing import Any

from models import db
from resolvers import ids
from tests.api import Api, Person


async def bureau(api: Api, email: str = "biuro@example.com", **more: object) -> Person:
    """The owner of a bureau."""
    person = await api.person(email, "Beata Biuro", accountName="Biuro AS", **more)
    await db.execute("UPDATE accounts SET kind = 'BUREAU' WHERE id = $1", ids.decode("Account", person.account_id))
    return person


async def number_of(person: Person) -> int:
    """The public number of somebody's account."""
    sql = "SELECT number FROM accounts WHERE id = $1"
    found = await db.fetch_one(sql, ids.decode("Account", person.account_id), row=db.Row)
    assert found is not None
    number: int = found.number
    return number


async def engagements(api: Api, by: Person, given: str = "first: 10") -> list[Any]:
    """The engagements of somebody's account, as he sees them."""
    query = f"""query ($id: ID!) {{ account(id: $id) {{ engagements({given}) {{
        totalCount nodes {{ id status bureau {{ name }} client {{ name }} }} }} }} }}"""
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    found = answer.data["account"]["engagements"]
    assert found["totalCount"] == len(found["nodes"])
    nodes: list[Any] = found["nodes"]
    return nodes


async def engaged(api: Api, biuro: Person, client: Person) -> str:
    """The id of an active engagement."""
    given = {"clientAccountId": client.account_id, "bureauNumber": await number_of(biuro)}
    assert (await api.do("engageBureau", given, by=client))["errors"] == []
    key: str = (await engagements(api, biuro, "first: 1, filter: { status: [PENDING] }"))[0]["id"]
    assert (await api.do("acceptEngagement", {"engagementId": key}, by=biuro))["errors"] == []
    return key
