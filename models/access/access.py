"""Access is what one user may do in one account right now: his grant, seen through the policy.

It is read from the database for every request and every operation, and kept no longer. An
operation on an account declares the permission it needs with `within`; the schema prints what is
declared there, so that the rule is written once.
"""

import builtins
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial, wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from auth import policy
from auth.policy import GrantFacts, GrantStatus, Permission, Role
from database import db
from database.rows import ColumnBatch
from i18n import mark
from models.access import factor_requirement
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Forbidden, UserErrorCode, not_found, refuse

R = TypeVar("R", bound=db.Row)


@dataclass(frozen=True, slots=True)
class Access:
    """An active grant of a user on an account, with its effective permissions as a bit set."""

    grant: db.Columns  # the columns of a GrantRow
    standing: GrantFacts
    bits: int

    @property
    def account_id(self) -> UUID:
        """The account that it opens."""
        account_id: UUID = self.grant["account_id"]
        return account_id

    @property
    def role(self) -> Role:
        """The role that the grant gives."""
        return self.standing.role

    @property
    def valid_until(self) -> datetime | None:
        """When it ends by itself."""
        until: datetime | None = self.grant["valid_until"]
        return until


class GrantRow(db.Row):
    """A grant as it is listed, with what its account adds to its effect."""

    graphql_type = "Grant"

    id: UUID
    account_id: UUID
    user_id: UUID
    role: str
    status: str
    listed: int | None
    valid_until: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    granted_by_id: UUID | None
    account_name: str
    subscription_until: datetime
    simple_user_restrictions: int
    locks: int
    factor_missing: bool


COLUMNS: Final = {
    **db.columns("g", "id account_id user_id role status listed valid_until last_used_at created_at granted_by_id"),
    **db.columns("a", "subscription_until simple_user_restrictions locks"),
    "account_name": "a.name AS account_name",
    "factor_missing": f"{factor_requirement.factor_missing(user='g.user_id', account='a')} AS factor_missing",
}
SOURCE: Final = "grants g JOIN accounts a ON a.id = g.account_id"
TARGET: Final = ("account_id", "user_id", "role", "status", "listed", "valid_until", "own_until", "engagement_id")
"""The columns of a grant that is to be changed, as an operation on it finds them in `Act.target`."""
_LOAD: Final = f"""
SELECT {", ".join(COLUMNS.values())} FROM {SOURCE}
WHERE g.user_id = $1 AND g.account_id = ANY($2::uuid[]) AND g.status = 'ACTIVE'
  AND (g.valid_until IS NULL OR g.valid_until > $3) AND a.closed_at IS NULL
"""


def status(row: db.Columns, now: datetime) -> GrantStatus:
    """A grant's status at `now`: one whose end has passed is EXPIRED, before any job says so."""
    found, until = GrantStatus(row["status"]), row["valid_until"]
    over = until is not None and until <= now
    return GrantStatus.EXPIRED if over and found is GrantStatus.ACTIVE else found


def grant_facts(row: db.Columns, now: datetime, *, with_factor: bool = False) -> GrantFacts:
    """The facts that decide what the holder of a grant may do at `now`; or could, `with_factor`."""
    return GrantFacts(
        role=Role(row["role"]),
        status=status(row, now),
        listed=row["listed"],
        restrictions=row["simple_user_restrictions"],
        locks=row["locks"],
        subscription_over=row["subscription_until"] <= now,
        factor_missing=row["factor_missing"] and not with_factor,
    )


async def load(user_id: UUID, account_ids: Sequence[UUID], *, now: datetime) -> list[Access]:
    """The user's access to those of `account_ids` that he can enter: one statement."""
    rows = await db.fetch(_LOAD, user_id, account_ids, now, row=GrantRow)
    found = (effective_access(row, now) for row in rows)
    return [access for access in found if access is not None]


async def load_one(user_id: UUID, account_id: UUID, *, now: datetime) -> Access | None:
    """The user's access to one account, or None."""
    found = await load(user_id, [account_id], now=now)
    return found[0] if found else None


async def entered(user_id: UUID, *wanted: tuple[str, UUID], now: datetime) -> list[Access]:
    """The user's access to accounts, each named by the input field that asks for it: one statement.

    Raises Refusal for the first that he cannot enter: TWO_FACTOR_REQUIRED where that alone keeps him
    out, NOT_FOUND for any other.
    """
    rows = await db.fetch(_LOAD, user_id, [key for _, key in wanted], now, row=GrantRow)
    by_account = {row.account_id: row for row in rows}
    return [_demand_entry(by_account.get(key), field, now) for field, key in wanted]


