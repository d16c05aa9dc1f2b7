"""Messages: mails queued in the outbox by the transaction of the operation that sends them.

A message holds no working token. `link_seed` becomes a token only together with the server's link key, when the
mail is rendered. `models/outbox/delivery.py` holds what happens to a message afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.models import Model

import i18n
from database import db, keys
from models.base.caller import Caller
from models.outbox.message_kind import MessageKind


class MessageStatus(StrEnum):
    """The delivery status of a message."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"


class LinkPurpose(StrEnum):
    """The purpose of the link in a message, which decides the link's path."""

    INVITATION = "invitation"
    ACTIVATION = "activation"
    RESET = "reset"


class Message(Model):
    """A mail to one address."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id: UUID | None = fields.UUIDField(null=True)
    kind = fields.CharEnumField(MessageKind, max_length=30)
    to_address = fields.TextField()
    to_name: str | None = fields.TextField(null=True)
    locale = fields.TextField()
    subject = fields.TextField()
    params = fields.JSONField[dict[str, object]]()
    link_purpose = fields.CharEnumField(LinkPurpose, max_length=20, null=True)
    link_seed: bytes | None = fields.BinaryField(null=True)
    status = fields.CharEnumField(MessageStatus, max_length=10, default=MessageStatus.QUEUED)
    attempts = fields.IntField(default=0)
    failure: str | None = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    next_attempt_at = fields.DatetimeField()
    leased_until: datetime | None = fields.DatetimeField(null=True)
    sent_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """The table of the rows."""

        table = "messages"


# ---- Reading -------------------------------------------------------------------------------------


class MessageRow(db.Row):
    """A message as lists return it."""

    graphql_type = "Message"

    id: UUID
    account_id: UUID | None
    kind: str
    to_address: str
    subject: str
    status: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None


COLUMNS: Final = db.columns_of("m", MessageRow)
SOURCE: Final = "messages m"
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {SOURCE} WHERE m.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[MessageRow | None]:
    """The messages with these ids, in this order. The caller checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=MessageRow))


# ---- Queueing ------------------------------------------------------------------------------------


class Recipient(Protocol):
    """The recipient of a mail: a `User`, or any row with these three columns."""

    @property
    def email(self) -> str:
        """The mail address."""
        ...

    @property
    def name(self) -> str | None:
        """The name in the greeting. None if it is unknown."""
        ...

    @property
    def locale(self) -> str:
        """The language of the mail."""
        ...


@dataclass(frozen=True, slots=True)
class Contact:
    """A recipient that is not a row, such as an invitee without a login."""

    email: str
    name: str | None
    locale: str


class RecipientRow(db.Row):
    """A recipient read from the database."""

    email: str
    name: str | None
    locale: str


async def queue(
    caller: Caller,
    kind: MessageKind,
    *,
    to: Recipient,
    account_id: UUID | None = None,
    link: tuple[LinkPurpose, bytes] | None = None,
    params: Mapping[str, object] | None = None,
) -> None:
    """Put a mail into the outbox, inside the caller's transaction.

    `params` are the values that the subject and the templates of `kind` use: names, roles, instants in ISO form.
    They never contain a token. `link` is the purpose of the link and the seed from which its token is derived.
    """
    params = dict(params or {})
    await Message(
        account_id=account_id,
        kind=kind,
        to_address=to.email,
        to_name=to.name,
        locale=to.locale,
        subject=i18n.translate(to.locale, kind.subject, **params),
        params=params,
        link_purpose=link and link[0],
        link_seed=link and link[1],
        created_at=caller.now,
        next_attempt_at=caller.now,
    ).save()
    caller.queued_kinds.append(kind)


_QUEUE_ALL: Final = """
INSERT INTO messages (id, account_id, kind, to_address, to_name, locale, subject, params, status, attempts,
                      created_at, next_attempt_at)
SELECT r.id, $1, $2, r.address, r.name, r.locale, r.subject, $3::jsonb, 'QUEUED', 0, $4, $4
FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[]) AS r (id, address, name, locale, subject)
"""


async def queue_all(
    caller: Caller,
    kind: MessageKind,
    *,
    to: Sequence[Recipient],
    account_id: UUID | None,
    params: Mapping[str, object],
) -> None:
    """Put the same mail to several recipients into the outbox with one statement, which also runs for no recipient."""
    params = dict(params)
    await db.execute(
        _QUEUE_ALL,
        account_id,
        kind,
        orjson.dumps(params).decode(),
        caller.now,
        [keys.uuid7() for _ in to],
        [recipient.email for recipient in to],
        [recipient.name for recipient in to],
        [recipient.locale for recipient in to],
        [i18n.translate(recipient.locale, kind.subject, **params) for recipient in to],
    )
    caller.queued_kinds.append(kind)
