"""Accounts as the graph shows them."""

from datetime import datetime

import strawberry

import resolvers.access_request
import resolvers.account
import resolvers.engagement
import resolvers.event
import resolvers.grant
import resolvers.invitation
import resolvers.link
import resolvers.ownership
import resolvers.user
from auth.policy import DecisionReason, Permission, Role
from models.accounts.account import AccountKind, AccountStatus
from models.accounts.link import AccountRelation
from models.lists import AccountOrder, GrantOrder
from resolvers import rights
from schema.access_request import AccessRequest
from schema.connection import BOTH_WAYS, FORWARD, Connection, Node
from schema.declare import SIGNED_IN, field, global_id, graph_type, needs
from schema.engagement import Engagement, EngagementFilter
from schema.event import Event, EventFilter, Message
from schema.grant import Grant, GrantFilter
from schema.invitation import Invitation, InvitationFilter
from schema.link import AccountLink
from schema.ownership import OwnershipTransfer
from schema.subscription import AccountSubscription
from schema.user import User

strawberry.enum(AccountKind, description="Whether an account also works for clients.")
strawberry.enum(AccountStatus, description="What can be done with an account.")
strawberry.enum(AccountOrder, description="How accounts are sorted; LAST_USED has the latest first.")
strawberry.enum(DecisionReason, description="Why a permission is there, or which rule took it.")


@graph_type(
    SIGNED_IN,
    description="Why the viewer may or may not; the same rule that guards the fields answers.",
)
class AccessDecision:
    """A decision."""

    allowed: bool = field(description="Yes or no.")
    permission: Permission = field(description="The permission in question.")
    reason: DecisionReason = field(description="The rule that decided.")
    grantable_by: list[Role] = field(description="Who in the account could change a no into a yes; empty for a yes.")


@graph_type(needs(Permission.SETTINGS_READ), rights.of_accounts, description="How an account invoices.")
class AccountSettings:
    """The settings."""

    invoice_prefix: str = field(description="What invoice numbers start with.")
    vat_number: str | None = field(description="With its country's prefix.")
    bank_account_number: str | None = field(description="An IBAN.")
    default_currency: str = field(description="ISO 4217.")
    default_locale: str = field(description="The language of documents.")
    payment_term_days: int = field(description="Days that customers have to pay.")
    simple_user_restrictions: list[Permission] = field(
        column=resolvers.account.simple_user_restrictions,
        columns=("simple_user_restrictions",),
        description="Taken from every SIMPLE_USER of the account.",
    )
    locks: list[Permission] = field(
        column=resolvers.account.locks, columns=("locks",), description="Taken from everyone, the owner included."
    )
    requires_two_factor: bool = field(description="Whether entering needs a second factor; the owner's too.")
    without_second_factor: Connection[Grant] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.grant.without_factor,
        columns=("id",),
        arguments=FORWARD,
        description="Whose access ends while requiresTwoFactor is on, until they set up a second factor.",
    )


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_account_parts,
    description="How many people an account may have beside its owner, accountants and consultants, who take no seat.",
)
class Seats:
    """The seats."""

    purchased: int = field(description="Bought in all.")
    used: int = field(description="Taken by live grants.")
    reserved: int = field(description="Held for pending invitations.")
    available: int = field(description="Free for one more person; never negative.")


@graph_type(
    needs(Permission.ACCOUNT_READ),
    rights.of_accounts,
    description="A company or person that issues invoices. Who has no active grant on it does not see that it exists.",
)
class Account(Node):
    """An account."""

    id: strawberry.ID = global_id("Account")
    number: int = field(description="Eight digits, shown to people.")
    name: str = field(description="What it is called.")
    kind: AccountKind = field(description="Whether it also works for clients.")
    status: AccountStatus = field(
        column=resolvers.account.status,
        columns=("closed_at", "activated_at", "subscription_until"),
        description="What can be done with it.",
    )
    organization_number: str | None = field(description="By the rules of its country, normalised.")
    country: str | None = field(description="ISO 3166-1 alpha-2.")
    created_at: datetime = field(description="When it was opened.")
    owner: User | None = field(batch=resolvers.user.owners, columns=("owner_id",), description="Whose it is.")
    ownership_transfer: OwnershipTransfer | None = field(
        batch=resolvers.ownership.of_accounts,
        columns=("id",),
        description="The pending offer of its ownership; null for who neither made nor got it.",
    )
    viewer_grant: Grant | None = field(
        column=resolvers.account.viewer_grant, columns=("id",), description="The viewer's own grant."
    )
    viewer_permissions: list[Permission] = field(
        column=resolvers.account.viewer_permissions,
        columns=("id",),
        description="What the viewer may do here, right now.",
    )
    viewer_can: AccessDecision = field(
        resolve=resolvers.account.viewer_can,
        columns=("id",),
        arguments={"permission": Permission},
        description="Whether the viewer may, why not, and who could change that.",
    )
    subscription: AccountSubscription | None = field(
        needs(Permission.SUBSCRIPTION_READ),
        column=resolvers.account.itself,
        is_same_row=True,
        description="Until when it can be changed.",
    )
    settings: AccountSettings | None = field(
        needs(Permission.SETTINGS_READ),
        column=resolvers.account.itself,
        is_same_row=True,
        description="How it invoices.",
    )
    seats: Seats | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.account.seats,
        columns=("id",),
        description="How many people can have a place, and have one.",
    )
    grants: Connection[Grant] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.grant.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": GrantFilter | None, "order_by": GrantOrder | None},
        description="Who has, and had, access.",
    )
    invitations: Connection[Invitation] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.invitation.of_accounts,
        columns=("id",),
        arguments=FORWARD | {"filter": InvitationFilter | None},
        description="Who is, and was, invited; the newest first.",
    )
    engagements: Connection[Engagement] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.engagement.of_accounts,
        columns=("id",),
        arguments=FORWARD | {"filter": EngagementFilter | None},
        description="Its bureaus, and, of a bureau, its clients; the newest first.",
    )
    access_requests: Connection[AccessRequest] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.access_request.of_accounts,
        columns=("id",),
        arguments=FORWARD,
        description="Who asks, and asked, for access; the newest first.",
    )
    links: Connection[AccountLink] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.link.of_accounts,
        columns=("id",),
        arguments=FORWARD | {"relation": AccountRelation | None},
        description="The accounts that share with this one, by name.",
    )
    events: Connection[Event] | None = field(
        needs(Permission.EVENTS_READ),
        batch=resolvers.event.events_of_accounts,
        columns=("id",),
        arguments=FORWARD | {"filter": EventFilter | None},
        description="What happened here; the newest first.",
    )
    messages: Connection[Message] | None = field(
        needs(Permission.MESSAGES_READ),
        batch=resolvers.event.messages_of_accounts,
        columns=("id",),
        arguments=FORWARD,
        description="The mails sent for the account; the newest first.",
    )


@strawberry.input(description="Which accounts.")
class AccountFilter:
    """A filter; what is left out does not restrict. `role` is the viewer's own. By consultant: those clients
    to which a bureau whose users the viewer may read has assigned that user; or himself.
    """

    search: str | None = strawberry.UNSET
    role: list[Role] | None = strawberry.UNSET
    status: list[AccountStatus] | None = strawberry.UNSET
    kind: AccountKind | None = strawberry.UNSET
    consultant_id: strawberry.ID | None = strawberry.UNSET
    expires_before: datetime | None = strawberry.UNSET


ACCOUNT_LIST = BOTH_WAYS | {"filter": AccountFilter | None, "order_by": AccountOrder | None}
"""The arguments of a list of accounts."""
