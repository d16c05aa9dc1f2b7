"""Where reading starts."""

import strawberry

import resolvers.account
import resolvers.grant
import resolvers.invitation
import resolvers.node
import resolvers.role
import resolvers.session
from auth.policy import Permission, Role
from models.lists import GrantOrder
from schema.account import ACCOUNT_LIST, Account
from schema.connection import BOTH_WAYS, Connection, Node
from schema.declare import ANYONE, IDS, SIGNED_IN, field, graph_type
from schema.grant import Grant, GrantFilter
from schema.invitation import InvitationPreview
from schema.viewer import Viewer


@graph_type(ANYONE, description="What a permission means.")
class PermissionDefinition:
    """A permission, explained."""

    permission: Permission = field(description="The permission.")
    description: str = field(description="What it allows, in the caller's language.")
    restrictable: bool = field(description="Whether an account can take it from simple users, or lock it for all.")


@graph_type(ANYONE, description="What a role means.")
class RoleDefinition:
    """A role, explained."""

    role: Role = field(description="The role.")
    name: str = field(description="What it is called, in the caller's language.")
    description: str = field(description="What it is for, in the caller's language.")
    permissions: list[PermissionDefinition] = field(
        cost_size=len(Permission),
        description="What it holds; for CONSULTANT and SIMPLE_USER, what it can hold at most.",
    )


@graph_type(None, description="Reading.")
class Query:
    """Every way into the graph."""

    viewer: Viewer | None = field(ANYONE, resolve=resolvers.session.viewer, description="Null when not signed in.")
    node: Node | None = field(
        SIGNED_IN,
        batch=resolvers.node.node,
        arguments={"id": strawberry.ID},
        description="An object by its id. Unknown and invisible ids answer alike: null.",
    )
    nodes: list[Node | None] = field(
        SIGNED_IN,
        batch=resolvers.node.nodes,
        cost_size=IDS,
        arguments={"ids": list[strawberry.ID]},
        description="Objects by their ids, 100 at most, in order; null as with node.",
    )
    account: Account | None = field(
        SIGNED_IN,
        batch=resolvers.account.by_id_or_number,
        arguments={"id": strawberry.ID | None, "number": int | None},
        description="An account by exactly one of the two.",
    )
    accounts: Connection[Account] | None = field(
        SIGNED_IN,
        batch=resolvers.account.of_viewer,
        arguments=ACCOUNT_LIST,
        description="The accounts that the viewer can enter.",
    )
    grants: Connection[Grant] | None = field(
        SIGNED_IN,
        batch=resolvers.grant.seen,
        arguments=BOTH_WAYS | {"filter": GrantFilter | None, "order_by": GrantOrder | None},
        description="The viewer's grants, and those of accounts whose users he may read.",
    )
    invitation: InvitationPreview | None = field(
        ANYONE,
        batch=resolvers.invitation.preview,
        arguments={"token": str},
        description="The landing page of a mailed link.",
    )
    roles: list[RoleDefinition] = field(
        ANYONE, resolve=resolvers.role.roles, cost_size=len(Role), description="What each role and permission means."
    )
