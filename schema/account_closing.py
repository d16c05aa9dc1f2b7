"""Closing and reopening an account: inputs and payloads."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.declare import field, input_field
from schema.payload import Payload, payload

if TYPE_CHECKING:
    from schema.account import Account

LazyAccount = Annotated["Account", strawberry.lazy("schema.account")]


@strawberry.input(description="An account of the viewer that closes in 30 days, and the viewer's password.")
class CloseAccountInput:
    """The input of closeAccount."""

    account_id: strawberry.ID
    password: str = input_field("The viewer's password.")


@strawberry.input(description="An account of the viewer that does not close.")
class ReopenAccountInput:
    """The input of reopenAccount."""

    account_id: strawberry.ID


@payload
class CloseAccountPayload(Payload):
    """The payload of closeAccount."""

    account: LazyAccount | None = field(description="The account, read-only until closesAt. Null if refused.")
    lost_days: int | None = field(
        description="The whole days of subscription that will be left at closesAt, and are lost then. To keep them, "
        "reopen the account, move them to another account, and close it again. Null if refused."
    )


@payload
class ReopenAccountPayload(Payload):
    """The payload of reopenAccount."""

    account: LazyAccount | None = field(description="The account as before. Null if refused.")
