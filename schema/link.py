"""Links between accounts as the graph shows them."""

import strawberry

import resolvers.link
from auth.policy import Permission
from models.accounts.link import AccountRelation
from resolvers import rights
from schema.declare import field, graph_type, needs
from schema.grant import Grant
from schema.subscription import LinkedAccount

strawberry.enum(AccountRelation, description="How another account stands to this one.")


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_account_parts,
    description="How another account stands to this one, by the grants that their owners hold now.",
)
class AccountLink:
    """A link."""

    account: LinkedAccount = field(column=resolvers.link.itself, is_same_row=True, description="The other account.")
    relation: AccountRelation = field(
        description="HAS_ACCESS: this account's owner is in the other one. GIVES_ACCESS: the other way round."
    )
    days_left: int | None = field(
        column=resolvers.link.days_left,
        columns=("subscription_until",),
        description="Whole days of the other account's subscription; null where this account's owner cannot see it.",
    )
    is_activated: bool = field(
        column=resolvers.link.is_activated, columns=("activated_at",), description="The other account is in use."
    )
    outgoing_grant: Grant | None = field(
        batch=resolvers.link.outgoing,
        columns=("outgoing_id",),
        description="The grant of this account's owner on the other one, for who may see it.",
    )
    incoming_grants: list[Grant] = field(
        batch=resolvers.link.incoming,
        columns=("incoming_id",),
        cost_size=1,
        description="The grant of the other account's owner on this one.",
    )
