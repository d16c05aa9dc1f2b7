"""A user's access to an account: an active grant with its effective permissions.

Access is read from the database for every request and every operation, and is not cached. `models/access/operation.py`
checks it for operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from auth import policy
from auth.policy import GrantFacts, GrantStatus, Permission, Role
from database import db
from database.rows import ColumnBatch
from i18n import mark
from models.access import factor_requirement
from models.base.errors import UserErrorCode, not_found, refuse


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
    closes_at: datetime | None
    simple_user_restrictions: int
    locks: int
    factor_missing: bool


COLUMNS: Final = db.columns_of(
    "g",
    GrantRow,
    {
        **db.columns("a", "subscription_until closes_at simple_user_restrictions locks"),
        "account_name": "a.name",
        "factor_missing": factor_requirement.factor_missing(user="g.user_id", account="a"),
    },
)
IS_OPEN: Final = "{0}.closed_at IS NULL AND ({0}.closes_at IS NULL OR {0}.closes_at > {1})"
"""SQL condition: the account with the alias {0} is not closed at the instant {1}. Its dates decide, not the job."""
IS_OPEN_BY_GRANT: Final = f"""EXISTS (SELECT FROM accounts o WHERE o.id = {{0}}.account_id
    AND {IS_OPEN.format("o", "{1}")} OFFSET 0)"""
"""The same for the account of the grant with the alias {0}, if the account is not joined."""
SOURCE: Final = "grants g JOIN accounts a ON a.id = g.account_id"
COLUMNS_WITH_BUREAU: Final = f"""{db.select_list(COLUMNS)}, g.engagement_id,
    (SELECT e.bureau_id FROM engagements e WHERE e.id = g.engagement_id) AS bureau_id"""
"""The columns of a grant, and the bureau of a derived grant."""
_LOAD: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM {SOURCE}
WHERE g.user_id = $1 AND g.account_id = ANY($2::uuid[]) AND g.status = 'ACTIVE'
  AND (g.valid_until IS NULL OR g.valid_until > $3) AND {IS_OPEN.format("a", "$3")}
"""


def status(row: db.Columns, now: datetime) -> GrantStatus:
    """A grant's status at `now`, also before a job has stored it.

    A live grant is EXPIRED once its end has passed, and REVOKED once its account has closed.
    """
    stored_status = GrantStatus(row["status"])
    if stored_status not in {GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS}:
        return stored_status
    if row["valid_until"] is not None and row["valid_until"] <= now:
        return GrantStatus.EXPIRED
    is_closed = row["closes_at"] is not None and row["closes_at"] <= now
    return GrantStatus.REVOKED if is_closed else stored_status


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
        is_closing=row["closes_at"] is not None,
    )


async def load(user_id: UUID, account_ids: Sequence[UUID], *, now: datetime) -> list[Access]:
    """The user's access to the accounts that they can enter, out of `account_ids`, with one statement."""
    rows = await db.fetch(_LOAD, user_id, account_ids, now, row=GrantRow)
    accesses = (effective_access(row, now) for row in rows)
    return [access for access in accesses if access is not None]


_LOAD_PAIRS: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM {SOURCE}
JOIN unnest($1::uuid[], $2::uuid[]) k (user_id, account_id) ON g.user_id = k.user_id AND g.account_id = k.account_id
WHERE g.status = 'ACTIVE' AND (g.valid_until IS NULL OR g.valid_until > $3) AND {IS_OPEN.format("a", "$3")}
"""


async def load_pairs(pairs: Sequence[tuple[UUID, UUID]], *, now: datetime) -> dict[tuple[UUID, UUID], Access]:
    """The access of each pair of a user and an account that the user can enter, with one statement."""
    user_ids, account_ids = [user for user, _ in pairs], [account for _, account in pairs]
    rows = await db.fetch(_LOAD_PAIRS, user_ids, account_ids, now, row=GrantRow)
    accesses = {(row.user_id, row.account_id): effective_access(row, now) for row in rows}
    return {pair: access for pair, access in accesses.items() if access is not None}


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
    return [require_entry(by_account.get(key), field, now) for field, key in accounts]


def require_entry(grant: GrantRow | None, field: str, now: datetime) -> Access:
    """The access of a grant. Raises Refusal TWO_FACTOR_REQUIRED if only the factor is missing, else NOT_FOUND."""
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
        is_closing=grant["closes_at"] is not None,
    )
    return Access(grant, facts, bits) if bits else None


def effective_accesses(grants: ColumnBatch, now: datetime) -> list[Access | None]:
    """The access that each grant of a column batch gives, as `effective_access`."""
    columns = [grants.column(name) for name in ("role", "listed", "simple_user_restrictions", "locks")]
    subscription_over = [end <= now for end in grants.column("subscription_until")]
    is_closing = [closes_at is not None for closes_at in grants.column("closes_at")]
    keys = [*zip(*columns, subscription_over, grants.column("factor_missing"), is_closing, strict=True)]
    effects = {
        key: _effect(*key[:4], subscription_over=key[4], factor_missing=key[5], is_closing=key[6]) for key in set(keys)
    }
    grant_effects = zip(grants, map(effects.__getitem__, keys), strict=True)
    return [Access(grant, facts, bits) if bits else None for grant, (facts, bits) in grant_effects]


@lru_cache(maxsize=4096)
def _effect(
    role: str,
    allowlist: int | None,
    restrictions: int,
    locks: int,
    *,
    subscription_over: bool,
    factor_missing: bool,
    is_closing: bool,
) -> tuple[GrantFacts, int]:
    """The facts and permissions of an active grant. Cached: thousands of accounts share few combinations."""
    facts = GrantFacts(
        Role(role), GrantStatus.ACTIVE, allowlist, restrictions, locks, subscription_over, factor_missing, is_closing
    )
    return facts, policy.effective_bits(facts)