def _demand_entry(grant: GrantRow | None, field: str, now: datetime) -> Access:
    found = effective_access(grant, now) if grant else None
    if found is not None:
        return found
    if grant is not None and grant.factor_missing:
        raise refuse(
            UserErrorCode.TWO_FACTOR_REQUIRED,
            field,
            mark("This account is entered with a second factor only. Set one up first."),
        )
    raise not_found(field)


def holding(permission: Permission, *, alias: str) -> str:
    """The condition that a row of grants, called `alias`, is in a role that holds `permission`.

    For lists, which are filtered where the rows are. Not for permissions that an account can take. That
    the user has the second factor which the account demands is asked for with it.
    """
    bit = policy.mask([permission])
    always, where_given = policy.holders(permission)
    by_role = dict.fromkeys(always, "TRUE")
    for role in where_given:
        without_list = policy.granted(role, None) & bit
        by_role[role] = f"COALESCE({alias}.listed & {bit}, {without_list}) <> 0"
    cases = " ".join(f"WHEN '{role}' THEN {held}" for role, held in by_role.items())
    return f"(COALESCE(CASE {alias}.role {cases} END, FALSE) AND NOT {factor_requirement.by_grant(alias)})"


def effective_access(grant: db.Columns, now: datetime) -> Access | None:
    """What an active, unexpired grant gives at `now`; None where that is nothing."""
    over = grant["subscription_until"] <= now
    facts, bits = _effect(
        grant["role"],
        grant["listed"],
        grant["simple_user_restrictions"],
        grant["locks"],
        over=over,
        factor_missing=grant["factor_missing"],
    )
    return Access(grant, facts, bits) if bits else None


def effective_accesses(grants: ColumnBatch, now: datetime) -> list[Access | None]:
    """The same for many, out of their columns."""
    columns = [grants.column(name) for name in ("role", "listed", "simple_user_restrictions", "locks")]
    over = [end <= now for end in grants.column("subscription_until")]
    facts = [*zip(*columns, over, grants.column("factor_missing"), strict=True)]
    effects = {each: _effect(*each[:4], over=each[4], factor_missing=each[5]) for each in set(facts)}
    found = zip(grants, map(effects.__getitem__, facts), strict=True)
    return [Access(grant, standing, bits) if bits else None for grant, (standing, bits) in found]


@lru_cache(maxsize=4096)
def _effect(
    role: str, listed: int | None, restrictions: int, locks: int, *, over: bool, factor_missing: bool
) -> tuple[GrantFacts, int]:
    """What an active grant gives; few combinations recur in thousands of accounts."""
    facts = GrantFacts(Role(role), GrantStatus.ACTIVE, listed, restrictions, locks, over, factor_missing)
    return facts, policy.effective(facts)


