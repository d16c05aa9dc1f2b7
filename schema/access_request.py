"""Requests for access as the graph shows them, and their inputs and payloads."""

from datetime import datetime

import strawberry

import resolvers.access_request
from auth.policy import Permission, Role
from models.sharing.access_request import AccessRequestStatus
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from schema.grant import Grant
from schema.payload import Payload, payload
from schema.user import User

strawberry.enum(AccessRequestStatus, description="Where a request for access stands.")


@graph_type(
    needs(Permission.USERS_READ, or_self=True),
    rights.of_access_requests,
    description="Somebody asks for a role in an account that he knows by a number. Whether it exists, he does not "
    "see: nobody may be there to answer.",
)
class AccessRequest(Node):
    """A request; one's own is one that one made oneself."""

    id: strawberry.ID = global_id("AccessRequest")
    requester: User = field(
        batch=resolvers.access_request.requesters, columns=("requester_id",), description="Who asks."
    )
    requester_account_name: str | None = field(description="The account on whose behalf he asks.")
    organization_number: str | None = field(description="The number that was asked for, or the account's number was.")
    account_number: int | None = field(description="The number that was asked for, or the organization's number was.")
    country: str | None = field(description="Whose organization number it is: ISO 3166-1 alpha-2.")
    role: Role = field(description="The role that is asked for.")
    message: str | None = field(description="What the requester has to say.")
    status: AccessRequestStatus = field(
        column=resolvers.access_request.status, columns=("status", "expires_at"), description="Where it stands now."
    )
    created_at: datetime = field(description="When it was made.")
    expires_at: datetime = field(description="Until when it can be approved.")


@strawberry.input(
    description="Which account, by exactly one of the two numbers; an organization number needs its country."
)
class RequestAccessInput:
    """What requestAccess takes."""

    organization_number: str | None = strawberry.UNSET
    account_number: int | None = strawberry.UNSET
    country: str | None = strawberry.UNSET
    role: Role
    message: str | None = strawberry.UNSET
    on_behalf_of_account_id: strawberry.ID | None = strawberry.UNSET


@strawberry.input(description="A pending request; what is left out is as it was asked.")
class ApproveAccessRequestInput:
    """What approveAccessRequest takes."""

    access_request_id: strawberry.ID
    role: Role | None = strawberry.UNSET
    permissions: list[Permission] | None = strawberry.UNSET
    grant_valid_until: datetime | None = strawberry.UNSET


@strawberry.input(description="A pending request.")
class DeclineAccessRequestInput:
    """What declineAccessRequest takes."""

    access_request_id: strawberry.ID


@strawberry.input(description="A pending request of one's own.")
class WithdrawAccessRequestInput:
    """What withdrawAccessRequest takes."""

    access_request_id: strawberry.ID


@payload
class RequestAccessPayload(Payload):
    """A request was heard; whether anybody is there to answer is not said."""


@payload
class ApproveAccessRequestPayload(Payload):
    """Access was given."""

    access_request: AccessRequest | None = field(description="The request as it is now.")
    grant: Grant | None = field(description="The access that it gave.")


@payload
class DeclineAccessRequestPayload(Payload):
    """A request was turned down."""

    access_request: AccessRequest | None = field(description="The request as it is now.")


@payload
class WithdrawAccessRequestPayload(Payload):
    """A request was taken back."""

    access_request: AccessRequest | None = field(description="The request as it is now.")
