"""Users as the graph shows them."""

from datetime import datetime

import strawberry

import resolvers.user
from auth.policy import Permission
from resolvers import rights
from schema.connection import Node
from schema.declare import SIGNED_IN, field, global_id, graph_type, needs

FULL = needs(Permission.USERS_READ, or_self=True)


@graph_type(SIGNED_IN, rights.of_users, description="A person with a login.")
class User(Node):
    """A user. USERS_READ counts in any account on which he has or had a grant, or asked for one."""

    id: strawberry.ID = global_id("User")
    name: str = field(description="How the person wants to be called.")
    email: str | None = field(FULL, description="The address of the login.")
    locale: str | None = field(FULL, description="The language of mails to the person.")
    is_activated: bool = field(
        column=resolvers.user.is_activated, columns=("activated_at",), description="The person has proved the address."
    )
    created_at: datetime | None = field(FULL, description="Since when the login exists.")
