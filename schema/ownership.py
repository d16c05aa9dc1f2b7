"""Transfers of ownership."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import resolvers.user
from auth.policy import Permission
from resolvers import rights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, input_field, needs
from schema.grant import Grant
from schema.payload import Payload, payload
from schema.user import User

if TYPE_CHECKING:
    from schema.account import Account

LazyAccount = Annotated["Account", strawberry.lazy("schema.account")]


@graph_type(
    needs(Permission.OWNERSHIP, or_self=True),
    rights.of_ownership_transfers,
    description="An offer of an account's ownership. It expires after seven days, and ends with the receiver's grant.",
)
class OwnershipTransfer(Node):
    """A pending offer. It is the receiver's own."""

    id: strawberry.ID = global_id("OwnershipTransfer")
    offered_by: User = field(
        batch=resolvers.user.offering_owners, columns=("owner_id",), description="The owner of the account."
    )
    receiver: User = field(
        batch=resolvers.user.receivers,
        columns=("receiver_id",),
        description="The user who can accept or decline the offer.",
    )
    created_at: datetime = field(description="When the offer was made.")
    expires_at: datetime = field(description="Until when it can be accepted.")


@strawberry.input(description="The receiver of the account, and the password of the owner.")
class TransferOwnershipInput:
    """The input of transferOwnership."""

    account_id: strawberry.ID
    user_id: strawberry.ID = input_field("The id of the receiver, who has an active grant on the account.")
    password: str = input_field("The viewer's password.")
    idempotency_key: str | None


@strawberry.input(description="An account whose ownership is offered.")
class WithdrawOwnershipInput:
    """The input of withdrawOwnership."""

    account_id: strawberry.ID


@strawberry.input(description="An account that is offered to the viewer.")
class AcceptOwnershipInput:
    """The input of acceptOwnership."""

    account_id: strawberry.ID


@strawberry.input(description="An account that is offered to the viewer.")
class DeclineOwnershipInput:
    """The input of declineOwnership."""

    account_id: strawberry.ID


@payload
class TransferOwnershipPayload(Payload):
    """The payload of transferOwnership."""

    account: LazyAccount | None = field(description="The account. The viewer still owns it. Null if refused.")
    transfer: OwnershipTransfer | None = field(description="The new offer. Null if refused.")


@payload
class WithdrawOwnershipPayload(Payload):
    """The payload of withdrawOwnership."""

    account: LazyAccount | None = field(description="The account without the offer. Null if refused.")


@payload
class AcceptOwnershipPayload(Payload):
    """The payload of acceptOwnership."""

    account: LazyAccount | None = field(description="The account. The viewer owns it now. Null if refused.")
    grant: Grant | None = field(description="The viewer's grant on the account, with the role OWNER. Null if refused.")


@payload
class DeclineOwnershipPayload(Payload):
    """The payload of declineOwnership."""

    account: LazyAccount | None = field(description="The account, with the same owner as before. Null if refused.")
