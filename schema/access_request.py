"""Access requests."""

from datetime import datetime

import strawberry

import resolvers.access_request
from auth.policy import Permission, Role
from models.sharing.access_request import AccessRequestStatus
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field, needs
from schema.grant import Grant
from schema.payload import Payload, payload
from schema.user import User

graph_enum(
    AccessRequestStatus,
    "The status of an access request.",
    {
        AccessRequestStatus.PENDING: "It can be approved, declined and withdrawn.",
        AccessRequestStatus.APPROVED: "It was approved.",
        AccessRequestStatus.DECLINED: "The account declined it.",
        AccessRequestStatus.WITHDRAWN: "The requester withdrew it.",
        AccessRequestStatus.EXPIRED: "It was not decided in time.",
    },
)


@graph_type(
    needs(Permission.USERS_READ, or_self=True),
    rights.of_access_requests,
    description="A request for a role in an account, by the account's number. The requester does not see whether that "
    "account exists.",
)
class AccessRequest(Node):
    """A request for access. It is the requester's own."""

    id: strawberry.ID = global_id("AccessRequest")
    requester: User = field(
        batch=resolvers.access_request.requesters,
        columns=("requester_id",),
        description="The user who made the request.",
    )
    requester_account_name: str | None = field(
        description="The name of the account on whose behalf the request was made. Null: none."
    )
    organization_number: str | None = field(
        description="The requested organization number. Null: the request has an account number."
    )
    account_number: int | None = field(
        description="The requested account number. Null: the request has an organization number."
    )
    country: str | None = field(
        description="The country of the organization number, ISO 3166-1 alpha-2. Null: the request has an account "
        "number."
    )
    role: Role = field(description="The requested role.")
    message: str | None = field(description="The message of the requester. Null: none.")
    status: AccessRequestStatus = field(
        column=resolvers.access_request.status,
        columns=("status", "expires_at"),
        description="The status at this instant.",
    )
    created_at: datetime = field(description="When the request was made.")
    expires_at: datetime = field(description="Until when it can be approved.")


@strawberry.input(description="The account, by exactly one of its two numbers, and the role.")
class RequestAccessInput:
    """The input of requestAccess."""

    organization_number: str | None
    account_number: int | None = input_field("The account number.")
    country: str | None
    role: Role = input_field("The role to request. Neither OWNER nor ADMINISTRATOR.")
    message: str | None = input_field("A message to the users who decide, at most 2000 characters.")
    on_behalf_of_account_id: strawberry.ID | None = input_field(
        "The id of an account of the requester, whose name is shown. The requester needs USERS_WRITE in it."
    )
    idempotency_key: str | None


@strawberry.input(description="A pending request, and what to grant.")
class ApproveAccessRequestInput:
    """The input of approveAccessRequest."""

    access_request_id: strawberry.ID
    role: Role | None = input_field(
        "The role to grant, at most the requested one. Null or omitted: the requested role."
    )
    permissions: list[Permission] | None
    grant_valid_until: datetime | None = input_field(
        "The instant at which the grant ends, at most ten years ahead. Null or omitted: no end."
    )


@strawberry.input(description="A pending request.")
class DeclineAccessRequestInput:
    """The input of declineAccessRequest."""

    access_request_id: strawberry.ID


@strawberry.input(description="A pending request of the viewer.")
class WithdrawAccessRequestInput:
    """The input of withdrawAccessRequest."""

    access_request_id: strawberry.ID


@payload
class RequestAccessPayload(Payload):
    """The payload of requestAccess. It does not show whether the account exists."""


@payload
class ApproveAccessRequestPayload(Payload):
    """The payload of approveAccessRequest."""

    access_request: AccessRequest | None = field(description="The request after the change. Null if refused.")
    grant: Grant | None = field(description="The new grant. Null if refused.")


@payload
class DeclineAccessRequestPayload(Payload):
    """The payload of declineAccessRequest."""

    access_request: AccessRequest | None = field(description="The request after the change. Null if refused.")


@payload
class WithdrawAccessRequestPayload(Payload):
    """The payload of withdrawAccessRequest."""

    access_request: AccessRequest | None = field(description="The request after the change. Null if refused.")
