"""Preview, acceptance and decline of an invitation by the invitee.

An invitation is found by the token of its link, or by its id if it is for the caller's address. It is accepted or
declined under the account's lock. The invitation and the inviter's rights are read again under the lock.
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
from models.access import access, grant_operation, grant_rules, operation
from models.access.grant_rules import Permit
from models.accounts import account
from models.accounts.account import Account
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.validation import Validation, email_key
from models.outbox import message
from models.outbox.message_kind import MessageKind
from models.people import registration, session
from models.people.mailed_link import InvalidLink
from models.people.user import User
from models.sharing import used_invitation
from models.sharing.invitation import Invitation, InvitationStatus, NotPending, status, terms_of
from models.sharing.used_invitation import Acceptance
from models.throttle import Attempt


@dataclass(frozen=True, slots=True)
class Preview:
    """The part of an invitation that its link shows without signing in."""

    status: InvitationStatus
    account_name: str
    invited_by_name: str
    email: str
    role: Role
    expires_at: datetime
    has_login: bool
    grant_id: UUID | None
    """The grant that the caller has by this invitation. None unless the caller has accepted it."""


class _PreviewRow(db.Row):
    status: str
    account_name: str
    invited_by_name: str
    email: str
    role: str
    expires_at: datetime
    has_login: bool
    grant_id: UUID | None


_PREVIEW: Final = f"""
SELECT i.status, i.email, i.role, i.expires_at, a.name AS account_name, u.name AS invited_by_name,
    EXISTS (SELECT FROM users l WHERE l.email_key = i.email_key AND l.activated_at IS NOT NULL)
        AS has_login, g.id AS grant_id
FROM invitations i JOIN accounts a ON a.id = i.account_id JOIN users u ON u.id = i.invited_by_id
LEFT JOIN grants g ON g.id = i.grant_id AND g.user_id = $3 AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
    AND (g.valid_until IS NULL OR g.valid_until > $2)
WHERE i.token_digest = $1 AND {access.IS_OPEN.format("a", "$2")}
    AND (i.status IN ('PENDING', 'EXPIRED') OR g.id IS NOT NULL)
"""


async def preview(token: str, *, caller: Caller) -> Preview | None:
    """The invitation of a link's token. None unless it is pending or expired, or has given the caller a live grant.

    Raises RateLimited: the caller's network has sent too many invalid tokens.
    """
    attempt = await throttle.attempt_link(caller)
    row = await db.fetch_one(_PREVIEW, tokens.digest(token), caller.now, caller.user_id, row=_PreviewRow)
    if row is None:
        return None
    await attempt.refund()
    pending_status = InvitationStatus.EXPIRED if row.expires_at <= caller.now else InvitationStatus.PENDING
    return Preview(
        status=InvitationStatus.ACCEPTED if row.grant_id is not None else pending_status,
        account_name=row.account_name,
        invited_by_name=row.invited_by_name,
        email=mask_email(row.email),
        role=Role(row.role),
        expires_at=row.expires_at,
        has_login=row.has_login,
        grant_id=row.grant_id,
    )


def mask_email(email: str) -> str:
    """Hide all but the first letter and the domain of an address: j***@example.com."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


