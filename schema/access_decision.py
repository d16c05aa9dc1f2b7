"""Decisions about permissions of the viewer, and their reasons."""

import resolvers.account

# Declares Role, which has to happen before a field uses it.
import schema.grant  # noqa: F401  # pyright: ignore[reportUnusedImport]
from auth.policy import DecisionReason, Permission, Role
from schema.declare import AUTHENTICATED, field, graph_enum, graph_type

graph_enum(
    DecisionReason,
    "The rule that decided about a permission.",
    {
        DecisionReason.GRANTED: "The user has the permission.",
        DecisionReason.NO_GRANT: "The user has no grant on the account.",
        DecisionReason.ROLE: "The role does not have the permission.",
        DecisionReason.RESTRICTED_BY_GRANT: "The list of the grant does not have the permission.",
        DecisionReason.RESTRICTED_BY_ACCOUNT: "The account restricts the permission for simple users.",
        DecisionReason.LOCKED_BY_ACCOUNT: "The account locks the permission for all users.",
        DecisionReason.AWAITING_PERMISSIONS: "The grant waits for permissions.",
        DecisionReason.GRANT_NOT_ACTIVE: "The grant was revoked, given up, or has expired.",
        DecisionReason.ACCOUNT_CLOSING: "The account closes soon: see closesAt. Its owner can reopen it until then.",
        DecisionReason.SUBSCRIPTION_EXPIRED: "The subscription of the account has ended.",
        DecisionReason.TWO_FACTOR_REQUIRED: "The account requires a second factor, and the user has none.",
    },
)


@graph_type(
    AUTHENTICATED,
    description="A decision about one permission of the viewer. The same rules guard the fields.",
)
class AccessDecision:
    """A decision about one permission."""

    allowed: bool = field(description="True if the viewer has the permission.")
    permission: Permission = field(description="The permission.")
    reason: DecisionReason = field(description="The rule that decided.")
    grantable_by: list[Role] = field(
        description="The roles whose holders could give the permission. Empty if it is allowed."
    )
    needs_reauthentication: bool = field(
        resolve=resolvers.account.needs_reauthentication,
        description="True if it is allowed, but the mutations with @reauthentication that need it would answer "
        "REAUTHENTICATION_REQUIRED now: call reauthenticate first.",
    )
