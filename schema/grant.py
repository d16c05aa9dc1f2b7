"""Grants as the graph shows them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.account
import resolvers.grant
import resolvers.user
from auth.policy import GrantStatus, Permission, Role
from models.lists import GrantOrder
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from schema.user import User

if TYPE_CHECKING:
    from schema.account import AccessDecision, Account

strawberry.enum(Role, description="What somebody is in an account.")
strawberry.enum(GrantStatus, description="Where a grant stands; only ACTIVE is worth anything.")
strawberry.enum(GrantOrder, description="How grants are sorted; LAST_USED has the latest first.")


@graph_type(
    needs(Permission.USERS_READ, or_self=True),
    rights.of_grants,
    description="A user's place in an account. Never deleted.",
)
class Grant(Node):
    """A grant."""

    id: strawberry.ID = global_id("Grant")
    account: Annotated["Account", strawberry.lazy("schema.account")] | None = field(
        batch=resolvers.account.of_rows,
        columns=("account_id",),
        description="The account; null for who cannot enter it.",
    )
    account_name: str = field(description="What the account is called.")
    user: User = field(
        batch=resolvers.user.of_grants,
        columns=("account_id", "user_id"),
        joined_as="user",
        description="Who holds the grant.",
    )
    role: Role = field(description="What he is in the account.")
    status: GrantStatus = field(
        column=resolvers.grant.status, columns=("status", "valid_until"), description="Where the grant stands now."
    )
    permissions: list[Permission] = field(
        column=resolvers.grant.permissions,
        columns=resolvers.grant.STANDING,
        description="What it allows now, after every restriction; to others, as if its holder had the second factor "
        "that the account may demand.",
    )
    entry: Annotated["AccessDecision", strawberry.lazy("schema.account")] = field(
        column=resolvers.grant.entry,
        columns=resolvers.grant.STANDING,
        description="Whether it lets its holder into the account now, and why not. TWO_FACTOR_REQUIRED is told to "
        "himself only.",
    )
    valid_until: datetime | None = field(description="When it ends by itself.")
    last_used_at: datetime | None = field(description="When the account was last entered with it.")
    created_at: datetime = field(description="When it was given.")
    granted_by: User | None = field(
        batch=resolvers.user.granted_by, columns=("granted_by_id",), description="Who gave it."
    )


@strawberry.input(description="Which grants.")
class GrantFilter:
    """A filter; what is left out does not restrict."""

    account_id: strawberry.ID | None = strawberry.UNSET
    user_id: strawberry.ID | None = strawberry.UNSET
    role: list[Role] | None = strawberry.UNSET
    status: list[GrantStatus] | None = strawberry.UNSET
    search: str | None = strawberry.UNSET
    not_used_since: datetime | None = strawberry.UNSET
    ends_before: datetime | None = strawberry.UNSET
