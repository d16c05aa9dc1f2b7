"""Operations on an account: a permission declared once, checked under the account's lock, in one transaction.

request --> requires: lock the account, read the caller's access, check the permission and, where it is declared, the
            recent proof --> the operation --> commit
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial, wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from i18n import mark
from models.access.access import COLUMNS, IS_OPEN, Access, GrantRow, require_entry
from models.access.reauthentication import ReauthenticationCase, require_declared
from models.audit import event
from models.audit.event_type import EventTypeEnum
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Forbidden, UserErrorCode, refuse

TARGET_COLUMNS: Final = (
    "account_id",
    "user_id",
    "role",
    "status",
    "listed",
    "valid_until",
    "own_until",
    "engagement_id",
)
"""The columns of a grant that an operation changes, for `OperationContext.target`."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """A running operation: its caller, and their access to the account that it changes.

    The account's row is locked until the operation ends. So operations on one account run one after the other, and
    each sees the result of the one before it.
    """

    caller: Caller
    user_id: UUID
    account_id: UUID
    access: Access
    creator_id: UUID | None = None
    """The creator of the operation's row, if the row has a scope."""

    @property
    def now(self) -> datetime:
        """The time of the request."""
        return self.caller.now

    def target(self, name: str) -> Any:
        """A column of the grant that the operation changes, read under the lock. For `of="grant"` only."""
        return self.access.grant[f"of.{name}"]

    async def record(self, event_type: EventTypeEnum, *, creator_id: UUID | None = None, **facts: Any) -> None:
        """Record an event of this account, with the caller's current role.

        `creator_id` is the creator of the row that the event is about, if it is not the operation's row.
        """
        await event.record(
            self.caller,
            event_type,
            account_id=self.account_id,
            role=self.access.role,
            creator_id=creator_id or self.creator_id,
            **facts,
        )


P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Operation(Protocol[P, T_co]):
    """An operation with the permission that it needs."""

    permission: Permission
    event_type: EventTypeEnum
    """The type of the event that the operation writes. A refusal writes it with a prefix."""
    reauthentication: ReauthenticationCase | None
    """The case in which the operation needs a recent proof. None: never."""

    def __call__(self, caller: Caller, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T_co]:
        """Run the operation in one transaction."""
        ...


def requires(
    permission: Permission,
    event_type: EventTypeEnum,
    *,
    of: str = "account",
    table: str | None = None,
    while_closing: bool = False,
    reauthentication: ReauthenticationCase | None = None,
) -> Callable[[Callable[Concatenate[OperationContext, P], Awaitable[T]]], Operation[P, T]]:
    """Declare an operation on the account of a row: the first argument, `<of>_id`, is the id of that row.

    For rows of a module, `table` is their table, which has `account_id`.

    The operation runs in its own transaction. The account is locked, and the caller's access is read under the lock.
    `reauthentication` is the case in which the caller needs a recent proof. The operation checks a case that depends on
    its input or its rows. `while_closing` is for operations that only take access: they go on while the account waits
    for its closing.

    Raises:
        Unauthenticated: there is no signed-in user.
        Refusal: NOT_FOUND for an unknown id and for an account that the caller cannot enter; TWO_FACTOR_REQUIRED;
            ACCOUNT_CLOSING; SUBSCRIPTION_EXPIRED; REAUTHENTICATION_REQUIRED.
        Forbidden: the caller can enter the account, but lacks `permission`.
    """

    def declare(operation: Callable[Concatenate[OperationContext, P], Awaitable[T]]) -> Operation[P, T]:
        @wraps(operation)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            row_id = args[0] if args else kwargs[f"{of}_id"]
            async with db.transaction():
                context = await enter(
                    caller, cast("UUID", row_id), permission, of=of, table=table, while_closing=while_closing
                )
                await require_declared(caller, reauthentication)
                return await operation(context, *args, **kwargs)

        run_with_retry = locks.retry_if_accounts_change(run)
        return cast("Operation[P, T]", _declare(run_with_retry, permission, event_type, reauthentication))

    return declare


def declares_permission(
    permission: Permission, event_type: EventTypeEnum, *, reauthentication: ReauthenticationCase | None = None
) -> Callable[[Callable[Concatenate[Caller, P], Awaitable[T]]], Operation[P, T]]:
    """Declare the permission of an operation that checks the caller's access, and then the recent proof, itself."""

    def declare(run: Callable[Concatenate[Caller, P], Awaitable[T]]) -> Operation[P, T]:
        return cast("Operation[P, T]", _declare(run, permission, event_type, reauthentication))

    return declare


REAUTHENTICATED: Final[set[Permission]] = set()
"""The permissions of operations that need a recent proof, in some cases at least."""


def _declare(
    run: object, permission: Permission, event_type: EventTypeEnum, reauthentication: ReauthenticationCase | None
) -> object:
    setattr(run, "permission", permission)  # noqa: B010 - a function with three more attributes
    setattr(run, "event_type", event_type)  # noqa: B010 - the same
    setattr(run, "reauthentication", reauthentication)  # noqa: B010 - the same
    if reauthentication is not None:
        REAUTHENTICATED.add(permission)
    return run


