"""Engagements of bureaus with clients."""

from datetime import datetime

import strawberry

import resolvers.engagement
import resolvers.grant
from auth.policy import Permission
from models.bureaus.engagement import EngagementStatus
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
        EngagementStatus.PENDING: "One side has requested it.",
        EngagementStatus.ACTIVE: "The bureau can work for the client.",
        EngagementStatus.DECLINED: "The other side declined it.",
        EngagementStatus.ENDED: "It has ended, or the request was withdrawn.",
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
    status: EngagementStatus = field(description="The status.")
    consultants: list[Grant] | None = field(
        batch=resolvers.grant.of_engagements,
        columns=("id",),
        cost_size=10,
        description="The live grants of consultants at the client, including those that wait for permissions.",
    )
    created_at: datetime = field(description="When it was requested.")
    ended_at: datetime | None = field(description="When it was declined or ended. Null: neither.")


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
    idempotency_key: str | None


@strawberry.input(description="A pending engagement that the other side has requested.")
class AcceptEngagementInput:
    """The input of acceptEngagement."""

    engagement_id: strawberry.ID


@strawberry.input(description="A pending engagement that the other side has requested.")
class DeclineEngagementInput:
    """The input of declineEngagement."""

    engagement_id: strawberry.ID


@strawberry.input(description="A pending or active engagement.")
class EndEngagementInput:
    """The input of endEngagement."""

    engagement_id: strawberry.ID


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
class DeclineEngagementPayload(Payload):
    """The payload of declineEngagement."""

    engagement: Engagement | None = field(description="The engagement after the change. Null if refused.")


@payload
class EndEngagementPayload(Payload):
    """The payload of endEngagement."""

    engagement: Engagement | None = field(description="The engagement after the change. Null if refused.")
