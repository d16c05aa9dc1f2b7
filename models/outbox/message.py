"""A message is a mail to be sent: a row written in the transaction that has something to tell.

    queue --> QUEUED --claim--> QUEUED, leased --mark_sent--> SENT
                ^                      |
                |----- retry_later ----+------- give_up ----> FAILED, with the reason in `failure`

A claim is a lease: of several workers one gets the row, and if that one dies, another does after
LEASE. The lease outlasts every attempt, so that a row is never sent by two at once. Whoever comes
late, after his lease has ended, cannot take it from his successor: `attempts` numbers the leases.

No message holds a working token: `link_seed` becomes one only together with the site's key, when
the mail is rendered. `failure` holds no token, no text of the mail, and no address but the row's.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.models import Model

import i18n
from database import db, keys
from i18n import mark
from models.base.caller import Caller

LEASE: Final = timedelta(minutes=2)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=4)
JITTER: Final = 0.2
GIVEN_UP_AFTER: Final = timedelta(hours=48)
OBSOLETE: Final = "obsolete"
"""The failure of a message whose link had died before it was sent."""


class MessageStatus(StrEnum):
    """Where a message stands."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"


class MessageKind(StrEnum):
    """What a message tells; each has its templates in the mailer."""

    INVITATION = "invitation"
    ACTIVATION = "activation"
    CLIENT_ACTIVATION = "client-activation"
    PASSWORD_RESET = "password-reset"  # noqa: S105 - a kind of message
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - the same
    SECOND_FACTOR_ENABLED = "second-factor-enabled"
    SECOND_FACTOR_DISABLED = "second-factor-disabled"
    SECOND_FACTOR_GUESSED = "second-factor-guessed"
    RECOVERY_CODE_USED = "recovery-code-used"
    RECOVERY_CODES_RENEWED = "recovery-codes-renewed"
    ADDRESS_TAKEN = "address-taken"
    INVITATION_ACCEPTED = "invitation-accepted"
    INVITATION_JOINED = "invitation-joined"
    INVITATION_DECLINED = "invitation-declined"
    ENGAGEMENT_ASKED = "engagement-asked"
    ENGAGEMENT_ACCEPTED = "engagement-accepted"
    ENGAGEMENT_DECLINED = "engagement-declined"
    ENGAGEMENT_ENDED = "engagement-ended"
    CONSULTANT_ASSIGNED = "consultant-assigned"
    CONSULTANT_ENDED = "consultant-ended"
    CONSULTANT_LEFT = "consultant-left"
    OWNERSHIP_OFFERED = "ownership-offered"
    OWNERSHIP_WITHDRAWN = "ownership-withdrawn"
    OWNERSHIP_ACCEPTED = "ownership-accepted"
    OWNERSHIP_DECLINED = "ownership-declined"
    OWNERSHIP_EXPIRED = "ownership-expired"
    GRANT_ENDING = "grant-ending"
    GRANT_EXPIRED = "grant-expired"
    SUBSCRIPTION_ENDING = "subscription-ending"
    ACCESS_REQUESTED = "access-requested"
    ACCESS_APPROVED = "access-approved"
    ACCESS_DECLINED = "access-declined"


SUBJECTS: Final = {
    MessageKind.INVITATION: mark("%(inviter_name)s invites you to %(account_name)s"),
    MessageKind.ACTIVATION: mark("Activate your Fullmakt login"),
    MessageKind.CLIENT_ACTIVATION: mark("%(bureau_name)s has opened the account %(account_name)s for you"),
    MessageKind.PASSWORD_RESET: mark("Choose a new password"),
    MessageKind.PASSWORD_CHANGED: mark("Your password was changed"),
    MessageKind.SECOND_FACTOR_ENABLED: mark("Signing in now needs your second factor"),
    MessageKind.SECOND_FACTOR_DISABLED: mark("Your second factor was disabled"),
    MessageKind.SECOND_FACTOR_GUESSED: mark("Somebody tried to sign in with your password"),
    MessageKind.RECOVERY_CODE_USED: mark("A recovery code was used to sign in"),
    MessageKind.RECOVERY_CODES_RENEWED: mark("You have new recovery codes"),
    MessageKind.ADDRESS_TAKEN: mark("Somebody tried to register with your address"),
    MessageKind.INVITATION_ACCEPTED: mark("%(invitee_email)s now has access to %(account_name)s"),
    MessageKind.INVITATION_JOINED: mark("You now have access to %(account_name)s"),
    MessageKind.INVITATION_DECLINED: mark("%(invitee_email)s declined your invitation to %(account_name)s"),
    MessageKind.ENGAGEMENT_ASKED: mark("%(asker_name)s asks to work with you"),
    MessageKind.ENGAGEMENT_ACCEPTED: mark("%(bureau_name)s now works for %(client_name)s"),
    MessageKind.ENGAGEMENT_DECLINED: mark("%(bureau_name)s will not work for %(client_name)s"),
    MessageKind.ENGAGEMENT_ENDED: mark("%(bureau_name)s no longer works for %(client_name)s"),
    MessageKind.CONSULTANT_ASSIGNED: mark("%(consultant_name)s of %(bureau_name)s looks after %(client_name)s"),
    MessageKind.CONSULTANT_ENDED: mark("%(consultant_name)s no longer has access to %(client_name)s"),
    MessageKind.CONSULTANT_LEFT: mark("%(consultant_name)s no longer looks after clients of %(bureau_name)s"),
    MessageKind.OWNERSHIP_OFFERED: mark("The ownership of %(account_name)s is offered"),
    MessageKind.OWNERSHIP_WITHDRAWN: mark("The ownership of %(account_name)s is no longer offered"),
    MessageKind.OWNERSHIP_ACCEPTED: mark("%(account_name)s has a new owner"),
    MessageKind.OWNERSHIP_DECLINED: mark("The ownership of %(account_name)s was declined"),
    MessageKind.OWNERSHIP_EXPIRED: mark("The offer of the ownership of %(account_name)s has expired"),
    MessageKind.GRANT_ENDING: mark("The access of %(holder_name)s to %(account_name)s ends soon"),
    MessageKind.GRANT_EXPIRED: mark("Your access to %(account_name)s has ended"),
    MessageKind.SUBSCRIPTION_ENDING: mark("The subscription of %(account_name)s ends soon"),
    MessageKind.ACCESS_REQUESTED: mark("%(requester_name)s asks for access to %(account_name)s"),
    MessageKind.ACCESS_APPROVED: mark("You now have access to %(account_name)s"),
    MessageKind.ACCESS_DECLINED: mark("Your request for access was declined"),
}