_ACCOUNT_OF: Final[dict[str, str]] = {
    "account": "$1",
    "grant": "t.account_id",
    "invitation": "(SELECT account_id FROM invitations WHERE id = $1)",
    "access_request": "(SELECT account_id FROM access_requests WHERE id = $1)",
}
_CALLER_GRANT: Final = f"""g.account_id = a.id AND g.user_id = $2 AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > $3) AND {IS_OPEN.format("a", "$3")}"""
_TARGET: Final = db.prefix_columns("of", db.columns("t", " ".join(TARGET_COLUMNS)))
# The same statement for made-up ids and for accounts of other users. It locks only rows that the caller can enter.
_SELECT_ENTERED: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM accounts a JOIN grants g ON {_CALLER_GRANT} WHERE a.id = {{account}}
"""
_SELECT: Final[dict[str, str]] = {
    table: _SELECT_ENTERED.format(account=account) for table, account in _ACCOUNT_OF.items()
} | {
    "grant": f"""
SELECT {db.select_list(COLUMNS | _TARGET)}
FROM grants t JOIN accounts a ON a.id = t.account_id JOIN grants g ON {_CALLER_GRANT} WHERE t.id = $1
"""
}
# After waiting for a lock, PostgreSQL reads the new version of locked rows only, so the caller's grant is locked too.
# FOR KEY SHARE would not do: it does not wait for an update, and reads the older version. Other grants need no lock:
# they change only under the account's lock. Grants on a bureau and derived grants depend on each other across
# accounts, so they are locked by `_enter_with_linked`.
_FOR_UPDATE: Final = "FOR NO KEY UPDATE OF a FOR SHARE OF g"
_LOCK: Final[dict[str, str]] = {
    table: f"{select} {_FOR_UPDATE}" for table, select in _SELECT.items() if table != "grant"
} | {
    "grant": f"""{_SELECT["grant"]} AND a.kind <> 'BUREAU' AND t.engagement_id IS NULL
FOR NO KEY UPDATE OF a FOR NO KEY UPDATE OF t FOR SHARE OF g"""
}


@cache
def _lock_sql(of: str, table: str | None) -> str:
    """The statement that locks the account of a row, and reads the caller's access to it."""
    if table is None:
        return _LOCK[of]
    account = f"(SELECT account_id FROM {table} WHERE id = $1)"
    return f"{_SELECT_ENTERED.format(account=account)} {_FOR_UPDATE}"


async def enter(
    caller: Caller,
    row_id: UUID,
    permission: Permission,
    *,
    of: str = "account",
    table: str | None = None,
    while_closing: bool = False,
) -> OperationContext:
    """Lock an account and check the caller's permission in it. The first step of an operation."""
    user_id, field = caller.user(), f"{of}_id"
    grant = await db.fetch_one(_lock_sql(of, table), row_id, user_id, caller.now, row=GrantRow)
    if grant is None and of == "grant":
        grant = await _enter_with_linked(caller, row_id, permission, while_closing=while_closing)
    access = require_entry(grant, field, caller.now)
    require(access, permission, while_closing=while_closing)
    return OperationContext(caller, user_id, access.account_id, access)


async def _enter_with_linked(
    caller: Caller, grant_id: UUID, permission: Permission, *, while_closing: bool
) -> GrantRow | None:
    """Lock the accounts of a grant and of its base or derived grants, if the caller may change it."""
    fetch_grant = partial(db.fetch_one, _SELECT["grant"], grant_id, caller.user(), caller.now, row=GrantRow)
    if grant := await fetch_grant():
        # Checked before the locks too, so that a caller without the permission cannot lock many accounts.
        require(require_entry(grant, "grant_id", caller.now), permission, while_closing=while_closing)
        await locks.lock_grant_accounts(grant_id)
    return await fetch_grant() if grant else None


def decide(access: Access, permission: Permission, *, while_closing: bool = False) -> policy.Decision:
    """The decision about a permission. With `while_closing`, as if the account did not wait for its closing."""
    return policy.decide(permission, replace(access.facts, is_closing=False) if while_closing else access.facts)


def require(access: Access, permission: Permission, *, while_closing: bool = False) -> None:
    """Raise Forbidden or Refusal ACCOUNT_CLOSING, SUBSCRIPTION_EXPIRED unless `access` has `permission`.

    With `while_closing`, the permission counts although the account waits for its closing.
    """
    decision = decide(access, permission, while_closing=while_closing)
    # The owner keeps OWNERSHIP to reopen the account. It is not enough for other operations of the owner.
    is_suspended = decision.allowed and permission is Permission.OWNERSHIP and not while_closing
    if is_suspended or decision.reason is policy.DecisionReason.ACCOUNT_CLOSING:
        require_not_closing(access, None)
    if decision.reason is policy.DecisionReason.SUBSCRIPTION_EXPIRED:
        raise refuse(
            UserErrorCode.SUBSCRIPTION_EXPIRED,
            None,
            mark("The account's subscription has ended. Extend it to continue."),
        )
    if not decision.allowed:
        raise Forbidden(decision, access.role, access.account_id)


def require_not_closing(access: Access, field: str | None) -> None:
    """Raise Refusal ACCOUNT_CLOSING if the account waits for its closing. For operations that need no permission."""
    if access.facts.is_closing:
        raise refuse(
            UserErrorCode.ACCOUNT_CLOSING,
            field,
            mark("This account closes on %(date)s and is read-only until then. Its owner can reopen it."),
            date=f"{access.grant['closes_at']:%Y-%m-%d}",
        )
