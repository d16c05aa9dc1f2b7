"""Inputs and payloads of accounts that a bureau creates for its clients."""

import strawberry

from schema.account import Account
from schema.declare import field, input_field
from schema.engagement import Engagement
from schema.grant import Grant
from schema.payload import Payload, payload


@strawberry.input(description="The bureau, the new account, and its owner.")
class CreateClientAccountInput:
    """The input of createClientAccount."""

    bureau_account_id: strawberry.ID
    name: str = input_field("The name of the account, at most 200 characters.")
    organization_number: str | None
    country: str | None
    owner_name: str = input_field("The name of the owner, at most 200 characters.")
    owner_email: str = input_field("The e-mail address of the owner.")
    idempotency_key: str | None


@strawberry.input(description="An account that the bureau has created, and whose owner has not taken it over yet.")
class ResendClientActivationInput:
    """The input of resendClientActivation."""

    bureau_account_id: strawberry.ID
    client_account_id: strawberry.ID
    idempotency_key: str | None


@strawberry.input(
    description="An account that the bureau has created, and whose owner has not taken it over yet. The new address of "
    "the owner."
)
class CorrectClientOwnerInput:
    """The input of correctClientOwner."""

    bureau_account_id: strawberry.ID
    client_account_id: strawberry.ID
    owner_email: str = input_field("The correct e-mail address of the owner.")
    owner_name: str | None = input_field("The correct name of the owner, at most 200 characters. Null changes nothing.")
    idempotency_key: str | None


@strawberry.input(description="An account that the bureau has created, and whose owner has not taken it over yet.")
class WithdrawClientAccountInput:
    """The input of withdrawClientAccount."""

    bureau_account_id: strawberry.ID
    client_account_id: strawberry.ID


@payload
class CreateClientAccountPayload(Payload):
    """The payload of createClientAccount."""

    account: Account | None = field(description="The client's account. Null if refused.")
    grant: Grant | None = field(description="The viewer's grant on the client's account. Null if refused.")


@payload
class ResendClientActivationPayload(Payload):
    """The payload of resendClientActivation."""

    account: Account | None = field(description="The client's account. Null if the viewer cannot enter it.")


@payload
class CorrectClientOwnerPayload(Payload):
    """The payload of correctClientOwner."""

    account: Account | None = field(description="The client's account. Null if the viewer cannot enter it.")


@payload
class WithdrawClientAccountPayload(Payload):
    """The payload of withdrawClientAccount."""

    engagement: Engagement | None = field(
        description="The engagement with the client, which has ended. Null if refused."
    )