class LinkPurpose(StrEnum):
    """What the link in a message is for; also the path it leads to."""

    INVITATION = "invitation"
    ACTIVATION = "activation"
    RESET = "reset"


class Message(Model):
    """One mail to one address."""

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
        """Where the rows are."""

        table = "messages"


class MessageRow(db.Row):
    """A message as it is listed."""

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


COLUMNS: Final = db.columns(
    "m",
    "id account_id kind to_address subject status attempts created_at sent_at",
)
SOURCE: Final = "messages m"


class OutgoingRow(MessageRow):
    """A message with all that its mail is made of; `params` is JSON."""

    to_name: str | None
    locale: str
    params: str
    link_purpose: str | None
    link_seed: bytes | None


_OUTGOING: Final = f"{', '.join(COLUMNS.values())}, m.to_name, m.locale, m.params::text, m.link_purpose, m.link_seed"


_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM {SOURCE} WHERE m.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[MessageRow | None]:
    """These messages, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=MessageRow))


async def queue(
    caller: Caller,
    kind: MessageKind,
    *,
    to: str,
    name: str | None,
    locale: str,
    account_id: UUID | None = None,
    link: tuple[LinkPurpose, bytes] | None = None,
    params: Mapping[str, object] | None = None,
) -> None:
    """Put a mail into the outbox, inside the transaction that it tells of.

    `params` are what the subject and the templates of `kind` name: names, roles, instants in ISO
    form; never a token. `link` is its purpose and the seed that its token is derived from.
    """
    facts = dict(params or {})
    await Message(
        account_id=account_id,
        kind=kind,
        to_address=to,
        to_name=name,
        locale=locale,
        subject=i18n.translate(locale, SUBJECTS[kind], **facts),
        params=facts,
        link_purpose=link and link[0],
        link_seed=link and link[1],
        created_at=caller.now,
        next_attempt_at=caller.now,
    ).save()
    caller.queued.append(kind)


class Receiver(db.Row):
    """Somebody to write to."""

    address: str
    name: str | None
    locale: str


_QUEUE_ALL: Final = """
INSERT INTO messages (id, account_id, kind, to_address, to_name, locale, subject, params, status, attempts,
                      created_at, next_attempt_at)
