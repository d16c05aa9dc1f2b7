"""An invitation offers a role in an account to an email address, for seven days.

    issue --> PENDING --accept--> ACCEPTED (gives a grant)
                 |----decline---> DECLINED
                 |----revoke----> REVOKED        expired: derived from `expires_at`, then
                 `----resend----> PENDING        stored when a new invitation to the address is issued

The inviter is the user who last issued, changed or resent the invitation. Acceptance checks the inviter's rights
again, under the account's lock. The link's token is derived from a seed. Only the message row holds the seed; the
invitation's row holds the token's digest.
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
from models.access import grant, grant_rules, seat
from models.access.grant_rules import Terms
from models.access.operation import OperationContext, requires
from models.access.reauthentication import ReauthenticationCase
from models.accounts.account import Account
from models.audit.event_type import EventType
from models.base import naming
from models.base.caller import Caller
from models.base.errors import Problem, Refusal, UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation, email_key
from models.outbox import block, message
from models.outbox.message import Contact, LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people.user import User

LIFETIME: Final = timedelta(days=7)
_NO_USER: Final = UUID(int=0)


class InvitationStatus(StrEnum):
    """The status of an invitation."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class InvitationDelivery(StrEnum):
    """The state of the newest mail of an invitation."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


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
    message_id: UUID | None = fields.UUIDField(null=True)
    """The newest mail of the invitation. None if it is no longer stored."""

    class Meta(Model.Meta):
        """Table mapping."""

        table = "invitations"


class InvitationRow(db.Row):
    """An invitation in lists, without the token digest. `invitee_id` is null if the address has no login."""

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
    delivery: str | None


COLUMNS: Final = db.columns_of(
    "i",
    InvitationRow,
    {
        "account_name": "a.name",
        "invitee_id": "(SELECT l.id FROM users l WHERE l.email_key = i.email_key)",
        "delivery": f"(SELECT CASE m.failure WHEN '{block.FAILURE}' THEN 'STOPPED' ELSE m.status END"
        " FROM messages m WHERE m.id = i.message_id)",
    },
)
SOURCE: Final = "invitations i JOIN accounts a ON a.id = i.account_id"
STATUS: Final = """CASE WHEN i.status = 'PENDING' AND i.expires_at <= {0} THEN 'EXPIRED'
    ELSE i.status END"""
"""SQL expression: the status at the time {0}, as `status` returns it. For filters."""
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {SOURCE} WHERE i.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[InvitationRow | None]:
    """The invitations with these ids, in this order. The caller has to check the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=InvitationRow))


def status(row: InvitationRow | Invitation, now: datetime) -> InvitationStatus:
    """An invitation's status at `now`."""
    stored_status = InvitationStatus(row.status)
    is_expired = stored_status is InvitationStatus.PENDING and row.expires_at <= now
    return InvitationStatus.EXPIRED if is_expired else stored_status


# ---- Operations of the account ---------------------------------------------------------------


