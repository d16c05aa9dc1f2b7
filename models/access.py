"""Access is what one user may do in one account right now: his grant, seen through the policy.

It is read from the database for every request and every operation, and kept no longer. An
operation on an account declares the permission it needs with `within`; the schema prints what is
declared there, so that the rule is written once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from auth import policy
from auth.policy import GrantStatus, Permission, Role, Standing
from i18n import mark
from models import db, event, shut_out
from models.caller import Caller
from models.errors import Forbidden, UserErrorCode, not_found, refuse
from models.rows import Rows


@dataclass(frozen=True, slots=True)
class Access:
    """An active grant of a user on an account, with its effective permissions as a bit set."""

    grant: db.Columns  # the columns of a GrantRow
    standing: Standing
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
    "factor_missing": f"{shut_out.factor_missing(user='g.user_id', account='a')} AS factor_missing",
}
SOURCE: Final = "grants g JOIN accounts a ON a.id = g.account_id"
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


def standing(row: db.Columns, now: datetime, *, with_factor: bool = False) -> Standing:
    """The facts that decide what the holder of a grant may do at `now`; or could, `with_factor`."""
    return Standing(
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
    found = (seen(row, now) for row in rows)
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
    found = seen(grant, now) if grant else None
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
        without_list = policy.given(role, None) & bit
        by_role[role] = f"COALESCE({alias}.listed & {bit}, {without_list}) <> 0"
    cases = " ".join(f"WHEN '{role}' THEN {held}" for role, held in by_role.items())
    return f"(COALESCE(CASE {alias}.role {cases} END, FALSE) AND NOT {shut_out.by_grant(alias)})"


def seen(grant: db.Columns, now: datetime) -> Access | None:
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


def seen_all(grants: Rows, now: datetime) -> list[Access | None]:
    """The same for many, out of their columns."""
    columns = [grants.column(name) for name in ("role", "listed", "simple_user_restrictions", "locks")]
    ends, missing = grants.column("subscription_until"), grants.column("factor_missing")
    facts = zip(zip(*columns, strict=True), ends, missing, strict=True)
    effects = [_effect(*four, over=end <= now, factor_missing=lacks) for four, end, lacks in facts]
    return [Access(grant, *effect) if effect[1] else None for grant, effect in zip(grants, effects, strict=True)]


@lru_cache(maxsize=4096)
def _effect(
    role: str, listed: int | None, restrictions: int, locks: int, *, over: bool, factor_missing: bool
) -> tuple[Standing, int]:
    """What an active grant gives; few combinations recur in thousands of accounts."""
    facts = Standing(Role(role), GrantStatus.ACTIVE, listed, restrictions, locks, over, factor_missing)
    return facts, policy.effective(facts)


# ---- Operations on an account ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
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

    async def record(self, type: str, **facts: Any) -> None:  # noqa: A002 - as event.record
        """Write an event of this account, in the caller's role of the moment."""
        await event.record(self.caller, type, account_id=self.account_id, role=self.access.role, **facts)


P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Table = Literal["account", "grant", "invitation", "access_request"]


class _Moved(Exception):
    """The accounts that a change concerns are others than those that were locked: start over."""


class Operation(Protocol[P, T_co]):
    """An operation that knows the permission it needs."""

    permission: Permission

    def __call__(self, caller: Caller, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T_co]:
        """Run it, in one transaction."""
        ...


def within(
    permission: Permission, *, of: Table = "account"
) -> Callable[[Callable[Concatenate[Act, P], Awaitable[T]]], Operation[P, T]]:
    """Make an operation on the account of the row that its first argument, `<of>_id`, names.

    It runs in a transaction of its own, with the account locked, after the caller's access has been
    read under that lock.

    Raises:
        Unauthenticated: nobody is signed in.
        Refusal: NOT_FOUND for an id that is unknown or foreign; TWO_FACTOR_REQUIRED; SUBSCRIPTION_EXPIRED.
        Forbidden: the caller can enter the account, but lacks `permission`.
    """

    def declare(operation: Callable[Concatenate[Act, P], Awaitable[T]]) -> Operation[P, T]:
        @wraps(operation)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            key = args[0] if args else kwargs[f"{of}_id"]
            async with db.transaction():
                act = await enter(caller, cast("UUID", key), permission, of=of)
                return await operation(act, *args, **kwargs)

        return cast("Operation[P, T]", _demands(starting_over(run), permission))

    return declare


