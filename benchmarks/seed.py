"""Generated data for benchmarks: users, accounts and grants in bulk, and a file for a load harness.

    user 1           consultant in accounts 1 to 60; may read accounts, subscriptions and users, but no settings
    user 2           owner of accounts 1 to 50
    accounts 1-60    exactly eleven active grants each
    account 61       120 active grants
    other accounts   share the remaining grants evenly; each account has one owner

User 1 is a consultant because the role ACCOUNTANT may not read grants. With these three permissions, the same query
does the same work for the consultant as for an owner, except that the settings are forbidden fifty times.

Ids and tokens are computed from numbers, so that a run can be repeated and the ids of grants are known in advance.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from resolvers import ids

OWNER_ACCOUNTS: Final = 50
BUREAU_ACCOUNTS: Final = 60
GRANTS_PER_ACCOUNT: Final = 11
LARGE_ACCOUNT: Final = BUREAU_ACCOUNTS + 1
LARGE_ACCOUNT_GRANTS: Final = 120
CONSULTANT_ALLOWLIST: Final = policy.mask(
    [Permission.ACCOUNT_READ, Permission.SUBSCRIPTION_READ, Permission.USERS_READ]
)

Q1: Final = "{ viewer { user { id email name } } }"
Q2: Final = """{ viewer { accounts(first: 50, orderBy: NAME) { nodes {
  id name subscription { validUntil } viewerGrant { role }
  settings { invoicePrefix vatNumber bankAccountNumber }
  grants(first: 10) { nodes { id role user { id name email } } } } } } }"""
Q4: Final = """mutation($input: UpdateGrantInput!) {
  updateGrant(input: $input) { grant { id role } errors { code } } }"""

_FIXED_GRANTS: Final = BUREAU_ACCOUNTS * GRANTS_PER_ACCOUNT
_ROWS_PER_STATEMENT: Final = 20_000
_USER_STRIDE: Final = 7919  # Primes: consecutive accounts and grants get users whose numbers are far apart.
_HOLDER_STEPS: Final = (1009, 1013)


class SeedError(Exception):
    """The data cannot be generated. The text is one line for the user of the command."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """The numbers of users, accounts and grants. Raises SeedError if the fixed grants and the owners do not fit."""

    users: int
    accounts: int
    grants: int

    def __post_init__(self) -> None:
        if self.accounts < LARGE_ACCOUNT:
            raise SeedError(f"There must be at least {LARGE_ACCOUNT} accounts.")
        min_grants = _FIXED_GRANTS + LARGE_ACCOUNT_GRANTS + self.accounts - LARGE_ACCOUNT
        if self.grants < min_grants or (self.accounts == LARGE_ACCOUNT and self.grants > min_grants):
            raise SeedError(
                f"{self.accounts} accounts take {min_grants} grants{' or more' * (self.accounts > LARGE_ACCOUNT)}."
            )
        if self.users < 2 + self.max_grants_per_account:
            raise SeedError(
                f"{self.grants} grants on {self.accounts} accounts take {2 + self.max_grants_per_account} users."
            )

    @property
    def max_grants_per_account(self) -> int:
        """The number of grants of the account with the most grants."""
        small_accounts = self.accounts - LARGE_ACCOUNT
        return max(
            LARGE_ACCOUNT_GRANTS,
            -(-(self.grants - _FIXED_GRANTS - LARGE_ACCOUNT_GRANTS) // small_accounts) if small_accounts else 0,
        )

    @property
    def row_count(self) -> int:
        """The number of rows to write, with a session for each user and a bank account for each account."""
        return 2 * self.users + 2 * self.accounts + self.grants

    @property
    def holder_step(self) -> int:
        """The distance between the holders of consecutive grants of an account. No account has a holder twice."""
        return next(step for step in _HOLDER_STEPS if (self.users - 2) % step)


# ---- Ids and tokens --------------------------------------------------------------------------


def user_id(number: int) -> UUID:
    """Return the id of the user with a number, from 1."""
    return _id(1, number)


def account_id(number: int) -> UUID:
    """Return the id of the account with a number, from 1."""
    return _id(2, number)


def grant_id(number: int) -> UUID:
    """Return the id of the grant with a number, from 1."""
    return _id(3, number)


def token(number: int) -> str:
    """Return the bearer token of the user with a number."""
    return f"token-{number}".ljust(43, "-")


def owner(account: int, users: int) -> int:
    """Return the number of the user who owns an account. `users` is the number of all users."""
    return 2 if account <= OWNER_ACCOUNTS else 3 + account * _USER_STRIDE % (users - 2)


def _id(kind: int, number: int) -> UUID:
    return UUID(int=(0x0190_0000_0000 << 80) | (0x7 << 76) | (kind << 64) | (0b10 << 62) | number)


def _sql_id(kind: int, number: str) -> str:
    return f"('01900000-0000-700{kind}-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


# ---- Writing ---------------------------------------------------------------------------------
# $1 and $2 are the first and the last number. The other parameters are the same in every statement.

_NUMBERS: Final = """
FROM generate_series($1::bigint, $2::bigint) n,
(
    SELECT $3::timestamptz AS now, $4::bigint - 2 AS other_users, $5::bigint AS accounts, $6::bigint AS step
) parameters"""
_USERS: Final = f"""
INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)
SELECT {_sql_id(1, "n")}, 'user' || n || '@example.com', 'user' || n || '@example.com', 'User ' || n, 'en', '-',
       now, now
{_NUMBERS}
"""
_SESSIONS: Final = f"""
INSERT INTO sessions (id, user_id, token_digest, created_at, last_used_at, expires_at, authenticated_at)
SELECT {_sql_id(4, "n")}, {_sql_id(1, "n")}, sha256(convert_to(rpad('token-' || n, 43, '-'), 'UTF8')),
       now, now, now + interval '30 days', now + interval '30 days' -- no mutation of a benchmark needs the password
{_NUMBERS}
"""
_SMALL_ACCOUNT_OWNER: Final = _sql_id(1, f"3 + n * {_USER_STRIDE} % other_users")
_OWNER: Final = f"CASE WHEN n <= {OWNER_ACCOUNTS} THEN {_sql_id(1, '2')} ELSE {_SMALL_ACCOUNT_OWNER} END"
_IBAN: Final = "'SE45' || lpad(n::text, 20, '0')"
_BANK_ACCOUNTS: Final = f"INSERT INTO bank_accounts (number, owner_id) SELECT {_IBAN}, {_OWNER} {_NUMBERS}"
_ACCOUNTS: Final = f"""
INSERT INTO accounts (id, number, name, kind, owner_id, created_at, activated_at, subscription_until, invoice_prefix,
    vat_number, bank_account_number, default_currency, default_locale, payment_term_days, simple_user_restrictions,
    locks, requires_two_factor, purchased_seats)
