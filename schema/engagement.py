"""Engagements as the graph shows them, and how they are changed."""

from datetime import datetime

import strawberry

import resolvers.engagement
import resolvers.grant
from auth.policy import Permission
from models.bureaus.engagement import EngagementStatus
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from schema.grant import Grant
from schema.payload import Payload, payload
from schema.subscription import LinkedAccount

strawberry.enum(EngagementStatus, description="Where an engagement stands; only an ACTIVE one lets a bureau work.")


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_engagements,
    description="A bureau that works for a client, or was asked to. The permission counts on either side.",
)
class Engagement(Node):
    """An engagement."""

    id: strawberry.ID = global_id("Engagement")
    bureau: LinkedAccount = field(
        batch=resolvers.engagement.bureaus, columns=("bureau_id",), description="The account that works."
    )
    client: LinkedAccount = field(
        batch=resolvers.engagement.clients, columns=("client_id",), description="The account that it works for."
    )
    status: EngagementStatus = field(description="Where it stands.")
    consultants: list[Grant] | None = field(
        batch=resolvers.grant.of_engagements,
        columns=("id",),
        cost_size=10,
        description="The live grants at the client that hang on it, those that await permissions too.",
    )
    created_at: datetime = field(description="When it was asked for.")
    ended_at: datetime | None = field(description="When it was declined or ended.")


@strawberry.input(description="Which engagements.")
class EngagementFilter:
    """A filter; what is left out does not restrict."""

    status: list[EngagementStatus] | None = strawberry.UNSET
    consultant_id: strawberry.ID | None = strawberry.UNSET


# ---- Changing --------------------------------------------------------------------------------


@strawberry.input(
    description="A client gives its own id, and the bureau's number or id. A bureau gives its own id, and the "
    "client's number, id, or organization number, of clientCountry or else of the bureau's own country."
)
class EngageBureauInput:
    """What engageBureau takes."""

    client_account_id: strawberry.ID | None = strawberry.UNSET
    bureau_account_id: strawberry.ID | None = strawberry.UNSET
    client_organization_number: str | None = strawberry.UNSET
    client_country: str | None = strawberry.UNSET
    client_number: int | None = strawberry.UNSET
    bureau_number: int | None = strawberry.UNSET


@strawberry.input(description="An engagement that the other side has asked for.")
class AcceptEngagementInput:
    """What acceptEngagement takes."""

    engagement_id: strawberry.ID


@strawberry.input(description="An engagement that the other side has asked for.")
class DeclineEngagementInput:
    """What declineEngagement takes."""

    engagement_id: strawberry.ID


@strawberry.input(description="A pending or active engagement.")
class EndEngagementInput:
    """What endEngagement takes."""

    engagement_id: strawberry.ID


@payload
class EngageBureauPayload(Payload):
    """An account was asked."""

    engagement: Engagement | None = field(
        description="The engagement, for who can enter the other account; else null, whether or not there is "
        "such an account. The other side sees it at once, this one when it is answered."
    )


@payload
class AcceptEngagementPayload(Payload):
    """An engagement began."""

    engagement: Engagement | None = field(description="The engagement as it is now.")


@payload
class DeclineEngagementPayload(Payload):
    """An engagement was declined."""

    engagement: Engagement | None = field(description="The engagement as it is now.")


@payload
class EndEngagementPayload(Payload):
    """An engagement ended."""

    engagement: Engagement | None = field(description="The engagement as it is now.")
