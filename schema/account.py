"""Accounts with their settings, seats and lists."""

from datetime import datetime

import strawberry

import resolvers.access_request
import resolvers.account
import resolvers.engagement
import resolvers.event
import resolvers.grant
import resolvers.invitation
import resolvers.link
import resolvers.message
import resolvers.ownership
import resolvers.user
from auth.policy import Permission, Role
from models.accounts.account import AccountKind, AccountStatus
from models.accounts.link import AccountRelation
from models.lists import AccountOrder, EngagementOrder, GrantOrder
from resolvers import rights
from schema.access_decision import AccessDecision
from schema.access_request import AccessRequest
from schema.connection import BOTH_WAYS, FORWARD, Connection, Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field, needs
from schema.engagement import Engagement, EngagementFilter, EngagementRequest
from schema.event import Event, EventFilter
from schema.grant import Grant, GrantFilter
from schema.invitation import Invitation, InvitationFilter
from schema.link import AccountLink
from schema.message import Message
from schema.ownership import OwnershipTransfer
from schema.payload import Payload, payload
from schema.subscription import AccountSubscription
from schema.user import User

graph_enum(
    AccountKind,
    "The kind of account.",
    {
        AccountKind.BUSINESS: "An account that issues invoices.",
        AccountKind.BUREAU: "An account that also works for clients.",
    },
)
graph_enum(
    AccountStatus,
    "The status of an account.",
    {
        AccountStatus.PENDING_ACTIVATION: "The owner has not activated it yet.",
        AccountStatus.ACTIVE: "It can be read and changed.",
        AccountStatus.READ_ONLY: "The subscription has ended, or the account closes soon (closesAt). It can be read.",
        AccountStatus.CLOSED: "It is closed. It cannot be entered.",
    },
)
graph_enum(
    AccountOrder,
    "The order of a list of accounts. The default is LAST_USED.",
    {
        AccountOrder.NAME: "By name, in the alphabet of the viewer's language.",
        AccountOrder.NUMBER: "By account number, ascending.",
        AccountOrder.LAST_USED: "By the last use of the viewer, the latest first.",
        AccountOrder.VALID_UNTIL: "By the end of the subscription, ascending.",
    },
)


@graph_type(
    needs(Permission.SETTINGS_READ),
    rights.of_accounts,
    description="The settings of an account: invoicing, restrictions and locks.",
)
class AccountSettings:
    """The settings of an account."""

    invoice_prefix: str = field(description="The start of invoice numbers. May be empty.")
    vat_number: str | None = field(description="The VAT number, with the country's prefix. Null: none is set.")
    bank_account_number: str | None = field(description="The bank account, an IBAN without spaces. Null: none is set.")
    default_currency: str = field(description="The currency of new documents, ISO 4217.")
    default_locale: str = field(description="The language of new documents, a BCP 47 tag.")
    payment_term_days: int = field(description="The days that customers have to pay, 0 to 365.")
    simple_user_restrictions: list[Permission] = field(
        column=resolvers.account.simple_user_restrictions,
        columns=("simple_user_restrictions",),
        description="The permissions that are taken from every SIMPLE_USER of the account.",
    )
    locks: list[Permission] = field(
        column=resolvers.account.locks,
        columns=("locks",),
        description="The permissions that are taken from all users, the owner included.",
    )
    requires_two_factor: bool = field(
        description="True if all users, the owner included, need a second factor to enter the account."
    )
    without_second_factor: Connection[Grant] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.grant.without_factor,
        reads_rows=True,
        columns=("id",),
        arguments=FORWARD,
        description="The active grants of users without a second factor. They cannot enter while requiresTwoFactor is "
        "true. Null if the viewer may not read users.",
    )


@graph_type(
    needs(Permission.USERS_READ),
    rights.of_account_parts,
    description="The seats of an account. Owner, accountants and the consultants of bureaus take none.",
)
class Seats:
    """The seats of an account."""

    purchased: int = field(description="The number of seats that the account has.")
    used: int = field(description="The seats taken by live grants.")
    reserved: int = field(description="The seats reserved for pending invitations.")
    available: int = field(description="The free seats, 0 or more.")


