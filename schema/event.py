"""Events, and the filter of their lists."""

from datetime import datetime

import strawberry

import resolvers.event
from auth.policy import Permission, Role
from models.audit import event_type
from resolvers import rights
from resolvers.event import RIGHTS_COLUMNS as EVENT_RIGHTS
from schema.connection import Node
from schema.declare import field, global_id, graph_type, input_field, needs
from schema.scalars import JSON
from schema.subscription import LinkedAccount
from schema.user import User


@graph_type(
    needs(Permission.EVENTS_READ, or_self=True),
    rights.of_events,
    description="A change: its type, time, actor and role. Events are never changed or deleted. A value in an event "
    "needs the same permission as the field that it copies: without it the value is cut, and named in `withheld`.",
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
        batch=resolvers.event.actors,
        columns=(*EVENT_RIGHTS, "actor_role"),
        description="The user who made the change. Null: the operator or the system, or a user without a role in the "
        "account, whom the viewer may not read without USERS_READ.",
    )
    actor_role: Role | None = field(description="The role of the actor in the account at that time. Null: none.")
    account: LinkedAccount | None = field(
        batch=resolvers.event.accounts,
        columns=("account_id", "occurred_at"),
        description="The account. If the viewer can no longer enter it: with the name that it had then. Null: the "
        "event belongs to no account.",
    )
    ip_address: str | None = field(
        column=resolvers.event.ip_addresses,
        columns=(*EVENT_RIGHTS, "ip_address"),
        description="The IP address of the request. Null: it is unknown or erased, or the viewer may not read it. "
        "Users read their own; others need USERS_READ.",
    )
    request_id: str | None = field(description="The id of the request. Null: there was no request.")
    before: JSON | None = field(
        column=resolvers.event.before,
        columns=(*EVENT_RIGHTS, "before"),
        description="The values before the change that the viewer may read. Null: there were none.",
    )
    after: JSON | None = field(
        column=resolvers.event.after,
        columns=(*EVENT_RIGHTS, "after"),
        description="The values after the change that the viewer may read. Null: there are none.",
    )
    withheld: list[str] = field(
        column=resolvers.event.withheld,
        columns=(*EVENT_RIGHTS, "actor_role", "ip_address", "before", "after"),
        description="The names of what the viewer may not read at this moment: keys of `before` and `after`, `actor` "
        "and `ipAddress`. Empty if nothing is cut.",
    )


@strawberry.input(description="A filter of events. A null or omitted field does not restrict.")
class EventFilter:
    """A filter of events."""

    type: str | None = input_field("The whole type, or its beginning up to a colon: account:invitation.")
    actor_id: strawberry.ID | None = input_field("The id of the user who made the change.")
    since: datetime | None = input_field("The first instant, included.")
    until: datetime | None = input_field("The last instant, excluded.")
