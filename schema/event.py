"""Events and messages as the graph shows them."""

from datetime import datetime

import strawberry

import resolvers.event
import resolvers.subscription
import resolvers.user
from auth.policy import Permission, Role
from models.outbox.message import MessageStatus
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from schema.scalars import JSON
from schema.subscription import LinkedAccount
from schema.user import User

strawberry.enum(MessageStatus, description="Where a message stands.")


@graph_type(
    needs(Permission.EVENTS_READ, or_self=True),
    rights.of_events,
    description="What changed, who did it, and in which role. Never changed or deleted.",
)
class Event(Node):
    """An event; one's own is one that one did oneself."""

    id: strawberry.ID = global_id("Event")
    type: str = field(description="source:subject:action, for example account:invitation:accept.")
    occurred_at: datetime = field(description="When.")
    actor: User | None = field(batch=resolvers.user.actors, description="Who did it; null for the operator.")
    actor_role: Role | None = field(description="In which role, at that time.")
    account: LinkedAccount | None = field(batch=resolvers.subscription.of_events, description="In which account.")
    ip_address: str | None = field(description="From where.")
    request_id: str | None = field(description="In which request.")
    before: JSON | None = field(resolve=resolvers.event.before, description="What was there.")
    after: JSON | None = field(resolve=resolvers.event.after, description="What is there now.")


@strawberry.input(description="Which events.")
class EventFilter:
    """A filter; what is left out does not restrict. `type` matches beginnings up to a colon too."""

    type: str | None = strawberry.UNSET
    actor_id: strawberry.ID | None = strawberry.UNSET
    since: datetime | None = strawberry.UNSET
    until: datetime | None = strawberry.UNSET


@graph_type(
    needs(Permission.MESSAGES_READ),
    rights.of_account_parts,
    description="A mail that was sent for the account, without its text and its links.",
)
class Message(Node):
    """A message."""

    id: strawberry.ID = global_id("Message")
    kind: str = field(description="What it tells, for example invitation.")
    to: str = field(attr="to_address", description="To whom.")
    subject: str = field(description="Its subject.")
    status: MessageStatus = field(description="Where it stands.")
    attempts: int = field(description="How often sending it was tried.")
    created_at: datetime = field(description="When it was written.")
    sent_at: datetime | None = field(description="When a mail server took it.")