@graph_type(
    needs(Permission.ACCOUNT_READ),
    rights.of_accounts,
    description="A company or person that issues invoices. Only users with an active grant on it can see it.",
)
class Account(Node):
    """An account."""

    id: strawberry.ID = global_id("Account")
    number: int = field(description="The public number, at least six digits.")
    name: str = field(description="The name.")
    kind: AccountKind = field(description="The kind of account.")
    status: AccountStatus = field(
        column=resolvers.account.status,
        columns=("closed_at", "closes_at", "activated_at", "subscription_until"),
        description="The status at this instant.",
    )
    closes_at: datetime | None = field(
        description="When the account closes. It is read-only until then, and the owner can reopen it. Null: the owner "
        "has not closed it."
    )
    organization_number: str | None = field(
        description="The organization number by the rules of its country, without spaces. Null: none is set."
    )
    country: str | None = field(
        description="The country of the organization number, ISO 3166-1 alpha-2. Null: none is set."
    )
    created_at: datetime = field(description="When the account was created.")
    owner: User | None = field(batch=resolvers.user.owners, columns=("owner_id",), description="The owner.")
    ownership_transfer: OwnershipTransfer | None = field(
        batch=resolvers.ownership.of_accounts,
        columns=("id",),
        description="The pending offer of ownership. Null: there is none, or the viewer neither made nor received it.",
    )
    viewer_grant: Grant | None = field(
        column=resolvers.account.viewer_grant, columns=("id",), description="The viewer's grant on the account."
    )
    viewer_permissions: list[Permission] = field(
        column=resolvers.account.viewer_permissions,
        columns=("id",),
        description="The viewer's effective permissions at this instant.",
    )
    viewer_can: AccessDecision = field(
        resolve=resolvers.account.viewer_can,
        columns=("id",),
        arguments={"permission": Permission},
        description="A decision about one permission of the viewer: the answer, its reason, and the roles that could "
        "change it.",
    )
    subscription: AccountSubscription | None = field(
        needs(Permission.SUBSCRIPTION_READ),
        column=resolvers.account.same_rows,
        is_same_row=True,
        description="The subscription. Null if the viewer may not read it.",
    )
    settings: AccountSettings | None = field(
        needs(Permission.SETTINGS_READ),
        column=resolvers.account.same_rows,
        is_same_row=True,
        description="The settings. Null if the viewer may not read them.",
    )
    seats: Seats | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.account.seats,
        columns=("id",),
        description="The seats. Null if the viewer may not read users.",
    )
    grants: Connection[Grant] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.grant.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": GrantFilter | None, "order_by": GrantOrder | None},
        description="The grants on the account, including those that have ended. Null if the viewer may not read "
        "users.",
    )
    invitations: Connection[Invitation] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.invitation.of_accounts,
        columns=("id",),
        arguments=FORWARD | {"filter": InvitationFilter | None},
        description="All invitations, the newest first. Null if the viewer may not read users.",
    )
    engagements: Connection[Engagement] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.engagement.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": EngagementFilter | None, "order_by": EngagementOrder | None},
        description="The engagements with bureaus; those of a bureau with its clients too. By default the newest "
        "first. In another order, the newest 10,000. Null if the viewer may not read users.",
    )
    engagement_requests: Connection[EngagementRequest] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.engagement.requests_of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS,
        description="The account's requests for engagements with accounts that their users could not enter, whether "
        "or not these accounts exist. The newest first. Null if the viewer may not read users.",
    )
    access_requests: Connection[AccessRequest] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.access_request.of_accounts,
        columns=("id",),
        arguments=FORWARD,
        description="All access requests, the newest first. Null if the viewer may not read users.",
    )
    links: Connection[AccountLink] | None = field(
        needs(Permission.USERS_READ),
        batch=resolvers.link.of_accounts,
        reads_rows=True,
        columns=("id",),
        arguments=FORWARD | {"relation": AccountRelation | None},
        description="The linked accounts, by name in the alphabet of the viewer's language. "
        "Null if the viewer may not read users.",
    )
    events: Connection[Event] | None = field(
        needs(Permission.EVENTS_READ),
        batch=resolvers.event.of_accounts,
        columns=("id",),
        arguments=FORWARD | {"filter": EventFilter | None},
        description="The events of the account, the newest first. Null if the viewer may not read events.",
    )
    messages: Connection[Message] | None = field(
        needs(Permission.MESSAGES_READ),
        batch=resolvers.message.of_accounts,
        columns=("id",),
        arguments=FORWARD,
        description="The messages of the account, the newest first. Null if the viewer may not read messages.",
    )


