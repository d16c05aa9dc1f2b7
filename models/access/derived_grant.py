"""Derived grants: the grants of a bureau's consultants on the accounts of its clients.

A derived grant depends on an engagement and on a base grant, which is the consultant's grant on the bureau. It ends in
the transaction that ends either of them, under the locks of all accounts concerned. Its `valid_until` is never later
than that of the base grant, so both expire at the same second and the row alone says whether it is live. `own_until` is
the end that was set on the derived grant itself. While the bureau waits for its closing, they end with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Role
from database import db
from i18n import mark
from models.access import access, grant_store
from models.access.grant_rules import Authority, Exemption, permit, terms_of
from models.audit import event
from models.audit.event import AccountEvent
from models.audit.event_type import EventType
from models.base import naming
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.outbox import message
from models.outbox.message_kind import MessageKind


class DerivedGrantRow(db.Row):
    """A live derived grant."""

    id: UUID
    account_id: UUID
    user_id: UUID
    role: str
    status: str
    listed: int | None
    valid_until: datetime | None
    own_until: datetime | None
    asked_bits: int | None
    asked_until: datetime | None
    engagement_id: UUID
    bureau_id: UUID


# A consultant who became the owner of the client account keeps that access when the engagement ends.
_NOT_ENDED: Final = f"""
SELECT {db.select_list(db.columns_of("g", DerivedGrantRow, {"bureau_id": "e.bureau_id"}))}
FROM engagements e JOIN grants g ON g.engagement_id = e.id
WHERE g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND g.role <> 'OWNER'
"""
_LIVE: Final = f"""{_NOT_ENDED}
  AND (g.valid_until IS NULL OR g.valid_until > $1)
"""
_OF_CONSULTANT: Final = f"{_LIVE} AND e.bureau_id = $2 AND g.user_id = $3 ORDER BY g.account_id"
_OF_CLOSED_BUREAU: Final = f"{_NOT_ENDED} AND e.id = $1 ORDER BY g.id"
_OF_ENGAGEMENT: Final = f"{_LIVE} AND e.id = $2 ORDER BY g.id"


async def of_consultant(user_id: UUID, bureau_id: UUID, *, now: datetime) -> list[DerivedGrantRow]:
    """The grants derived from a user's grant on a bureau."""
    return await db.fetch(_OF_CONSULTANT, now, bureau_id, user_id, row=DerivedGrantRow)


async def of_engagement(engagement_id: UUID, *, now: datetime) -> list[DerivedGrantRow]:
    """The derived grants of an engagement."""
    return await db.fetch(_OF_ENGAGEMENT, now, engagement_id, row=DerivedGrantRow)


# ---- Base grants -----------------------------------------------------------------------------


class _BaseGrant(db.Row):
    valid_until: datetime | None


# A derived grant is no base grant: a bureau of the bureau cannot pass on what it gets.
_BASE: Final = """
SELECT valid_until FROM grants
WHERE account_id = $1 AND user_id = $2 AND status = 'ACTIVE' AND (valid_until IS NULL OR valid_until > $3)
  AND engagement_id IS NULL
"""
_BASE_OF: Final = f"""
SELECT LEAST(b.valid_until, a.closes_at) AS valid_until
FROM engagements e JOIN grants b ON b.account_id = e.bureau_id JOIN accounts a ON a.id = e.bureau_id
WHERE e.id = $1 AND e.status = 'ACTIVE' AND b.user_id = $2 AND b.status = 'ACTIVE' AND b.engagement_id IS NULL
  AND (b.valid_until IS NULL OR b.valid_until > $3) AND {access.IS_OPEN.format("a", "$3")}
"""


async def is_consultant(user_id: UUID, bureau_id: UUID, *, now: datetime) -> bool:
    """True if a user can be assigned to clients: they hold an active grant on the bureau."""
    return await db.fetch_one(_BASE, bureau_id, user_id, now, row=_BaseGrant) is not None


async def earliest_end(
    engagement_id: UUID, user_id: UUID, own_until: datetime | None, *, now: datetime
) -> datetime | None:
    """The end of a derived grant: the earliest of `own_until`, the base grant's end and the bureau's closing, or None.

    Raises Refusal INVALID_STATE if the engagement or the base grant has ended.
    """
    base = await db.fetch_one(_BASE_OF, engagement_id, user_id, now, row=_BaseGrant)
    if base is None:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            "grant_id",
            mark("The engagement, or this user's access to the bureau, has ended."),
        )
    return min((end for end in (own_until, base.valid_until) if end is not None), default=None)