# ---- Operations on an account ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperationContext:
    """An operation under way: its caller, and his access to the account that it changes.

    The account's row is locked until the operation ends, so that changes of one account follow one
    another and each sees what the one before it left.
    """

    caller: Caller
    user_id: UUID
    account_id: UUID
    access: Access

    @property
    def now(self) -> datetime:
        """The instant at which it was asked for."""
        return self.caller.now

    def target(self, name: str) -> Any:
        """A column of the grant that the operation is on, as it is under the lock."""
        return self.access.grant[f"of.{name}"]

    async def record(self, type: str, **facts: Any) -> None:  # noqa: A002 - as event.record
        """Write an event of this account, in the caller's role of the moment."""
        await event.record(self.caller, type, account_id=self.account_id, role=self.access.role, **facts)

    async def changing(
        self,
        type: str,  # noqa: A002 - as event.changing
        change: str,
        *values: object,
        row: builtins.type[R],
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> R:
        """Make a change and write its event, in one statement: `event.changing`."""
        return await event.changing(
            self.caller,
            type,
            change,
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
    """An operation that knows the permission it needs."""

    permission: Permission

    def __call__(self, caller: Caller, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T_co]:
        """Run it, in one transaction."""
        ...


def requires(
    permission: Permission, *, of: Table = "account"
) -> Callable[[Callable[Concatenate[OperationContext, P], Awaitable[T]]], Operation[P, T]]:
    """Make an operation on the account of the row that its first argument, `<of>_id`, names.

    It runs in a transaction of its own, with the account locked, after the caller's access has been
    read under that lock.

    Raises:
        Unauthenticated: nobody is signed in.
        Refusal: NOT_FOUND for an id that is unknown or foreign; TWO_FACTOR_REQUIRED; SUBSCRIPTION_EXPIRED.
        Forbidden: the caller can enter the account, but lacks `permission`.
    """

    def declare(operation: Callable[Concatenate[OperationContext, P], Awaitable[T]]) -> Operation[P, T]:
        @wraps(operation)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            key = args[0] if args else kwargs[f"{of}_id"]
            async with db.transaction():
                act = await enter(caller, cast("UUID", key), permission, of=of)
                return await operation(act, *args, **kwargs)

        return cast("Operation[P, T]", _demands(locks.starting_over(run), permission))

    return declare


def declares_permission(
    permission: Permission,
) -> Callable[[Callable[Concatenate[Caller, P], Awaitable[T]]], Operation[P, T]]:
    """Declare what an operation demands in an account that it checks by itself."""

    def declare(run: Callable[Concatenate[Caller, P], Awaitable[T]]) -> Operation[P, T]:
        return cast("Operation[P, T]", _demands(run, permission))

    return declare


def _demands(run: object, permission: Permission) -> object:
    setattr(run, "permission", permission)  # noqa: B010 - a function, with one attribute more
    return run


_ACCOUNT_OF: Final[dict[Table, str]] = {
    "account": "$1",
    "grant": "t.account_id",
    "invitation": "(SELECT account_id FROM invitations WHERE id = $1)",
    "access_request": "(SELECT account_id FROM access_requests WHERE id = $1)",
}
_OWN: Final = """g.account_id = a.id AND g.user_id = $2 AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > $3) AND a.closed_at IS NULL"""
_TARGET: Final = db.prefixed("of", db.columns("t", " ".join(TARGET)))
# One statement for foreign and made-up ids alike, and it locks nothing of strangers.
_FIND: Final = {
    table: f"""
SELECT {", ".join(COLUMNS.values())} FROM accounts a JOIN grants g ON {_OWN} WHERE a.id = {account}
"""
    for table, account in _ACCOUNT_OF.items()
} | {
    "grant": f"""
SELECT {", ".join(COLUMNS.values())}, {", ".join(f'{sql} AS "{name}"' for name, sql in _TARGET.items())}
FROM grants t JOIN accounts a ON a.id = t.account_id JOIN grants g ON {_OWN} WHERE t.id = $1
"""
}
# What was changed while we waited for the account is read as it is now, but only of rows that are
# locked with it; FOR KEY SHARE would be content with a row's older version. Other grants change under
# the account's lock alone. A bureau's grants have what hangs on them at its clients, and those hang on
# the bureau's: they go the longer way.
_LOCK: Final = {
    table: f"{find} FOR NO KEY UPDATE OF a FOR SHARE OF g" for table, find in _FIND.items() if table != "grant"
} | {
    "grant": f"""{_FIND["grant"]} AND a.kind <> 'BUREAU' AND t.engagement_id IS NULL
FOR NO KEY UPDATE OF a FOR NO KEY UPDATE OF t FOR SHARE OF g"""
}


async def enter(caller: Caller, key: UUID, permission: Permission, *, of: Table = "account") -> OperationContext:
    """Lock an account and check the caller's permission in it; the first step of an operation."""
    user_id, field = caller.user(), f"{of}_id"
    found = await db.fetch_one(_LOCK[of], key, user_id, caller.now, row=GrantRow)
    if found is None and of == "grant":
        found = await _enter_tied(caller, key, permission)
    access = _demand_entry(found, field, caller.now)
    require(access, permission)
    return OperationContext(caller, user_id, access.account_id, access)


async def _enter_tied(caller: Caller, grant_id: UUID, permission: Permission) -> GrantRow | None:
    """Lock the account of a grant and those that are tied to it, for who may change it."""
    find = partial(db.fetch_one, _FIND["grant"], grant_id, caller.user(), caller.now, row=GrantRow)
    if found := await find():
        require(_demand_entry(found, "grant_id", caller.now), permission)  # before the locks: of many accounts
        await locks.tied(grant_id)
    return await find() if found else None


def require(access: Access, permission: Permission) -> None:
    """Raise unless `access` holds `permission`: Forbidden, or Refusal SUBSCRIPTION_EXPIRED."""
    decision = policy.decide(permission, access.standing)
    if decision.reason is policy.DecisionReason.SUBSCRIPTION_EXPIRED:
        raise refuse(
            UserErrorCode.SUBSCRIPTION_EXPIRED,
            None,
            mark("The account's subscription is over; extend it to go on."),
        )
    if not decision.allowed:
        raise Forbidden(decision, access.role, access.account_id)
