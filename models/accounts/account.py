"""Accounts: companies and persons that issue invoices. Users enter an account by their grants.

    open (by its owner, signed in) ------------------> ACTIVE <--> READ_ONLY (subscription ended)
    open (at registration, or
          by a bureau) ------> PENDING_ACTIVATION --activate--^       derived from the date, not stored
    READ_ONLY for 30 days, then CLOSED, when the owner closes it: `models/closing/`
    CLOSED when the owner erases their data: `models/privacy/erasure.py`

An organization number and a bank account number belong to one owner: `models/accounts/registered_number.py`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Role
from database import db, keys
from models.access import access, grant_rules, grant_store
from models.access.grant_rules import Exemption
from models.accounts import opening_limit, registered_number
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.billing import trial


class AccountKind(StrEnum):
    """The kind of an account. A bureau also works for clients."""

    BUSINESS = "BUSINESS"
    BUREAU = "BUREAU"


class AccountStatus(StrEnum):
    """The status of an account, derived from its dates."""

    PENDING_ACTIVATION = "PENDING_ACTIVATION"
    ACTIVE = "ACTIVE"
    READ_ONLY = "READ_ONLY"
    CLOSED = "CLOSED"


class Account(Model):
    """An account with its settings and the end of its subscription."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    number = fields.IntField()
    name = fields.TextField()
    kind = fields.CharEnumField(AccountKind, max_length=20, default=AccountKind.BUSINESS)
    owner_id = fields.UUIDField()
    country: str | None = fields.TextField(null=True)
    organization_number: str | None = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    activated_at: datetime | None = fields.DatetimeField(null=True)
    closed_at: datetime | None = fields.DatetimeField(null=True)
    closes_at: datetime | None = fields.DatetimeField(null=True)
    subscription_until = fields.DatetimeField()
    trial_until: datetime | None = fields.DatetimeField(null=True)
    invoice_prefix = fields.TextField(default="")
    vat_number: str | None = fields.TextField(null=True)
    bank_account_number: str | None = fields.TextField(null=True)
    default_currency = fields.TextField(default="EUR")
    default_locale = fields.TextField(default="en")
    payment_term_days = fields.IntField(default=14)
    simple_user_restrictions = fields.BigIntField(default=0)
    locks = fields.BigIntField(default=0)
    requires_two_factor = fields.BooleanField(default=False)
    created_by_bureau_id: UUID | None = fields.UUIDField(null=True)
    purchased_seats = fields.IntField()

    class Meta(Model.Meta):
        """The table of the rows."""

        table = "accounts"


class AccountRow(db.Row):
    """An account as lists return it."""

    graphql_type = "Account"

    id: UUID
    number: int
    name: str
    kind: str
    owner_id: UUID
    country: str | None
    organization_number: str | None
    created_at: datetime
    activated_at: datetime | None
    closed_at: datetime | None
    closes_at: datetime | None
    subscription_until: datetime
    trial_until: datetime | None
    invoice_prefix: str
    vat_number: str | None
    bank_account_number: str | None
    default_currency: str
    default_locale: str
    payment_term_days: int
    simple_user_restrictions: int
    locks: int
    requires_two_factor: bool


COLUMNS: Final = db.columns_of("a", AccountRow)
STATUS: Final = f"""CASE WHEN NOT ({access.IS_OPEN.format("a", "{0}")}) THEN 'CLOSED'
    WHEN a.activated_at IS NULL THEN 'PENDING_ACTIVATION'
    WHEN a.closes_at IS NOT NULL OR a.subscription_until <= {{0}} THEN 'READ_ONLY' ELSE 'ACTIVE' END"""
"""The status at the instant {0} as SQL, for filters. It agrees with `status`."""
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM accounts a WHERE a.id = ANY($1::uuid[])"
_BY_NUMBER: Final = f"SELECT {db.select_list(COLUMNS)} FROM accounts a WHERE a.number = $1"


async def by_ids(ids: list[UUID]) -> list[AccountRow | None]:
    """The accounts with these ids, in this order. The caller checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=AccountRow))


async def by_number(number: int) -> AccountRow | None:
    """The account with this public number. None if there is none. The caller checks the access."""
    return await db.fetch_one(_BY_NUMBER, number, row=AccountRow)


def status(row: AccountRow, now: datetime) -> AccountStatus:
    """An account's status at `now`."""
    if row.closed_at is not None or (row.closes_at is not None and row.closes_at <= now):
        return AccountStatus.CLOSED
    if row.activated_at is None:
        return AccountStatus.PENDING_ACTIVATION
    is_read_only = row.closes_at is not None or row.subscription_until <= now
    return AccountStatus.READ_ONLY if is_read_only else AccountStatus.ACTIVE


