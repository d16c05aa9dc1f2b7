"""Row scopes: rows that exist only for their creator, unless a permission shows all of them.

A type declares its scope once. The rest derives from it:

    RowScope.reaches          is a row in the scope of a user?                           single rows
    requires_in_scope         operations on a row: outside the scope it is NOT_FOUND     changes
    workspace/graph/scope.py  rights on rows, and the split of a list over accounts      fields, `node`, lists, counts
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from models.access import operation
from models.access.operation import Operation, OperationContext, declares_permission
from models.audit.event_type import EventTypeEnum
from models.base.caller import Caller
from models.base.errors import not_found

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowScope:
    """The scope of a type: `permission` shows all rows of an account, `creator_column` has the user of a row."""

    permission: Permission
    creator_column: str

    def shows_all(self, bits: int) -> bool:
        """True if a user with these permissions sees the rows of all users."""
        return bool(bits & policy.mask([self.permission]))

    def reaches(self, creator_id: UUID, user_id: UUID | None, bits: int) -> bool:
        """True if the row of a creator exists for a user with the permissions `bits` in its account."""
        return self.shows_all(bits) or creator_id == user_id


class _Creator(db.Row):
    id: UUID


def requires_in_scope(
    scope: RowScope, permission: Permission, event_type: EventTypeEnum, *, of: str, table: str
) -> Callable[[Callable[Concatenate[OperationContext, P], Awaitable[T]]], Operation[P, T]]:
    """Declare an operation on a row with a scope, as `requires` does for rows without one.

    `table` is the table of the row, or a subquery with its alias, with `account_id` and the creator. The scope is
    checked before the permission, so that no answer tells that a row outside the scope exists.
    """
    creator_sql: Final = f"SELECT {scope.creator_column} AS id FROM {table} WHERE id = $1"

    def declare(run_in_scope: Callable[Concatenate[OperationContext, P], Awaitable[T]]) -> Operation[P, T]:
        @wraps(run_in_scope)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            row_id = cast("UUID", args[0] if args else kwargs[f"{of}_id"])
            async with db.transaction():
                context = await operation.enter(caller, row_id, Permission.ACCOUNT_READ, of=of, table=table)
                creator = await db.fetch_one(creator_sql, row_id, row=_Creator)
                if creator is None or not scope.reaches(creator.id, context.user_id, context.access.bits):
                    raise not_found(f"{of}_id")
                operation.require(context.access, permission)
                return await run_in_scope(context, *args, **kwargs)

        declare_permission: Any = declares_permission(permission, event_type)
        return cast("Operation[P, T]", declare_permission(run))

    return declare
