"""The inviter's rights when an invitation is accepted."""

from datetime import timedelta

import pytest

from database import db
from tests.api import Api, Person, codes
from tests.models.refusals import refusal_codes
from tests.models.sharing.invitations import GUEST, INVITER_REFUSED, NEW_LOGIN, accept, invite


async def invite_as_administrator(api: Api, role: str = "COLLABORATOR") -> tuple[Person, str, str]:
    """Invite as an administrator. Returns the owner, the id of the administrator's grant, and the link's token."""
    anna = await api.person("anna@example.com")
    admin, grant_id = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    await invite(api, admin, role)
    return anna, grant_id, await api.link(GUEST, "invitation")


async def test_acceptance_fails_when_the_inviter_has_lost_access(api: Api) -> None:
    anna, grant_id, token = await invite_as_administrator(api)

    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVITER_REFUSED
    await api.do("restoreGrant", {"grantId": grant_id}, by=anna)
    assert codes(await accept(api, token)) == []


async def test_acceptance_fails_when_the_inviter_may_no_longer_invite(api: Api) -> None:
    anna, grant_id, token = await invite_as_administrator(api, "ACCOUNTANT")

    await api.do("updateGrant", {"grantId": grant_id, "role": "COLLABORATOR"}, by=anna)

    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVITER_REFUSED


async def test_acceptance_fails_when_the_inviter_has_less_than_the_offer(api: Api) -> None:
    anna, grant_id, token = await invite_as_administrator(api)
    arguments = {
        "grantId": grant_id,
        "role": "CONSULTANT",
        "permissions": ["USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"],
    }

    assert codes(await api.do("updateGrant", arguments, by=anna)) == []

    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVITER_REFUSED


async def test_acceptance_fails_when_the_inviters_access_has_expired(api: Api) -> None:
    anna, grant_id, token = await invite_as_administrator(api)
    until = (api.clock.now + timedelta(days=1)).isoformat()
    await api.do("updateGrant", {"grantId": grant_id, "validUntil": until}, by=anna)
    api.clock.forward(days=1)

    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVITER_REFUSED


async def test_user_who_resends_becomes_the_inviter(api: Api) -> None:
    anna, grant_id, _ = await invite_as_administrator(api)
    response = await api.ask("{ viewer { currentAccount { invitations(first: 1) { nodes { id } } } } }", by=anna)
    invitation_id = response.data["viewer"]["currentAccount"]["invitations"]["nodes"][0]["id"]
    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    await api.do("resendInvitation", {"invitationId": invitation_id}, by=anna)

    assert codes(await accept(api, await api.link(GUEST, "invitation"))) == []


async def test_accepted_invitation_requires_a_grant_id(api: Api) -> None:
    await api.guest(await api.person("anna@example.com"), GUEST, "ACCOUNTANT")

    with pytest.raises(Exception, match="invitations_accepted_gave_a_grant"):
        await db.execute("UPDATE invitations SET grant_id = NULL")
