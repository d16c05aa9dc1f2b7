"""A person erases himself: his login, and everything that names him. What he did stays, done by an id.

    active --erase--> erased        refused while he owns an account that others use

Accounts that he alone uses are closed with him, and lose their names and numbers: a one-man firm is
named after its man. An account that he gave to somebody else keeps its name, whatever it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

import i18n
from auth.policy import GrantStatus, Role
from database import db
from i18n import mark
from models.access import derived_grant
from models.access.grant import Grant, record_resigned
from models.accounts import registered_number
from models.accounts.account import Account
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.bureaus import engagement
from models.outbox.message import SUBJECTS, MessageKind
from models.people import user
from models.people.user import User, UserToken
from models.privacy import personal_data
from models.privacy.personal_data import Person
from models.sharing.invitation import Invitation, InvitationStatus

CLOSED: Final = "Closed account"
"""The name of an account that was closed with its owner."""


async def erase(caller: Caller, *, password: str) -> None:
    """Erase the caller, with his password again. His address can be registered anew, by a stranger.

    Raises Refusal: INVALID_CREDENTIALS, or INVALID_STATE while he owns an account that others use.
    """
    me = await user.proved(caller, password, field="password")
    # His own address goes too.
    caller = replace(caller, ip_address=None)
    async with db.transaction():
        # In the order in which others take them: links, accounts, the user.
        _ = await UserToken.filter(user_id=me.id).select_for_update()
        touched = await _touched(me)
        await locks.accounts(*touched)
        await user.lock_proved(me, field="password")
        if not {*await _touched(me)} <= {*touched}:
            raise refuse(UserErrorCode.CONFLICT, None, mark("Your accounts have just changed. Try again."))
        await _demand_alone(me, caller.now)
        await User.filter(id=me.id).update(erased_at=caller.now)
        names = [me.name, *await _close_accounts(caller, me)]
        await _end_invitations(caller, me)
        await _resign(caller, me)
        await event.record(caller, "user:login:erase")
        await event.forget(me.id, names)
        person = Person(me.id, (me.email_key, me.email.lower()))
        await _rename_in_messages(person, names)
        await personal_data.erase(person)


class _Key(db.Row):
    id: UUID


_TOUCHED: Final = """
SELECT id FROM accounts WHERE owner_id = $1 AND closed_at IS NULL
UNION SELECT account_id FROM grants WHERE user_id = $1 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
UNION SELECT account_id FROM invitations WHERE status = 'PENDING' AND (invited_by_id = $1 OR email_key = $2)
UNION SELECT e.client_id FROM engagements e JOIN accounts a ON a.id = e.bureau_id
    WHERE a.owner_id = $1 AND a.closed_at IS NULL AND e.status IN ('PENDING', 'ACTIVE')
UNION SELECT e.bureau_id FROM engagements e JOIN accounts a ON a.id = e.client_id
    WHERE a.owner_id = $1 AND a.closed_at IS NULL AND e.status IN ('PENDING', 'ACTIVE')
"""


async def _touched(me: User) -> list[UUID]:
    """The accounts in which something ends with him."""
    return [row.id for row in await db.fetch(_TOUCHED, me.id, me.email_key, row=_Key)]


class _Shared(db.Row):
    name: str
    number: int


_SHARED: Final = """
SELECT a.name, a.number FROM accounts a WHERE a.owner_id = $1 AND a.closed_at IS NULL AND EXISTS (
    SELECT FROM grants g WHERE g.account_id = a.id AND g.user_id <> $1
        AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (g.valid_until IS NULL OR g.valid_until > $2))
