"""Helpers of tests that need bureaus, engagements and consultants."""

from typing import Any

from database import db
from models.access.grant import Grant
from resolvers import ids
from tests.api import Api, Person


async def register_bureau(api: Api, email: str = "biuro@example.com", **extra_input: object) -> Person:
    """Register the owner of a bureau."""
    person = await api.person(email, "Beata Biuro", accountName="Biuro AS", **extra_input)
    await db.execute("UPDATE accounts SET kind = 'BUREAU' WHERE id = $1", ids.decode("Account", person.account_id))
    return person


async def account_number(person: Person) -> int:
    """The public number of a person's account."""
    sql = "SELECT number FROM accounts WHERE id = $1"
    row = await db.fetch_one(sql, ids.decode("Account", person.account_id), row=db.Row)
    assert row is not None
    number: int = row.number
    return number


async def list_engagements(api: Api, by: Person, arguments: str = "first: 10") -> list[Any]:
    """The engagements of a person's account, as the API returns them to this person."""
    query = f"""query ($id: ID!) {{ account(id: $id) {{ engagements({arguments}) {{
        totalCount nodes {{ id status bureau {{ name }} client {{ name }} }} }} }} }}"""
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    connection = answer.data["account"]["engagements"]
    assert connection["totalCount"] == len(connection["nodes"])
    nodes: list[Any] = connection["nodes"]
    return nodes


async def engage(api: Api, bureau: Person, client: Person) -> str:
    """Create an active engagement. Returns its id."""
    engage_input = {"clientAccountId": client.account_id, "bureauNumber": await account_number(bureau)}
    assert (await api.do("engageBureau", engage_input, by=client))["errors"] == []
    engagement_id: str = (await list_engagements(api, bureau, "first: 1, filter: { status: [PENDING] }"))[0]["id"]
    assert (await api.do("acceptEngagement", {"engagementId": engagement_id}, by=bureau))["errors"] == []
    return engagement_id


async def add_staff(
    api: Api, bureau: Person, email: str, role: str = "ACCOUNTANT", **extra_input: object
) -> tuple[Person, str]:
    """Register a user with a grant on a bureau. Returns the user and the id of the grant."""
    return await api.guest(bureau, email, role, **extra_input)


async def assign(
    api: Api, by: Person, user: Person, clients: list[str], permissions: list[str] | None = None
) -> list[Any]:
    """Assign a user of the bureau of `by` to clients. Returns the outcomes."""
    assign_input = {"bureauAccountId": by.account_id, "userId": user.user_id, "clientAccountIds": clients}
    permissions_input = {"permissions": permissions} if permissions is not None else {}
    selection = "outcomes { clientAccountId grant { id status permissions validUntil } errors { code field } }"
    payload = await api.do("assignConsultant", {**assign_input, **permissions_input}, selection, by=by)
    assert payload["errors"] == []
    outcomes: list[Any] = payload["outcomes"]
    return outcomes


async def assign_with_permissions(
    api: Api, bureau: Person, user: Person, client: Person, permissions: list[str] | None = None
) -> str:
    """Assign a user to a client, which then grants permissions. Returns the id of the grant at the client."""
    (outcome,) = await assign(api, bureau, user, [client.account_id])
    assert outcome["errors"] == []
    update_input = {"grantId": outcome["grant"]["id"], "permissions": permissions or ["ACCOUNT_READ", "DOCUMENTS_READ"]}
    payload = await api.do("updateGrant", update_input, "grant { status }", by=client)
    assert payload == {"grant": {"status": "ACTIVE"}, "errors": []}
    grant_id: str = outcome["grant"]["id"]
    return grant_id


async def can_enter(api: Api, person: Person, account_id: str) -> bool:
    """True if the person can read the account."""
    answer = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": account_id}, by=person)
    return answer.data["account"] is not None


async def list_consultants(api: Api, by: Person, arguments: str = "first: 10") -> list[Any]:
    """The consultants of each engagement of a person's account, as the API returns them to this person."""
    query = f"""query ($id: ID!) {{ account(id: $id) {{ engagements({arguments}) {{ nodes {{
        consultants {{ user {{ name email }} accountName status permissions }} }} }} }} }}"""
    answer = await api.ask(query, {"id": by.account_id}, by=by)
    return [node["consultants"] for node in answer.data["account"]["engagements"]["nodes"]]


async def register_trio(api: Api, **extra_input: Any) -> tuple[Person, Person, Person]:
    """Register a bureau's owner, a user of the bureau, and the owner of a client with an active engagement."""
    bureau = await register_bureau(api)
    consultant, _ = await add_staff(api, bureau, "kari@example.com", **extra_input)
    client = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    await engage(api, bureau, client)
    return bureau, consultant, client


async def base_grant_id(bureau: Person, user: Person) -> str:
    """The id of a user's grant on the bureau itself."""
    row = await Grant.get(account_id=ids.decode("Account", bureau.account_id), user_id=ids.decode("User", user.user_id))
    return ids.encode("Grant", row.id)


async def register_pair(api: Api) -> tuple[Person, Person]:
    """Register the owner of a bureau and the owner of a client."""
    bureau = await register_bureau(api)
    return bureau, await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")


async def request_by_bureau(api: Api, bureau: Person, client: Person) -> str:
    """Request an engagement that the client has to answer. Returns its id."""
    arguments = {"bureauAccountId": bureau.account_id, "clientNumber": await account_number(client)}
    assert (await api.do("engageBureau", arguments, "engagement { id }", by=bureau)) == {
        "engagement": None,
        "errors": [],
    }
    key: str = (await list_engagements(api, client))[0]["id"]
    return key
