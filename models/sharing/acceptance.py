"""What the receiver of an invitation can do: look at it, accept it, decline it.

An offer is looked up by its link's token, or by its id for the user whose address it is for. It is
decided under its account's lock, where it is read again, and with it the right of who vouches for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from auth import passwords, tokens
from auth.policy import Role
from database import db
from i18n import mark
from models import throttle
from models.access import access, grant
from models.accounts import account
from models.accounts.account import Account
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.validation import Validation
from models.outbox import message
from models.outbox.message import MessageKind
from models.people import session, user
from models.people.session import SignedIn
from models.people.user import User
from models.sharing.invitation import Invitation, InvitationStatus, not_pending, status


@dataclass(frozen=True, slots=True)
class Preview:
    """What the holder of a link sees before he signs in."""

    status: InvitationStatus
    account_name: str
    invited_by_name: str
    email: str
    role: Role
    expires_at: datetime
    has_login: bool


class _PreviewRow(db.Row):
    status: str
    account_name: str
    invited_by_name: str
    email: str
    role: str
    expires_at: datetime
    has_login: bool


_PREVIEW: Final = """
SELECT i.status, i.email, i.role, i.expires_at, a.name AS account_name, u.name AS invited_by_name,
    EXISTS (SELECT FROM users l WHERE l.email_key = i.email_key AND l.activated_at IS NOT NULL)
        AS has_login
FROM invitations i JOIN accounts a ON a.id = i.account_id JOIN users u ON u.id = i.invited_by_id
WHERE i.token_digest = $1
"""


async def preview(token: str, *, caller: Caller) -> Preview | None:
    """The invitation behind a link while it is pending or expired; None for any other token.

    Raises RateLimited: too many tokens of no link came from the caller's network.
    """
    guess = await throttle.attempt_link(caller)
    row = await db.fetch_one(_PREVIEW, tokens.digest(token), row=_PreviewRow)
    if row is None or row.status not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        return None
    await guess.refund()
    return Preview(
        status=InvitationStatus.EXPIRED if row.expires_at <= caller.now else InvitationStatus.PENDING,
        account_name=row.account_name,
        invited_by_name=row.invited_by_name,
        email=masked(row.email),
        role=Role(row.role),
        expires_at=row.expires_at,
        has_login=row.has_login,
    )


def masked(email: str) -> str:
    """An address that its holder recognises and nobody else learns: j***@example.com."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting gives; `signed_in` only where a session was started for it."""

    grant_id: UUID
    user_id: UUID
    account_id: UUID
    signed_in: SignedIn | None


async def accept(
    caller: Caller,
    *,
    token: str | None = None,
    invitation_id: UUID | None = None,
    name: str | None = None,
    password: str | None = None,
    own_account_name: str | None = None,
) -> Accepted:
    """Take the offer: with the login that is signed in, or with a new one for the invited address.

    A new login is made of `name` and `password`, needs the link's token, and is active at once. With
    `own_account_name` the user gets an account of his own besides.

    Raises Refusal: TOKEN_INVALID, TOKEN_EXPIRED, INVITATION_NOT_PENDING, SIGN_IN_REQUIRED,
    EMAIL_MISMATCH, ALREADY_MEMBER, ROLE_TOO_HIGH (the inviter has lost the right to offer it),
    SEATS_EXHAUSTED (more seats are used than the account has, or was to have).
    """
    offer = await _guessed(caller, token, invitation_id)
    wants_login = name is not None or password is not None
    if wants_login and token is None:
        raise refuse(UserErrorCode.REQUIRED, "token", mark("A new login needs the link of the mail."))
    with Validation() as check:
        if wants_login:
            name = check.line("name", name or "")
            check.password("password", password or "", about=(name, offer.email))
        if own_account_name is not None:
            own_account_name = check.line("own_account_name", own_account_name)
    hashed = await passwords.hash_password(password) if wants_login and password else None
    async with db.transaction():
        await locks.accounts(offer.account_id)
        offer = await _offered(caller, token, invitation_id)
        await _check_inviter(caller, offer)
        if hashed is not None and name is not None:
            guest_id = await user.new_login(
                caller, email=offer.email, name=name, password_hash=hashed, locale=offer.locale
            )
            if guest_id is None:
                raise _sign_in_required()
        else:
            guest_id = await _signed_in_guest(caller, offer)
        guest = replace(caller, user_id=guest_id)
        grant_id = await grant.give(
            guest,
            account_id=offer.account_id,
            user_id=guest_id,
            role=offer.role,
            listed=offer.listed,
            valid_until=offer.grant_valid_until,
            granted_by_id=offer.invited_by_id,
            seat_reserved=True,
        )
        await Invitation.filter(id=offer.id).update(status=InvitationStatus.ACCEPTED, grant_id=grant_id)
        await event.record(
            guest,
            "account:invitation:accept",
            account_id=offer.account_id,
            role=offer.role,
            after={"invitation": str(offer.id), "grant": str(grant_id)},
        )
        if own_account_name is not None:
            await account.open_for(guest, guest_id, account.Details(own_account_name), activated_at=caller.now)
        await _tell_accepted(guest, offer, guest_id)
        is_new_session = caller.user_id != guest_id
        signed_in = await session.start(caller, guest_id, account_id=offer.account_id) if is_new_session else None
    return Accepted(grant_id, guest_id, offer.account_id, signed_in)


