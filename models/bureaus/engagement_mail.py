"""Mails about engagements, to the owners of both accounts."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from database import db
from models.base import naming
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message_kind import MessageKind


class _Side(db.Row):
    id: UUID
    account_name: str
    email: str
    name: str
    locale: str
    is_activated: bool


_SIDES: Final = """
SELECT a.id, a.name AS account_name, u.email, u.name, u.locale, u.activated_at IS NOT NULL AS is_activated
FROM accounts a JOIN users u ON u.id = a.owner_id WHERE a.id = ANY($1::uuid[])
"""


async def mail_request(caller: Caller, sides: tuple[UUID, UUID], recipient_id: UUID, **params: object) -> None:
    """Mail a blind request to the owner of the requested account. Runs the same statements if there is no account.

    `sides` are the bureau and the client. One of them is `recipient_id`.
    """
    rows = {row.id: row for row in await db.fetch(_SIDES, sides, row=_Side)}
    bureau, client = (rows.get(key) for key in sides)
    recipient = rows.get(recipient_id)
    await message.queue_all(
        caller,
        MessageKind.ENGAGEMENT_ASKED,
        to=[recipient] if recipient is not None and recipient.is_activated else [],
        account_id=recipient_id if recipient is not None else None,
        params={
            "bureau_name": naming.text(bureau.account_name if bureau else None, sides[0]),
            "client_name": naming.text(client.account_name if client else None, sides[1]),
            **params,
        },
    )


async def mail_owners(
    caller: Caller, kind: MessageKind, sides: tuple[UUID, UUID], *, recipient_ids: Sequence[UUID], **params: object
) -> None:
    """Mail the owners of the accounts in `recipient_ids`. `sides` are the bureau and the client, in this order.

    An owner who has not activated the login gets no mail: that address is not proved.
    """
    rows = {row.id: row for row in await db.fetch(_SIDES, sides, row=_Side)}
    bureau, client = (rows[key] for key in sides)
    for account_id in dict.fromkeys(recipient_ids):
        owner = rows[account_id]
        if not owner.is_activated:
            continue
        await message.queue(
            caller,
            kind,
            to=owner,
            account_id=account_id,
            params={
                "bureau_name": naming.text(bureau.account_name, bureau.id),
                "client_name": naming.text(client.account_name, client.id),
                **params,
            },
        )
