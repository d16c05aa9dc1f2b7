"""Lists whose filters or orders tell about values that need another permission than the list itself."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from auth.rules import Rule
from database import db
from database.listing import Connection as Page
from database.listing import ConnectionQuery
from models.base.errors import OperationError
from resolvers import rights
from resolvers.context import Context, Info
from resolvers.pages import pages

R = TypeVar("R", bound=db.Row)


async def guarded_pages(
    query: ConnectionQuery[R], accounts: Sequence[Any], info: Info, page: dict[str, Any], rule: Rule | None
) -> list[Page[R] | OperationError]:
    """A page of a list for each account. It is refused in each account where the caller lacks the right of `rule`.

    None: the filter and the order of the list tell nothing that needs one.
    """
    refusals = refusals_of(accounts, rule, info.context)
    keys = [row["id"] for row in accounts]
    connections = await pages(query, [key for key in keys if key not in refusals], info, page)
    by_key = {connection.key: connection for connection in connections}
    return [refusals.get(key) or by_key[key] for key in keys]


def refusals_of(accounts: Sequence[Any], rule: Rule | None, context: Context) -> dict[UUID, OperationError]:
    """The errors of the accounts in which the caller lacks the right of `rule`, by id. None refuses in none."""
    if rule is None:
        return {}
    bits = rights.of_accounts(accounts, context)
    refused_accounts = [row for row, right_bits in zip(accounts, bits, strict=True) if not right_bits & rule.bits]
    errors = rights.field_errors(rights.of_accounts, rule, refused_accounts, context)
    return {row["id"]: error for row, error in zip(refused_accounts, errors, strict=True)}