async def reschedule(caller: Caller, user_id: UUID, bureau_id: UUID, base_until: datetime | None) -> None:
    """Update the ends of the grants derived from a user's grant on a bureau, after its end became `base_until`."""
    rows = await of_consultant(user_id, bureau_id, now=caller.now)
    ends = {row.id: min((t for t in (row.own_until, base_until) if t is not None), default=None) for row in rows}
    changed_rows = [row for row in rows if ends[row.id] != row.valid_until]
    await grant_store.reschedule([row.id for row in changed_rows], base_until)
    roles = await _roles(caller, changed_rows)
    changes = [
        _change(row, roles, {"valid_until": row.valid_until}, {"valid_until": ends[row.id]}) for row in changed_rows
    ]
    await event.record_all(caller, EventType.GRANT_UPDATE, changes)


async def reschedule_all(caller: Caller, bureau_id: UUID, closes_at: datetime | None) -> None:
    """Let all grants that depend on a bureau end when it closes. None: they end as before, the bureau was reopened.

    The bureau and its clients are locked.
    """
    rows = await grant_store.reschedule_all(bureau_id, closes_at, now=caller.now)
    accesses = await access.load(caller.user(), [row.account_id for row in rows], now=caller.now)
    roles = {account_access.account_id: account_access.role for account_access in accesses}
    changes = [
        AccountEvent(
            row.account_id,
            roles.get(row.account_id),
            before={"grant": str(row.id), "valid_until": row.former_until},
            after={"grant": str(row.id), "valid_until": row.valid_until},
        )
        for row in rows
    ]
    await event.record_all(caller, EventType.GRANT_UPDATE, changes)


# ---- Ending ----------------------------------------------------------------------------------


async def end(caller: Caller, rows: Sequence[DerivedGrantRow], taker: Authority, *, field: str | None = None) -> None:
    """Revoke derived grants, record an event for each, and mail their holders. Their accounts are locked.

    Raises Refusal ROLE_TOO_HIGH at `field` if `taker` may not take one of them.
    """
    permits = {row.id: permit(taker, terms_of(row), None, former_field=field) for row in rows}
    await grant_store.end(permits, GrantStatus.REVOKED, now=caller.now)
    roles = await _roles(caller, rows)
    changes = [_change(row, roles, {"status": row.status}, {"status": GrantStatus.REVOKED}) for row in rows]
    await event.record_all(caller, EventType.GRANT_REVOKE, changes)
    await _mail_consultants(caller, [row.id for row in rows])


async def end_with_base(caller: Caller, user_id: UUID, bureau_id: UUID) -> None:
    """Revoke all grants derived from a user's grant on a bureau, which has ended, and mail both sides."""
    rows = await of_consultant(user_id, bureau_id, now=caller.now)
    if rows:
        await end(caller, rows, Exemption.BUREAU)
        await mail_both_sides(caller, [row.id for row in rows])


async def end_with_bureau(caller: Caller, engagement_id: UUID) -> None:
    """Store that the grants of an engagement are revoked, because the bureau has closed. No mails.

    They have had no effect since the bureau's date, which is their end. Both accounts are locked.
    """
    rows = await db.fetch(_OF_CLOSED_BUREAU, engagement_id, row=DerivedGrantRow)
    permits = {row.id: permit(Exemption.CLOSURE, terms_of(row), None) for row in rows}
    await grant_store.end(permits, GrantStatus.REVOKED, now=caller.now)
    roles = await _roles(caller, rows)
    changes = [_change(row, roles, {"status": row.status}, {"status": GrantStatus.REVOKED}) for row in rows]
    await event.record_all(caller, EventType.GRANT_REVOKE, changes)


async def _roles(caller: Caller, rows: Sequence[DerivedGrantRow]) -> dict[UUID, Role]:
    """The caller's role in each account of `rows` that they can enter."""
    if caller.user_id is None:
        return {}
    accesses = await access.load(caller.user_id, [row.account_id for row in rows], now=caller.now)
    return {account_access.account_id: account_access.role for account_access in accesses}


def _change(
    row: DerivedGrantRow, roles: Mapping[UUID, Role], before: Mapping[str, object], after: Mapping[str, object]
) -> AccountEvent:
    key = {"grant": str(row.id)}
    return AccountEvent(row.account_id, roles.get(row.account_id), before={**key, **before}, after={**key, **after})


# ---- Mails -----------------------------------------------------------------------------------


