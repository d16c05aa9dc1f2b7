"""Accounts that a bureau opens for its clients: inputs and payloads."""

import strawberry

from schema.account import Account
from schema.declare import field
from schema.grant import Grant
from schema.payload import Payload, payload


@strawberry.input(description="An account, the bureau that opens it, and whose it will be.")
class CreateClientAccountInput:
    """What createClientAccount takes."""

    bureau_account_id: strawberry.ID
    name: str
    organization_number: str | None = strawberry.UNSET
    country: str | None = strawberry.UNSET
    owner_name: str
    owner_email: str


@strawberry.input(description="An account that the bureau has opened and that still waits for its owner.")
class ResendClientActivationInput:
    """What resendClientActivation takes."""

    bureau_account_id: strawberry.ID
    client_account_id: strawberry.ID


@payload
class CreateClientAccountPayload(Payload):
    """An account was opened for a client."""

    account: Account | None = field(description="The client's account.")
    grant: Grant | None = field(description="The grant by which the viewer works in it.")


@payload
class ResendClientActivationPayload(Payload):
    """A client was mailed his link again."""

    account: Account | None = field(description="The client's account; null for who cannot enter it.")