SELECT r.id, $1, $2, r.address, r.name, r.locale, r.subject, $3::jsonb, 'QUEUED', 0, $4, $4
FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[]) AS r (id, address, name, locale, subject)
"""


async def queue_all(
    caller: Caller,
    kind: MessageKind,
    receivers: Sequence[Receiver],
    *,
    account_id: UUID | None,
    params: Mapping[str, object],
) -> None:
    """The same mail to each of several, none included: one statement however many they are."""
    facts = dict(params)
    await db.execute(
        _QUEUE_ALL,
        account_id,
        kind,
        orjson.dumps(facts).decode(),
        caller.now,
        [keys.uuid7() for _ in receivers],
        [one["address"] for one in receivers],
        [one["name"] for one in receivers],
        [one["locale"] for one in receivers],
        [i18n.translate(one["locale"], SUBJECTS[kind], **facts) for one in receivers],
    )
    caller.queued.append(kind)


# ---- Sending -------------------------------------------------------------------------------------

_CLAIM: Final = f"""
WITH due AS (
    SELECT id FROM messages
    WHERE status = 'QUEUED' AND next_attempt_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET attempts = m.attempts + 1, leased_until = $3 FROM due WHERE m.id = due.id
RETURNING {_OUTGOING}
"""


async def claim(now: datetime, *, limit: int, lease: timedelta = LEASE) -> list[OutgoingRow]:
    """Up to `limit` messages that are due, which nobody else gets until `now` + `lease`."""
    return await db.fetch(_CLAIM, now, limit, now + lease, row=OutgoingRow)


_LIVE_INVITATION: Final = """
SELECT FROM invitations WHERE token_digest = $1 AND status = 'PENDING' AND expires_at > $2
"""
_LIVE_LINK: Final = """
SELECT FROM user_tokens WHERE token_digest = $1 AND used_at IS NULL AND expires_at > $2 AND purpose = $3
"""


async def is_current(row: OutgoingRow, link_digest: bytes | None, *, now: datetime) -> bool:
    """Whether the link in a message still works; True for a message without one.

    It does not once it was used, has expired, was revoked, or was replaced by a newer one.
    """
    if link_digest is None:
        return True
    if row.link_purpose == LinkPurpose.INVITATION:
        found = await db.fetch(_LIVE_INVITATION, link_digest, now, row=db.Row)
    else:
        found = await db.fetch(_LIVE_LINK, link_digest, now, row.link_purpose, row=db.Row)
    return bool(found)


_SENT: Final = """
UPDATE messages SET status = 'SENT', sent_at = $2, leased_until = NULL, failure = NULL
WHERE id = $1 AND status = 'QUEUED'
"""


async def mark_sent(row: OutgoingRow, *, now: datetime) -> None:
    """Note that the server took the mail; true even when the lease has ended meanwhile."""
    await db.execute(_SENT, row.id, now)


_RETRY: Final = """
UPDATE messages SET next_attempt_at = $3, failure = $4, leased_until = NULL
WHERE id = $1 AND attempts = $2 AND status = 'QUEUED'
"""


async def retry_later(row: OutgoingRow, failure: str, *, at: datetime) -> None:
    """Give a claimed message back, to be tried again `at`."""
    await db.execute(_RETRY, row.id, row.attempts, at, failure)


_GIVE_UP: Final = """
UPDATE messages SET status = 'FAILED', failure = $3, leased_until = NULL
WHERE id = $1 AND attempts = $2 AND status = 'QUEUED'
"""


async def give_up(row: OutgoingRow, failure: str) -> None:
    """End a claimed message unsent."""
    await db.execute(_GIVE_UP, row.id, row.attempts, failure)


def next_attempt(row: OutgoingRow, *, now: datetime, chance: Callable[[], float] = random.random) -> datetime | None:
    """When to try again after a temporary failure; None once GIVEN_UP_AFTER has passed.

    Waits double from FIRST_WAIT to LONGEST_WAIT and differ by JITTER, so that what failed together
    does not come back together. `chance` yields numbers from 0 to 1. The last attempt is at the end.
    """
    end = row.created_at + GIVEN_UP_AFTER
    if now >= end:
        return None
    doubled = FIRST_WAIT * (1 << min(row.attempts - 1, 16))
    return min(now + min(doubled, LONGEST_WAIT) * (1 + JITTER * (2 * chance() - 1)), end)


class Backlog(db.Row):
    """How the outbox stands."""

    queued: int
    failed: int
    oldest_seconds: float


_BACKLOG: Final = """
SELECT count(*) AS queued, coalesce(extract(epoch FROM $1::timestamptz - min(created_at)), 0)::float AS oldest_seconds,
       (SELECT count(*) FROM messages WHERE status = 'FAILED' AND created_at > $2) AS failed
FROM messages WHERE status = 'QUEUED'
"""


async def backlog(now: datetime) -> Backlog:
    """How many mails wait and since when, and how many of the last three days were given up."""
    (row,) = await db.fetch(_BACKLOG, now, now - timedelta(days=3), row=Backlog)
    return row


# ---- Reading a mailbox ---------------------------------------------------------------------------

_NEWEST: Final = f"""
SELECT {_OUTGOING} FROM {SOURCE} WHERE $1::text IS NULL OR lower(m.to_address) = lower($1)
ORDER BY m.id DESC LIMIT $2
"""


async def newest(limit: int, *, to: str | None = None) -> list[OutgoingRow]:
    """The newest messages, to one address or to all, whatever became of them."""
    return await db.fetch(_NEWEST, to, limit, row=OutgoingRow)


_ONE: Final = f"SELECT {_OUTGOING} FROM {SOURCE} WHERE m.id = $1"


async def one(message_id: UUID) -> OutgoingRow | None:
    """A message with all that its mail is made of."""
    return await db.fetch_one(_ONE, message_id, row=OutgoingRow)