@strawberry.input(description="A filter of accounts. A null or omitted field does not restrict.")
class AccountFilter:
    """A filter of accounts."""

    search: str | None = input_field(
        "Words of the name, the account number and the organization number, in any order. Case, accents and the "
        "separators of numbers do not count."
    )
    role: list[Role] | None = input_field("The roles of the viewer.")
    status: list[AccountStatus] | None = input_field("The statuses of the account.")
    kind: AccountKind | None = input_field("The kind of account.")
    consultant_id: strawberry.ID | None = input_field(
        "Only clients to which a bureau has assigned this user. The viewer needs USERS_READ in the bureau, or "
        "is the user."
    )
    expires_before: datetime | None = input_field(
        "The instant before which the subscription ends. Only accounts where the viewer has SUBSCRIPTION_READ."
    )


ACCOUNT_LIST = BOTH_WAYS | {"filter": AccountFilter | None, "order_by": AccountOrder | None}
"""The arguments of a list of accounts."""

# ---- Inputs and payloads ---------------------------------------------------------------------


@strawberry.input(description="One more account of the viewer.")
class CreateAccountInput:
    """The input of createAccount."""

    name: str = input_field("The name of the account, at most 200 characters.")
    organization_number: str | None
    country: str | None = input_field(
        "The country of the account, ISO 3166-1 alpha-2. Required with an organization number."
    )
    kind: AccountKind | None = input_field("The kind of account. Null or omitted: BUSINESS.")
    bank_account_number: str | None = input_field("An IBAN. Spaces are ignored.")
    idempotency_key: str | None


@strawberry.input(description="The fields to change. An omitted field stays as it is.")
class UpdateAccountInput:
    """The input of updateAccount."""

    account_id: strawberry.ID
    name: str | None = input_field("The name of the account, at most 200 characters. Null changes nothing.")
    organization_number: str | None = input_field(
        "The organization number by the rules of the country. Null removes it."
    )
    country: str | None = input_field("The country, ISO 3166-1 alpha-2. Null removes it.")


@strawberry.input(description="An account of the viewer, and its new kind.")
class ChangeAccountKindInput:
    """The input of changeAccountKind."""

    account_id: strawberry.ID
    kind: AccountKind = input_field("The new kind.")


@strawberry.input(
    description="The settings to change. An omitted field stays as it is. Null removes a number; other fields ignore "
    "null."
)
class UpdateAccountSettingsInput:
    """The input of updateAccountSettings."""

    account_id: strawberry.ID
    invoice_prefix: str | None = input_field("The start of invoice numbers, at most 20 characters. May be empty.")
    vat_number: str | None = input_field(
        "The VAT number. The prefix of the account's country may be omitted. Null removes it."
    )
    bank_account_number: str | None = input_field("An IBAN. Spaces are ignored. Null removes it.")
    default_currency: str | None = input_field("The currency of new documents, ISO 4217.")
    default_locale: str | None = input_field("The language of new documents, a BCP 47 tag.")
    payment_term_days: int | None = input_field("The days that customers have to pay, 0 to 365.")
    simple_user_restrictions: list[Permission] | None = input_field(
        "All permissions to take from every SIMPLE_USER of the account. Replaces the former list."
    )
    locks: list[Permission] | None = input_field(
        "All permissions to take from all users, the owner included. Replaces the former list."
    )
    requires_two_factor: bool | None = input_field(
        "True if users need a second factor to enter the account. The caller needs one to set it."
    )


@payload
class CreateAccountPayload(Payload):
    """The payload of createAccount."""

    account: Account | None = field(description="The new account. Null if refused.")


@payload
class ChangeAccountKindPayload(Payload):
    """The payload of changeAccountKind."""

    account: Account | None = field(description="The account after the change. Null if refused.")


@payload
class UpdateAccountPayload(Payload):
    """The payload of updateAccount."""

    account: Account | None = field(description="The account after the change. Null if refused.")


@payload
class UpdateAccountSettingsPayload(Payload):
    """The payload of updateAccountSettings."""

    account: Account | None = field(description="The account after the change. Null if refused.")
