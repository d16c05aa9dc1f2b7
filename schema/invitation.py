"""Invitations as the graph shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.account
import resolvers.invitation
import resolvers.user
from auth.policy import Permission, Role
from models.sharing.invitation import InvitationStatus
from resolvers import rights
from schema.connection import Node
from schema.declare import ANYONE, field, global_id, graph_type, needs
from schema.user import User

if TYPE_CHECKING:
    from schema.account import Account

strawberry.enum(InvitationStatus, description="Where an invitation stands.")


@graph_type(
    needs(Permission.USERS_READ, or_self=True),
    rights.of_invitations,
    description="An offer of a role in an account to an e-mail address.",
)
class Invitation(Node):
    """An invitation; one's own is one that was sent to one's own address."""

    id: strawberry.ID = global_id("Invitation")
    account: Annotated["Account", strawberry.lazy("schema.account")] | None = field(
        batch=resolvers.account.of_rows, description="The account; null for who cannot enter it."
    )
    account_name: str = field(description="What the account is called.")
    email: str = field(description="The address that is invited.")
    role: Role = field(description="The role that is offered.")
    permissions: list[Permission] | None = field(
        resolve=resolvers.invitation.permissions,
        description="The list that a consultant or simple user will be cut to.",
    )
    status: InvitationStatus = field(resolve=resolvers.invitation.status, description="Where it stands now.")
    invited_by: User | None = field(batch=resolvers.user.invited_by, description="Who vouches for it.")
    created_at: datetime = field(description="When it was first sent.")
    expires_at: datetime = field(description="Until when it can be accepted.")
    grant_valid_until: datetime | None = field(description="When the access that it gives will end.")


@strawberry.input(description="Which invitations.")
class InvitationFilter:
    """A filter; what is left out does not restrict."""

    status: list[InvitationStatus] | None = strawberry.UNSET
    search: str | None = strawberry.UNSET


@graph_type(
    ANYONE,
    description="What the holder of a link sees before signing in. A wrong token and no token answer alike.",
)
class InvitationPreview:
    """The landing page of a mailed link."""

    status: InvitationStatus = field(description="PENDING or EXPIRED.")
    account_name: str = field(description="The account that invites.")
    invited_by_name: str = field(description="The person who invites.")
    email: str = field(description="The invited address, masked: j***@example.com.")
    role: Role = field(description="The role that is offered.")
    expires_at: datetime = field(description="Until when it can be accepted.")
    has_login: bool = field(description="The address has a login: sign in. Else create one.")