SELECT {_sql_id(2, "n")}, 10000000 + n, 'Account ' || lpad(n::text, 7, '0'), 'BUSINESS', {_OWNER}, now, now,
       now + interval '1 year' + n % 1000 * interval '1 day', 'INV' || n || '/',
       'SE' || 550000000001 + n, {_IBAN}, 'SEK', 'sv', 30, 0, 0, false, 100000
{_NUMBERS}
"""
# A negative `large_index` means a grant of accounts 1 to 60, a negative `small_index` one of the large account.
_GRANTS: Final = f"""
INSERT INTO grants (id, account_id, user_id, role, status, listed, created_at)
SELECT {_sql_id(3, "n")}, {_sql_id(2, "account")}, CASE
         WHEN k = 0 AND account <= {OWNER_ACCOUNTS} THEN {_sql_id(1, "2")}
         WHEN k = 1 AND account <= {BUREAU_ACCOUNTS} THEN {_sql_id(1, "1")}
         ELSE {_sql_id(1, f"3 + (account * {_USER_STRIDE} + k * step) % other_users")} END,
       CASE WHEN k = 0 THEN 'OWNER' WHEN k = 1 AND account <= {BUREAU_ACCOUNTS} THEN 'CONSULTANT'
            WHEN k % 3 = 1 THEN 'ACCOUNTANT' ELSE 'SIMPLE_USER' END,
       'ACTIVE', CASE WHEN k = 1 AND account <= {BUREAU_ACCOUNTS} THEN {CONSULTANT_ALLOWLIST} END, now
{_NUMBERS},
LATERAL (
    SELECT n - 1 - {_FIXED_GRANTS}, n - 1 - {_FIXED_GRANTS + LARGE_ACCOUNT_GRANTS},
           greatest(accounts - {LARGE_ACCOUNT}, 1)
) indexes (large_index, small_index, small_accounts),
LATERAL (
    SELECT CASE WHEN large_index < 0 THEN (n - 1) / {GRANTS_PER_ACCOUNT} + 1
                WHEN small_index < 0 THEN {LARGE_ACCOUNT}
                ELSE {LARGE_ACCOUNT + 1} + small_index % small_accounts END,
           CASE WHEN large_index < 0 THEN (n - 1) % {GRANTS_PER_ACCOUNT}
                WHEN small_index < 0 THEN large_index
                ELSE small_index / small_accounts END
) positions (account, k)
"""


async def require_empty() -> None:
    """Raise SeedError if the database has users."""
    if await db.fetch("SELECT FROM users LIMIT 1", row=db.Row):
        raise SeedError("The database has users already; only an empty one can be seeded.")


async def write(amounts: Amounts, *, now: datetime, progress: Callable[[int], None]) -> None:
    """Fill a migrated database. `progress` gets the row count of each statement. Raises SeedError if it has users."""
    await require_empty()
    steps = [
        (_USERS, amounts.users),
        (_SESSIONS, amounts.users),
        (_BANK_ACCOUNTS, amounts.accounts),
        (_ACCOUNTS, amounts.accounts),
        (_GRANTS, amounts.grants),
    ]
    # In one transaction: a deferred constraint needs the owner's grant of every account at the commit.
    async with db.transaction():
        for sql, rows in steps:
            for first in range(1, rows + 1, _ROWS_PER_STATEMENT):
                last = min(first + _ROWS_PER_STATEMENT - 1, rows)
                row_count = await db.execute(
                    sql, first, last, now, amounts.users, amounts.accounts, amounts.holder_step
                )
                progress(row_count)
    # Builds the visibility map and statistics. Otherwise autovacuum does this during a measurement.
    for table in ("users", "sessions", "bank_accounts", "accounts", "grants"):
        await db.fetch(f"VACUUM (ANALYZE) {table}", row=db.Row)


# ---- The file for a load harness -------------------------------------------------------------


def peer_config(url: str) -> dict[str, object]:
    """Return the configuration of a load harness: the address, two tokens, and the queries with their variables.

    Consecutive mutations are for different accounts, because mutations of one account wait for each other.
    """
    grant_numbers = [
        (account - 1) * GRANTS_PER_ACCOUNT + k + 1
        for k in range(2, GRANTS_PER_ACCOUNT)
        for account in range(1, OWNER_ACCOUNTS + 1)
    ]
    changes = [
        {"input": {"grantId": ids.encode("Grant", grant_id(number)), "role": role}}
        for role in ("ACCOUNTANT", "SIMPLE_USER")
        for number in grant_numbers
    ]
    return {
        "name": "fullmakt",
        "label": "Fullmakt",
        "url": url,
        "tokens": {"owner": token(2), "bureau": token(1)},
        "check": False,  # The responses of other schemas have another shape.
        "queries": {
            "Q1": {"query": Q1},
            "Q2": {"query": Q2},
            "Q3": {"query": Q2},
            "Q4": {"query": Q4, "variables": changes},
        },
    }


def write_peer_file(path: Path, url: str) -> None:
    """Write `peer_config` as JSON."""
    path.write_text(json.dumps(peer_config(url), indent=1) + "\n")