async def accept(
    caller: Caller,
    *,
    token: str | None = None,
    invitation_id: UUID | None = None,
    name: str | None = None,
    password: str | None = None,
    own_account_name: str | None = None,
) -> Acceptance:
    """Accept an invitation with the caller's login, or with a new login for the invited address.

    `name` and `password` create a new login, which needs the link's token and is active at once. `own_account_name`
    also opens an account that the user owns.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED, INVITATION_NOT_PENDING, SIGN_IN_REQUIRED, EMAIL_MISMATCH, ALREADY_MEMBER,
            ROLE_TOO_HIGH if the inviter may no longer give the role, SEATS_EXHAUSTED if more seats are used or
            reserved than the account has, ACCOUNT_CLOSING, or an invalid input field. The signed-in user who
            accepted the invitation before gets ALREADY_MEMBER with the grant.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    try:
        return await _accept(caller, token, invitation_id, name, password, own_account_name)
    except (InvalidLink, NotPending) as refusal:
        former = await used_invitation.find(caller, token=token, invitation_id=invitation_id)
        if former is None:
            raise
        if isinstance(refusal, InvalidLink):
            await refusal.refund()
        field = "invitation_id" if token is None else "token"
        raise used_invitation.explain(former, field) from refusal


async def _accept(
    caller: Caller,
    token: str | None,
    invitation_id: UUID | None,
    name: str | None,
    password: str | None,
    own_account_name: str | None,
) -> Acceptance:
    offer = await _find_offer_with_attempt(caller, token, invitation_id)
    needs_login = name is not None or password is not None
    if needs_login and token is None:
        raise refuse(UserErrorCode.REQUIRED, "token", mark("A new login needs the link of the mail."))
    with Validation() as check:
        if needs_login:
            name = check.line("name", name or "")
            check.password("password", password or "", about=(name, offer.email))
        if own_account_name is not None:
            own_account_name = check.line("own_account_name", own_account_name)
    password_hash = (
        await passwords.hash_password(password, client=throttle.largest_network(caller))
        if needs_login and password
        else None
    )
    async with db.transaction():
        await locks.lock_accounts(offer.account_id)
        offer = await _find_offer(caller, token, invitation_id)
        permit = await _require_inviter_may_give(caller, offer)
        if password_hash is not None and name is not None:
            guest_id = await _create_login(caller, offer, name, password_hash)
        else:
            guest_id = await _require_caller_as_guest(caller, offer)
        guest_caller = replace(caller, user_id=guest_id)
        grant_id = await grant_operation.give(
            guest_caller,
            permit,
            account_id=offer.account_id,
            user_id=guest_id,
            granted_by_id=offer.invited_by_id,
            has_reservation=True,
        )
        await Invitation.filter(id=offer.id).update(status=InvitationStatus.ACCEPTED, grant_id=grant_id)
        await event.record(
            guest_caller,
            EventType.INVITATION_ACCEPT,
            account_id=offer.account_id,
            role=offer.role,
            after={"invitation": str(offer.id), "grant": str(grant_id)},
        )
        if own_account_name is not None:
            await account.open_for(guest_caller, guest_id, account.Details(own_account_name), activated_at=caller.now)
        await _mail_accepted(guest_caller, offer, guest_id)
        is_new_session = caller.user_id != guest_id
        new_session = await session.start(caller, guest_id, account_id=offer.account_id) if is_new_session else None
    return Acceptance(grant_id, guest_id, offer.account_id, new_session)


async def decline(caller: Caller, *, token: str | None = None, invitation_id: UUID | None = None) -> UUID:
    """Decline an invitation. With the link's token no login is needed. Returns the invitation's id.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED, REQUIRED, NOT_FOUND; INVITATION_NOT_PENDING by an id, and for the
            signed-in user who accepted or declined before.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    try:
        return await _decline(caller, token, invitation_id)
    except InvalidLink as refusal:
        if await used_invitation.find(caller, token=token, invitation_id=None) is None:
            raise
        await refusal.refund()
        raise NotPending("token") from refusal


async def _decline(caller: Caller, token: str | None, invitation_id: UUID | None) -> UUID:
    offer = await _find_offer_with_attempt(caller, token, invitation_id)
    async with db.transaction():
        await locks.lock_accounts(offer.account_id)
        offer = await _find_offer(caller, token, invitation_id)
        await Invitation.filter(id=offer.id).update(status=InvitationStatus.DECLINED)
        await event.record(
            caller,
            EventType.INVITATION_DECLINE,
            account_id=offer.account_id,
            # Without the address: the caller reads this event, and the preview shows the address masked.
            before={"invitation": str(offer.id), "role": offer.role},
        )
        await _mail_inviter(caller, offer, MessageKind.INVITATION_DECLINED, offer.email)
    return offer.id


async def _find_offer_with_attempt(caller: Caller, token: str | None, invitation_id: UUID | None) -> Invitation:
    """Find an offer as `_find_offer` does, and count an invalid token. Raises RateLimited."""
    attempt = await throttle.attempt_link(caller) if token is not None else None
    offer = await _find_offer(caller, token, invitation_id, attempt)
    if attempt is not None:
        await attempt.refund()
    return offer