def starting_over(run: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Run an operation again when it turns out that it has to lock more accounts: see `lock_tied`."""

    @wraps(run)
    async def patiently(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            try:
                return await run(*args, **kwargs)
            except _Moved:
                continue  # somebody else has just changed what is tied: of those who meet, one gets on

    return patiently


def demanding(
    permission: Permission,
) -> Callable[[Callable[Concatenate[Caller, P], Awaitable[T]]], Operation[P, T]]:
    """Declare what an operation demands in an account that it checks by itself."""

    def declare(run: Callable[Concatenate[Caller, P], Awaitable[T]]) -> Operation[P, T]:
        return cast("Operation[P, T]", _demands(run, permission))

    return declare


def _demands(run: object, permission: Permission) -> object:
    setattr(run, "permission", permission)  # noqa: B010 - a function, with one attribute more
    return run


class _Key(db.Row):
    id: UUID


_ACCOUNT_OF: Final[dict[Table, str]] = {
    "account": "$1",
    "grant": "(SELECT account_id FROM grants WHERE id = $1)",
    "invitation": "(SELECT account_id FROM invitations WHERE id = $1)",
    "access_request": "(SELECT account_id FROM access_requests WHERE id = $1)",
}
# A bureau's grants have what hangs on them at its clients, and those hang on the bureau's.
_IS_TIED: Final = "a.kind = 'BUREAU' OR EXISTS (SELECT FROM grants WHERE id = $1 AND engagement_id IS NOT NULL)"
# One statement for foreign and made-up ids alike, and it locks nothing of strangers.
_FIND: Final = {
    table: f"""
SELECT a.id FROM accounts a
WHERE a.id = {account} AND EXISTS (
    SELECT FROM grants g WHERE g.account_id = a.id AND g.user_id = $2 AND g.status = 'ACTIVE')
"""
    for table, account in _ACCOUNT_OF.items()
}
_LOCK: Final = {
    table: f"{find} {f'AND NOT ({_IS_TIED})' if table == 'grant' else ''} FOR NO KEY UPDATE"
    for table, find in _FIND.items()
}


async def enter(caller: Caller, key: UUID, permission: Permission, *, of: Table = "account") -> Act:
    """Lock an account and check the caller's permission in it; the first step of an operation."""
    user_id = caller.user()
    locked = await db.fetch_one(_LOCK[of], key, user_id, row=_Key)
    if locked is None and of == "grant":
        locked = await _enter_tied(caller, key, permission)
    # Read after the lock: what was true before it may have changed while we waited.
    if locked is None:
        raise not_found(f"{of}_id")
    (access,) = await entered(user_id, (f"{of}_id", locked.id), now=caller.now)
    demand(access, permission)
    return Act(caller, user_id, locked.id, access)


async def _enter_tied(caller: Caller, grant_id: UUID, permission: Permission) -> _Key | None:
    """Lock the account of a grant and those that are tied to it, for who may change it."""
    user_id = caller.user()
    found = await db.fetch_one(_FIND["grant"], grant_id, user_id, row=_Key)
    access = await load_one(user_id, found.id, now=caller.now) if found else None
    if found is not None and access is not None:
        demand(access, permission)  # before the locks: of many accounts, which he may not enter
        await lock_tied(grant_id)
    return found


def demand(access: Access, permission: Permission) -> None:
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


_LOCK_BOTH: Final = "SELECT id FROM accounts WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


async def lock(*account_ids: UUID) -> None:
    """Lock accounts, always in the order of their ids, so that crossing operations never deadlock."""
    await db.fetch(_LOCK_BOTH, list(account_ids), row=_Key)


_LOCK_NUMBER: Final = "SELECT id FROM accounts WHERE number = $1 FOR NO KEY UPDATE"


async def lock_number(number: int) -> UUID:
    """Lock the account with a public number, for the operator. Returns its id. Raises Refusal NOT_FOUND."""
    locked = await db.fetch_one(_LOCK_NUMBER, number, row=_Key)
    if locked is None:
        raise refuse(UserErrorCode.NOT_FOUND, "account_number", mark("No account has this number."))
    return locked.id


_TIED: Final = """
WITH t AS (SELECT account_id, user_id, engagement_id FROM grants WHERE id = $1)
SELECT account_id AS id FROM t
UNION SELECT e.bureau_id FROM t JOIN engagements e ON e.id = t.engagement_id
UNION SELECT e.client_id FROM t JOIN engagements e ON e.bureau_id = t.account_id
    JOIN grants h ON h.engagement_id = e.id AND h.user_id = t.user_id
    WHERE h.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
"""


async def lock_tied(grant_id: UUID) -> None:
    """Lock the accounts that a change of a grant concerns: its own, its bureau, and those of what hangs on it.

    Only within an operation that starts over: what is tied may change before it is locked.
    """
    tied = {row.id for row in await db.fetch(_TIED, grant_id, row=_Key)}
    await lock(*tied)
    if not tied.issuperset({row.id for row in await db.fetch(_TIED, grant_id, row=_Key)}):
        raise _Moved
