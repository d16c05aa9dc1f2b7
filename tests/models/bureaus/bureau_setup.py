"""Bureaus and their clients, as tests need them."""

from typing import Any

from database import db
from models.access.grant import Grant
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


async def staff(api: Api, biuro: Person, email: str, role: str = "ACCOUNTANT", **more: object) -> tuple[Person, str]:
    """Somebody who works at a bureau, and the id of his grant on it."""
    return await api.guest(biuro, email, role, **more)


async def assigned(
    api: Api, by: Person, user: Person, clients: list[str], permissions: list[str] | None = None
) -> list[Any]:
    """The outcomes of assigning somebody of the bureau where `by` is at home."""
    given = {"bureauAccountId": by.account_id, "userId": user.user_id, "clientAccountIds": clients}
    more = {"permissions": permissions} if permissions is not None else {}
    shown = "outcomes { clientAccountId grant { id status permissions validUntil } errors { code field } }"
    done = await api.do("assignConsultant", {**given, **more}, shown, by=by)
    assert done["errors"] == []
    outcomes: list[Any] = done["outcomes"]
    return outcomes


async def working(api: Api, biuro: Person, user: Person, client: Person, permissions: list[str] | None = None) -> str:
    """The id of a consultant's grant at a client that has engaged the bureau, with permissions from the client."""
    (outcome,) = await assigned(api, biuro, user, [client.account_id])
    assert outcome["errors"] == []
    given = {"grantId": outcome["grant"]["id"], "permissions": permissions or ["ACCOUNT_READ", "DOCUMENTS_READ"]}
    done = await api.do("updateGrant", given, "grant { status }", by=client)
    assert done == {"grant": {"status": "ACTIVE"}, "errors": []}
    key: str = outcome["grant"]["id"]
    return key


async def enters(api: Api, person: Person, account_id: str) -> bool:
    """Whether somebody finds an account."""
    seen = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": account_id}, by=person)
    return seen.data["account"] is not None


async def consultants(api: Api, by: Person, given: str = "first: 10") -> list[Any]:
    """The consultants of each engagement of somebody's account, as he sees them."""
    query = f"""query ($id: ID!) {{ account(id: $id) {{ engagements({given}) {{ nodes {{
        consultants {{ user {{ name email }} accountName status permissions }} }} }} }} }}"""
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    return [node["consultants"] for node in answer.data["account"]["engagements"]["nodes"]]


async def trio(api: Api, **more: Any) -> tuple[Person, Person, Person]:
    """A bureau's owner, one who works there, and the owner of a client that has engaged it."""
    biuro = await bureau(api)
    kari, _ = await staff(api, biuro, "kari@example.com", **more)
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    await engaged(api, biuro, anna)
    return biuro, kari, anna


async def grant_at_bureau(biuro: Person, user: Person) -> str:
    """The id of somebody's grant on the bureau itself."""
    row = await Grant.get(account_id=ids.decode("Account", biuro.account_id), user_id=ids.decode("User", user.user_id))
    return ids.encode("Grant", row.id)