# ---- Opening ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Details:
    """The validated details of a new account."""

    name: str
    kind: AccountKind = AccountKind.BUSINESS
    country: str | None = None
    organization_number: str | None = None
    bank_account_number: str | None = None


def check_details(
    check: Validation,
    *,
    name: str,
    name_field: str = "name",
    kind: AccountKind | None = None,
    country: str | None = None,
    organization_number: str | None = None,
    bank_account_number: str | None = None,
) -> Details:
    """Validate the details of a new account and bring them into the stored form."""
    country_code = check.country("country", country) if country else None
    return Details(
        name=check.line(name_field, name),
        kind=kind or AccountKind.BUSINESS,
        country=country_code,
        organization_number=(
            check.organization_number("organization_number", organization_number, country_code)
            if organization_number
            else None
        ),
        bank_account_number=(
            check.bank_account("bank_account_number", bank_account_number, country_code)
            if bank_account_number
            else None
        ),
    )


@idempotent("createAccount")
async def create(
    caller: Caller,
    *,
    name: str,
    organization_number: str | None = None,
    country: str | None = None,
    kind: AccountKind | None = None,
    bank_account_number: str | None = None,
) -> UUID:
    """Open another account for the caller. It is active at once. Returns its id.

    It has no trial days if the caller has had their trial.

    Raises:
        Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN, or an invalid input field.
        RateLimited: the caller has opened their maximum of accounts a day.
    """
    with Validation() as check:
        details = check_details(
            check,
            name=name,
            kind=kind,
            country=country,
            organization_number=organization_number,
            bank_account_number=bank_account_number,
        )
    async with db.transaction():
        return await open_for(caller, caller.user(), details, activated_at=caller.now)


async def open_for(
    caller: Caller,
    user_id: UUID,
    details: Details,
    *,
    activated_at: datetime | None,
    created_by_bureau_id: UUID | None = None,
) -> UUID:
    """Open an account with its owner's grant and its trial days, within a transaction. Returns its id.

    The caller is the owner, or a user of the bureau `created_by_bureau_id`.

    Raises:
        Refusal: ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN.
        RateLimited: the caller has opened their maximum of accounts a day.
    """
    is_counted = await opening_limit.attempt_opening(caller, created_by_bureau_id)
    await registered_number.claim(
        caller,
        user_id,
        details.country,
        details.organization_number,
        details.bank_account_number,
        is_counted=is_counted,
    )
    account_id = keys.uuid7()
    _ = await Account.create(
        id=account_id,
        number=await _free_number(),
        name=details.name,
        kind=details.kind,
        owner_id=user_id,
        country=details.country,
        organization_number=details.organization_number,
        bank_account_number=details.bank_account_number,
        created_at=caller.now,
        activated_at=activated_at,
        subscription_until=caller.now,
        default_locale=caller.locale,
        created_by_bureau_id=created_by_bureau_id,
        purchased_seats=caller.config.free_seats,
    )
    permit = grant_rules.permit(Exemption.OPENING, None, grant_rules.OWNER)
    _ = await grant_store.create(permit, account_id=account_id, user_id=user_id, now=caller.now, granted_by_id=None)
    await trial.start(caller, account_id, user_id, bureau_id=created_by_bureau_id)
    by_bureau = created_by_bureau_id is not None
    await event.record(
        caller if by_bureau else replace(caller, user_id=user_id),
        EventType.ACCOUNT_CREATE,
        account_id=account_id,
        role=None if by_bureau else Role.OWNER,
        after={"name": details.name, "kind": details.kind},
    )
    return account_id


async def activate_first(caller: Caller, user_id: UUID) -> None:
    """Activate the account of a registration, together with its owner's login."""
    pending_account = await Account.filter(owner_id=user_id, activated_at=None).first()
    if pending_account is None:
        return
    await Account.filter(id=pending_account.id).update(activated_at=caller.now)
    await event.record(
        replace(caller, user_id=user_id), EventType.ACCOUNT_ACTIVATE, account_id=pending_account.id, role=Role.OWNER
    )


_CLOSE: Final = """
UPDATE accounts SET closed_at = $2, organization_number = NULL, bank_account_number = NULL, vat_number = NULL
WHERE id = $1
"""
_DELETE_CLAIMS: Final = "DELETE FROM number_claims WHERE account_id = $1"


async def store_closed(account: Account, now: datetime) -> None:
    """Store that a locked account is closed, and make its registered numbers free."""
    await db.execute(_CLOSE, account.id, now)
    await db.execute(_DELETE_CLAIMS, account.id)
    await registered_number.release(account.country, account.organization_number, account.bank_account_number)


async def _free_number() -> int:
    """A random number that no account has. A unique constraint covers the race between two accounts."""
    while await Account.exists(number=(number := keys.account_number())):
        pass
    return number
