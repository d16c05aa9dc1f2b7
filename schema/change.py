"""Changing accounts, invitations, grants and subscriptions: inputs and payloads."""

from datetime import datetime

import strawberry

from auth.policy import Permission, Role
from models.accounts.account import AccountKind
from schema.account import Account
from schema.declare import field
from schema.grant import Grant
from schema.invitation import Invitation
from schema.payload import Payload, payload
from schema.session import SHOWN_ONCE
from schema.subscription import SubscriptionEntry
from schema.viewer import Viewer

# ---- Accounts --------------------------------------------------------------------------------


@strawberry.input(description="One more account of the viewer's own.")
class CreateAccountInput:
    """What createAccount takes."""

    name: str
    organization_number: str | None = strawberry.UNSET
    country: str | None = strawberry.UNSET
    kind: AccountKind | None = strawberry.UNSET
    bank_account_number: str | None = strawberry.UNSET


@strawberry.input(description="What is left out stays; null clears.")
class UpdateAccountInput:
    """What updateAccount takes."""

    account_id: strawberry.ID
    name: str | None = strawberry.UNSET
    organization_number: str | None = strawberry.UNSET
    country: str | None = strawberry.UNSET


@strawberry.input(description="What is left out stays; null clears.")
class UpdateAccountSettingsInput:
    """What updateAccountSettings takes."""

    account_id: strawberry.ID
    invoice_prefix: str | None = strawberry.UNSET
    vat_number: str | None = strawberry.UNSET
    bank_account_number: str | None = strawberry.UNSET
    default_currency: str | None = strawberry.UNSET
    default_locale: str | None = strawberry.UNSET
    payment_term_days: int | None = strawberry.UNSET
    simple_user_restrictions: list[Permission] | None = strawberry.UNSET
    locks: list[Permission] | None = strawberry.UNSET
    requires_two_factor: bool | None = strawberry.UNSET


@payload
class CreateAccountPayload(Payload):
    """An account was opened."""

    account: Account | None = field(description="The new account.")


@payload
class UpdateAccountPayload(Payload):
    """An account was changed."""

    account: Account | None = field(description="The account as it is now.")


@payload
class UpdateAccountSettingsPayload(Payload):
    """An account's settings were changed."""

    account: Account | None = field(description="The account as it is now.")


# ---- Invitations -----------------------------------------------------------------------------


@strawberry.input(description="Whom to invite, and to what.")
class InviteUserInput:
    """What inviteUser takes."""

    account_id: strawberry.ID
    email: str
    role: Role
    permissions: list[Permission] | None = strawberry.UNSET
    message: str | None = strawberry.UNSET
    grant_valid_until: datetime | None = strawberry.UNSET
    locale: str | None = strawberry.UNSET
    allow_other_login: bool | None = strawberry.UNSET


@strawberry.input(description="What is left out stays; null clears.")
class UpdateInvitationInput:
    """What updateInvitation takes."""

    invitation_id: strawberry.ID
    role: Role | None = strawberry.UNSET
    permissions: list[Permission] | None = strawberry.UNSET
    grant_valid_until: datetime | None = strawberry.UNSET


@strawberry.input(description="A pending or expired invitation.")
class ResendInvitationInput:
    """What resendInvitation takes."""

    invitation_id: strawberry.ID


@strawberry.input(description="A pending or expired invitation.")
class RevokeInvitationInput:
    """What revokeInvitation takes."""

    invitation_id: strawberry.ID


@strawberry.input(
    description="The link's token, or the id of one in viewer.invitations; name and password create "
    "a login; ownAccountName opens an account of one's own."
)
class AcceptInvitationInput:
    """What acceptInvitation takes."""

    token: str | None = strawberry.UNSET
    invitation_id: strawberry.ID | None = strawberry.UNSET
    name: str | None = strawberry.UNSET
    password: str | None = strawberry.UNSET
    own_account_name: str | None = strawberry.UNSET