@idempotent("inviteUser")
@requires(Permission.USERS_WRITE, EventType.INVITATION_ISSUE, reauthentication=ReauthenticationCase.ALWAYS)
async def issue(
    context: OperationContext,
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
    """Offer `role` to an address and mail the link. Returns the invitation's id.

    Raises:
        Refusal: ROLE_TOO_HIGH, ALREADY_MEMBER, ALREADY_INVITED, SEATS_EXHAUSTED, or an invalid input field.
        RateLimited: the account has mailed its maximum of offers a day.
    """
    with Validation() as check:
        email = check.email("email", email)
        text = check.prose("message", message)
        allowlist = grant_rules.check_allowlist(check, role, permissions)
        check.end("grant_valid_until", grant_valid_until, now=context.now)
        language = check.locale("locale", locale) if locale is not None else None
    _ = grant_rules.permit(context.access, None, Terms(role, allowlist, grant_valid_until))
    invitee = await User.filter(email_key=email_key(email)).first()
    # The same statements with and without a login: the response time must not reveal it.
    if await grant.is_member(context.caller, invitee.id if invitee else _NO_USER, account_id):
        raise grant.already_member("email")
    await _store_expired(account_id, email_key(email), context.now)
    seed = tokens.seed()
    try:
        invitation = await Invitation.create(
            account_id=account_id,
            email=email,
            email_key=email_key(email),
            role=role,
            listed=allowlist,
            status=InvitationStatus.PENDING,
            invited_by_id=context.user_id,
            message=text,
            locale=language or (invitee.locale if invitee else context.caller.locale),
            allow_other_login=bool(allow_other_login),
            grant_valid_until=grant_valid_until,
            token_digest=_token_digest(context.caller, seed),
            created_at=context.now,
            expires_at=context.now + LIFETIME,
            message_id=keys.uuid7(),
        )
    except IntegrityError as error:
        raise _already_invited("email") from error
    await seat.require_available(account_id, role, "role", now=context.now)
    await context.record(EventType.INVITATION_ISSUE, after=event_facts(invitation))
    await _mail(context, invitation, seed)
    return invitation.id


@requires(
    Permission.USERS_WRITE,
    EventType.INVITATION_UPDATE,
    of="invitation",
    reauthentication=ReauthenticationCase.ALWAYS,
)
async def update(
    context: OperationContext,
    invitation_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None = None,
    grant_valid_until: datetime | None = None,
    remove_permission_list: bool | None = None,
    remove_end: bool | None = None,
) -> UUID:
    """Change the offer of a pending or expired invitation. None changes nothing. Returns its id.

    A new role starts without the allowlist of the former role. An expired invitation stays expired until it is resent.

    Raises Refusal: INVITATION_NOT_PENDING, ROLE_TOO_HIGH, SEATS_EXHAUSTED, or an invalid input field.
    """
    invitation = await _require_open(context, invitation_id)
    former = terms_of(invitation)
    _ = grant_rules.permit(context.access, former, None, former_field="invitation_id")
    with Validation() as check:
        terms = grant_rules.changed_terms(
            check,
            former,
            role=role,
            permissions=permissions,
            until=grant_valid_until,
            until_field="grant_valid_until",
            remove_permission_list=remove_permission_list,
            remove_end=remove_end,
            now=context.now,
        )
    _ = grant_rules.permit(context.access, former, terms, former_field="invitation_id")
    before = event_facts(invitation)
    await Invitation.filter(id=invitation.id).update(
        role=terms.role,
        listed=terms.allowlist,
        grant_valid_until=terms.until,
        invited_by_id=context.user_id,
    )
    await seat.require_available(context.account_id, terms.role, "role", now=context.now, former_role=former.role)
    await invitation.refresh_from_db()
    await context.record(EventType.INVITATION_UPDATE, before=before, after=event_facts(invitation))
    return invitation.id


@idempotent("resendInvitation")
@requires(
    Permission.USERS_WRITE,
    EventType.INVITATION_RESEND,
    of="invitation",
    reauthentication=ReauthenticationCase.ALWAYS,
)
async def resend(context: OperationContext, invitation_id: UUID) -> UUID:
    """Mail a new link that works for seven days. The former link stops working. Returns the invitation's id.

    The invitation has to be pending or expired.

    Raises:
        Refusal: INVITATION_NOT_PENDING, INVALID_STATE, ROLE_TOO_HIGH, ALREADY_MEMBER, ALREADY_INVITED, SEATS_EXHAUSTED.
        RateLimited: the account has mailed its maximum of offers a day.
    """
    invitation = await _require_open(context, invitation_id)
    if invitation.grant_valid_until and invitation.grant_valid_until <= context.now:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            "invitation_id",
            mark("The offered access has already ended. Change its end first."),
        )
    _ = grant_rules.permit(context.access, None, terms_of(invitation), until_field="invitation_id")
    invitee = await User.filter(email_key=invitation.email_key).first()
    if await grant.is_member(context.caller, invitee.id if invitee else _NO_USER, invitation.account_id):
        raise grant.already_member("invitation_id")
    await _store_expired(invitation.account_id, invitation.email_key, context.now, except_id=invitation.id)
    seed, before = tokens.seed(), event_facts(invitation)
    reserved_role = invitation.role if status(invitation, context.now) is InvitationStatus.PENDING else None
    try:
        await Invitation.filter(id=invitation.id).update(
            status=InvitationStatus.PENDING,
            token_digest=_token_digest(context.caller, seed),
            expires_at=context.now + LIFETIME,
            invited_by_id=context.user_id,
            message_id=keys.uuid7(),
        )
    except IntegrityError as error:
        raise _already_invited("invitation_id") from error
    await seat.require_available(
        context.account_id, invitation.role, "invitation_id", now=context.now, former_role=reserved_role
    )
    await invitation.refresh_from_db()
    await context.record(EventType.INVITATION_RESEND, before=before, after=event_facts(invitation))
    await _mail(context, invitation, seed)
    return invitation.id


