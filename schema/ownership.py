"""Transfers of ownership: the offer as the graph shows it, inputs and payloads."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.user
from auth.policy import Permission
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from schema.grant import Grant
from schema.payload import Payload, payload
from schema.user import User

if TYPE_CHECKING:
    from schema.account import Account

Lazy = Annotated["Account", strawberry.lazy("schema.account")]


@graph_type(
    needs(Permission.OWNERSHIP, or_self=True),
    rights.of_ownership_transfers,
    description="An offer of an account's ownership. It ends after seven days, and with the receiver's access.",
)
class OwnershipTransfer(Node):
    """A pending offer; one's own is one that was made to oneself."""

    id: strawberry.ID = global_id("OwnershipTransfer")
    offered_by: User = field(batch=resolvers.user.owners, columns=("owner_id",), description="Whose account it is.")
    receiver: User = field(
        batch=resolvers.user.receivers, columns=("receiver_id",), description="Who can accept or decline it."
    )
    created_at: datetime = field(description="When it was made.")
    expires_at: datetime = field(description="Until when it can be accepted.")


@strawberry.input(description="To whom, with the password of the owner who asks.")
class TransferOwnershipInput:
    """What transferOwnership takes."""

    account_id: strawberry.ID
    user_id: strawberry.ID
    password: str


@strawberry.input(description="An account whose ownership is offered to somebody.")
class WithdrawOwnershipInput:
    """What withdrawOwnership takes."""

    account_id: strawberry.ID


@strawberry.input(description="An account that is offered to the viewer.")
class AcceptOwnershipInput:
    """What acceptOwnership takes."""

    account_id: strawberry.ID


@strawberry.input(description="An account that is offered to the viewer.")
class DeclineOwnershipInput:
    """What declineOwnership takes."""

    account_id: strawberry.ID


@payload
class TransferOwnershipPayload(Payload):
    """An account was offered."""

    account: Lazy | None = field(description="The account, still the viewer's own.")
    transfer: OwnershipTransfer | None = field(description="The offer.")


@payload
class WithdrawOwnershipPayload(Payload):
    """An offer was taken back."""

    account: Lazy | None = field(description="The account, without an offer.")


@payload
class AcceptOwnershipPayload(Payload):
    """An account has a new owner."""

    account: Lazy | None = field(description="The account, now the viewer's own.")
    grant: Grant | None = field(description="The viewer's grant, now the owner's.")


@payload
class DeclineOwnershipPayload(Payload):
    """An offer was declined."""

    account: Lazy | None = field(description="The account, whose owner has not changed.")
