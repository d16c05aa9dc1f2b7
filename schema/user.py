"""Users: people with a login."""

from datetime import datetime

import strawberry

import resolvers.user
from auth.policy import Permission
from resolvers import rights
from schema.connection import Node
from schema.declare import AUTHENTICATED, field, global_id, graph_type, needs

FULL_PROFILE = needs(Permission.USERS_READ, or_self=True)


@graph_type(AUTHENTICATED, rights.of_users, description="A person with a login.")
class User(Node):
    """A user. USERS_READ counts in each account on which the user has or had a grant, or has requested access."""

    id: strawberry.ID = global_id("User")
    name: str = field(description="The user's name, as the user writes it.")
    email: str | None = field(
        FULL_PROFILE, description="The e-mail address of the login. Null if the viewer may not read it."
    )
    locale: str | None = field(
        FULL_PROFILE,
        description="The language of mails to the user, as a BCP 47 tag. Null if the viewer may not read it.",
    )
    is_activated: bool = field(
        column=resolvers.user.is_activated,
        columns=("activated_at",),
        description="True if the user has followed a link that was mailed to the address.",
    )
    created_at: datetime | None = field(
        FULL_PROFILE, description="When the login was created. Null if the viewer may not read it."
    )
