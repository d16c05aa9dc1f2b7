"""Invitations to accounts."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.account
import resolvers.invitation
import resolvers.user
from auth.policy import Permission, Role
from models.sharing.invitation import InvitationDelivery, InvitationStatus
from resolvers import rights
from schema.connection import Node
from schema.declare import PUBLIC, field, global_id, graph_enum, graph_type, input_field, needs
from schema.grant import Grant
from schema.payload import BEARER_DESCRIPTION, Payload, payload
from schema.user import User

if TYPE_CHECKING:
    from schema.account import Account
    from schema.viewer import Viewer

LazyAccount = Annotated["Account", strawberry.lazy("schema.account")]
LazyViewer = Annotated["Viewer", strawberry.lazy("schema.viewer")]

graph_enum(
    InvitationStatus,
    "The status of an invitation.",
    {
        InvitationStatus.PENDING: "It can be accepted.",
        InvitationStatus.ACCEPTED: "It was accepted.",
        InvitationStatus.DECLINED: "The invitee declined it.",
        InvitationStatus.REVOKED: "The account revoked it.",
        InvitationStatus.EXPIRED: "It was not accepted in time. It can be sent again.",
    },
)
graph_enum(
    InvitationDelivery,
    "The state of the newest mail of an invitation.",
    {
        InvitationDelivery.QUEUED: "It waits to be sent, or to be sent again.",
        InvitationDelivery.SENT: "A mail server has taken it. It can still be returned later.",
        InvitationDelivery.FAILED: "It could not be delivered. The inviter gets a mail; see `Message.failureReason`.",
        InvitationDelivery.STOPPED: "The receiver has stopped mails of this kind. The invitation can be accepted.",
    },
)


@graph_type(
    needs(Permission.USERS_READ, or_self=True),
    rights.of_invitations,
    description="An offer of a role in an account to an e-mail address.",
)
class Invitation(Node):
    """An invitation. It is the own of the user with the invited address."""

    id: strawberry.ID = global_id("Invitation")
    account: LazyAccount | None = field(
        batch=resolvers.account.of_rows, description="The account. Null if the viewer cannot enter it."
    )
    account_name: str = field(description="The name of the account.")
    email: str = field(description="The invited e-mail address.")
    role: Role = field(description="The offered role.")
    permissions: list[Permission] | None = field(
        resolve=resolvers.invitation.permissions,
        description="The only permissions of the offered grant. Null: it has no list.",
    )
    status: InvitationStatus = field(resolve=resolvers.invitation.status, description="The status at this instant.")
    invited_by: User | None = field(
        batch=resolvers.user.invited_by, description="The user who sent or changed the invitation last."
    )
    created_at: datetime = field(description="When it was created.")
    expires_at: datetime = field(description="Until when it can be accepted.")
    grant_valid_until: datetime | None = field(description="When the offered grant ends. Null: it has no end.")
    delivery: InvitationDelivery | None = field(
        description="The state of its newest mail. Null: the mail is no longer stored."
    )


@strawberry.input(description="A filter of invitations. A null or omitted field does not restrict.")
class InvitationFilter:
    """A filter of invitations."""

    status: list[InvitationStatus] | None = input_field("The statuses of the invitation.")
    search: str | None = input_field("Words of the invited address, in any order. Case and accents do not count.")


@graph_type(
    PUBLIC,
    description="The fields of an invitation that the holder of its link can see.",
)
class InvitationPreview:
    """The preview of an invitation for the holder of its link."""

    status: InvitationStatus = field(
        description="PENDING or EXPIRED. ACCEPTED for the user who has accepted it. Other users do not see it then."
    )
    account_name: str = field(description="The name of the account.")
    invited_by_name: str = field(description="The name of the inviter.")
    email: str = field(description="The invited address, masked: j***@example.com.")
    role: Role = field(description="The offered role.")
    expires_at: datetime = field(description="Until when it can be accepted.")
    has_login: bool = field(
        description="True if the address has a login: then sign in to accept. Otherwise create a login."
    )
    grant: Grant | None = field(
        batch=resolvers.invitation.preview_grant,
        description="The viewer's grant. Null unless the viewer has accepted this invitation.",
    )


# ---- Inputs and payloads ---------------------------------------------------------------------


@strawberry.input(description="An invitation.")
class InviteUserInput:
    """The input of inviteUser."""

    account_id: strawberry.ID
    email: str = input_field("The e-mail address to invite.")
    role: Role = input_field("The role to offer. Never OWNER.")
    permissions: list[Permission] | None
    message: str | None = input_field("A message to the invitee, at most 2000 characters. It is part of the mail.")
    grant_valid_until: datetime | None = input_field(
        "The instant at which the grant will end, at most ten years ahead. Null or omitted: no end."
    )
    locale: str | None = input_field(
        "The language of the mail, a BCP 47 tag. Null or omitted: that of the invitee if it is known, else that "
        "of the caller."
    )
    allow_other_login: bool | None = input_field(
        "True if a login with another address may accept. Null or omitted: false."
    )
    idempotency_key: str | None


@strawberry.input(description="The fields of the invitation to change. A null or omitted field stays as it is.")
class UpdateInvitationInput:
    """The input of updateInvitation."""

    invitation_id: strawberry.ID
    role: Role | None = input_field("The role to offer. Never OWNER. Null changes nothing.")
    permissions: list[Permission] | None = input_field(
        "The only permissions to offer, for CONSULTANT and SIMPLE_USER. Null changes nothing."
    )
    grant_valid_until: datetime | None = input_field(
        "The instant at which the grant will end, at most ten years ahead. Null changes nothing."
    )
    remove_permission_list: bool | None = input_field(
        "True removes the list of permissions: a SIMPLE_USER gets those of the role, a CONSULTANT gets none."
    )
    remove_end: bool | None = input_field(
        "True removes the end of the offered grant. Not together with `grantValidUntil`."
    )


@strawberry.input(description="A pending or expired invitation.")
class ResendInvitationInput:
    """The input of resendInvitation."""

    invitation_id: strawberry.ID
    idempotency_key: str | None


@strawberry.input(description="A pending or expired invitation.")
class RevokeInvitationInput:
    """The input of revokeInvitation."""

    invitation_id: strawberry.ID


@strawberry.input(description="The invitation, by the token or by its id, and the login that accepts it.")
class AcceptInvitationInput:
    """The input of acceptInvitation."""

    token: str | None = input_field("The token of the mailed link. Required unless the invitation id is given.")
    invitation_id: strawberry.ID | None = input_field(
        "The id of an invitation in `viewer.invitations`. Required unless the token is given."
    )
    name: str | None = input_field(
        "The name of a new login, at most 200 characters. Not for an address that has a login."
    )
    password: str | None = input_field(
        "The password of a new login, 12 to 128 characters. Not for an address that has a login."
    )
    own_account_name: str | None = input_field(
        "The name of a new account of the user, at most 200 characters. Null or omitted: no such account."
    )


@strawberry.input(description="The invitation, by the token or by its id.")
class DeclineInvitationInput:
    """The input of declineInvitation."""

    token: str | None = input_field("The token of the mailed link. Required unless the invitation id is given.")
    invitation_id: strawberry.ID | None = input_field(
        "The id of an invitation in `viewer.invitations`. Required unless the token is given."
    )


@payload
class InviteUserPayload(Payload):
    """The payload of inviteUser."""

    invitation: Invitation | None = field(description="The new invitation. Null if refused.")


@payload
class UpdateInvitationPayload(Payload):
    """The payload of updateInvitation."""

    invitation: Invitation | None = field(description="The invitation after the change. Null if refused.")


@payload
class ResendInvitationPayload(Payload):
    """The payload of resendInvitation."""

    invitation: Invitation | None = field(description="The invitation with its new expiry. Null if refused.")


@payload
class RevokeInvitationPayload(Payload):
    """The payload of revokeInvitation."""

    invitation: Invitation | None = field(description="The invitation after the change. Null if refused.")


@payload
class AcceptInvitationPayload(Payload):
    """The payload of acceptInvitation."""

    grant: Grant | None = field(
        description="The new grant. Null if refused. With ALREADY_MEMBER: the grant of a signed-in user who "
        "has accepted this invitation before."
    )
    account: LazyAccount | None = field(description="The account of the grant. Null without a grant.")
    access_token: str | None = field(description=f"{BEARER_DESCRIPTION} Null also if the user was signed in already.")
    viewer: LazyViewer | None = field(description="The viewer after the mutation.")


@payload
class DeclineInvitationPayload(Payload):
    """The payload of declineInvitation."""

    invitation: Invitation | None = field(
        description="The invitation after the change. Null if it was declined by its token alone."
    )
