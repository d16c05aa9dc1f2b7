"""Live changes: the third root of the graph."""

import strawberry

import resolvers.live
from auth.rules import ONESELF
from models.live.stream_state import AccessChangeKind
from resolvers import rights
from schema.declare import field, graph_type, subscription
from schema.event import Event
from schema.grant import Grant

strawberry.enum(AccessChangeKind, description="What became of a grant.")


@graph_type(ONESELF, rights.of_viewer, description="A grant of the signed-in user's became another one.")
class AccessChange:
    """What became of a grant of one's own."""

    grant: Grant = field(batch=resolvers.live.grants, description="The grant, as it is now.")
    kind: AccessChangeKind = field(description="What became of it.")


@graph_type(
    None,
    rights.of_viewer,
    description="Following. By graphql-transport-ws, or by POST with Accept: text/event-stream. A subscription ends, "
    "with an error that says why, within a second of its right: when the session ends, the grant, the permission.",
)
class Subscription:
    """What can be followed."""

    access_changed: AccessChange | None = subscription(
        resolvers.live.access_changed,
        resolvers.live.change,
        description="Something changed in what the signed-in user may access: a grant given, changed, taken back, "
        "expired.",
    )
    account_events: Event | None = subscription(
        resolvers.live.account_events,
        resolvers.live.event,
        arguments={"account_id": strawberry.ID},
        description="Events of one account, as they are written: each once, in their order.",
    )
