"""A user's access to an account: an active grant with its effective permissions.

Access is read from the database for every request and every operation, and is not cached. An operation on an account
declares the permission that it needs with `@requires`. The schema prints that declaration, so the rule is written once.
"""

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
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Forbidden, UserErrorCode, not_found, refuse

R = TypeVar("R", bound=db.Row)


@dataclass(frozen=True, slots=True)
class Access:
    """An active grant of a user on an account, with its effective permissions as a bit set."""

    grant: db.Columns  # the columns of a GrantRow
    facts: GrantFacts
    bits: int

    @property
    def account_id(self) -> UUID:
        """The account of the grant."""
        account_id: UUID = self.grant["account_id"]
        return account_id

    @property
    def role(self) -> Role:
        """The role of the grant."""
        return self.facts.role

    @property
    def valid_until(self) -> datetime | None:
        """The end of the grant. None if it has no end."""
        until: datetime | None = self.grant["valid_until"]
        return until


class GrantRow(db.Row):
    """A grant with the columns of its account that affect its permissions."""

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


COLUMNS: Final = db.columns_of(
    "g",
    GrantRow,
    {
        **db.columns("a", "subscription_until simple_user_restrictions locks"),
        "account_name": "a.name",
        "factor_missing": factor_requirement.factor_missing(user="g.user_id", account="a"),
    },
)
SOURCE: Final = "grants g JOIN accounts a ON a.id = g.account_id"
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
_LOAD: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM {SOURCE}
WHERE g.user_id = $1 AND g.account_id = ANY($2::uuid[]) AND g.status = 'ACTIVE'
  AND (g.valid_until IS NULL OR g.valid_until > $3) AND a.closed_at IS NULL
"""


def status(row: db.Columns, now: datetime) -> GrantStatus:
    """A grant's status at `now`: EXPIRED once the end has passed, even if no job has stored that yet."""
    stored_status, until = GrantStatus(row["status"]), row["valid_until"]
    is_over = until is not None and until <= now
    return GrantStatus.EXPIRED if is_over and stored_status is GrantStatus.ACTIVE else stored_status


def grant_facts(row: db.Columns, now: datetime, *, with_factor: bool = False) -> GrantFacts:
    """The facts that decide the permissions of a grant at `now`.

    `with_factor` supposes that the holder has a second factor.
    """
    return GrantFacts(
        role=Role(row["role"]),
        status=status(row, now),
        allowlist=row["listed"],
        restrictions=row["simple_user_restrictions"],
        locks=row["locks"],
        subscription_over=row["subscription_until"] <= now,
        factor_missing=row["factor_missing"] and not with_factor,
    )


async def load(user_id: UUID, account_ids: Sequence[UUID], *, now: datetime) -> list[Access]:
    """The user's access to the accounts that they can enter, out of `account_ids`, with one statement."""
    rows = await db.fetch(_LOAD, user_id, account_ids, now, row=GrantRow)
    accesses = (effective_access(row, now) for row in rows)
    return [access for access in accesses if access is not None]


async def load_one(user_id: UUID, account_id: UUID, *, now: datetime) -> Access | None:
    """The user's access to one account. None if they cannot enter it."""
    accesses = await load(user_id, [account_id], now=now)
    return accesses[0] if accesses else None


async def require_access(user_id: UUID, *accounts: tuple[str, UUID], now: datetime) -> list[Access]:
    """The user's access to each of `accounts`, which are pairs of input field and account id, with one statement.

    Raises Refusal for the field of the first account that the user cannot enter: TWO_FACTOR_REQUIRED if only the
    second factor is missing, otherwise NOT_FOUND.
    """
    rows = await db.fetch(_LOAD, user_id, [key for _, key in accounts], now, row=GrantRow)
    by_account = {row.account_id: row for row in rows}
    return [_require_entry(by_account.get(key), field, now) for field, key in accounts]


def _require_entry(grant: GrantRow | None, field: str, now: datetime) -> Access:
    access = effective_access(grant, now) if grant else None
    if access is not None:
        return access
    if grant is not None and grant.factor_missing:
        raise refuse(
            UserErrorCode.TWO_FACTOR_REQUIRED,
            field,
            mark("This account requires a second factor. Set one up first."),
        )
    raise not_found(field)


def holder_condition(permission: Permission, *, alias: str) -> str:
    """The SQL condition that the row `alias` of grants has `permission`.

    For filters of connections. It checks the role, the allowlist and the second factor that the account requires.
    It ignores restrictions and locks, so do not use it for a permission that an account can restrict.
    """
    bit = policy.mask([permission])
    fixed_roles, allowlist_roles = policy.holders(permission)
    by_role = dict.fromkeys(fixed_roles, "TRUE")
    for role in allowlist_roles:
        default = policy.granted_bits(role, None) & bit
        by_role[role] = f"COALESCE({alias}.listed & {bit}, {default}) <> 0"
    cases = " ".join(f"WHEN '{role}' THEN {condition}" for role, condition in by_role.items())
    return f"(COALESCE(CASE {alias}.role {cases} END, FALSE) AND NOT {factor_requirement.missing_by_grant(alias)})"


