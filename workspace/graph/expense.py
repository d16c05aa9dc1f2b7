"""Expenses in the graph."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import strawberry

import resolvers.user
from auth.policy import Permission
from database.listing import Connection as Page
from database.rows import column
from models.base.errors import OperationError
from resolvers import rights
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import rows_by_ids
from schema.connection import Node
from schema.declare import AUTHENTICATED, field, global_id, graph_enum, graph_type, input_field, needs
from schema.payload import Payload, payload
from schema.user import User
from workspace import expense, expense_list
from workspace.expense import AmountRow, ExpenseRow
from workspace.expense_list import ExpenseOrder
from workspace.graph import contact
from workspace.graph.contact import Contact
from workspace.graph.guarded_list import guarded_pages

# ---- Resolvers -------------------------------------------------------------------------------

by_ids = rows_by_ids(expense.by_ids)
"""The expenses with these ids. None for an unknown id."""
_CONTACTS: Final = needs(Permission.CONTACTS_READ)


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: expense_list.ExpenseFilter | None = None,  # noqa: A002 - the argument's name
    order_by: ExpenseOrder | None = None,
    **page: Any,
) -> list[Page[ExpenseRow] | OperationError]:
    """The expenses of each account. A filter by contact is refused where the caller may not read contacts."""
    query = expense_list.expenses(filter, order_by)
    return await guarded_pages(query, accounts, info, page, _CONTACTS if expense_list.reads_contacts(filter) else None)


async def amounts(rows: Sequence[Any], _: Info) -> list[list[AmountRow]]:
    """The amounts of each expense."""
    keys = column(rows, "id")
    by_key = await expense.amounts_of(keys)
    return [by_key[key] for key in keys]


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"expense": (await by_ids([key], context))[0]}


create_expense = mutation_resolver(expense.create, _load_payload)
update_expense = mutation_resolver(expense.update, _load_payload)
archive_expense = mutation_resolver(expense.archive, _load_payload)

# ---- Types -----------------------------------------------------------------------------------

graph_enum(
    ExpenseOrder,
    "The order of a list of expenses. The default is SPENT_ON.",
    {
        ExpenseOrder.SPENT_ON: "By date, the latest first.",
        ExpenseOrder.AMOUNT: "By amount with VAT, the largest first. The currency does not count.",
        ExpenseOrder.CREATED_AT: "By creation, the newest first.",
    },
)


@graph_type(AUTHENTICATED, rights.of_unowned, description="The amounts of one VAT rate of an expense.")
class ExpenseAmount:
    """The amounts of one VAT rate."""

    vat_rate: Decimal = field(description="The rate, in percent.")
    net_amount: Decimal = field(description="The amount without VAT.")
    tax_amount: Decimal = field(description="The VAT.")


@graph_type(
    needs(Permission.EXPENSES_READ),
    rights.of_account_parts,
    description="A purchase of an account from a supplier.",
)
class Expense(Node):
    """An expense."""

    id: strawberry.ID = global_id("Expense")
    spent_on: date = field(description="The date of the supplier's invoice or receipt.")
    currency: str = field(description="The currency of all amounts, ISO 4217.")
    reference: str | None = field(description="The number of the supplier's invoice. Null: none is set.")
    note: str | None = field(description="A note. Null: none.")
    net_amount: Decimal = field(description="The sum of its amounts without VAT.")
    tax_amount: Decimal = field(description="The sum of its VAT.")
    gross_amount: Decimal = field(description="The amount with VAT.")
    amounts: list[ExpenseAmount] = field(
        batch=amounts,
        columns=("id",),
        cost_size=expense.MAX_RATES,
        description="Its amounts by VAT rate, the lowest first.",
    )
    contact: Contact | None = field(
        _CONTACTS,
        batch=contact.of_rows,
        columns=("contact_id",),
        description="The supplier. Null: none is set, or the viewer may not read contacts.",
    )
    is_archived: bool = field(description="True if it is archived.")
    created_by: User | None = field(
        batch=resolvers.user.creators, columns=("created_by_id",), description="The user who created it."
    )
    created_at: datetime = field(description="When it was created.")


@strawberry.input(description="A filter of expenses. A null or omitted field does not restrict.")
class ExpenseFilter:
    """A filter of expenses."""

    search: str | None = input_field(
        "Words of the reference or the note, or parts of them. Case and accents do not count."
    )
    contact_id: strawberry.ID | None = input_field("The supplier. Needs CONTACTS_READ.")
    spent_from: date | None = input_field("The first date, included.")
    spent_to: date | None = input_field("The last date, included.")
    is_archived: bool | None = input_field("True: only archived expenses. False: only those in use.")


# ---- Inputs and payloads ---------------------------------------------------------------------

_SPENT_ON = "The date of the supplier's invoice or receipt, from 2000 to 2099."
_CONTACT = "The supplier, a contact of the account that is not archived. Needs CONTACTS_READ."
_REFERENCE = f"The number of the supplier's invoice, at most {expense.MAX_REFERENCE} characters."
_NOTE = "A note, at most 2000 characters."
_AMOUNTS = f"The amounts, each with another VAT rate: 1 to {expense.MAX_RATES}."


@strawberry.input(description="The amounts of one VAT rate of an expense.")
class ExpenseAmountInput:
    """The amounts of one VAT rate."""

    vat_rate: Decimal = input_field("The rate of VAT in percent, 0 to 100, with at most 2 decimals.")
    net_amount: Decimal = input_field("The amount without VAT: 0 or more, in the decimals of the currency.")
    tax_amount: Decimal | None = input_field(
        "The VAT: 0 or more, in the decimals of the currency. Null or omitted: computed by the rate, rounded half up."
    )


@strawberry.input(description="A new expense.")
class CreateExpenseInput:
    """The input of createExpense."""

    account_id: strawberry.ID
    spent_on: date = input_field(_SPENT_ON)
    amounts: list[ExpenseAmountInput] = input_field(_AMOUNTS)
    contact_id: strawberry.ID | None = input_field(_CONTACT)
    currency: str | None = input_field("The currency, ISO 4217. Null or omitted: that of the account.")
    reference: str | None = input_field(_REFERENCE)
    note: str | None = input_field(_NOTE)
    idempotency_key: str | None


@strawberry.input(
    description="The fields of the expense to change. A null or omitted field stays as it is. An empty reference or "
    "note removes it."
)
class UpdateExpenseInput:
    """The input of updateExpense."""

    expense_id: strawberry.ID
    spent_on: date | None = input_field(_SPENT_ON)
    amounts: list[ExpenseAmountInput] | None = input_field(f"{_AMOUNTS} They replace all former ones.")
    contact_id: strawberry.ID | None = input_field(_CONTACT)
    reference: str | None = input_field(_REFERENCE)
    note: str | None = input_field(_NOTE)


@strawberry.input(description="An expense to archive, or to take out of the archive.")
class ArchiveExpenseInput:
    """The input of archiveExpense."""

    expense_id: strawberry.ID
    is_archived: bool | None = input_field("False takes the expense out of the archive. Null or omitted: true.")


@payload
class CreateExpensePayload(Payload):
    """The payload of createExpense."""

    expense: Expense | None = field(description="The new expense. Null if refused.")


@payload
class UpdateExpensePayload(Payload):
    """The payload of updateExpense."""

    expense: Expense | None = field(description="The expense after the change. Null if refused.")


@payload
class ArchiveExpensePayload(Payload):
    """The payload of archiveExpense."""

    expense: Expense | None = field(description="The expense after the change. Null if refused.")
