"""Links mailed to users: activation of a login, and reset of a password.

A user has at most one open link for a password reset. Each registration mails another activation link and closes none,
so that no stranger closes the link of a user. With the use of one link, all are closed. A link's token is derived from
a seed. Only the message row holds the seed; the link's row holds the token's digest.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth import tokens
from database import keys
from i18n import mark
from models import throttle
from models.base.caller import Caller
from models.base.errors import Problem, Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.outbox import message
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people.user import User
from models.throttle import Attempt, Counter

ACTIVATION_LIFETIME: Final = timedelta(hours=24)
RESET_LIFETIME: Final = timedelta(hours=1)


class UserToken(Model):
    """A mailed link. Open until it is used, replaced or closed, which sets `used_at`.

    `has_worked` if a user has followed it with success.
    """

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    user_id = fields.UUIDField()
    purpose = fields.CharEnumField(LinkPurpose, max_length=20)
    token_digest = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at: datetime | None = fields.DatetimeField(null=True)
    email: str | None = fields.TextField(null=True)
    """The address that the login gets by the link. None for a link that changes no address."""
    email_key: str | None = fields.TextField(null=True)
    has_worked = fields.BooleanField(default=False)

    class Meta(Model.Meta):
        """Table mapping."""

        table = "user_tokens"


_LIFETIME: Final = {LinkPurpose.ACTIVATION: ACTIVATION_LIFETIME, LinkPurpose.RESET: RESET_LIFETIME}


async def count_mail_request(caller: Caller) -> None:
    """Count a mail requested without signing in, by the caller's network. Raises RateLimited."""
    _ = await throttle.attempt(caller, *throttle.by_network(caller, throttle.MAIL_FROM))


def mail_counter(caller: Caller, purpose: LinkPurpose, address_key: str, *parts: str) -> Counter:
    """The counter of mails of one purpose to an address. The address needs no login."""
    return throttle.counter(caller, throttle.MAIL_TO, purpose, address_key, *parts)


async def send(
    caller: Caller,
    user: User,
    kind: MessageKind,
    purpose: LinkPurpose,
    *,
    account_id: UUID | None = None,
    by_account: UUID | None = None,
    lifetime: timedelta | None = None,
    keeps_former: bool = False,
    **params: object,
) -> None:
    """Create a link and queue the mail. Closes the user's former links of the purpose unless `keeps_former`.

    The default `lifetime` is that of the purpose. `by_account` is the account that sends an offer.
    """
    if not keeps_former:
        await UserToken.filter(user_id=user.id, purpose=purpose, used_at=None).update(used_at=caller.now)
    expires_at = caller.now + (lifetime or _LIFETIME[purpose])
    seed = await create(caller, user.id, purpose, expires_at)
    await message.queue(
        caller,
        kind,
        to=user,
        account_id=account_id,
        by_account=by_account,
        link=(purpose, seed),
        params={"expires_at": expires_at.isoformat(), **params},
    )


async def create(
    caller: Caller, user_id: UUID, purpose: LinkPurpose, expires_at: datetime, *, email: str | None = None
) -> bytes:
    """Create a link without a mail. Returns its seed. `email` is the address that the login gets by the link."""
    seed = tokens.seed()
    _ = await UserToken.create(
        user_id=user_id,
        purpose=purpose,
        token_digest=tokens.digest(tokens.derive(caller.config.link_key, purpose, seed)),
        created_at=caller.now,
        expires_at=expires_at,
        email=email,
        email_key=None if email is None else email_key(email),
    )
    return seed


async def close_all(user_id: UUID, now: datetime) -> None:
    """Close every open link of a user, except those that undo a change of the address: a thief could close these."""
    await UserToken.filter(user_id=user_id, used_at=None).exclude(purpose=LinkPurpose.EMAIL_UNDO).update(used_at=now)


async def find_user(caller: Caller, purpose: LinkPurpose, token: str) -> User:
    """The user of an open link.

    Raises InvalidLink, Refusal TOKEN_EXPIRED, or RateLimited after too many invalid tokens from the network.
    """
    attempt = await throttle.attempt_link(caller)
    link = await UserToken.filter(token_digest=tokens.digest(token), purpose=purpose, used_at=None).first()
    if link is None:
        raise InvalidLink(attempt)
    await attempt.refund()
    if link.expires_at <= caller.now:
        raise refuse(UserErrorCode.TOKEN_EXPIRED, "token", mark("This link has expired."))
    return await User.get(id=link.user_id)


async def consume(caller: Caller, purpose: LinkPurpose, token: str) -> None:
    """Mark a link as used. Of two simultaneous uses, the second raises InvalidLink.

    The caller has locked the user, so that two links of one user are used one after the other.
    """
    open_links = UserToken.filter(token_digest=tokens.digest(token), purpose=purpose, used_at=None)
    if not await open_links.update(used_at=caller.now, has_worked=True):
        raise InvalidLink


async def hand_over(purpose: LinkPurpose, token: str, user_id: UUID) -> None:
    """Make a user the user of a link that has worked: that of a placeholder, which is deleted."""
    await UserToken.filter(token_digest=tokens.digest(token), purpose=purpose, has_worked=True).update(user_id=user_id)


class InvalidLink(Refusal):
    """TOKEN_INVALID: the same refusal for links that were used, were replaced, or never existed.

    `attempt` is the count of the invalid token, if it is counted. `models/people/used_link.py` tells the user of a link
    that it has worked.
    """

    def __init__(self, attempt: Attempt | None = None) -> None:
        text = mark("This link does not work, or no longer works.")
        super().__init__(Problem(UserErrorCode.TOKEN_INVALID, "token", text))
        self.attempt = attempt

    async def refund(self) -> None:
        """Remove the count of the invalid token: its sender has proved to be its user."""
        if self.attempt is not None:
            await self.attempt.refund()
