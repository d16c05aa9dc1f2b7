"""An invitation offers a role in an account to an e-mail address, for seven days.

    issue --> PENDING --accept--> ACCEPTED (gives a grant)
                 |----decline---> DECLINED
                 |----revoke----> REVOKED        expired: derived from `expires_at`, then
                 `----resend----> PENDING        stored when a later invitation takes its place

Whoever issued, changed or resent it last vouches for it: his right is checked again when it is
accepted, under the account's lock. The link's token is derived from a seed that only the mail's
row holds; here lies its digest.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.models import Model

from auth import passwords, policy, tokens
from auth.policy import Permission, Role
from i18n import mark
from models import access, account, db, event, grant, keys, message, session, user
from models.access import Act, within
from models.account import Account
from models.caller import Caller
from models.check import Checks, email_key
from models.errors import Refusal, UserErrorCode, not_found, refuse
from models.grant import demand_may_give
from models.keep import KEEP, Keep
from models.message import LinkPurpose, MessageKind
from models.session import SignedIn
from models.user import User

LASTS: Final = timedelta(days=7)


class InvitationStatus(StrEnum):
    """Where an invitation stands."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class Invitation(Model):
    """An offer of a role."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    email = fields.TextField()
    email_key = fields.TextField()
    role = fields.CharEnumField(Role, max_length=20)
    listed: int | None = fields.BigIntField(null=True)
    status = fields.CharEnumField(InvitationStatus, max_length=10)
    invited_by_id = fields.UUIDField()
    message: str | None = fields.TextField(null=True)
    locale = fields.TextField()
    allow_other_login = fields.BooleanField(default=False)
    grant_valid_until: datetime | None = fields.DatetimeField(null=True)
    token_digest = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    grant_id: UUID | None = fields.UUIDField(null=True)

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "invitations"


class InvitationRow(db.Row):
    """An invitation as it is listed, without its digest."""

    id: UUID
    account_id: UUID
    account_name: str
    email: str
    email_key: str
    role: str
    listed: int | None
    status: str
    invited_by_id: UUID
    invitee_id: UUID | None
    created_at: datetime
    expires_at: datetime
    grant_valid_until: datetime | None


COLUMNS: Final = {
    **db.columns("i", "id account_id email email_key role listed status invited_by_id created_at expires_at"),
    **db.columns("i", "grant_valid_until"),
    "account_name": "a.name AS account_name",
    "invitee_id": "(SELECT l.id FROM users l WHERE l.email_key = i.email_key) AS invitee_id",
}
SOURCE: Final = "invitations i JOIN accounts a ON a.id = i.account_id"
STATUS: Final = """CASE WHEN i.status = 'PENDING' AND i.expires_at <= {0} THEN 'EXPIRED'
    ELSE i.status END"""
"""The status at the instant {0}, as `status` tells it, for filters."""
_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM {SOURCE} WHERE i.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[InvitationRow | None]:
    """These invitations, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=InvitationRow))


def status(row: InvitationRow | Invitation, now: datetime) -> InvitationStatus:
    """An invitation's status at `now`."""
    found = InvitationStatus(row.status)
    over = found is InvitationStatus.PENDING and row.expires_at <= now
    return InvitationStatus.EXPIRED if over else found


# ---- Offering --------------------------------------------------------------------------------


@within(Permission.USERS_WRITE)
async def issue(
    act: Act,
    account_id: UUID,
    *,
    email: str,
    role: Role,
    permissions: list[Permission] | None = None,
    message: str | None = None,
    grant_valid_until: datetime | None = None,
    locale: str | None = None,
    allow_other_login: bool | None = None,
) -> UUID:
    """Offer `role` to an address, and mail it the link. Returns the invitation's id.

    Raises Refusal: ROLE_TOO_HIGH, ALREADY_MEMBER, ALREADY_INVITED, or what is wrong with the input.
    """
    with Checks() as check:
        email = check.email("email", email)
        text = check.prose("message", message)
        listed = grant.checked_list(check, role, permissions)
        check.end("grant_valid_until", grant_valid_until, now=act.now)
        language = check.locale("locale", locale) if locale is not None else None
    demand_may_give(act.access.standing, role, listed)
    invitee = await User.filter(email_key=email_key(email)).first()
    if invitee and await grant.is_member(invitee.id, account_id, now=act.now):
        raise grant.already_member("email")
    await _rest_expired(account_id, email_key(email), act.now)
    seed = tokens.seed()
    try:
        made = await Invitation.create(
            account_id=account_id,
            email=email,
            email_key=email_key(email),
            role=role,
            listed=listed,
            status=InvitationStatus.PENDING,
            invited_by_id=act.user_id,
            message=text,
            locale=language or (invitee.locale if invitee else act.caller.locale),
            allow_other_login=bool(allow_other_login),
            grant_valid_until=grant_valid_until,
            token_digest=_digest(act.caller, seed),
            created_at=act.now,
            expires_at=act.now + LASTS,
        )
    except IntegrityError as error:
        raise _already_invited("email") from error
    await act.record("account:invitation:issue", after=_terms(made))
    await _mail(act, made, seed)
    return made.id


