"""Row scopes: rows that exist only for their creator, unless a permission shows all of them.

A type declares its scope once. The rest derives from it:

    RowScope.reaches                   is a row in the scope of a user?                  single rows
    models/access/scoped_operation.py  operations: a row outside the scope is NOT_FOUND  changes
    models/audit/event_scope.py        events about a row have the scope of the row      events, streams
    resolvers/row_scope.py             rights on rows, and lists over several accounts   fields, `node`, lists, counts
"""

from dataclasses import dataclass
from uuid import UUID

from auth import policy
from auth.policy import Permission


@dataclass(frozen=True, slots=True)
class RowScope:
    """The scope of a type: `permission` shows all rows of an account, `creator_column` has the user of a row."""

    permission: Permission
    creator_column: str = "created_by_id"

    def shows_all(self, bits: int) -> bool:
        """True if a user with these permissions sees the rows of all users."""
        return bool(bits & policy.mask([self.permission]))

    def reaches(self, creator_id: UUID | None, user_id: UUID | None, bits: int) -> bool:
        """True if the row of a creator exists for a user with the permissions `bits` in its account.

        A row without a creator exists only for users who see all rows.
        """
        return self.shows_all(bits) or (creator_id is not None and creator_id == user_id)
