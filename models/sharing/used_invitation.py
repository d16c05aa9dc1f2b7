"""Invitations that were accepted or declined, for the users who did.

The signed-in user who accepted gets their grant. Every other caller gets the answer to an unknown link, after the same
work.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from auth import tokens
from database import db
from i18n import mark
from models.access import access
from models.base.caller import Caller
from models.base.errors import Problem, Refusal, UserErrorCode
from models.people.session import NewSession
from models.sharing.invitation import NotPending


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The outcome of an acceptance. `new_session` is None if the caller was signed in already."""

    grant_id: UUID
    user_id: UUID
    account_id: UUID
    new_session: NewSession | None


class UsedInvitation(db.Row):
    """An invitation that the caller has accepted or declined. `grant_id` is null if the caller has no access by it."""

    account_id: UUID
    user_id: UUID
    grant_id: UUID | None


# The user is the holder of the grant of an accepted invitation, or the login of the address that declined.
_FIND: Final = f"""
SELECT i.account_id, u.id AS user_id,
    CASE WHEN g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (g.valid_until IS NULL OR g.valid_until > $2)
        AND {access.IS_OPEN.format("a", "$2")} THEN g.id END AS grant_id
FROM invitations i JOIN accounts a ON a.id = i.account_id LEFT JOIN grants g ON g.id = i.grant_id
    JOIN users u ON u.id = $3 AND (u.id = g.user_id OR i.status = 'DECLINED' AND u.email_key = i.email_key)
WHERE {{key}} = $1 AND i.status IN ('ACCEPTED', 'DECLINED')
"""
_FIND_BY_TOKEN: Final = _FIND.format(key="i.token_digest")
_FIND_BY_ID: Final = _FIND.format(key="i.id")


async def find(caller: Caller, *, token: str | None, invitation_id: UUID | None) -> UsedInvitation | None:
    """The accepted or declined invitation of a link, or of an id. None unless the signed-in caller has used it."""
    if token is not None:
        digest = tokens.digest(token)
        return await db.fetch_one(_FIND_BY_TOKEN, digest, caller.now, caller.user_id, row=UsedInvitation)
    return await db.fetch_one(_FIND_BY_ID, invitation_id, caller.now, caller.user_id, row=UsedInvitation)


def explain(used_invitation: UsedInvitation, field: str) -> Refusal:
    """The refusal of a second acceptance by its user: ALREADY_MEMBER with the grant.

    INVITATION_NOT_PENDING at `field` if the invitation was declined or the access has ended.
    """
    if used_invitation.grant_id is None:
        return NotPending(field)
    problem = Problem(UserErrorCode.ALREADY_MEMBER, None, mark("You have accepted this invitation already."))
    account_id, user_id = used_invitation.account_id, used_invitation.user_id
    return Refusal(problem, outcome=Acceptance(used_invitation.grant_id, user_id, account_id, None))
