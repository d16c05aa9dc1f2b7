"""A run of the generator of rows: its account, its numbers of rows, and what its parts share. See `seed.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from database import db, keys
from models.base.errors import not_found
from workspace import vat

CYCLE: Final = 15
"""The number of documents in which each state occurs."""
BATCH: Final = 200 * CYCLE
"""The number of documents in one transaction. A statement then takes less than a second."""
TEMPLATES: Final = 97
"""The number of different documents. It has no divisor in common with CYCLE."""
DAYS: Final = 365
"""The days over which rows are spread, until the day of the run."""
HALF: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Amounts:
    """The numbers of rows to write. Those that are not given follow from the number of documents."""

    documents: int
    contacts: int
    products: int
    expenses: int

    @classmethod
    def of(
        cls, documents: int, *, contacts: int | None = None, products: int | None = None, expenses: int | None = None
    ) -> "Amounts":
        """The numbers for some documents."""
        return cls(
            documents,
            min(1000, max(12, documents // 100)) if contacts is None else contacts,
            min(500, max(10, documents // 200)) if products is None else products,
            documents // 5 if expenses is None else expenses,
        )

    @property
    def issued_count(self) -> int:
        """The number of documents that are issued. The others are drafts."""
        return self.documents - self.documents // CYCLE


class SeedAccount(db.Row):
    """The account of a run, as its documents copy it."""

    name: str
    country: str | None
    organization_number: str | None
    vat_number: str | None
    bank_account_number: str | None
    currency: str
    invoice_prefix: str
    payment_term_days: int


@dataclass(frozen=True, slots=True)
class SeedLine:
    """A line of a template, with the columns of the table."""

    template: int
    product_id: UUID
    description: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    purchase_price: Decimal
    discount_percent: Decimal
    vat_rate: Decimal
    net_amount: Decimal


@dataclass(frozen=True, slots=True)
class SeedRun:
    """A run, with the rows to which its documents refer."""

    account_id: UUID
    user_ids: Sequence[UUID]
    now: datetime
    amounts: Amounts
    account: SeedAccount
    customer_ids: Sequence[UUID]
    supplier_ids: Sequence[UUID]
    lines: Sequence[SeedLine]
    totals: Sequence[vat.Totals]
    """The totals of each template."""

    @property
    def today(self) -> date:
        """The day of the run, in UTC."""
        return self.now.date()

    def creator_id(self, number: int) -> UUID:
        """The creator of the row with a number: the users take turns."""
        return self.user_ids[number % len(self.user_ids)]

    def planned_day(self, number: int) -> date:
        """The date of issue of a document, by its number from 1 to the number of issued ones."""
        return self.today - timedelta(days=DAYS - 1 - (number - 1) * DAYS // max(1, self.amounts.issued_count))


_LOCK: Final = """
SELECT name, country, organization_number, vat_number, bank_account_number, default_currency AS currency,
    invoice_prefix, payment_term_days
FROM accounts WHERE id = $1 FOR NO KEY UPDATE
"""


async def lock_account(account_id: UUID) -> SeedAccount:
    """Lock an account, as operations do, until the end of the transaction. Raises Refusal NOT_FOUND."""
    account = await db.fetch_one(_LOCK, account_id, row=SeedAccount)
    if account is None:
        raise not_found("account_id")
    return account


def new_ids(count: int) -> list[UUID]:
    """New keys, each greater than the one before."""
    return [keys.uuid7() for _ in range(count)]


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The columns of rows, as the arguments of a statement with `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)]


def morning_of(day: date, now: datetime) -> datetime:
    """A time on a day, and not in the future."""
    return min(now, datetime.combine(day, time(9), UTC))
