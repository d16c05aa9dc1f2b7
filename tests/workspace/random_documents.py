"""Random documents: made in memory, and written to the database without the operations of the product."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import uuid4

from resolvers import ids
from tests.api import Person
from tests.conftest import connect

DECIMALS = {"EUR": 2, "JPY": 0, "BHD": 3}
STATUSES = ("DRAFT", "DELETED", "ISSUED", "SENT", "PAID", "CREDITED")


@dataclass(frozen=True)
class RandomLine:
    """A line."""

    quantity: Decimal
    unit_price: Decimal
    purchase_price: Decimal | None
    vat_rate: Decimal
    net_amount: Decimal


@dataclass(frozen=True)
class RandomDocument:
    """A document, with the name of its contact. Its creator is the owner of the account, or a guest."""

    kind: str
    status: str
    currency: str
    contact: str
    issued_on: date
    is_by_owner: bool
    lines: tuple[RandomLine, ...]

    @property
    def is_issued(self) -> bool:
        """True if it has a number."""
        return self.status not in {"DRAFT", "DELETED"}

    @property
    def sign(self) -> int:
        """-1 for a credit note."""
        return -1 if self.kind == "CREDIT_NOTE" else 1

    @property
    def month(self) -> str:
        """The first day of its month."""
        return self.issued_on.replace(day=1).isoformat()

    @property
    def net_amount(self) -> Decimal:
        """The sum of its lines."""
        return sum((line.net_amount for line in self.lines), Decimal(0))


def random_documents(seed: int, count: int, *, contacts: Sequence[str]) -> list[RandomDocument]:
    """Documents of 2025 and 2026, of each kind and status, with one to five lines."""
    chance = random.Random(seed)  # noqa: S311 - reproducible
    return [
        RandomDocument(
            kind=chance.choice(["INVOICE", "INVOICE", "CREDIT_NOTE"]),
            status=chance.choice(STATUSES),
            currency=(currency := chance.choice([*DECIMALS])),
            contact=chance.choice(contacts),
            issued_on=date(2025, 1, 1) + timedelta(days=chance.randrange(700)),
            is_by_owner=chance.random() < 0.5,
            lines=tuple(_line(chance, currency) for _ in range(chance.randint(1, 5))),
        )
        for _ in range(count)
    ]


def _line(chance: random.Random, currency: str) -> RandomLine:
    quantity = Decimal(chance.randint(1, 9999)).scaleb(-3)
    price = Decimal(chance.randint(0, 99_999_999)).scaleb(-4)
    purchase_price = Decimal(chance.randint(0, 99_999_999)).scaleb(-6) if chance.random() < 0.7 else None
    vat_rate = Decimal(chance.choice(["0", "5", "8.5", "23", "25"]))
    net = (quantity * price).quantize(Decimal(1).scaleb(-DECIMALS[currency]), ROUND_HALF_UP)
    return RandomLine(quantity, price, purchase_price, vat_rate, net)


async def store(
    database_url: str, documents: Sequence[RandomDocument], owner: Person, guest: Person, contacts: Mapping[str, str]
) -> None:
    """Write documents of the owner's account. `contacts` has the ids of contacts by name."""
    connection = await connect(database_url)
    account = ids.decode("Account", owner.account_id)
    try:
        await connection.execute("SET session_replication_role = replica")  # no triggers
        for number, document in enumerate(documents):
            key, creator = uuid4(), owner if document.is_by_owner else guest
            await connection.execute(
                """INSERT INTO sales_documents (id, account_id, created_by_id, kind, status, corrected_id, contact_id,
                    currency, net_amount, tax_amount, number, issued_on, due_on, buyer_name, seller_name, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $11, 'Buyer', 'Seller', now())""",
                *(key, account, ids.decode("User", creator.user_id), document.kind, document.status),
                *(
                    uuid4() if document.kind == "CREDIT_NOTE" else None,
                    ids.decode("Contact", contacts[document.contact]),
                ),
                *(document.currency, document.net_amount, str(number) if document.is_issued else None),
                document.issued_on,
            )
            await connection.executemany(
                """INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, purchase_price,
                    discount_percent, vat_rate, net_amount) VALUES ($1, $2, 'Text', '', $3, $4, $5, 0, $6, $7)""",
                [
                    (uuid4(), key, line.quantity, line.unit_price, line.purchase_price, line.vat_rate, line.net_amount)
                    for line in document.lines
                ],
            )
    finally:
        await connection.close()
