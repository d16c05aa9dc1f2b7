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
from auth import policy
from database import db, keys
from models.base import naming
from models.base.caller import Caller
from models.base.validation import email_key
from models.outbox import block, mail_limit
from models.outbox.message_kind import Lane, MessageKind

ERASED_DOMAIN: Final = "erased.invalid"
"""The domain of the addresses of erased users. Nothing is mailed to them."""


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
    EMAIL_CHANGE = "email-change"
    EMAIL_UNDO = "email-undo"


class Message(Model):
    """A mail to one address."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id: UUID | None = fields.UUIDField(null=True)
    kind = fields.CharEnumField(MessageKind, max_length=30)
    lane = fields.CharEnumField(Lane, max_length=10, default=Lane.ORDINARY)
    queue_key: str | None = fields.TextField(null=True)
    """Queued messages with the same key take turns with the others of their lane. See `delivery.claim`."""
    to_address = fields.TextField()
    to_name: str | None = fields.TextField(null=True)
    locale = fields.TextField()
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
    """A message as lists return it. `params` is JSON text."""

    graphql_type = "Message"

    id: UUID
    account_id: UUID | None
    kind: str
    to_address: str
    params: str
    status: str
    failure: str | None
    attempts: int
    created_at: datetime
    sent_at: datetime | None


COLUMNS: Final = db.columns_of("m", MessageRow, {"params": "m.params::text"})
SOURCE: Final = "messages m"
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {SOURCE} WHERE m.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[MessageRow | None]:
    """The messages with these ids, in this order. The caller checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=MessageRow))


def subject(row: MessageRow, locale: str, rights: int) -> str:
    """The subject of a message in the language of its reader, cut by the reader's rights in the account.

    The mail has the language of its receiver. The account must not learn that language: it would show whether an
    address has a login.
    """
    kind = MessageKind(row.kind)
    withheld = {name: naming.WITHHELD for name, rule in kind.subject_rules.items() if not rule.bits & rights}
    return i18n.translate(locale, kind.subject, **(orjson.loads(row.params) | withheld))


def receiver(kind: str, address: str, rights: int) -> str:
    """The address of a message's receiver, or WITHHELD if a reader with these rights may not read it."""
    return address if MessageKind(kind).receiver_rule.bits & rights else naming.WITHHELD


def hiding_mask(kind: str) -> int:
    """The right without which messages of a kind do not exist for a reader. 0: they exist for all readers."""
    permission = MessageKind(kind).hiding_permission
    return policy.mask([permission]) if permission is not None else 0


def withheld(kind: str, rights: int) -> list[str]:
    """The fields of a message that a reader with these rights reads only in part, or not at all: `to` and `subject`."""
    message_kind = MessageKind(kind)
    rules = {"to": [message_kind.receiver_rule], "subject": [*message_kind.subject_rules.values()]}
    return [name for name, of_field in rules.items() if not all(rule.bits & rights for rule in of_field)]


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


@dataclass(frozen=True, slots=True)
class Link:
    """The purpose of the link in a mail, and the seed from which the token of the link is derived."""

    purpose: LinkPurpose
    seed: bytes


_QUEUE: Final = """
INSERT INTO messages (id, account_id, kind, lane, queue_key, to_address, to_name, locale, params, link_purpose,
                      link_seed, status, failure, attempts, created_at, next_attempt_at, named)
SELECT r.id, r.account_id, $1, $10, $11, r.address, r.name, r.locale, r.params::jsonb, $2, $3,
    CASE WHEN b.kind IS NULL THEN 'QUEUED' ELSE 'FAILED' END, CASE WHEN b.kind IS NULL THEN NULL ELSE $4 END, 0, $5, $5,
    r.named::jsonb
FROM unnest($6::uuid[], $7::text[], $8::text[], $9::text[], $12::bytea[], $13::uuid[], $14::text[], $15::text[])
    AS r (id, address, name, locale, subject, account_id, params, named)
LEFT JOIN mail_blocks b ON b.subject = r.subject AND b.kind = $1
"""


