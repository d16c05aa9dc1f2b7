"""Bounces: offers of a user whose mail could not be delivered.

    mail of an offer --give_up--> message FAILED, and a mail to its sender

Only a mail that the mail server rejects at once is noticed. A mail server can accept a mail and return it later, to the
address from which it was sent.
"""

from typing import Final
from uuid import UUID

import orjson

from database import db
from models.access import access
from models.base import naming
from models.base.caller import Caller
from models.outbox import delivery, failure, message
from models.outbox.delivery import OutgoingRow
from models.outbox.message import RecipientRow
from models.outbox.message_kind import MailLimit, MessageKind

_SENDER: Final = "SELECT email, name, locale FROM users WHERE id = $1 AND activated_at IS NOT NULL"


async def give_up(caller: Caller, row: OutgoingRow, reason: str) -> None:
    """Mark a claimed message as failed, and tell the sender of an offer, unless its link no longer works."""
    async with db.transaction():
        if not await delivery.give_up(row, reason) or reason == delivery.OBSOLETE:
            return
        if row.kind in _EMAIL_CHANGE_KINDS:
            await _mail_user(caller, row, reason)
        elif MessageKind(row.kind).limit is MailLimit.OFFER and row.account_id is not None:
            await _mail_sender(caller, row, row.account_id, reason)


_EMAIL_CHANGE_KINDS: Final = {MessageKind.EMAIL_CHANGE, MessageKind.EMAIL_CHANGE_TAKEN}
"""The kinds that the new address of a login gets. Both are treated alike: a taken address looks like a free one."""


async def _mail_user(caller: Caller, row: OutgoingRow, reason: str) -> None:
    """Tell the user who wants another address that it cannot be reached."""
    for user in await db.fetch(_SENDER, UUID(row.queue_key), row=RecipientRow):
        params = {"invited_email": naming.address(row.to_address), "failure": failure.summary(reason)}
        await message.queue(caller, MessageKind.EMAIL_CHANGE_FAILED, to=user, params=params)


async def _mail_sender(caller: Caller, row: OutgoingRow, account_id: UUID, reason: str) -> None:
    # The user who caused the message. An older message has its account here, for which no user is found.
    sender_id = UUID(row.queue_key)
    # Nothing of the account is mailed to a user who has left it.
    if await access.load_one(sender_id, account_id, now=caller.now) is None:
        return
    params = orjson.loads(row.params)
    for sender in await db.fetch(_SENDER, sender_id, row=RecipientRow):
        await message.queue(
            caller,
            MessageKind.OFFER_FAILED,
            to=sender,
            account_id=account_id,
            params={
                "invited_email": naming.address(row.to_address),
                "account_name": naming.text(params["account_name"], account_id),
                "failure": failure.summary(reason),
            },
        )
