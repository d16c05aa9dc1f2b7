"""Events, and the filter of their lists."""

from datetime import datetime

import strawberry

import resolvers.event
import resolvers.subscription
import resolvers.user
from auth.policy import Permission, Role
from models.audit import event_type
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, input_field, needs
from schema.scalars import JSON
from schema.subscription import LinkedAccount
from schema.user import User


@graph_type(
    needs(Permission.EVENTS_READ, or_self=True),
    rights.of_events,
    description="A change: its type, time, actor and role. Events are never changed or deleted.",
)
class Event(Node):
    """An event. It is the actor's own."""

    id: strawberry.ID = global_id("Event")
    type: str = field(
        description="The type, `source:subject:action`. A refused operation has `refused:` before the type of its "
        f"success.\n\n{event_type.as_markdown()}\n\n"
    )
    occurred_at: datetime = field(description="When it happened.")
    actor: User | None = field(
        batch=resolvers.user.actors, description="The user who made the change. Null: the operator or the system."
    )
    actor_role: Role | None = field(description="The role of the actor in the account at that time. Null: none.")
    account: LinkedAccount | None = field(
        batch=resolvers.subscription.of_events, description="The account. Null: the event belongs to no account."
    )
    ip_address: str | None = field(description="The IP address of the request. Null: it is unknown or erased.")
    request_id: str | None = field(description="The id of the request. Null: there was no request.")
    before: JSON | None = field(
        resolve=resolvers.event.before, description="The values before the change. Null: there were none."
    )
    after: JSON | None = field(
        resolve=resolvers.event.after, description="The values after the change. Null: there are none."
    )


@strawberry.input(description="A filter of events. A null or omitted field does not restrict.")
class EventFilter:
    """A filter of events."""

    type: str | None = input_field("The whole type, or its beginning up to a colon: account:invitation.")
    actor_id: strawberry.ID | None = input_field("The id of the user who made the change.")
    since: datetime | None = input_field("The first instant, included.")
    until: datetime | None = input_field("The last instant, excluded.")
