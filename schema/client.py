"""Inputs and payloads of accounts that a bureau creates for its clients."""

import strawberry

from schema.account import Account
from schema.declare import field, input_field
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


@strawberry.input(description="An account that the bureau has created, and whose owner has not taken it over yet.")
class ResendClientActivationInput:
    """The input of resendClientActivation."""

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