def effective_access(grant: db.Columns, now: datetime) -> Access | None:
    """The access that an active, unexpired grant gives at `now`. None if it gives no permission."""
    facts, bits = _effect(
        grant["role"],
        grant["listed"],
        grant["simple_user_restrictions"],
        grant["locks"],
        subscription_over=grant["subscription_until"] <= now,
        factor_missing=grant["factor_missing"],
    )
    return Access(grant, facts, bits) if bits else None


def effective_accesses(grants: ColumnBatch, now: datetime) -> list[Access | None]:
    """The access that each grant of a column batch gives, as `effective_access`."""
    columns = [grants.column(name) for name in ("role", "listed", "simple_user_restrictions", "locks")]
    subscription_over = [end <= now for end in grants.column("subscription_until")]
    keys = [*zip(*columns, subscription_over, grants.column("factor_missing"), strict=True)]
    effects = {key: _effect(*key[:4], subscription_over=key[4], factor_missing=key[5]) for key in set(keys)}
    grant_effects = zip(grants, map(effects.__getitem__, keys), strict=True)
    return [Access(grant, facts, bits) if bits else None for grant, (facts, bits) in grant_effects]


@lru_cache(maxsize=4096)
def _effect(
    role: str, allowlist: int | None, restrictions: int, locks: int, *, subscription_over: bool, factor_missing: bool
) -> tuple[GrantFacts, int]:
    """The facts and permissions of an active grant. Cached: thousands of accounts share few combinations."""
    facts = GrantFacts(
        Role(role), GrantStatus.ACTIVE, allowlist, restrictions, locks, subscription_over, factor_missing
    )
    return facts, policy.effective_bits(facts)


# ---- Operations on an account ----------------------------------------------------------------


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

    def __call__(self, caller: Caller, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T_co]:
        """Run the operation in one transaction."""
        ...


def requires(
    permission: Permission, event_type: EventType, *, of: Table = "account"
) -> Callable[[Callable[Concatenate[OperationContext, P], Awaitable[T]]], Operation[P, T]]:
    """Declare an operation on the account of a row: the first argument, `<of>_id`, is the id of that row.

    The operation runs in its own transaction. The account is locked, and the caller's access is read under the lock.

    Raises:
        Unauthenticated: there is no signed-in user.
        Refusal: NOT_FOUND for an unknown id and for an account that the caller cannot enter; TWO_FACTOR_REQUIRED;
            SUBSCRIPTION_EXPIRED.
        Forbidden: the caller can enter the account, but lacks `permission`.
    """

    def declare(operation: Callable[Concatenate[OperationContext, P], Awaitable[T]]) -> Operation[P, T]:
        @wraps(operation)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            row_id = args[0] if args else kwargs[f"{of}_id"]
            async with db.transaction():
                context = await enter(caller, cast("UUID", row_id), permission, of=of)
                return await operation(context, *args, **kwargs)

        return cast("Operation[P, T]", _declare(locks.retry_if_accounts_change(run), permission, event_type))

    return declare


def declares_permission(
    permission: Permission, event_type: EventType
) -> Callable[[Callable[Concatenate[Caller, P], Awaitable[T]]], Operation[P, T]]:
    """Declare the permission of an operation that checks the caller's access itself."""

    def declare(run: Callable[Concatenate[Caller, P], Awaitable[T]]) -> Operation[P, T]:
        return cast("Operation[P, T]", _declare(run, permission, event_type))

    return declare


def _declare(run: object, permission: Permission, event_type: EventType) -> object:
    setattr(run, "permission", permission)  # noqa: B010 - a function with two more attributes
    setattr(run, "event_type", event_type)  # noqa: B010 - the same
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
    access = _require_entry(grant, field, caller.now)
    require(access, permission)
    return OperationContext(caller, user_id, access.account_id, access)


async def _enter_with_linked(caller: Caller, grant_id: UUID, permission: Permission) -> GrantRow | None:
    """Lock the accounts of a grant and of its base or derived grants, if the caller may change it."""
    fetch_grant = partial(db.fetch_one, _SELECT["grant"], grant_id, caller.user(), caller.now, row=GrantRow)
    if grant := await fetch_grant():
        # Checked before the locks too, so that a caller without the permission cannot lock many accounts.
        require(_require_entry(grant, "grant_id", caller.now), permission)
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
