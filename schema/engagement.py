"""Engagements of bureaus with clients."""

from datetime import datetime

import strawberry

import resolvers.engagement
import resolvers.grant
from auth.policy import Permission
from models.bureaus.blind_request import EngagementRequestStatus
from models.bureaus.engagement import EngagementStatus
from models.bureaus.standing_permissions import STANDING_COLUMNS
from models.lists import EngagementOrder, EngagementSide
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field, needs
from schema.grant import Grant
from schema.payload import Payload, payload
from schema.subscription import LinkedAccount

graph_enum(
    EngagementStatus,
    "The status of an engagement. Only ACTIVE lets a bureau work.",
    {
        EngagementStatus.PENDING: "One side has requested it, and the other one can answer until `expiresAt`.",
        EngagementStatus.ACTIVE: "The bureau can work for the client.",
        EngagementStatus.DECLINED: "The other side declined it.",
        EngagementStatus.ENDED: "It has ended, or the request was withdrawn.",
        EngagementStatus.WITHDRAWN: "The other side withdrew its request. Only the side that was asked sees it.",
        EngagementStatus.EXPIRED: "The request was not answered in time.",
    },
)
graph_enum(
    EngagementSide,
    "The side of an account in an engagement.",
    {EngagementSide.BUREAU: "The account is the bureau.", EngagementSide.CLIENT: "The account is the client."},
)
graph_enum(
    EngagementOrder,
    "The order of engagements.",
    {
        EngagementOrder.CREATED_AT: "By the request, the newest first.",
        EngagementOrder.NAME: "By the name of the other account, in the alphabet of the viewer's language.",
        EngagementOrder.NUMBER: "By the number of the other account.",
        EngagementOrder.ENDS_AT: "By the end: of the engagement, or else the first end of a consultant's live grant. "
        "The earliest first, those without an end last.",
    },
)
graph_enum(
    EngagementRequestStatus,
    "The status of a request for an engagement.",
    {
        EngagementRequestStatus.PENDING: "It was not answered yet. It can be withdrawn.",
        EngagementRequestStatus.ACCEPTED: "The other side accepted it.",
        EngagementRequestStatus.DECLINED: "The other side declined it.",
        EngagementRequestStatus.WITHDRAWN: "The account withdrew it.",
        EngagementRequestStatus.EXPIRED: "It was not answered in time.",
    },
)


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_engagements,
    description="The work of a bureau for a client, requested or active. The permission counts in either account.",
)
class Engagement(Node):
    """An engagement."""

    id: strawberry.ID = global_id("Engagement")
    bureau: LinkedAccount = field(
        batch=resolvers.engagement.bureaus, columns=("bureau_id",), description="The bureau's account."
    )
    client: LinkedAccount = field(
        batch=resolvers.engagement.clients, columns=("client_id",), description="The client's account."
    )
    client_organization_number: str | None = field(
        batch=resolvers.engagement.client_organization_numbers,
        columns=("client_id", "status"),
        description="The organization number of the client. Null: none is set, or the engagement is not active.",
    )
    status: EngagementStatus = field(
        column=resolvers.engagement.statuses,
        columns=("status", "expires_at"),
        description="The status at this instant.",
    )
    consultants: list[Grant] | None = field(
        batch=resolvers.grant.of_engagements,
        columns=("id",),
        cost_size=10,
        description="The live grants of consultants at the client, including those that wait for permissions.",
    )
    consultant_permissions: list[Permission] | None = field(
        batch=resolvers.engagement.consultant_permissions,
        columns=STANDING_COLUMNS,
        cost_size=0,
        description="What the client lets every consultant of the bureau do: assigning makes grants with these "
        "permissions. Null: nothing, or the user who gave them could not give them any more.",
    )
    consultant_valid_until: datetime | None = field(
        batch=resolvers.engagement.consultant_ends,
        columns=STANDING_COLUMNS,
        description="The end of `consultantPermissions`, and of the grants with them. Null: no end.",
    )
    created_at: datetime = field(description="When it was requested.")
    expires_at: datetime | None = field(
        column=resolvers.engagement.deadlines,
        columns=("status", "expires_at"),
        description="Until when the request can be answered. Null: it is not pending.",
    )
    ended_at: datetime | None = field(
        column=resolvers.engagement.ends,
        columns=("status", "expires_at", "ended_at"),
        description="When it was declined or withdrawn, expired or ended. Null: none of these.",
    )


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_account_parts,
    description="A request for an engagement with an account that the viewer's account cannot enter. It does not show "
    "whether that account exists. When the other side has answered, the engagement appears in `Account.engagements`.",
)
class EngagementRequest(Node):
    """A request for an engagement."""

    id: strawberry.ID = global_id("EngagementRequest")
    side: EngagementSide = field(
        column=resolvers.engagement.request_sides,
        columns=("by_bureau",),
        description="The side of the account that made the request.",
    )
    number: int | None = field(
        attr="target_number", description="The requested account number. Null: the request has none."
    )
    organization_number: str | None = field(
        attr="target_organization_number",
        description="The requested organization number. Null: the request has none.",
    )
    country: str | None = field(
        attr="target_country",
        description="The country of the organization number, ISO 3166-1 alpha-2. Null: the request has none.",
    )
    other_account_id: strawberry.ID | None = field(
        column=resolvers.engagement.request_target_ids,
        columns=("target_id",),
        description="The requested account id. Null: the request has a number.",
    )
    status: EngagementRequestStatus = field(
        column=resolvers.engagement.request_statuses,
        columns=("status", "expires_at"),
        description="The status at this instant.",
    )
    created_at: datetime = field(description="When the request was made.")
    expires_at: datetime = field(description="Until when it can be answered.")


