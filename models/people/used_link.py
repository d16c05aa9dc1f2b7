"""Proof that the caller is the user of a mailed link that has worked already.

Only this user is told what the link has done. All other callers get the answer to an unknown token, after the same
work.
"""

import hmac
from typing import Final
from uuid import UUID

from auth import tokens
from database import db
from models import throttle
from models.base.caller import Caller
from models.outbox.message import LinkPurpose
from models.people import password_check


class LinkUser(db.Row):
    """The user of a used link, with the digests of their secrets. Of an activation link, the login is active."""

    id: UUID
    password_hash: str | None
    registration_secret_digest: bytes | None


# Each link of an active login has served its purpose if it was an activation link, also if another one was used.
_FIND: Final = """
SELECT u.id, u.password_hash, u.registration_secret_digest
FROM user_tokens t JOIN users u ON u.id = t.user_id
WHERE t.token_digest = $1 AND t.purpose = $2 AND t.used_at IS NOT NULL AND u.activated_at IS NOT NULL
    AND (t.has_worked OR t.purpose = 'activation')
"""


async def find(purpose: LinkPurpose, token: str) -> LinkUser | None:
    """The user of a link that has worked. None if it never has."""
    return await db.fetch_one(_FIND, tokens.digest(token), purpose, row=LinkUser)


async def is_proved(
    caller: Caller, link_user: LinkUser | None, *, password: str | None = None, registration_secret: str | None = None
) -> bool:
    """True if the caller is the user of a used link: signed in, or with the user's password or registration secret.

    Passwords are counted. False for None, after the same work, and after too many wrong passwords.
    """
    if link_user is not None and caller.user_id == link_user.id:
        return True
    secret_digest = link_user.registration_secret_digest if link_user is not None else None
    if matches_secret(registration_secret, secret_digest):
        return True
    if password is None:
        return False
    counter = (
        throttle.counter(caller, throttle.USED_LINK, user_id=link_user.id)
        if link_user is not None
        else throttle.counter(caller, throttle.USED_LINK, throttle.network(caller))
    )
    attempt = await throttle.attempt_or_none(caller, counter)
    if attempt is None:
        return False
    return await password_check.is_correct(caller, attempt, password, link_user.password_hash if link_user else None)


def matches_secret(secret: str | None, secret_digest: bytes | None) -> bool:
    """True if a secret is that of a registration. False without either."""
    return secret is not None and hmac.compare_digest(tokens.digest(secret), secret_digest or b"")
