"""Asking for an engagement: by the bureau or by the client, of an account that may not even exist.

The answer, the event on the asker's side and the time are the same where there is nobody to ask, or
nobody that the asker can see.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models import throttle
from models.access.access import Access, declares_permission
from models.accounts import account
from models.accounts.account import AccountKind, AccountRow
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation
from models.bureaus import engagement
from models.bureaus.engagement import EngagementRow, EngagementStatus
from models.outbox.message import MessageKind


@dataclass(frozen=True, slots=True)
class _Wish:
    """Which account asks, which one is asked for if there is such a one, and by what it was named."""

    own: AccountRow
    by_bureau: bool
    other: AccountRow | None
    named: dict[str, object]

    @property
    def sides(self) -> tuple[UUID, UUID]:
        """The bureau and the client; NOBODY where there is none."""
        other_id = self.other.id if self.other else engagement.NOBODY
        return (self.own.id, other_id) if self.by_bureau else (other_id, self.own.id)

    @property
    def bureau(self) -> AccountRow | None:
        """The side that must be a bureau."""
        return self.own if self.by_bureau else self.other


_WAYS: Final = [
    {"client_account_id", "bureau_number"},
    {"client_account_id", "bureau_account_id"},
    {"bureau_account_id", "client_number"},
    {"bureau_account_id", "client_organization_number"},
]
"""What an asker may give: his own account, and one thing that names the other."""
_BY_ORGANIZATION: Final = f"""
SELECT {", ".join(account.COLUMNS.values())} FROM accounts a
WHERE a.country = $1 AND a.organization_number = $2 ORDER BY a.id = $3, a.id LIMIT 1
"""


@declares_permission(Permission.USERS_WRITE)
async def engage(
    caller: Caller,
    *,
    client_account_id: UUID | None = None,
    bureau_account_id: UUID | None = None,
    client_organization_number: str | None = None,
    client_country: str | None = None,
    client_number: int | None = None,
    bureau_number: int | None = None,
) -> UUID | None:
    """Ask for an engagement. Returns its id where the caller can enter the other account, else None.

    A client gives its own id and the bureau's number or id. A bureau gives its own id and the
    client's number, id, or organization number (of `client_country`, by default the bureau's own).
    With both ids the side asks where the caller may, the client if he may on both.

    Raises:
        Refusal: REQUIRED, SAME_ACCOUNT, NOT_FOUND or INVALID (no bureau) for the own account;
            ALREADY_EXISTS and INVALID for another that the caller can enter.
        RateLimited: the own account has asked as often as it may within a day.
        Forbidden: no USERS_WRITE in the own account.
    """
    others = {
        "client_organization_number": client_organization_number,
        "client_number": client_number,
        "bureau_number": bureau_number,
    }
    async with db.transaction():
        wish = await _wish(caller, client_account_id, bureau_account_id, client_country, others)
        if wish.other is not None and wish.other.id == wish.own.id:
            raise refuse(UserErrorCode.SAME_ACCOUNT, None, mark("An account cannot be its own bureau."))
        await locks.accounts(*wish.sides)
        entered = await engagement.entered_by(caller, *wish.sides)
        engagement.demanded(entered.get(wish.own.id), engage.permission, _own_field(by_bureau=wish.by_bureau))
        sees = wish.other is not None and wish.other.id in entered
        is_bureau = wish.bureau is not None and wish.bureau.kind == AccountKind.BUREAU
        if not is_bureau and (wish.by_bureau or sees):
            raise refuse(UserErrorCode.INVALID, None, mark("This account is not a bureau."))
        _ = await throttle.attempt(caller, throttle.counter(caller, throttle.ENGAGEMENT, wish.own.id))
        await engagement.record(caller, "ask", wish.own.id, entered, after=wish.named)
        is_there = is_bureau and wish.other is not None and wish.other.closed_at is None
        if is_there:
            return await _ask(caller, wish, entered, sees=sees)
        await _feign(caller, wish)
        return None


async def _wish(
    caller: Caller,
    client_id: UUID | None,
    bureau_id: UUID | None,
    country: str | None,
    others: dict[str, str | int | None],
) -> _Wish:
    """Who asks for whom. The caller's own access is looked at before anything else is."""
    named = {name: value for name, value in others.items() if value is not None}
    own = {"client_account_id": client_id, "bureau_account_id": bureau_id}
    keys_given = [key for key in own.values() if key is not None]
    if named.keys() | {name for name, key in own.items() if key is not None} not in _WAYS:
        raise refuse(
            UserErrorCode.REQUIRED, None, mark("Give the id of your own account, and one thing that names the other.")
        )
    entered = await engagement.entered_by(caller, *keys_given)
    by_bureau = client_id is None or (bureau_id in entered and not engagement.holds(entered.get(client_id)))
    own_id = bureau_id if by_bureau else client_id
    engagement.demanded(entered.get(own_id or engagement.NOBODY), engage.permission, _own_field(by_bureau=by_bureau))
    rows = await account.by_ids(keys_given)
    asker = next(row for row in rows if row is not None and row.id == own_id)
    if not named:
        other = next((row for row in rows if row is not None and row.id != own_id), None)
        return _Wish(asker, by_bureau, asker if client_id == bureau_id else other, {})
    ((name, value),) = named.items()
    if isinstance(value, int):
        return _Wish(asker, by_bureau, await account.by_number(value), {name: value})
    return await _by_organization(asker, value, country)


