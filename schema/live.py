"""Subscriptions: changes as they happen."""

import strawberry

import resolvers.live
from auth.rules import SELF
from models.live.stream_state import AccessChangeKind
from resolvers import rights
from schema.declare import field, graph_enum, graph_type, subscription
from schema.event import Event
from schema.grant import Grant

graph_enum(
    AccessChangeKind,
    "The kind of change of a grant.",
    {
        AccessChangeKind.GIVEN: "A new grant.",
        AccessChangeKind.CHANGED: "Another role, other permissions, another end, or permissions after a wait for them.",
        AccessChangeKind.REVOKED: "The grant was revoked.",
        AccessChangeKind.RESTORED: "A revoked grant was restored.",
        AccessChangeKind.RESIGNED: "The user gave the grant up.",
        AccessChangeKind.EXPIRED: "The end of the grant has passed.",
    },
)


@graph_type(SELF, rights.of_viewer, description="A change of one of the signed-in user's grants.")
class AccessChange:
    """A change of a grant."""

    grant: Grant = field(batch=resolvers.live.grants, description="The grant after the change.")
    kind: AccessChangeKind = field(description="The kind of change.")


@graph_type(
    None,
    rights.of_viewer,
    description="Streams of changes, by graphql-transport-ws, or by POST with Accept: text/event-stream. When the "
    "session, the grant or the permission ends, the stream ends within one second, with an error that says why.",
)
class Subscription:
    """The root type of subscriptions."""

    access_changed: AccessChange | None = subscription(
        resolvers.live.access_changed,
        resolvers.live.change,
        description="Changes of the signed-in user's grants: given, changed, revoked, restored, resigned, expired.",
    )
    account_events: Event | None = subscription(
        resolvers.live.account_events,
        resolvers.live.events,
        arguments={"account_id": strawberry.ID},
        description="New events of the account, each once, in the order in which they were recorded.",
    )
