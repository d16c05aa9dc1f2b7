"""Grants: the roles of users in accounts."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.account
import resolvers.grant
import resolvers.user
from auth import labels
from auth.policy import GrantStatus, Permission, Role
from models.lists import GrantOrder
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field, needs
from schema.payload import Payload, payload
from schema.user import User

if TYPE_CHECKING:
    from schema.access_decision import AccessDecision
    from schema.account import Account

graph_enum(
    Role,
    "A role in an account.",
    labels.ROLES,
)
graph_enum(
    GrantStatus,
    "The status of a grant. Only ACTIVE gives access.",
    {
        GrantStatus.AWAITING_PERMISSIONS: "It waits for permissions.",
        GrantStatus.ACTIVE: "It gives access.",
        GrantStatus.REVOKED: "It was revoked. It can be restored.",
        GrantStatus.RESIGNED: "The holder gave it up.",
        GrantStatus.EXPIRED: "Its end has passed. It can be restored with a new end.",
    },
)
graph_enum(
    GrantOrder,
    "The order of a list of grants. The default is CREATED_AT.",
    {
        GrantOrder.CREATED_AT: "By creation, the oldest first.",
        GrantOrder.USER_NAME: "By the holder's name, in the alphabet of the viewer's language.",
        GrantOrder.LAST_USED: "By last use, the latest first.",
    },
)


@graph_type(
    needs(Permission.USERS_READ, or_self=True),
    rights.of_grants,
    description="A user's role and permissions in an account. Grants are never deleted.",
)
class Grant(Node):
    """A grant."""

    id: strawberry.ID = global_id("Grant")
    account: Annotated["Account", strawberry.lazy("schema.account")] | None = field(
        batch=resolvers.account.of_rows,
        columns=("account_id",),
        description="The account. Null if the viewer cannot enter it.",
    )
    account_name: str = field(
        batch=resolvers.grant.account_names,
        columns=("id", "account_id", "status", "valid_until", "account_name"),
        description="The name of the account. After the end of the grant: the name at its end, unless the viewer can "
        "still enter the account.",
    )
    user: User = field(
        batch=resolvers.user.of_grants,
        columns=("account_id", "user_id"),
        joined_as="user",
        description="The holder of the grant.",
    )
    role: Role = field(description="The role of the holder in the account.")
    status: GrantStatus = field(
        column=resolvers.grant.status,
        columns=("status", "valid_until", "closes_at"),
        description="The status at this instant.",
    )
    permissions: list[Permission] = field(
        column=resolvers.grant.permissions,
        columns=resolvers.grant.FACT_COLUMNS,
        description="The effective permissions, after restrictions, locks and expiry. For other viewers than the "
        "holder a missing second factor does not count.",
    )
    entry: Annotated["AccessDecision", strawberry.lazy("schema.access_decision")] = field(
        column=resolvers.grant.entry_decisions,
        columns=resolvers.grant.FACT_COLUMNS,
        description="A decision about entry: true if the holder can enter the account with the grant at this instant. "
        "Only the holder can see TWO_FACTOR_REQUIRED.",
    )
    valid_until: datetime | None = field(description="When the grant ends. Null: it has no end.")
    last_used_at: datetime | None = field(description="When the account was last entered with the grant. Null: never.")
    created_at: datetime = field(description="When the grant was given.")
    clients_without_other_consultant: int = field(
        batch=resolvers.grant.sole_client_counts,
        reads_rows=True,
        columns=("account_id", "user_id"),
        description="For a grant on a bureau: the number of clients that would have no consultant without the holder. "
        "After the holder has left the bureau: those that have no consultant since. Otherwise 0.",
    )
    granted_by: User | None = field(
        batch=resolvers.user.granted_by,
        columns=("granted_by_id",),
        description="The user who gave the grant. Null: the system, or the user was erased.",
    )


@strawberry.input(description="A filter of grants. A null or omitted field does not restrict.")
class GrantFilter:
    """A filter of grants."""

    account_id: strawberry.ID | None = input_field("The id of the account.")
    user_id: strawberry.ID | None = input_field("The id of the holder.")
    role: list[Role] | None = input_field("The roles.")
    status: list[GrantStatus] | None = input_field("The statuses.")
    search: str | None = input_field(
        "Words of the holder's name and address, in any order. "
        "Case, accents and the separators of numbers do not count."
    )
    not_used_since: datetime | None = input_field(
        "The instant since which the grant was not used. A grant that was never used counts from its creation."
    )
    ends_before: datetime | None = input_field("The instant before which the grant ends.")


# ---- Inputs and payloads ---------------------------------------------------------------------


@strawberry.input(description="The fields of the grant to change. A null or omitted field stays as it is.")
class UpdateGrantInput:
    """The input of updateGrant."""

    grant_id: strawberry.ID
    role: Role | None = input_field(
        "The new role. Never OWNER. It starts without a list of permissions. Null changes nothing."
    )
    permissions: list[Permission] | None = input_field(
        "The only permissions of the grant, for CONSULTANT and SIMPLE_USER. Null changes nothing."
    )
    valid_until: datetime | None = input_field(
        "The instant at which the grant ends, at most ten years ahead. Null changes nothing."
    )
    remove_permission_list: bool | None = input_field(
        "True removes the list of permissions: a SIMPLE_USER then has those of the role, a CONSULTANT has none."
    )
    remove_end: bool | None = input_field("True removes the end of the grant. Not together with `validUntil`.")


@strawberry.input(description="A live grant of another user.")
class RevokeGrantInput:
    """The input of revokeGrant."""

    grant_id: strawberry.ID


@strawberry.input(description="A revoked or expired grant.")
class RestoreGrantInput:
    """The input of restoreGrant."""

    grant_id: strawberry.ID
    valid_until: datetime | None = input_field(
        "The instant at which the grant ends, at most ten years ahead. Null or omitted: its former end, which has to "
        "be in the future."
    )
    remove_end: bool | None = input_field("True removes the former end. Not together with `validUntil`.")


@strawberry.input(description="A live grant of the viewer.")
class ResignGrantInput:
    """The input of resignGrant."""

    grant_id: strawberry.ID


@payload
class UpdateGrantPayload(Payload):
    """The payload of updateGrant."""

    grant: Grant | None = field(description="The grant after the change. Null if refused.")


@payload
class RevokeGrantPayload(Payload):
    """The payload of revokeGrant."""

    grant: Grant | None = field(description="The grant after the change. Null if refused.")


@payload
class RestoreGrantPayload(Payload):
    """The payload of restoreGrant."""

    grant: Grant | None = field(description="The grant after the change. Null if refused.")


@payload
class ResignGrantPayload(Payload):
    """The payload of resignGrant."""

    grant: Grant | None = field(description="The grant after the change. Null if refused.")