async def _by_organization(own: AccountRow, number: str, country: str | None) -> _Wish:
    with Validation() as check:
        land = check.country("client_country", country) if country else own.country
        if land is None:
            check.problem(UserErrorCode.REQUIRED, "client_country", mark("An organization number needs its country."))
        else:
            number = check.organization_number("client_organization_number", number, land)
    found = await db.fetch_one(_BY_ORGANIZATION, land, number, own.id, row=AccountRow)
    return _Wish(own, True, found, {"client_organization_number": number, "client_country": land})


_OPEN: Final = f"""
SELECT {", ".join(engagement.COLUMNS.values())} FROM engagements e
WHERE e.bureau_id = $1 AND e.client_id = $2 AND e.status IN ('PENDING', 'ACTIVE')
"""
_OPEN_ONE: Final = """
INSERT INTO engagements (id, bureau_id, client_id, status, asked_by_id, is_blind, created_at)
VALUES ($1, $2, $3, 'PENDING', $4, $5, $6)
ON CONFLICT (bureau_id, client_id) WHERE status IN ('PENDING', 'ACTIVE') DO NOTHING
"""


async def _ask(caller: Caller, wish: _Wish, entered: dict[UUID, Access], *, sees: bool) -> UUID | None:
    """Open the engagement, or answer the one that the other side has asked for."""
    made, own = keys.uuid7(), wish.own
    other_id = next(key for key in wish.sides if key != own.id)
    if await db.execute(_OPEN_ONE, made, *wish.sides, own.id, not sees, caller.now):
        # Without the actor: his own events would tell a blind asker that there was somebody to ask.
        asker = caller if sees else replace(caller, user_id=None, ip_address=None)
        asked = {"engagement": str(made), "asked_by": own.number}
        await engagement.record(asker, "ask", other_id, entered, after=asked)
        await engagement.tell(caller, MessageKind.ENGAGEMENT_ASKED, wish.sides, to=[other_id], asker_name=own.name)
        return made if sees else None
    there = await db.fetch_one(_OPEN, *wish.sides, row=EngagementRow)
    assert there is not None  # noqa: S101 - both accounts are locked
    if there.status == EngagementStatus.PENDING and there.asked_by_id == other_id:
        await engagement.begin(caller, there, entered)
        return there.id if sees else None
    if sees:
        raise refuse(UserErrorCode.ALREADY_EXISTS, None, mark("These two have an engagement already."))
    await _feign(caller, wish)
    return None


class _Feigned(Exception):
    """Rolls a savepoint back."""


async def _feign(caller: Caller, wish: _Wish) -> None:
    """Take the time of asking, and leave nothing: nobody learns that there was nobody to ask."""
    sides = (wish.own.id, wish.own.id)
    with suppress(_Feigned):
        async with db.transaction():
            await db.fetch(_OPEN, *sides, row=EngagementRow)
            await engagement.record(caller, "ask", wish.own.id, {}, after={"asked_by": wish.own.number})
            await engagement.tell(caller, MessageKind.ENGAGEMENT_ASKED, sides, to=sides, asker_name=wish.own.name)
            raise _Feigned


def _own_field(*, by_bureau: bool) -> str:
    return "bureau_account_id" if by_bureau else "client_account_id"