async def queue(
    caller: Caller,
    kind: MessageKind,
    *,
    to: Recipient,
    account_id: UUID | None = None,
    by_account: UUID | None = None,
    link: tuple[LinkPurpose, bytes] | None = None,
    params: Mapping[str, object] | None = None,
    message_id: UUID | None = None,
) -> None:
    """Put a mail into the outbox, inside the caller's transaction.

    `account_id` is the account that lists the message, `by_account` the account that sends an offer or a request.
    `params` are the values that the subject and the templates of `kind` use: names, roles, instants in ISO form. They
    never contain a token. Names and addresses are marked by `models/base/naming.py`. `link` is the purpose of the link
    and the seed from which its token is derived. `message_id` is the id of the message, for a caller who stores it.

    The limit of the kind decides if the mail is omitted. If the receiver has blocked the kind, the message is FAILED.

    Raises RateLimited for an offer beyond its limit.
    """
    recipients = {message_id or keys.uuid7(): to}
    await _queue(caller, kind, recipients, account_id, by_account, link and Link(*link), params or {})


async def queue_all(
    caller: Caller,
    kind: MessageKind,
    *,
    to: Sequence[Recipient],
    account_id: UUID | None,
    params: Mapping[str, object],
) -> None:
    """Put the same mail to several recipients into the outbox, as `queue` does.

    The statements are the same for any number of recipients, and for none.
    """
    await _queue(caller, kind, {keys.uuid7(): recipient for recipient in to}, account_id, None, None, params)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with its own account and parameters."""

    to: Recipient
    account_id: UUID | None
    params: Mapping[str, object]
    """The parameters as they are stored."""
    named: Mapping[str, Sequence[str]]
    """The names of the parameters that name a user, account or address, by its id or key."""


async def queue_each(
    caller: Caller, kind: MessageKind, mails: Sequence[tuple[Recipient, UUID, Mapping[str, object]]]
) -> None:
    """Put different mails into the outbox, as `queue` does: each has its receiver, its account and its parameters.

    For kinds with the limit NOTICE. The number of statements is that of the mails to one address, up to the limit.
    """
    by_address: dict[str, list[Mail]] = {}
    for to, account_id, params in mails:
        if not to.email.endswith(f"@{ERASED_DOMAIN}"):
            by_address.setdefault(email_key(to.email), []).append(Mail(to, account_id, params, _named(params)))
    while by_address:
        permit = await mail_limit.count(caller, kind, [*by_address], {}, None)
        allowed = {key: rest for (key, rest), may in zip(by_address.items(), permit.is_allowed, strict=True) if may}
        await _insert(caller, kind, {keys.uuid7(): rest[0] for rest in allowed.values()})
        by_address = {key: rest[1:] for key, rest in allowed.items() if len(rest) > 1}


async def _queue(
    caller: Caller,
    kind: MessageKind,
    recipients: Mapping[UUID, Recipient],
    account_id: UUID | None,
    by_account: UUID | None,
    link: Link | None,
    params: Mapping[str, object],
) -> None:
    """Queue a mail to each recipient, under the id of its message."""
    queueable = [(key, to) for key, to in recipients.items() if not to.email.endswith(f"@{ERASED_DOMAIN}")]
    address_keys = [email_key(recipient.email) for _, recipient in queueable]
    permit = await mail_limit.count(caller, kind, address_keys, params, by_account)
    named = _named(params)
    mails = {
        key: Mail(to, account_id, permit.params, named)
        for (key, to), is_allowed in zip(queueable, permit.is_allowed, strict=True)
        if is_allowed
    }
    await _insert(caller, kind, mails, link)


async def _insert(caller: Caller, kind: MessageKind, mails: Mapping[UUID, Mail], link: Link | None = None) -> None:
    """Store the mails, by the ids of their messages."""
    receivers = [mail.to for mail in mails.values()]
    await db.execute(
        _QUEUE,
        kind,
        link.purpose if link else None,
        link.seed if link else None,
        block.FAILURE,
        caller.now,
        [*mails],
        [recipient.email for recipient in receivers],
        [recipient.name for recipient in receivers],
        [recipient.locale for recipient in receivers],
        kind.lane,
        str(caller.user_id) if caller.user_id else None,
        [block.subject(caller.config.link_key, recipient.email) for recipient in receivers],
        [mail.account_id for mail in mails.values()],
        [orjson.dumps(mail.params).decode() for mail in mails.values()],
        [orjson.dumps(mail.named).decode() for mail in mails.values()],
    )
    caller.queued_kinds.append(kind)


def _named(params: Mapping[str, object]) -> dict[str, list[str]]:
    """The names of the parameters that name a user, account or address, by its id or key."""
    named: dict[str, list[str]] = {}
    for name, value in params.items():
        for subject in naming.subjects(value):
            named.setdefault(subject, []).append(name)
    return named