@within(Permission.USERS_WRITE, of="invitation")
async def update(
    act: Act,
    invitation_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None | Keep = KEEP,
    grant_valid_until: datetime | None | Keep = KEEP,
) -> UUID:
    """Change what a pending invitation offers; what is not given stays. Returns its id."""
    invitation = await _pending(act, invitation_id)
    new_role = role or invitation.role
    with Checks() as check:
        if permissions is not KEEP:
            listed = grant.checked_list(check, new_role, permissions)
        else:
            listed = invitation.listed if new_role is invitation.role else None
        if grant_valid_until is KEEP:
            grant_valid_until = invitation.grant_valid_until
        else:
            check.end("grant_valid_until", grant_valid_until, now=act.now)
    demand_may_give(act.access.standing, new_role, listed)
    before = _terms(invitation)
    await Invitation.filter(id=invitation.id).update(
        role=new_role,
        listed=listed,
        grant_valid_until=grant_valid_until,
        invited_by_id=act.user_id,
    )
    await invitation.refresh_from_db()
    await act.record("account:invitation:update", before=before, after=_terms(invitation))
    return invitation.id


@within(Permission.USERS_WRITE, of="invitation")
async def resend(act: Act, invitation_id: UUID) -> UUID:
    """Mail a new link with a new term of seven days; the old one dies. Returns the id.

    Works for pending and expired invitations.
    """
    invitation = await Invitation.get(id=invitation_id)
    if status(invitation, act.now) not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        raise _not_pending()
    if invitation.grant_valid_until and invitation.grant_valid_until <= act.now:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            "invitation_id",
            mark("The access that it offers has already ended. Change its end first."),
        )
    demand_may_give(act.access.standing, invitation.role, invitation.listed)
    invitee = await User.filter(email_key=invitation.email_key).first()
    if invitee and await grant.is_member(invitee.id, invitation.account_id, now=act.now):
        raise grant.already_member("invitation_id")
    await _rest_expired(invitation.account_id, invitation.email_key, act.now, but=invitation.id)
    seed, before = tokens.seed(), _terms(invitation)
    try:
        await Invitation.filter(id=invitation.id).update(
            status=InvitationStatus.PENDING,
            token_digest=_digest(act.caller, seed),
            expires_at=act.now + LASTS,
            invited_by_id=act.user_id,
        )
    except IntegrityError as error:
        raise _already_invited("invitation_id") from error
    await invitation.refresh_from_db()
    await act.record("account:invitation:resend", before=before, after=_terms(invitation))
    await _mail(act, invitation, seed)
    return invitation.id


@within(Permission.USERS_WRITE, of="invitation")
async def revoke(act: Act, invitation_id: UUID) -> UUID:
    """Take a pending or expired invitation back; its link dies. Returns its id."""
    invitation = await Invitation.get(id=invitation_id)
    if status(invitation, act.now) not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        raise _not_pending()
    await Invitation.filter(id=invitation.id).update(status=InvitationStatus.REVOKED)
    ended = {"invitation": str(invitation.id), "status": InvitationStatus.REVOKED}
    await act.record("account:invitation:revoke", before=_terms(invitation), after=ended)
    return invitation.id


# ---- Seen by its receiver --------------------------------------------------------------------


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


