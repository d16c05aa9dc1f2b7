"""Changes of the e-mail address of a login, proved by a link that is mailed to the new address.

    request --> pending --confirm, by the link to the new address--> changed --undo, by the link to the former--> undone
                   |--request: another change replaces it                   `--7 days--> final
                   `--cancel, 24 hours, a new password--> closed

Grants, sessions and history belong to the user, so they stay. A change does not reveal whether the new address has a
login: the answer, the rows, the counters and the events are the same, and the pending change of a taken address has a
link that was never mailed. The database changes the address, and demands the token of the link.

An undone change may be the work of a thief. So it ends the sessions, the password, the links, and a second factor that
was set up meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from tortoise.queryset import QuerySet

from auth import passwords, tokens
from database import db
from i18n import mark
from models import throttle
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.audit import event
from models.audit.event_type import EventType
from models.base import naming
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation, email_key
from models.outbox import message
from models.outbox.message import Contact, LinkPurpose, Recipient
from models.outbox.message_kind import MessageKind
from models.people import mailed_link, second_factor, session, used_link, user, user_password
from models.people.mailed_link import InvalidLink, UserToken
from models.people.user import User

LIFETIME: Final = timedelta(hours=24)
UNDO_LIFETIME: Final = timedelta(days=7)
RESET_LIFETIME: Final = timedelta(hours=24)
"""For the link to a new password after an undone change. The user can request another one at any time."""


# ---- Reading ---------------------------------------------------------------------------------


class EmailChange(db.Row):
    """A pending change of the viewer's address."""

    email: str
    created_at: datetime
    expires_at: datetime


_PENDING_CHANGE: Final = """
SELECT email, created_at, expires_at FROM user_tokens
WHERE user_id = $1 AND purpose = 'email-change' AND used_at IS NULL AND expires_at > $2
"""


async def load_pending(user_id: UUID, now: datetime) -> EmailChange | None:
    """A user's pending change. None: there is none, or its link has expired."""
    return await db.fetch_one(_PENDING_CHANGE, user_id, now, row=EmailChange)


# ---- Request ---------------------------------------------------------------------------------


@idempotent("changeEmail", undigested="password")
@reauthenticates(ReauthenticationCase.SECOND_FACTOR)
async def request(caller: Caller, *, new_email: str, password: str) -> None:
    """Mail a link to a new address for the caller's login. Replaces a pending change.

    The owner of a taken address gets a mail about the attempt instead.

    Raises:
        Refusal: INVALID_CREDENTIALS, CONFLICT, INVALID.
        RateLimited: the user has entered too many wrong passwords, or requested too many changes; the address has got
            too many mails.
    """
    login = await user_password.verify(caller, password, field="password")
    with Validation() as check:
        new_email = check.email("new_email", new_email)
        if email_key(new_email) == login.email_key:
            check.add_problem(UserErrorCode.INVALID, "new_email", mark("This is the address of your login already."))
    async with db.transaction():
        await user_password.lock_unchanged(login, field="password")
        _ = await throttle.attempt(caller, throttle.counter(caller, throttle.EMAIL_CHANGE, user_id=login.id))
        await _close_pending(caller, login.id)
        expires_at = caller.now + LIFETIME
        seed = await mailed_link.create(caller, login.id, LinkPurpose.EMAIL_CHANGE, expires_at, email=new_email)
        # The text belongs to the user: it stays if another user has the address.
        await event.record(caller, EventType.EMAIL_CHANGE_REQUEST, after={"email": naming.text(new_email, login.id)})
        owner = await User.filter(email_key=email_key(new_email), activated_at__isnull=False).first()
        recipient: Recipient = owner or Contact(new_email, None, login.locale)
        await message.queue(
            caller,
            MessageKind.EMAIL_CHANGE if owner is None else MessageKind.EMAIL_CHANGE_TAKEN,
            to=recipient,
            by_account=login.id,  # the sender, for limits: the user acts for no account
            link=(LinkPurpose.EMAIL_CHANGE, seed) if owner is None else None,
            params={"sender_email": naming.address(login.email), "expires_at": expires_at.isoformat()},
        )


async def cancel(caller: Caller) -> None:
    """Close the caller's pending change: its link stops working. Raises Refusal INVALID_STATE without one."""
    async with db.transaction():
        login = await user.lock(caller.user())
        change = await load_pending(login.id, caller.now)
        if change is None:
            raise refuse(UserErrorCode.INVALID_STATE, None, mark("There is no change to cancel."))
        await _close_pending(caller, login.id)
        await event.record(caller, EventType.EMAIL_CHANGE_CANCEL, before={"email": naming.text(change.email, login.id)})


async def _close_pending(caller: Caller, user_id: UUID) -> None:
    links = UserToken.filter(user_id=user_id, purpose=LinkPurpose.EMAIL_CHANGE, used_at=None)
    await links.update(used_at=caller.now)


