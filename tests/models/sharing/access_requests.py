"""Access requests for tests: submission, lists and approval."""

from typing import Any

from tests.api import Api, Person, codes

NUMBER = "923609016"
FIRM_NUMBER = {"organizationNumber": NUMBER, "country": "NO"}
FREE_NUMBER = {"organizationNumber": "974760673", "country": "NO"}
REQUEST_SELECTION = "accessRequest { id status } "
NOT_PENDING = [("INVALID_STATE", ["accessRequestId"])]


async def create_firm(api: Api, email: str = "anna@example.com", **fields: object) -> Person:
    """Register the owner of an account with FIRM_NUMBER."""
    return await api.person(email, "Anna Nowak", accountName="Nowak AS", **FIRM_NUMBER, **fields)


async def request_access(api: Api, by: Person, role: str = "ACCOUNTANT", **fields: object) -> list[Any]:
    """Request access, by FIRM_NUMBER if no fields are given. Returns the errors' codes."""
    payload = await api.do("requestAccess", {"role": role, **(fields or FIRM_NUMBER)}, by=by)
    return codes(payload)


async def create_request(api: Api, by: Person, role: str = "ACCOUNTANT", **fields: object) -> str:
    """Request access without an error. Returns the request's id."""
    assert await request_access(api, by, role, **fields) == []
    return str((await load_own_requests(api, by, "id"))[0]["id"])


async def load_own_requests(api: Api, by: Person, selection: str = "status") -> list[Any]:
    """The viewer's own requests, the newest first."""
    response = await api.ask(f"{{ viewer {{ accessRequests {{ nodes {{ {selection} }} }} }} }}", by=by)
    nodes: list[Any] = response.data["viewer"]["accessRequests"]["nodes"]
    return nodes


async def load_received_requests(
    api: Api, by: Person, selection: str = "role status requester { name email }"
) -> list[Any]:
    """The requests that the person's account has received."""
    query = f"query ($id: ID!) {{ account(id: $id) {{ accessRequests {{ totalCount nodes {{ {selection} }} }} }} }}"
    connection = (await api.ask(query, {"id": by.account_id}, by=by)).data["account"]["accessRequests"]
    assert connection["totalCount"] == len(connection["nodes"])
    nodes: list[Any] = connection["nodes"]
    return nodes


async def approve(api: Api, by: Person, request_id: str, **fields: object) -> dict[str, Any]:
    """Approve a request. Returns the payload."""
    selection = REQUEST_SELECTION + "grant { id role status validUntil permissions user { name } grantedBy { name } }"
    return await api.do("approveAccessRequest", {"accessRequestId": request_id, **fields}, selection, by=by)
