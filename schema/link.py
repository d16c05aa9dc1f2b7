"""Links between accounts."""

import resolvers.link
from auth.policy import Permission
from models.accounts.link import AccountRelation
from resolvers import rights
from schema.declare import field, graph_enum, graph_type, needs
from schema.grant import Grant
from schema.subscription import LinkedAccount

graph_enum(
    AccountRelation,
    "The kind of link between two accounts.",
    {
        AccountRelation.HAS_ACCESS: "This account's owner has a grant on the other account.",
        AccountRelation.MUTUAL: "Each owner has a grant on the other account.",
        AccountRelation.GIVES_ACCESS: "The other account's owner has a grant on this account.",
    },
)


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_account_parts,
    description="A link between this account and another one. It follows from the active grants of their owners.",
)
class AccountLink:
    """A link."""

    account: LinkedAccount = field(column=resolvers.link.same_rows, is_same_row=True, description="The other account.")
    relation: AccountRelation = field(description="The kind of link, from the side of this account.")
    days_left: int | None = field(
        column=resolvers.link.days_left,
        columns=("subscription_until",),
        description="The whole days of the other account's subscription. Null if this account's owner may not read it.",
    )
    is_activated: bool = field(
        column=resolvers.link.is_activated,
        columns=("activated_at",),
        description="True if the other account is activated.",
    )
    outgoing_grant: Grant | None = field(
        batch=resolvers.link.outgoing_grants,
        columns=("outgoing_id",),
        description="The grant of this account's owner on the other account. Null: there is none, or the viewer may "
        "not read it.",
    )
    incoming_grants: list[Grant] = field(
        batch=resolvers.link.incoming_grants,
        columns=("incoming_id",),
        cost_size=1,
        description="The grant of the other account's owner on this one. Empty: there is none, or the viewer may not "
        "read it.",
    )