@requires(Permission.USERS_WRITE, EventType.INVITATION_REVOKE, of="invitation", while_closing=True)
async def revoke(context: OperationContext, invitation_id: UUID) -> UUID:
    """Revoke a pending or expired invitation. Its link stops working. Returns its id.

    Raises Refusal: INVITATION_NOT_PENDING, ROLE_TOO_HIGH.
    """
    invitation = await _require_open(context, invitation_id)
    _ = grant_rules.permit(context.access, terms_of(invitation), None, former_field="invitation_id")
    await Invitation.filter(id=invitation.id).update(status=InvitationStatus.REVOKED)
    change = {"invitation": str(invitation.id), "status": InvitationStatus.REVOKED}
    await context.record(EventType.INVITATION_REVOKE, before=event_facts(invitation), after=change)
    return invitation.id


# ---- Helpers ---------------------------------------------------------------------------------


def terms_of(invitation: Invitation) -> Terms:
    """The terms of the offered grant."""
    return Terms(invitation.role, invitation.listed, invitation.grant_valid_until)


async def _mail(context: OperationContext, invitation: Invitation, seed: bytes) -> None:
    inviter, account_row = await User.get(id=context.user_id), await Account.get(id=context.account_id)
    invitee = await User.filter(email_key=invitation.email_key).first()
    await message.queue(
        context.caller,
        MessageKind.INVITATION,
        to=Contact(
            email=invitation.email,
            name=invitee.name if invitee and invitee.activated_at else None,
            locale=invitation.locale,
        ),
        account_id=context.account_id,
        by_account=context.account_id,
        link=(LinkPurpose.INVITATION, seed),
        params={
            "sender_email": naming.address(inviter.email),
            "inviter_name": naming.text(inviter.name, inviter.id),
            "account_name": naming.text(account_row.name, account_row.id),
            "role": invitation.role,
            "message": naming.text(invitation.message, inviter.id, invitation.email_key),
            "expires_at": invitation.expires_at.isoformat(),
        },
        message_id=invitation.message_id,
    )


async def _require_open(context: OperationContext, invitation_id: UUID) -> Invitation:
    """A pending or expired invitation. Raises NotPending."""
    invitation = await Invitation.get(id=invitation_id)
    if status(invitation, context.now) not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        raise NotPending
    return invitation


async def _store_expired(account_id: UUID, address_key: str, now: datetime, *, except_id: UUID | None = None) -> None:
    """Store the expiry of former invitations to the address, so that the unique index allows a new one."""
    earlier = Invitation.filter(
        account_id=account_id, email_key=address_key, status=InvitationStatus.PENDING, expires_at__lte=now
    )
    await (earlier.exclude(id=except_id) if except_id else earlier).update(status=InvitationStatus.EXPIRED)


def _token_digest(caller: Caller, seed: bytes) -> bytes:
    return tokens.digest(tokens.derive(caller.config.link_key, LinkPurpose.INVITATION, seed))


class NotPending(Refusal):
    """INVITATION_NOT_PENDING: the refusal for an invitation that is not pending."""

    def __init__(self, field: str = "invitation_id") -> None:
        text = mark("This invitation is no longer pending.")
        super().__init__(Problem(UserErrorCode.INVITATION_NOT_PENDING, field, text))


def _already_invited(field: str) -> Refusal:
    return refuse(UserErrorCode.ALREADY_INVITED, field, mark("This address has a pending invitation already."))


def event_facts(invitation: Invitation) -> dict[str, object]:
    """The facts of an invitation in events."""
    return {
        "invitation": str(invitation.id),
        "email": naming.address(invitation.email),
        "role": invitation.role,
        "permissions": None if invitation.listed is None else policy.permissions(invitation.listed),
        "grant_valid_until": invitation.grant_valid_until,
        "expires_at": invitation.expires_at,
        "status": invitation.status,
    }