async def preview(token: str, *, now: datetime) -> Preview | None:
    """The invitation behind a link while it is pending or expired; None for any other token."""
    row = await db.fetch_one(_PREVIEW, tokens.digest(token), row=_PreviewRow)
    if row is None or row.status not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        return None
    return Preview(
        status=InvitationStatus.EXPIRED if row.expires_at <= now else InvitationStatus.PENDING,
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
    EMAIL_MISMATCH, ALREADY_MEMBER, ROLE_TOO_HIGH (the inviter has lost the right to offer it).
    """
    offer = await _offered(caller, token, invitation_id)
    wants_login = name is not None or password is not None
    if wants_login and token is None:
        raise refuse(UserErrorCode.REQUIRED, "token", mark("A new login needs the link of the mail."))
    with Checks() as check:
        if wants_login:
            name = check.line("name", name or "")
            check.password("password", password or "", about=(name, offer.email))
        if own_account_name is not None:
            own_account_name = check.line("own_account_name", own_account_name)
    hashed = await passwords.hash_password(password) if wants_login and password else None
    async with db.transaction():
        await access.lock(offer.account_id)
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
    offer = await _offered(caller, token, invitation_id)
    async with db.transaction():
        await access.lock(offer.account_id)
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
        raise _not_pending()
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
    if not policy.may_give(inviter.standing if inviter else None, offer.role, offer.listed):
        raise refuse(
            UserErrorCode.ROLE_TOO_HIGH,
            None,
            mark("Whoever invited you may no longer do so. Ask for a new invitation."),
        )
    if offer.grant_valid_until is not None and offer.grant_valid_until <= caller.now:
        raise refuse(UserErrorCode.TOKEN_EXPIRED, None, mark("The access that it offered has already ended."))


# ---- Mails and small parts -------------------------------------------------------------------


async def _mail(act: Act, invitation: Invitation, seed: bytes) -> None:
    inviter, house = await User.get(id=act.user_id), await Account.get(id=act.account_id)
    invitee = await User.filter(email_key=invitation.email_key).first()
    await message.queue(
        act.caller,
        MessageKind.INVITATION,
        to=invitation.email,
        name=invitee.name if invitee and invitee.activated_at else None,
        locale=invitation.locale,
        account_id=act.account_id,
        link=(LinkPurpose.INVITATION, seed),
        params={
            "inviter_name": inviter.name,
            "account_name": house.name,
            "role": invitation.role,
            "message": invitation.message,
            "expires_at": invitation.expires_at.isoformat(),
        },
    )


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


async def _pending(act: Act, invitation_id: UUID) -> Invitation:
    found = await Invitation.get(id=invitation_id)
    if status(found, act.now) is not InvitationStatus.PENDING:
        raise _not_pending()
    return found


async def _rest_expired(account_id: UUID, key: str, now: datetime, *, but: UUID | None = None) -> None:
    """Store that an earlier invitation has expired, so that a new one can take its place."""
    earlier = Invitation.filter(
        account_id=account_id, email_key=key, status=InvitationStatus.PENDING, expires_at__lte=now
    )
    await (earlier.exclude(id=but) if but else earlier).update(status=InvitationStatus.EXPIRED)


def _digest(caller: Caller, seed: bytes) -> bytes:
    return tokens.digest(tokens.derive(caller.site.link_key, LinkPurpose.INVITATION, seed))


def _not_pending() -> Refusal:
    return refuse(
        UserErrorCode.INVITATION_NOT_PENDING,
        "invitation_id",
        mark("This invitation is no longer pending."),
    )


def _already_invited(field: str) -> Refusal:
    return refuse(UserErrorCode.ALREADY_INVITED, field, mark("This address has a pending invitation already."))


def _sign_in_required() -> Refusal:
    return refuse(
        UserErrorCode.SIGN_IN_REQUIRED,
        None,
        mark("Sign in, or choose a name and a password for a new login."),
    )


def _terms(invitation: Invitation) -> dict[str, object]:
    """What an invitation offers, as events show it."""
    return {
        "invitation": str(invitation.id),
        "email": invitation.email,
        "role": invitation.role,
        "permissions": None if invitation.listed is None else policy.permissions(invitation.listed),
        "grant_valid_until": invitation.grant_valid_until,
        "expires_at": invitation.expires_at,
        "status": invitation.status,
    }
