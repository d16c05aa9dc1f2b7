"""Operations on rows with a row scope: see auth/row_scope.py."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast
from uuid import UUID

from auth.policy import Permission
from auth.row_scope import RowScope
from database import db
from models.access import operation
from models.access.operation import Operation, OperationContext, declares_permission
from models.audit.event_type import EventTypeEnum
from models.base.caller import Caller
from models.base.errors import Forbidden, not_found

P = ParamSpec("P")
T = TypeVar("T")


class _Creator(db.Row):
    id: UUID


def requires_in_scope(
    scope: RowScope, permission: Permission, event_type: EventTypeEnum, *, of: str, table: str
) -> Callable[[Callable[Concatenate[OperationContext, P], Awaitable[T]]], Operation[P, T]]:
    """Declare an operation on a row with a scope, as `requires` does for rows without one.

    `table` is the table of the row, or a subquery with its alias, with `account_id` and the creator. The scope is
    checked before the permission, so that no answer tells that a row outside the scope exists. Events of the operation
    and of its refusal have the row's creator.
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
                try:
                    operation.require(context.access, permission)
                    return await run_in_scope(replace(context, creator_id=creator.id), *args, **kwargs)
                except Forbidden as refusal:
                    refusal.creator_id = creator.id
                    raise

        declare_permission: Any = declares_permission(permission, event_type)
        return cast("Operation[P, T]", declare_permission(run))

    return declare
