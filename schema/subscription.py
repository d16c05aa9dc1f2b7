"""Subscriptions and their ledgers as the graph shows them."""

from datetime import datetime

import strawberry

import resolvers.account
import resolvers.subscription
import resolvers.user
from auth.policy import Permission
from models.billing.subscription import SubscriptionEntryKind
from resolvers import rights
from schema.connection import FORWARD, Connection, Node
from schema.declare import SIGNED_IN, field, global_id, graph_type, needs
from schema.user import FULL, User

strawberry.enum(SubscriptionEntryKind, description="Where days came from, or went.")
READ = needs(Permission.SUBSCRIPTION_READ)


@graph_type(
    SIGNED_IN,
    rights.of_linked_accounts,
    description="The little that a linked account shows of itself.",
)
class LinkedAccount:
    """An account on the other side."""

    id: strawberry.ID = global_id("Account")
    number: int = field(description="Its public number.")
    name: str = field(description="What it is called.")
    owner_email: str | None = field(
        FULL, batch=resolvers.subscription.owner_emails, description="The address of its owner."
    )


@graph_type(READ, rights.of_account_parts, description="A line of a subscription's ledger.")
class SubscriptionEntry(Node):
    """A line of the ledger."""

    id: strawberry.ID = global_id("SubscriptionEntry")
    days: int = field(description="Whole days; negative when given away.")
    kind: SubscriptionEntryKind = field(description="Where they came from, or went.")
    counterpart: LinkedAccount | None = field(
        batch=resolvers.subscription.counterparts, description="The other side of a transfer."
    )
    actor: User | None = field(batch=resolvers.user.actors, description="Who moved them.")
    created_at: datetime = field(description="When.")
    valid_until_before: datetime = field(description="The subscription's end before.")
    valid_until_after: datetime = field(description="The subscription's end after.")


@graph_type(READ, rights.of_accounts, description="Until when an account can be changed.")
class AccountSubscription:
    """A subscription."""

    valid_until: datetime = field(attr="subscription_until", description="Its end.")
    days_left: int = field(
        column=resolvers.account.days_left, columns=("subscription_until",), description="Whole days, never negative."
    )
    is_expired: bool = field(
        column=resolvers.account.is_expired, columns=("subscription_until",), description="Whether it is over."
    )
    entries: Connection[SubscriptionEntry] | None = field(
        batch=resolvers.subscription.entries,
        columns=("id",),
        arguments=FORWARD,
        description="The ledger, the newest first.",
    )