class _MailFacts(db.Row):
    account_id: UUID
    account_name: str
    email: str
    name: str
    locale: str
    bureau_id: UUID
    bureau_name: str
    consultant_id: UUID
    consultant_name: str
    status: str


# Without an owner who has not activated the login. That address is not proved: a bureau may have made it up.
_MAIL_FACTS: Final = """
SELECT a.id AS account_id, a.name AS account_name, o.email, o.name, o.locale, b.id AS bureau_id,
    b.name AS bureau_name, c.id AS consultant_id, c.name AS consultant_name, g.status
FROM grants g JOIN accounts a ON a.id = g.account_id JOIN users c ON c.id = g.user_id
JOIN engagements e ON e.id = g.engagement_id JOIN accounts b ON b.id = e.bureau_id
JOIN users o ON o.id = {recipient} AND o.activated_at IS NOT NULL
WHERE g.id = ANY($1::uuid[]) ORDER BY g.account_id
"""


async def mail_assigned(caller: Caller, grant_id: UUID) -> None:
    """Tell the consultant, and the owner of the client account, by mail that a consultant was assigned."""
    await _mail_clients(caller, MessageKind.CONSULTANT_ASSIGNED, [grant_id])
    for facts in await db.fetch(_MAIL_FACTS.format(recipient="c.id"), [grant_id], row=_MailFacts):
        if facts.consultant_id != caller.user_id:
            client_name = naming.text(facts.account_name, facts.account_id)
            is_waiting = "yes" if facts.status == GrantStatus.AWAITING_PERMISSIONS else None
            await _queue(
                caller,
                MessageKind.CLIENT_ASSIGNED,
                facts,
                facts.bureau_id,
                client_name=client_name,
                is_waiting=is_waiting,
            )


async def mail_ended(caller: Caller, rows: Iterable[DerivedGrantRow]) -> None:
    """Tell the owner of each client account by mail that a consultant no longer has access."""
    await _mail_clients(caller, MessageKind.CONSULTANT_ENDED, [row.id for row in rows])


async def mail_both_sides(caller: Caller, grant_ids: list[UUID]) -> None:
    """Tell the owners of the client accounts and of the bureau by mail that a consultant no longer has access."""
    await _mail_clients(caller, MessageKind.CONSULTANT_ENDED, grant_ids)
    await mail_bureau(caller, grant_ids)


async def mail_bureau(caller: Caller, grant_ids: list[UUID]) -> None:
    """Tell the owner of the bureau by mail which clients a consultant no longer has access to."""
    rows = await db.fetch(_MAIL_FACTS.format(recipient="b.owner_id"), grant_ids, row=_MailFacts)
    if rows:
        await _queue(caller, MessageKind.CONSULTANT_LEFT, rows[0], rows[0].bureau_id, client_names=_client_names(rows))


async def _mail_consultants(caller: Caller, grant_ids: list[UUID]) -> None:
    """Tell each consultant, unless they are the caller, which clients they no longer have access to."""
    rows_by_consultant: dict[UUID, list[_MailFacts]] = {}
    for row in await db.fetch(_MAIL_FACTS.format(recipient="c.id"), grant_ids, row=_MailFacts):
        rows_by_consultant.setdefault(row.consultant_id, []).append(row)
    for consultant_id, rows in rows_by_consultant.items():
        if consultant_id != caller.user_id:
            await _queue(
                caller, MessageKind.CLIENTS_ENDED, rows[0], rows[0].bureau_id, client_names=_client_names(rows)
            )


def _client_names(rows: Sequence[_MailFacts]) -> str | None:
    return naming.text(", ".join(row.account_name for row in rows), *(row.account_id for row in rows))


async def _mail_clients(caller: Caller, kind: MessageKind, grant_ids: list[UUID]) -> None:
    rows = await db.fetch(_MAIL_FACTS.format(recipient="a.owner_id"), grant_ids, row=_MailFacts)
    mails = [
        (row, row.account_id, _params(row, client_name=naming.text(row.account_name, row.account_id))) for row in rows
    ]
    await message.queue_each(caller, kind, mails)


def _params(facts: _MailFacts, **params: object) -> dict[str, object]:
    return {
        "bureau_name": naming.text(facts.bureau_name, facts.bureau_id),
        "consultant_name": naming.text(facts.consultant_name, facts.consultant_id),
        **params,
    }


async def _queue(caller: Caller, kind: MessageKind, facts: _MailFacts, account_id: UUID, **params: object) -> None:
    await message.queue(caller, kind, to=facts, account_id=account_id, params=_params(facts, **params))
