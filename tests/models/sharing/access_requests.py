"""Requests for access, as tests make and read them."""

from typing import Any

from tests.api import Api, Person, codes

NUMBER = "923609016"
BY_NUMBER = {"organizationNumber": NUMBER, "country": "NO"}
FREE = {"organizationNumber": "974760673", "country": "NO"}
SHOWN = "accessRequest { id status } "
NOT_PENDING = [("INVALID_STATE", ["accessRequestId"])]


async def firm(api: Api, email: str = "anna@example.com", **more: object) -> Person:
    """An owner of an account with the number."""
    return await api.person(email, "Anna Nowak", accountName="Nowak AS", **BY_NUMBER, **more)


async def ask(api: Api, by: Person, role: str = "ACCOUNTANT", **given: object) -> list[Any]:
    """Ask for access; what is wrong with that."""
    done = await api.do("requestAccess", {"role": role, **(given or BY_NUMBER)}, by=by)
    return codes(done)


async def asked(api: Api, by: Person, role: str = "ACCOUNTANT", **given: object) -> str:
    """The id of a request that was just made."""
    assert await ask(api, by, role, **given) == []
    return str((await own(api, by, "id"))[0]["id"])


async def own(api: Api, by: Person, show: str = "status") -> list[Any]:
    """Somebody's own requests, the newest first."""
    answer = await api.ask(f"{{ viewer {{ accessRequests {{ nodes {{ {show} }} }} }} }}", by=by)
    found: list[Any] = answer.data["viewer"]["accessRequests"]["nodes"]
    return found


async def received(api: Api, by: Person, show: str = "role status requester { name email }") -> list[Any]:
    """The requests that an account has got."""
    query = f"query ($id: ID!) {{ account(id: $id) {{ accessRequests {{ totalCount nodes {{ {show} }} }} }} }}"
    found = (await api.ask(query, {"id": by.account_id}, by=by)).data["account"]["accessRequests"]
    assert found["totalCount"] == len(found["nodes"])
    nodes: list[Any] = found["nodes"]
    return nodes


async def approve(api: Api, by: Person, key: str, **given: object) -> dict[str, Any]:
    """Let somebody in."""
    show = SHOWN + "grant { id role status validUntil permissions user { name } grantedBy { name } }"
    return await api.do("approveAccessRequest", {"accessRequestId": key, **given}, show, by=by)
