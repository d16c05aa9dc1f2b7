"""The root type of queries, and the definitions of roles and permissions."""

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
from schema.declare import AUTHENTICATED, IDS, PUBLIC, field, graph_type
from schema.grant import Grant, GrantFilter
from schema.invitation import InvitationPreview
from schema.viewer import Viewer


@graph_type(PUBLIC, description="A permission in words.")
class PermissionDefinition:
    """A permission in words."""

    permission: Permission = field(description="The permission.")
    description: str = field(description="The meaning of the permission, in the caller's language.")
    restrictable: bool = field(
        description="True if an account can restrict it for simple users and lock it for all users."
    )


@graph_type(PUBLIC, description="A role in words.")
class RoleDefinition:
    """A role in words."""

    role: Role = field(description="The role.")
    name: str = field(description="The name of the role, in the caller's language.")
    description: str = field(description="The purpose of the role, in the caller's language.")
    permissions: list[PermissionDefinition] = field(
        cost_size=len(Permission),
        description="The permissions of the role; for CONSULTANT and SIMPLE_USER those that it can have at most.",
    )


@graph_type(None, description="The root type of queries.")
class Query:
    """The root type of queries."""

    viewer: Viewer | None = field(
        PUBLIC,
        resolve=resolvers.session.viewer,
        description="The signed-in user and their data. Null: the request has no session.",
    )
    node: Node | None = field(
        AUTHENTICATED,
        batch=resolvers.node.node,
        arguments={"id": strawberry.ID},
        description="An object by its global id. Null: there is none, or the viewer may not see it.",
    )
    nodes: list[Node | None] = field(
        AUTHENTICATED,
        batch=resolvers.node.nodes,
        cost_size=IDS,
        arguments={"ids": list[strawberry.ID]},
        description="Objects by their global ids, in the same order. Null for each that `node` would not return.",
    )
    account: Account | None = field(
        AUTHENTICATED,
        batch=resolvers.account.by_id_or_number,
        arguments={"id": strawberry.ID | None, "number": int | None},
        description="An account by its id or its number: give exactly one. Null: there is none, or the viewer cannot "
        "enter it.",
    )
    accounts: Connection[Account] | None = field(
        AUTHENTICATED,
        batch=resolvers.account.of_viewer,
        reads_rows=True,
        arguments=ACCOUNT_LIST,
        description="The accounts that the viewer can enter. Null if not signed in.",
    )
    grants: Connection[Grant] | None = field(
        AUTHENTICATED,
        batch=resolvers.grant.visible_to_viewer,
        reads_rows=True,
        arguments=BOTH_WAYS | {"filter": GrantFilter | None, "order_by": GrantOrder | None},
        description="The viewer's grants, and all grants on accounts where the viewer has USERS_READ. Null if not "
        "signed in.",
    )
    invitation: InvitationPreview | None = field(
        PUBLIC,
        batch=resolvers.invitation.preview,
        arguments={"token": str},
        description="The pending or expired invitation of a mailed link. The user who accepted it sees it too. Null: "
        "there is none.",
    )
    roles: list[RoleDefinition] = field(
        PUBLIC,
        resolve=resolvers.role.roles,
        cost_size=len(Role),
        description="All roles and their permissions, in words.",
    )
