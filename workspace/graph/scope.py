"""Row scopes in the graph: the rights on rows with a scope, and lists of them over several accounts.

In a view-as request no row counts as created by the impersonated user. So the view shows too little, never too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auth.rules import AUTHENTICATED_BIT, PUBLIC_BIT
from database.rows import column
from resolvers.context import Context
from resolvers.rights import OfAccount
from workspace.scope import RowScope


def creator_id(context: Context) -> UUID | None:
    """The user whose rows are in the caller's scope: the caller. None in a view-as request."""
    return context.viewer_id if context.view is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedRights(OfAccount):
    """Rights on rows with a scope. A row outside of it does not exist for the caller."""

    scope: RowScope

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        account_rights = OfAccount.__call__(self, rows, context)
        if all(map(self.scope.shows_all, account_rights)):
            return account_rights
        outside = PUBLIC_BIT | (AUTHENTICATED_BIT if context.viewer_id else 0)
        creators, user_id = column(rows, self.scope.creator_column), creator_id(context)
        return [
            bits if self.scope.reaches(row_creator_id, user_id, bits) else outside
            for bits, row_creator_id in zip(account_rights, creators, strict=True)
        ]

    def exists(self, row: Any, context: Context) -> bool:
        """True if the row is in the caller's scope, in an account that they can enter."""
        (account_access,) = self.accesses([row], context)
        return account_access is not None and self.scope.reaches(
            row[self.scope.creator_column], creator_id(context), account_access.bits
        )