async def _find_offer(
    caller: Caller, token: str | None, invitation_id: UUID | None, attempt: Attempt | None = None
) -> Invitation:
    """The pending invitation of a link's token, or of an id if the invitation is for the caller's address."""
    if (token is None) == (invitation_id is None):
        raise refuse(UserErrorCode.REQUIRED, "token", mark("Give either the link's token or the invitation's id."))
    if token is not None:
        return _require_usable_link(caller, await Invitation.filter(token_digest=tokens.digest(token)).first(), attempt)
    invitee = await User.get(id=caller.user())
    offer = await Invitation.filter(id=invitation_id, email_key=invitee.email_key).first()
    if offer is None:
        raise not_found("invitation_id")
    if status(offer, caller.now) is not InvitationStatus.PENDING:
        raise NotPending
    return offer


def _require_usable_link(caller: Caller, offer: Invitation | None, attempt: Attempt | None) -> Invitation:
    usable_statuses = {InvitationStatus.PENDING, InvitationStatus.EXPIRED}
    if offer is None or offer.status not in usable_statuses:
        raise InvalidLink(attempt)
    if status(offer, caller.now) is InvitationStatus.EXPIRED:
        raise refuse(
            UserErrorCode.TOKEN_EXPIRED,
            "token",
            mark("This invitation has expired. Ask for a new one."),
        )
    return offer


async def _create_login(caller: Caller, offer: Invitation, name: str, password_hash: str) -> UUID:
    login_id = await registration.create_login(
        caller, email=offer.email, name=name, password_hash=password_hash, locale=offer.locale
    )
    if login_id is None:
        raise _sign_in_required()
    return login_id


async def _require_caller_as_guest(caller: Caller, offer: Invitation) -> UUID:
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


async def _require_inviter_may_give(caller: Caller, offer: Invitation) -> Permit:
    """Refuse an offer that the inviter may not make now, even if they could when inviting."""
    inviter, terms = await access.load_one(offer.invited_by_id, offer.account_id, now=caller.now), terms_of(offer)
    if inviter is None or not grant_rules.is_permitted(inviter, None, terms):
        raise refuse(
            UserErrorCode.ROLE_TOO_HIGH,
            None,
            mark("The inviter may no longer invite you. Ask for a new invitation."),
        )
    operation.require_not_closing(inviter, None)
    if terms.until is not None and terms.until <= caller.now:
        raise refuse(UserErrorCode.TOKEN_EXPIRED, None, mark("The offered access has already ended."))
    return grant_rules.permit(inviter, None, terms)


async def _mail_accepted(caller: Caller, offer: Invitation, guest_id: UUID) -> None:
    guest, account_row = await User.get(id=guest_id), await Account.get(id=offer.account_id)
    await _mail_inviter(caller, offer, MessageKind.INVITATION_ACCEPTED, guest.email)
    await message.queue(
        caller,
        MessageKind.INVITATION_JOINED,
        to=guest,
        account_id=offer.account_id,
        params={
            "account_name": naming.text(account_row.name, account_row.id),
            "role": offer.role,
            "invited_email": None if guest.email_key == offer.email_key else naming.address(offer.email),
        },
    )


async def _mail_inviter(caller: Caller, offer: Invitation, kind: MessageKind, invitee_email: str) -> None:
    inviter, account_row = await User.get(id=offer.invited_by_id), await Account.get(id=offer.account_id)
    is_invitee = email_key(invitee_email) == offer.email_key
    await message.queue(
        caller,
        kind,
        to=inviter,
        account_id=offer.account_id,
        params={
            "account_name": naming.text(account_row.name, account_row.id),
            "invitee_email": naming.address(invitee_email),
            "invited_email": None if is_invitee else naming.address(offer.email),
            "role": offer.role,
        },
    )


def _sign_in_required() -> Refusal:
    return refuse(
        UserErrorCode.SIGN_IN_REQUIRED,
        None,
        mark("Sign in, or choose a name and a password for a new login."),
    )