@strawberry.input(description="A filter of engagements. A null or omitted field does not restrict.")
class EngagementFilter:
    """A filter of engagements."""

    status: list[EngagementStatus] | None = input_field("The statuses of the engagement.")
    consultant_id: strawberry.ID | None = input_field("The id of a consultant with a live grant from the engagement.")
    sole_consultant_id: strawberry.ID | None = input_field(
        "The id of a consultant with a live grant from the engagement. No other consultant has one."
    )
    without_consultant: bool | None = input_field(
        "True: active engagements without a live grant of any consultant. False: those with one."
    )
    search: str | None = input_field(
        "Words of the other account's name and number, and of the organization number of a client for which the "
        "account works, in any order. Case, accents and the separators of numbers do not count."
    )
    side: EngagementSide | None = input_field("The side of this account. BUREAU: the list of its clients.")
    awaits_permissions: bool | None = input_field(
        "True: engagements with a consultant's grant that waits for permissions. False: those without one."
    )
    ends_before: datetime | None = input_field(
        "Active engagements with a live grant of a consultant that ends before this instant."
    )


GIVEN_PERMISSIONS = (
    "What every consultant of the bureau may do. Only the client gives it. Null or omitted: each grant waits for "
    "permissions."
)
GIVEN_END = "The end of these permissions. Null or omitted: no end."


# ---- Inputs and payloads ---------------------------------------------------------------------


@strawberry.input(
    description="The bureau and the client. A client gives its own id, and the number or id of the bureau. A bureau "
    "gives its own id, and the number, id or organization number of the client."
)
class EngageBureauInput:
    """The input of engageBureau."""

    client_account_id: strawberry.ID | None = input_field("The id of the client's account.")
    bureau_account_id: strawberry.ID | None = input_field("The id of the bureau's account.")
    client_organization_number: str | None = input_field("The organization number of the client.")
    client_country: str | None = input_field(
        "The country of the organization number, ISO 3166-1 alpha-2. Null or omitted: that of the bureau."
    )
    client_number: int | None = input_field("The account number of the client.")
    bureau_number: int | None = input_field("The account number of the bureau.")
    consultant_permissions: list[Permission] | None = input_field(GIVEN_PERMISSIONS)
    consultant_valid_until: datetime | None = input_field(GIVEN_END)
    idempotency_key: str | None


@strawberry.input(description="A pending engagement that the other side has requested.")
class AcceptEngagementInput:
    """The input of acceptEngagement."""

    engagement_id: strawberry.ID
    consultant_permissions: list[Permission] | None = input_field(GIVEN_PERMISSIONS)
    consultant_valid_until: datetime | None = input_field(GIVEN_END)


@strawberry.input(description="A pending or active engagement of the viewer's account as the client.")
class UpdateEngagementInput:
    """The input of updateEngagement."""

    engagement_id: strawberry.ID
    consultant_permissions: list[Permission] | None = input_field(
        "The new permissions of every consultant. Null changes nothing."
    )
    consultant_valid_until: datetime | None = input_field(
        "The new end of these permissions. Null changes nothing: an end is taken off by `removeConsultantEnd`."
    )
    remove_consultant_permissions: bool | None = input_field(
        "True takes the permissions back. Consultants whose permissions came from here wait for new ones."
    )
    remove_consultant_end: bool | None = input_field("True takes the end off.")


@strawberry.input(description="A pending engagement that the other side has requested.")
class DeclineEngagementInput:
    """The input of declineEngagement."""

    engagement_id: strawberry.ID


@strawberry.input(description="A pending or active engagement.")
class EndEngagementInput:
    """The input of endEngagement."""

    engagement_id: strawberry.ID


@strawberry.input(description="A pending request for an engagement.")
class WithdrawEngagementRequestInput:
    """The input of withdrawEngagementRequest."""

    engagement_request_id: strawberry.ID


@payload
class WithdrawEngagementRequestPayload(Payload):
    """The payload of withdrawEngagementRequest."""

    engagement_request: EngagementRequest | None = field(description="The request after the change. Null if refused.")


@payload
class EngageBureauPayload(Payload):
    """The payload of engageBureau."""

    engagement: Engagement | None = field(
        description="The engagement, if the viewer can enter the other account. Otherwise null, whether or not that "
        "account exists: the other side sees the request at once, this side when it is answered."
    )


@payload
class AcceptEngagementPayload(Payload):
    """The payload of acceptEngagement."""

    engagement: Engagement | None = field(description="The engagement after the change. Null if refused.")


@payload
class UpdateEngagementPayload(Payload):
    """The payload of updateEngagement."""

    engagement: Engagement | None = field(description="The engagement after the change. Null if refused.")


@payload
class DeclineEngagementPayload(Payload):
    """The payload of declineEngagement."""

    engagement: Engagement | None = field(description="The engagement after the change. Null if refused.")


@payload
class EndEngagementPayload(Payload):
    """The payload of endEngagement."""

    engagement: Engagement | None = field(description="The engagement after the change. Null if refused.")