ORDER BY a.number
"""


async def _demand_alone(me: User, now: datetime) -> None:
    """Refuse while others use what he owns."""
    if shared := await db.fetch(_SHARED, me.id, now, row=_Shared):
        raise refuse(
            UserErrorCode.INVALID_STATE,
            None,
            mark(
                "Others use accounts that you own: %(accounts)s. Transfer their ownership first, or close them to"
                " others by taking back their access."
            ),
            accounts=", ".join(f"{row.name} ({row.number})" for row in shared),
        )


async def _close_accounts(caller: Caller, me: User) -> list[str]:
    """Close the accounts that he owns, and end what hangs on them. Returns their names."""
    owned = await Account.filter(owner_id=me.id, closed_at=None).order_by("id")
    keys = [account.id for account in owned]
    for found in await engagement.open_of(keys):
        await engagement.finish(caller, found, await engagement.entered_by(caller, found.bureau_id, found.client_id))
    await Account.filter(id__in=keys).update(
        closed_at=caller.now,
        name=CLOSED,
        country=None,
        organization_number=None,
        vat_number=None,
        bank_account_number=None,
        invoice_prefix="",
    )
    for account in owned:
        await registered_number.release(account.country, account.organization_number, account.bank_account_number)
        await event.record(caller, "account:account:close", account_id=account.id, role=Role.OWNER)
    return [account.name for account in owned]


_LIVE: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)


async def _resign(caller: Caller, me: User) -> None:
    """Give all his grants up; whom he worked for as a consultant is told, and so is his bureau."""
    grants = await Grant.filter(user_id=me.id, status__in=_LIVE)
    await Grant.filter(id__in=[grant.id for grant in grants]).update(status=GrantStatus.RESIGNED, ended_at=caller.now)
    for grant in grants:
        await record_resigned(caller, grant)
        if grant.engagement_id is not None:
            await derived_grant.tell_both(caller, [grant.id])


async def _end_invitations(caller: Caller, me: User) -> None:
    """Those from him are taken back, those to him turned down."""
    pending = Invitation.filter(status=InvitationStatus.PENDING)
    ends = (
        (await pending.filter(email_key=me.email_key), InvitationStatus.DECLINED, "account:invitation:decline"),
        (await pending.filter(invited_by_id=me.id), InvitationStatus.REVOKED, "account:invitation:revoke"),
    )
    for found, status, done in ends:
        await Invitation.filter(id__in=[one.id for one in found]).update(status=status)
        for one in found:
            await event.record(
                caller,
                done,
                account_id=one.account_id,
                before={"invitation": str(one.id), "status": one.status},
                after={"invitation": str(one.id), "status": status},
            )


class _Mail(db.Row):
    id: UUID
    kind: str
    locale: str
    params: str


# Addresses wherever they are; a name is many people's, so only where he had to do with the account.
_NAMED: Final = """
SELECT m.id, m.kind, m.locale, m.params FROM messages m WHERE lower(m.to_address) = ANY($2::text[]) OR EXISTS (
    SELECT FROM jsonb_each_text(m.params) p WHERE lower(p.value) = ANY($2::text[])
        OR p.value = ANY($3::text[]) AND m.account_id IN (SELECT account_id FROM grants WHERE user_id = $1))
"""
_RENAME: Final = """
UPDATE messages m SET subject = n.subject, params = n.params::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (id, subject, params) WHERE m.id = n.id
"""


async def _rename_in_messages(person: Person, names: Sequence[str]) -> None:
    """Mails that tell others of him tell of nobody."""
    told = {*names, *person.addresses}
    changed: list[tuple[UUID, str, str]] = []
    for row in await db.fetch(_NAMED, person.id, list(person.addresses), list(names), row=_Mail):
        facts: dict[str, object] = orjson.loads(row.params)
        params = {name: _renamed(value, told) for name, value in facts.items()}
        if "message" in params:
            params["message"] = None  # what he wrote, or somebody to him
        subject = i18n.translate(row.locale, SUBJECTS[MessageKind(row.kind)], **params)
        changed.append((row.id, subject, orjson.dumps(params).decode()))
    ids, subjects, written = zip(*changed, strict=True) if changed else ((), (), ())
    await db.execute(_RENAME, ids, subjects, written)


def _renamed(value: object, told: set[str]) -> object:
    return personal_data.ERASED if isinstance(value, str) and {value, value.lower()} & told else value
