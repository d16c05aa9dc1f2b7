"""An invitation offers a role in an account to an e-mail address, for seven days.

    issue --> PENDING --accept--> ACCEPTED (gives a grant)
                 |----decline---> DECLINED
                 |----revoke----> REVOKED        expired: derived from `expires_at`, then
                 `----resend----> PENDING        stored when a later invitation takes its place

Whoever issued, changed or resent it last vouches for it: his right is checked again when it is
accepted, under the account's lock. The link's token is derived from a seed that only the mail's
row holds; here lies its digest.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.models import Model

from auth import policy, tokens
from auth.policy import Permission, Role
from database import db, keys
from i18n import mark
from models import throttle
from models.access import grant, seat
from models.access.access import OperationContext, requires
from models.access.grant import demand_may_give
from models.accounts.account import Account
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.unset import UNSET, Unset
from models.base.validation import Validation, email_key
from models.outbox import message
from models.outbox.message import LinkPurpose, MessageKind
from models.people.user import User

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

    graphql_type = "Invitation"

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


@requires(Permission.USERS_WRITE)
async def issue(
    act: OperationContext,
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

    Raises:
        Refusal: ROLE_TOO_HIGH, ALREADY_MEMBER, ALREADY_INVITED, SEATS_EXHAUSTED, or what is wrong with
            the input.
        RateLimited: the account has mailed as many offers as it may within a day.
    """
    with Validation() as check:
        email = check.email("email", email)
        text = check.prose("message", message)
        listed = grant.checked_list(check, role, permissions)
        check.end("grant_valid_until", grant_valid_until, now=act.now)
        language = check.locale("locale", locale) if locale is not None else None
    demand_may_give(act.access, role, listed, grant_valid_until)
    invitee = await User.filter(email_key=email_key(email)).first()
    if invitee and await grant.is_member(act.caller, invitee.id, account_id):
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
    await seat.demand(account_id, role, "role", now=act.now)
    await act.record("account:invitation:issue", after=terms(made))
    await _mail(act, made, seed)
    return made.id


@requires(Permission.USERS_WRITE, of="invitation")
async def update(
    act: OperationContext,
    invitation_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None | Unset = UNSET,
    grant_valid_until: datetime | None | Unset = UNSET,
) -> UUID:
    """Change what a pending invitation offers; what is not given stays. Returns its id."""
    invitation = await _pending(act, invitation_id)
    new_role = role or invitation.role
    with Validation() as check:
        if permissions is not UNSET:
            listed = grant.checked_list(check, new_role, permissions)
        else:
            listed = invitation.listed if new_role is invitation.role else None
        if grant_valid_until is UNSET:
            grant_valid_until = invitation.grant_valid_until
        else:
            check.end("grant_valid_until", grant_valid_until, now=act.now)
    demand_may_give(act.access, new_role, listed, grant_valid_until)
    grant.demand_may_manage(act.access, invitation.role, "invitation_id")
    before, was = terms(invitation), invitation.role
    await Invitation.filter(id=invitation.id).update(
        role=new_role,
        listed=listed,
        grant_valid_until=grant_valid_until,
        invited_by_id=act.user_id,
    )
    await seat.demand(act.account_id, new_role, "role", now=act.now, was=was)
    await invitation.refresh_from_db()
    await act.record("account:invitation:update", before=before, after=terms(invitation))
    return invitation.id


@requires(Permission.USERS_WRITE, of="invitation")
async def resend(act: OperationContext, invitation_id: UUID) -> UUID:
    """Mail a new link with a new term of seven days; the old one dies. Returns the id.

    Works for pending and expired invitations. Raises RateLimited as `issue` does.
    """
    invitation = await Invitation.get(id=invitation_id)
    if status(invitation, act.now) not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        raise not_pending()
    if invitation.grant_valid_until and invitation.grant_valid_until <= act.now:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            "invitation_id",
            mark("The access that it offers has already ended. Change its end first."),
        )
    demand_may_give(
        act.access, invitation.role, invitation.listed, invitation.grant_valid_until, until_field="invitation_id"
    )
    invitee = await User.filter(email_key=invitation.email_key).first()
    if invitee and await grant.is_member(act.caller, invitee.id, invitation.account_id):
        raise grant.already_member("invitation_id")
    await _rest_expired(invitation.account_id, invitation.email_key, act.now, but=invitation.id)
    seed, before = tokens.seed(), terms(invitation)
    reserves = invitation.role if status(invitation, act.now) is InvitationStatus.PENDING else None
    try:
        await Invitation.filter(id=invitation.id).update(
            status=InvitationStatus.PENDING,
            token_digest=_digest(act.caller, seed),
            expires_at=act.now + LASTS,
            invited_by_id=act.user_id,
        )
    except IntegrityError as error:
        raise _already_invited("invitation_id") from error
    await seat.demand(act.account_id, invitation.role, "invitation_id", now=act.now, was=reserves)
    await invitation.refresh_from_db()
    await act.record("account:invitation:resend", before=before, after=terms(invitation))
    await _mail(act, invitation, seed)
    return invitation.id


@requires(Permission.USERS_WRITE, of="invitation")
async def revoke(act: OperationContext, invitation_id: UUID) -> UUID:
    """Take a pending or expired invitation back; its link dies. Returns its id."""
    invitation = await Invitation.get(id=invitation_id)
    if status(invitation, act.now) not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        raise not_pending()
    grant.demand_may_manage(act.access, invitation.role, "invitation_id")
    await Invitation.filter(id=invitation.id).update(status=InvitationStatus.REVOKED)
    ended = {"invitation": str(invitation.id), "status": InvitationStatus.REVOKED}
    await act.record("account:invitation:revoke", before=terms(invitation), after=ended)
    return invitation.id


# ---- The mail, and small parts -----------------------------------------------------------------


async def _mail(act: OperationContext, invitation: Invitation, seed: bytes) -> None:
    await throttle.attempt_offer(act.caller, act.account_id, invitation.email_key)
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


async def _pending(act: OperationContext, invitation_id: UUID) -> Invitation:
    found = await Invitation.get(id=invitation_id)
    if status(found, act.now) is not InvitationStatus.PENDING:
        raise not_pending()
    return found


async def _rest_expired(account_id: UUID, key: str, now: datetime, *, but: UUID | None = None) -> None:
    """Store that an earlier invitation has expired, so that a new one can take its place."""
    earlier = Invitation.filter(
        account_id=account_id, email_key=key, status=InvitationStatus.PENDING, expires_at__lte=now
    )
    await (earlier.exclude(id=but) if but else earlier).update(status=InvitationStatus.EXPIRED)


def _digest(caller: Caller, seed: bytes) -> bytes:
    return tokens.digest(tokens.derive(caller.config.link_key, LinkPurpose.INVITATION, seed))


def not_pending() -> Refusal:
    """The refusal of an invitation that has been decided."""
    return refuse(
        UserErrorCode.INVITATION_NOT_PENDING,
        "invitation_id",
        mark("This invitation is no longer pending."),
    )


def _already_invited(field: str) -> Refusal:
    return refuse(UserErrorCode.ALREADY_INVITED, field, mark("This address has a pending invitation already."))


def terms(invitation: Invitation) -> dict[str, object]:
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
