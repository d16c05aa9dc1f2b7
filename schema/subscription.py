"""Subscriptions and their ledgers."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.account
import resolvers.subscription
import resolvers.user
from auth.policy import Permission
from models.billing.subscription import SubscriptionEntryKind
from resolvers import rights
from schema.connection import FORWARD, Connection, Node
from schema.declare import AUTHENTICATED, field, global_id, graph_enum, graph_type, input_field, needs
from schema.payload import Payload, payload
from schema.user import FULL_PROFILE, User

if TYPE_CHECKING:
    from schema.account import Account

LazyAccount = Annotated["Account", strawberry.lazy("schema.account")]

graph_enum(
    SubscriptionEntryKind,
    "The kind of entry in a subscription's ledger.",
    {
        SubscriptionEntryKind.TRIAL: "The trial days of a new account. Negative if they were taken back.",
        SubscriptionEntryKind.VOUCHER: "The days of a voucher.",
        SubscriptionEntryKind.TRANSFER_OUT: "Days given to another account.",
        SubscriptionEntryKind.TRANSFER_IN: "Days received from another account.",
        SubscriptionEntryKind.CREDIT: "Days that the operator credited.",
    },
)
SUBSCRIPTION_READ = needs(Permission.SUBSCRIPTION_READ)


@graph_type(
    AUTHENTICATED,
    rights.of_linked_accounts,
    description="The fields of an account that users of a linked account can see.",
)
class LinkedAccount:
    """An account on the other side of a link, transfer, engagement or event."""

    id: strawberry.ID = global_id("Account")
    number: int = field(description="The public number.")
    name: str = field(description="The name.")
    owner_email: str | None = field(
        FULL_PROFILE,
        batch=resolvers.subscription.owner_emails,
        description="The owner's e-mail address. Null if the viewer may not read it.",
    )


@graph_type(SUBSCRIPTION_READ, rights.of_account_parts, description="An entry of a subscription's ledger.")
class SubscriptionEntry(Node):
    """An entry of the ledger."""

    id: strawberry.ID = global_id("SubscriptionEntry")
    days: int = field(description="The number of whole days. Negative if they were given away or taken back.")
    kind: SubscriptionEntryKind = field(description="The kind of entry.")
    counterpart: LinkedAccount | None = field(
        batch=resolvers.subscription.counterparts, description="The other account of a transfer. Null: no transfer."
    )
    actor: User | None = field(
        batch=resolvers.user.actors, description="The user who made the entry. Null: the operator or the system."
    )
    created_at: datetime = field(description="When the entry was made.")
    valid_until_before: datetime = field(description="The end of the subscription before the entry.")
    valid_until_after: datetime = field(description="The end of the subscription after the entry.")


@graph_type(
    SUBSCRIPTION_READ,
    rights.of_accounts,
    description="The subscription of an account. After its end the account is read-only.",
)
class AccountSubscription:
    """A subscription."""

    valid_until: datetime = field(attr="subscription_until", description="The end of the subscription.")
    days_left: int = field(
        column=resolvers.account.days_left,
        columns=("subscription_until",),
        description="The whole days until the end, 0 or more.",
    )
    transferable_days: int = field(
        column=resolvers.account.transferable_days,
        columns=("subscription_until", "trial_until"),
        description="The whole days that extendSubscription can give to other accounts, 0 or more. Trial days, which "
        "are used up first, do not count.",
    )
    is_expired: bool = field(
        column=resolvers.account.is_expired, columns=("subscription_until",), description="True if the end has passed."
    )
    entries: Connection[SubscriptionEntry] | None = field(
        batch=resolvers.subscription.entries,
        columns=("id",),
        arguments=FORWARD,
        description="The ledger, the newest entry first.",
    )


# ---- Inputs and payloads ---------------------------------------------------------------------


@strawberry.input(description="A transfer of days from one account's subscription to that of another.")
class ExtendSubscriptionInput:
    """The input of extendSubscription."""

    account_id: strawberry.ID = input_field("The id of the account that receives the days.")
    payer_account_id: strawberry.ID = input_field(
        "The id of the account that gives the days. To pay for an account of their own, the caller must own it too."
    )
    days: int = input_field("The number of whole days, 10 to 365.")
    idempotency_key: str | None


@payload
class ExtendSubscriptionPayload(Payload):
    """The payload of extendSubscription."""

    account: LazyAccount | None = field(description="The account that received the days. Null if refused.")
    payer: LazyAccount | None = field(description="The account that gave the days. Null if refused.")
    entry: SubscriptionEntry | None = field(description="The entry in the receiver's ledger. Null if refused.")


@strawberry.input(description="A voucher for an account.")
class RedeemVoucherInput:
    """The input of redeemVoucher."""

    account_id: strawberry.ID
    code: str = input_field("The code of the voucher. Case, spaces and dashes are ignored.")
    idempotency_key: str | None


@payload
class RedeemVoucherPayload(Payload):
    """The payload of redeemVoucher."""

    account: LazyAccount | None = field(description="The account that received the days. Null if refused.")
    entry: SubscriptionEntry | None = field(description="The entry in the account's ledger. Null if refused.")