async def decline(caller: Caller, *, token: str | None = None, invitation_id: UUID | None = None) -> UUID:
    """Turn the offer down; needs no login with the link's token. Returns the invitation's id."""
    offer = await _guessed(caller, token, invitation_id)
    async with db.transaction():
        await locks.accounts(offer.account_id)
        offer = await _offered(caller, token, invitation_id)
        await Invitation.filter(id=offer.id).update(status=InvitationStatus.DECLINED)
        await event.record(
            caller,
            "account:invitation:decline",
            account_id=offer.account_id,
            # Without the address: whoever had the link reads his own events, and sees it masked.
            before={"invitation": str(offer.id), "role": offer.role},
        )
        await _tell_inviter(caller, offer, MessageKind.INVITATION_DECLINED, offer.email)
    return offer.id


async def _guessed(caller: Caller, token: str | None, invitation_id: UUID | None) -> Invitation:
    """The same as `_offered`; a token that is wrong is counted. Raises RateLimited."""
    guess = await throttle.attempt_link(caller) if token is not None else None
    offer = await _offered(caller, token, invitation_id)
    if guess is not None:
        await guess.refund()
    return offer


async def _offered(caller: Caller, token: str | None, invitation_id: UUID | None) -> Invitation:
    """The pending invitation that a link's token, or the invited user himself, names."""
    if (token is None) == (invitation_id is None):
        raise refuse(UserErrorCode.REQUIRED, "token", mark("Give either the link's token or the invitation's id."))
    if token is not None:
        return _usable_link(caller, await Invitation.filter(token_digest=tokens.digest(token)).first())
    guest = await User.get(id=caller.user())
    found = await Invitation.filter(id=invitation_id, email_key=guest.email_key).first()
    if found is None:
        raise not_found("invitation_id")
    if status(found, caller.now) is not InvitationStatus.PENDING:
        raise not_pending()
    return found


def _usable_link(caller: Caller, found: Invitation | None) -> Invitation:
    usable = {InvitationStatus.PENDING, InvitationStatus.EXPIRED}
    if found is None or found.status not in usable:
        raise refuse(UserErrorCode.TOKEN_INVALID, "token", mark("This link does not work, or no longer."))
    if status(found, caller.now) is InvitationStatus.EXPIRED:
        raise refuse(
            UserErrorCode.TOKEN_EXPIRED,
            "token",
            mark("This invitation has expired. Ask for a new one."),
        )
    return found


async def _signed_in_guest(caller: Caller, offer: Invitation) -> UUID:
    if caller.user_id is None:
        raise _sign_in_required()
    guest = await User.get(id=caller.user_id)
    if guest.email_key != offer.email_key and not offer.allow_other_login:
        raise refuse(
            UserErrorCode.EMAIL_MISMATCH,
            None,
            mark("This invitation is for another address. Sign in with the address it was sent to."),
        )
    return guest.id


async def _check_inviter(caller: Caller, offer: Invitation) -> None:
    """The inviter's right as it is now, not as it was when he invited."""
    inviter = await access.load_one(offer.invited_by_id, offer.account_id, now=caller.now)
    if inviter is None or not grant.may_give(inviter, offer.role, offer.listed, offer.grant_valid_until):
        raise refuse(
            UserErrorCode.ROLE_TOO_HIGH,
            None,
            mark("Whoever invited you may no longer do so. Ask for a new invitation."),
        )
    if offer.grant_valid_until is not None and offer.grant_valid_until <= caller.now:
        raise refuse(UserErrorCode.TOKEN_EXPIRED, None, mark("The access that it offered has already ended."))


async def _tell_accepted(caller: Caller, offer: Invitation, guest_id: UUID) -> None:
    guest, house = await User.get(id=guest_id), await Account.get(id=offer.account_id)
    await _tell_inviter(caller, offer, MessageKind.INVITATION_ACCEPTED, guest.email)
    await message.queue(
        caller,
        MessageKind.INVITATION_JOINED,
        to=guest.email,
        name=guest.name,
        locale=guest.locale,
        account_id=offer.account_id,
        params={"account_name": house.name, "role": offer.role},
    )


async def _tell_inviter(caller: Caller, offer: Invitation, kind: MessageKind, invitee_email: str) -> None:
    inviter, house = await User.get(id=offer.invited_by_id), await Account.get(id=offer.account_id)
    await message.queue(
        caller,
        kind,
        to=inviter.email,
        name=inviter.name,
        locale=inviter.locale,
        account_id=offer.account_id,
        params={
            "account_name": house.name,
            "invitee_email": invitee_email,
            "invited_email": offer.email,
            "role": offer.role,
        },
    )


def _sign_in_required() -> Refusal:
    return refuse(
        UserErrorCode.SIGN_IN_REQUIRED,
        None,
        mark("Sign in, or choose a name and a password for a new login."),
    )