@strawberry.input(description="The link's token, or the id of one in viewer.invitations.")
class DeclineInvitationInput:
    """What declineInvitation takes."""

    token: str | None = strawberry.UNSET
    invitation_id: strawberry.ID | None = strawberry.UNSET


@payload
class InviteUserPayload(Payload):
    """Somebody was invited."""

    invitation: Invitation | None = field(description="The new invitation.")


@payload
class UpdateInvitationPayload(Payload):
    """An invitation was changed."""

    invitation: Invitation | None = field(description="The invitation as it is now.")


@payload
class ResendInvitationPayload(Payload):
    """An invitation was mailed again."""

    invitation: Invitation | None = field(description="The invitation, with its new term.")


@payload
class RevokeInvitationPayload(Payload):
    """An invitation was taken back."""

    invitation: Invitation | None = field(description="The invitation as it is now.")


@payload
class AcceptInvitationPayload(Payload):
    """An invitation was accepted."""

    grant: Grant | None = field(description="The access that it gave.")
    account: Account | None = field(description="The account that can be entered now.")
    access_token: str | None = field(description=f"{SHOWN_ONCE} Null when the guest was signed in already.")
    viewer: Viewer | None = field(description="The viewer that one is now.")


@payload
class DeclineInvitationPayload(Payload):
    """An invitation was declined."""

    invitation: Invitation | None = field(description="The invitation; null for who declined by the link alone.")


# ---- Grants ----------------------------------------------------------------------------------


@strawberry.input(description="What is left out stays; null clears. A new role starts without a list.")
class UpdateGrantInput:
    """What updateGrant takes."""

    grant_id: strawberry.ID
    role: Role | None = strawberry.UNSET
    permissions: list[Permission] | None = strawberry.UNSET
    valid_until: datetime | None = strawberry.UNSET


@strawberry.input(description="A live grant of somebody else.")
class RevokeGrantInput:
    """What revokeGrant takes."""

    grant_id: strawberry.ID


@strawberry.input(description="A revoked grant.")
class RestoreGrantInput:
    """What restoreGrant takes."""

    grant_id: strawberry.ID


@strawberry.input(description="A live grant of one's own.")
class ResignGrantInput:
    """What resignGrant takes."""

    grant_id: strawberry.ID


@payload
class UpdateGrantPayload(Payload):
    """A grant was changed."""

    grant: Grant | None = field(description="The grant as it is now.")


@payload
class RevokeGrantPayload(Payload):
    """A grant was taken back."""

    grant: Grant | None = field(description="The grant as it is now.")


@payload
class RestoreGrantPayload(Payload):
    """A grant was given again."""

    grant: Grant | None = field(description="The grant as it is now.")


@payload
class ResignGrantPayload(Payload):
    """A grant was given up."""

    grant: Grant | None = field(description="The grant as it is now.")


# ---- Subscriptions ---------------------------------------------------------------------------


@strawberry.input(description="Days from one account's subscription to another's.")
class ExtendSubscriptionInput:
    """What extendSubscription takes."""

    account_id: strawberry.ID
    payer_account_id: strawberry.ID
    days: int
    idempotency_key: str | None = strawberry.UNSET


@payload
class ExtendSubscriptionPayload(Payload):
    """Days were moved."""

    account: Account | None = field(description="The account that got them.")
    payer: Account | None = field(description="The account that gave them.")
    entry: SubscriptionEntry | None = field(description="The receiver's line in the ledger.")


@strawberry.input(description="A voucher's code, for days of the account's subscription.")
class RedeemVoucherInput:
    """What redeemVoucher takes."""

    account_id: strawberry.ID
    code: str


@payload
class RedeemVoucherPayload(Payload):
    """A voucher was redeemed."""

    account: Account | None = field(description="The account that got the days.")
    entry: SubscriptionEntry | None = field(description="The line in its ledger.")
