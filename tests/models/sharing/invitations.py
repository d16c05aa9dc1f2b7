"""Invitations for tests: issue, acceptance and queries."""

from typing import Any

from models.sharing.invitation import Invitation
from tests.api import PASSWORD, Api, Person

GUEST = "bo@example.com"
NEW_LOGIN = {"name": "Bo Berg", "password": PASSWORD}
INVALID_LINK = [("TOKEN_INVALID", ["token"])]
NOT_PENDING = [("INVITATION_NOT_PENDING", ["invitationId"])]
ROLE_TOO_HIGH = [("ROLE_TOO_HIGH", ["role"])]
INVITER_REFUSED = [("ROLE_TOO_HIGH", None)]


def invitation_input(
    owner: Person, role: str = "ACCOUNTANT", email: str = GUEST, **fields: object
) -> dict[str, object]:
    return {"accountId": owner.account_id, "email": email, "role": role, **fields}


async def invite(api: Api, by: Person, role: str = "ACCOUNTANT", email: str = GUEST, **fields: object) -> str:
    """Issue an invitation. Returns its id."""
    payload = await api.do("inviteUser", invitation_input(by, role, email, **fields), "invitation { id }", by=by)
    assert payload["errors"] == []
    invitation_id: str = payload["invitation"]["id"]
    return invitation_id


async def accept(api: Api, token: str, by: Person | None = None, **fields: object) -> dict[str, Any]:
    arguments = {"token": token, **({} if by else NEW_LOGIN), **fields}
    return await api.do("acceptInvitation", arguments, "accessToken grant { id role status } account { id }", by=by)


async def load_preview(api: Api, token: str) -> Any:
    query = "query ($token: String!) { invitation(token: $token) "
    selection = "{ status accountName invitedByName email role expiresAt hasLogin } }"
    return (await api.ask(query + selection, {"token": token})).data["invitation"]


async def load_invitations(api: Api, by: Person) -> list[Any]:
    response = await api.ask("{ viewer { currentAccount { invitations { nodes { email status } } } } }", by=by)
    nodes: list[Any] = response.data["viewer"]["currentAccount"]["invitations"]["nodes"]
    return nodes


async def load_statuses() -> list[str]:
    return [str(row.status) for row in await Invitation.all().order_by("id")]