# ---- Links -----------------------------------------------------------------------------------


async def confirm(caller: Caller, *, token: str) -> str:
    """Give the login of a link the new address. Sessions stay, and open links to the former address close.

    Mails the former address a link that undoes the change. Returns the new address.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED; ALREADY_EXISTS if the address has got a login of its own;
            INVALID_STATE if the link has worked, and the caller is signed in as its user.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    await _require_open(caller, LinkPurpose.EMAIL_CHANGE, token)
    async with db.transaction():
        change = await _move(caller, LinkPurpose.EMAIL_CHANGE, token)
        login, former_email = change.login, change.former_email
        await mailed_link.close_all(login.id, caller.now)
        # The user is back at an address: the link to return there is settled.
        await _undo_links(login.id).filter(email_key=login.email_key).update(used_at=caller.now)
        expires_at = caller.now + UNDO_LIFETIME
        seed = await mailed_link.create(caller, login.id, LinkPurpose.EMAIL_UNDO, expires_at, email=former_email)
        await _record(caller, EventType.EMAIL_CHANGE, change)
        await message.queue(
            caller,
            MessageKind.EMAIL_CHANGED,
            to=Contact(former_email, login.name, login.locale),
            link=(LinkPurpose.EMAIL_UNDO, seed),
            params={"expires_at": expires_at.isoformat()},
        )
        return login.email


async def undo(caller: Caller, *, token: str) -> str:
    """Give the login of a link the former address back, and mail a link for a new password there.

    Ends the user's sessions, the password, a pending change, later changes with their links, and a second factor that
    was set up since the change. Returns the address.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED; ALREADY_EXISTS if the address has got a login of its own;
            INVALID_STATE if the link has worked, and the caller is signed in as its user.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    await _require_open(caller, LinkPurpose.EMAIL_UNDO, token)
    # No user knows this password, so only the link to a new one leads in.
    unknown_hash = await passwords.hash_password(tokens.random_token(), client=throttle.largest_network(caller))
    async with db.transaction():
        change = await _move(caller, LinkPurpose.EMAIL_UNDO, token)
        login = change.login
        await User.filter(id=login.id).update(password_hash=unknown_hash)
        await mailed_link.close_all(login.id, caller.now)
        await _undo_links(login.id).filter(created_at__gte=change.changed_at).update(used_at=caller.now)
        await second_factor.disable_since(caller, login.id, change.changed_at)
        await session.end_others(caller, login.id)
        await _record(caller, EventType.EMAIL_UNDO, change)
        await mailed_link.send(
            caller, login, MessageKind.EMAIL_CHANGE_UNDONE, LinkPurpose.RESET, lifetime=RESET_LIFETIME
        )
        if email_key(change.former_email) != login.email_key:
            former_contact = Contact(change.former_email, login.name, login.locale)
            await message.queue(caller, MessageKind.EMAIL_TAKEN_BACK, to=former_contact)
        return login.email


def _undo_links(user_id: UUID) -> QuerySet[UserToken]:
    return UserToken.filter(user_id=user_id, purpose=LinkPurpose.EMAIL_UNDO, used_at=None)


async def _require_open(caller: Caller, purpose: LinkPurpose, token: str) -> None:
    """Check that a link works. The user of a link that has worked is told so; for all others it is an invalid one."""
    try:
        _ = await mailed_link.find_user(caller, purpose, token)
    except InvalidLink as refusal:
        if not await used_link.is_proved(caller, await used_link.find(purpose, token)):
            raise
        await refusal.refund()
        raise refuse(UserErrorCode.INVALID_STATE, "token", mark("This link has worked already.")) from refusal


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that the database has made: the login after it, and the time of the change that a link undoes."""

    login: User
    former_email: str
    changed_at: datetime


class _ChangeRow(db.Row):
    user_id: UUID
    former_email: str
    changed_at: datetime
    is_taken: bool


_CHANGE_ADDRESS: Final = "SELECT user_id, former_email, changed_at, is_taken FROM change_address($1, $2, $3)"


async def _move(caller: Caller, purpose: LinkPurpose, token: str) -> _Change:
    """Change the address of a login by the token of a link, within the caller's transaction."""
    row = await db.fetch_one(_CHANGE_ADDRESS, token, purpose, caller.now, row=_ChangeRow)
    if row is None:
        raise InvalidLink
    if row.is_taken:
        raise refuse(UserErrorCode.ALREADY_EXISTS, "token", mark("This address has a login of its own by now."))
    return _Change(await User.get(id=row.user_id), row.former_email, row.changed_at)


async def _record(caller: Caller, event_type: EventType, change: _Change) -> None:
    user_id = change.login.id
    await event.record(
        caller,
        event_type,
        actor_id=user_id,
        before={"email": naming.text(change.former_email, user_id)},
        after={"email": naming.text(change.login.email, user_id)},
    )
