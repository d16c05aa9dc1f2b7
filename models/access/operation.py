"""Operations on an account: a permission declared once, checked under the account's lock, in one transaction.

request --> requires: lock the account, read the caller's access, check the permission and, where it is declared, the
            recent proof --> the operation --> commit
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial, wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from i18n import mark
from models.access.access import COLUMNS, Access, GrantRow, require_entry
from models.access.reauthentication import ReauthenticationCase, require_declared
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Forbidden, UserErrorCode, refuse

R = TypeVar("R", bound=db.Row)
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

    @property
    def now(self) -> datetime:
        """The time of the request."""
        return self.caller.now

    def target(self, name: str) -> Any:
        """A column of the grant that the operation changes, read under the lock. For `of="grant"` only."""
        return self.access.grant[f"of.{name}"]

    async def record(self, event_type: EventType, **facts: Any) -> None:
        """Record an event of this account, with the caller's current role."""
        await event.record(self.caller, event_type, account_id=self.account_id, role=self.access.role, **facts)

    async def record_change(
        self,
        event_type: EventType,
        statement: str,
        *values: object,
        row: type[R],
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> R:
        """Make a change and record its event with one statement, as `event.record_change`."""
        return await event.record_change(
            self.caller,
            event_type,
            statement,
            *values,
            row=row,
            account_id=self.account_id,
            role=self.access.role,
            before=before,
            after=after,
        )


P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Table = Literal["account", "grant", "invitation", "access_request"]


class Operation(Protocol[P, T_co]):
    """An operation with the permission that it needs."""

    permission: Permission
    event_type: EventType
    """The type of the event that the operation writes. A refusal writes it with a prefix."""
    reauthentication: ReauthenticationCase | None
    """The case in which the operation needs a recent proof. None: never."""

    def __call__(self, caller: Caller, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T_co]:
        """Run the operation in one transaction."""
        ...


def requires(
    permission: Permission,
    event_type: EventType,
    *,
    of: Table = "account",
    reauthentication: ReauthenticationCase | None = None,
) -> Callable[[Callable[Concatenate[OperationContext, P], Awaitable[T]]], Operation[P, T]]:
    """Declare an operation on the account of a row: the first argument, `<of>_id`, is the id of that row.

    The operation runs in its own transaction. The account is locked, and the caller's access is read under the lock.
    `reauthentication` is the case in which the caller needs a recent proof. The operation checks a case that depends on
    its input or its rows.

    Raises:
        Unauthenticated: there is no signed-in user.
        Refusal: NOT_FOUND for an unknown id and for an account that the caller cannot enter; TWO_FACTOR_REQUIRED;
            SUBSCRIPTION_EXPIRED; REAUTHENTICATION_REQUIRED.
        Forbidden: the caller can enter the account, but lacks `permission`.
    """

    def declare(operation: Callable[Concatenate[OperationContext, P], Awaitable[T]]) -> Operation[P, T]:
        @wraps(operation)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            row_id = args[0] if args else kwargs[f"{of}_id"]
            async with db.transaction():
                context = await enter(caller, cast("UUID", row_id), permission, of=of)
                await require_declared(caller, reauthentication)
                return await operation(context, *args, **kwargs)

        run_with_retry = locks.retry_if_accounts_change(run)
        return cast("Operation[P, T]", _declare(run_with_retry, permission, event_type, reauthentication))

    return declare


def declares_permission(
    permission: Permission, event_type: EventType, *, reauthentication: ReauthenticationCase | None = None
) -> Callable[[Callable[Concatenate[Caller, P], Awaitable[T]]], Operation[P, T]]:
    """Declare the permission of an operation that checks the caller's access, and then the recent proof, itself."""

    def declare(run: Callable[Concatenate[Caller, P], Awaitable[T]]) -> Operation[P, T]:
        return cast("Operation[P, T]", _declare(run, permission, event_type, reauthentication))

    return declare


REAUTHENTICATED: Final[set[Permission]] = set()
"""The permissions of operations that need a recent proof, in some cases at least."""


def _declare(
    run: object, permission: Permission, event_type: EventType, reauthentication: ReauthenticationCase | None
) -> object:
    setattr(run, "permission", permission)  # noqa: B010 - a function with three more attributes
    setattr(run, "event_type", event_type)  # noqa: B010 - the same
    setattr(run, "reauthentication", reauthentication)  # noqa: B010 - the same
    if reauthentication is not None:
        REAUTHENTICATED.add(permission)
    return run


_ACCOUNT_OF: Final[dict[Table, str]] = {
    "account": "$1",
    "grant": "t.account_id",
    "invitation": "(SELECT account_id FROM invitations WHERE id = $1)",
    "access_request": "(SELECT account_id FROM access_requests WHERE id = $1)",
}
_CALLER_GRANT: Final = """g.account_id = a.id AND g.user_id = $2 AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > $3) AND a.closed_at IS NULL"""
_TARGET: Final = db.prefix_columns("of", db.columns("t", " ".join(TARGET_COLUMNS)))
# The same statement for made-up ids and for accounts of other users. It locks only rows that the caller can enter.
_SELECT: Final = {
    table: f"""
SELECT {db.select_list(COLUMNS)} FROM accounts a JOIN grants g ON {_CALLER_GRANT} WHERE a.id = {account}
"""
    for table, account in _ACCOUNT_OF.items()
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
_LOCK: Final = {
    table: f"{select} FOR NO KEY UPDATE OF a FOR SHARE OF g" for table, select in _SELECT.items() if table != "grant"
} | {
    "grant": f"""{_SELECT["grant"]} AND a.kind <> 'BUREAU' AND t.engagement_id IS NULL
FOR NO KEY UPDATE OF a FOR NO KEY UPDATE OF t FOR SHARE OF g"""
}


async def enter(caller: Caller, row_id: UUID, permission: Permission, *, of: Table = "account") -> OperationContext:
    """Lock an account and check the caller's permission in it. The first step of an operation."""
    user_id, field = caller.user(), f"{of}_id"
    grant = await db.fetch_one(_LOCK[of], row_id, user_id, caller.now, row=GrantRow)
    if grant is None and of == "grant":
        grant = await _enter_with_linked(caller, row_id, permission)
    access = require_entry(grant, field, caller.now)
    require(access, permission)
    return OperationContext(caller, user_id, access.account_id, access)


async def _enter_with_linked(caller: Caller, grant_id: UUID, permission: Permission) -> GrantRow | None:
    """Lock the accounts of a grant and of its base or derived grants, if the caller may change it."""
    fetch_grant = partial(db.fetch_one, _SELECT["grant"], grant_id, caller.user(), caller.now, row=GrantRow)
    if grant := await fetch_grant():
        # Checked before the locks too, so that a caller without the permission cannot lock many accounts.
        require(require_entry(grant, "grant_id", caller.now), permission)
        await locks.lock_grant_accounts(grant_id)
    return await fetch_grant() if grant else None


def require(access: Access, permission: Permission) -> None:
    """Raise Forbidden or Refusal SUBSCRIPTION_EXPIRED unless `access` has `permission`."""
    decision = policy.decide(permission, access.facts)
    if decision.reason is policy.DecisionReason.SUBSCRIPTION_EXPIRED:
        raise refuse(
            UserErrorCode.SUBSCRIPTION_EXPIRED,
            None,
            mark("The account's subscription has ended. Extend it to continue."),
        )
    if not decision.allowed:
        raise Forbidden(decision, access.role, access.account_id)
