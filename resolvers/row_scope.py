"""Row scopes in the graph: the rights on rows with a scope, and lists of them over several accounts.

See auth/row_scope.py. In a view-as request no row counts as created by the impersonated user. So the view shows too
little, never too much.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from auth.row_scope import RowScope
from database import db
from database.listing import Connection, ConnectionQuery
from database.rows import column
from resolvers import ids
from resolvers.context import Context, Info
from resolvers.pages import grouped_pages
from resolvers.rights import OfAccount, Rights, base_rights

R = TypeVar("R", bound=db.Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedRights(OfAccount):
    """Rights on rows with a scope. A row outside of it does not exist for the caller."""

    scope: RowScope

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        account_rights = OfAccount.__call__(self, rows, context)
        # Usually one account has all rows, and the rights on each of them need not be computed.
        if isinstance(account_rights, Rights) and self.scope.shows_all(account_rights.common):
            return account_rights
        outside = base_rights(context)
        creators, user_id = column(rows, self.scope.creator_column), context.creator_id
        return [
            bits if self.scope.reaches(row_creator_id, user_id, bits) else outside
            for bits, row_creator_id in zip(account_rights, creators, strict=True)
        ]

    def exists(self, row: Any, context: Context) -> bool:
        """True if the row is in the caller's scope, in an account that they can enter."""
        (account_access,) = self.accesses([row], context)
        return account_access is not None and self.scope.reaches(
            row[self.scope.creator_column], context.creator_id, account_access.bits
        )


async def pages_in_scope(
    scope: RowScope,
    make_query: Callable[[UUID | None], ConnectionQuery[R]],
    account_ids: Sequence[UUID],
    info: Info,
    arguments: dict[str, Any],
) -> list[Connection[R]]:
    """The page of a connection for each account, with the rows in the caller's scope: at most two statements.

    `make_query` gets the creator of the rows, or None for the rows of all creators.
    """
    context = info.context

    def creator_of(account_id: UUID) -> UUID | None:
        return None if scope.shows_all(context.access.bits(account_id)) else context.creator_id or ids.NIL_KEY

    return await grouped_pages(account_ids, creator_of, make_query, info, arguments)
