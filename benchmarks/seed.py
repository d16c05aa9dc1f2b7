"""Generated data for measuring: users, accounts and grants in bulk, and a file for a load harness.

    user 1           a consultant in accounts 1 to 60, who may read accounts, subscriptions and users, no settings
    user 2           owns accounts 1 to 50
    accounts 1-60    have exactly eleven live grants each
    account 61       is large: 120 live grants
    the others       share the remaining grants evenly; each account has one owner

The bureau's user is a consultant because an ACCOUNTANT of ours may not read grants at all. With these three permissions
the same query does the same work for him as for an owner, except that settings are refused fifty times.

Ids and tokens follow from numbers, so that a run can be repeated and grants can be named beforehand.
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

OWNED: Final = 50
CONSULTED: Final = 60
PER_ACCOUNT: Final = 11
LARGE: Final = CONSULTED + 1
IN_LARGE: Final = 120
CONSULTANTS_LIST: Final = policy.mask([Permission.ACCOUNT_READ, Permission.SUBSCRIPTION_READ, Permission.USERS_READ])

Q1: Final = "{ viewer { user { id email name } } }"
Q2: Final = """{ viewer { accounts(first: 50, orderBy: NAME) { nodes {
  id name subscription { validUntil } viewerGrant { role }
  settings { invoicePrefix vatNumber bankAccountNumber }
  grants(first: 10) { nodes { id role user { id name email } } } } } } }"""
Q4: Final = """mutation($input: UpdateGrantInput!) {
  updateGrant(input: $input) { grant { id role } errors { code } } }"""

_FIXED: Final = CONSULTED * PER_ACCOUNT
_CHUNK: Final = 20_000
_SPREAD: Final = 7919  # primes: consecutive accounts and places get users that lie far apart
_STEPS: Final = (1009, 1013)


class Unseedable(Exception):
    """The data cannot be made; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of each there shall be. Raises Unseedable where the fixed part or an owner each does not fit."""

    users: int
    accounts: int
    grants: int

    def __post_init__(self) -> None:
        if self.accounts < LARGE:
            raise Unseedable(f"There must be at least {LARGE} accounts.")
        fewest = _FIXED + IN_LARGE + self.accounts - LARGE
        if self.grants < fewest or (self.accounts == LARGE and self.grants > fewest):
            raise Unseedable(f"{self.accounts} accounts take {fewest} grants{' or more' * (self.accounts > LARGE)}.")
        if self.users < 2 + self.most_in_one:
            raise Unseedable(f"{self.grants} grants on {self.accounts} accounts take {2 + self.most_in_one} users.")

    @property
    def most_in_one(self) -> int:
        """The grants of the account that has most."""
        others = self.accounts - LARGE
        return max(IN_LARGE, -(-(self.grants - _FIXED - IN_LARGE) // others) if others else 0)

    @property
    def rows(self) -> int:
        """What is written in all: a session for each user, a bank account for each account."""
        return 2 * self.users + 2 * self.accounts + self.grants

    @property
    def step(self) -> int:
        """The distance of one grant's holder from the next one's, within an account; never back at the first."""
        return next(step for step in _STEPS if (self.users - 2) % step)


# ---- Names -----------------------------------------------------------------------------------


def user_id(number: int) -> UUID:
    """The id of the user with a number, from 1."""
    return _id(1, number)


def account_id(number: int) -> UUID:
    """The id of the account with a number, from 1."""
    return _id(2, number)


def grant_id(number: int) -> UUID:
    """The id of the grant with a number, from 1."""
    return _id(3, number)


def token(number: int) -> str:
    """The bearer token of the user with a number."""
    return f"token-{number}".ljust(43, "-")


def owner(account: int, users: int) -> int:
    """The number of the user who owns the account with a number, where there are so many users."""
    return 2 if account <= OWNED else 3 + account * _SPREAD % (users - 2)


def _id(kind: int, number: int) -> UUID:
    return UUID(int=(0x0190_0000_0000 << 80) | (0x7 << 76) | (kind << 64) | (0b10 << 62) | number)


def _key(kind: int, number: str) -> str:
    return f"('01900000-0000-700{kind}-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


# ---- Writing ---------------------------------------------------------------------------------
# $1 and $2 are the first and the last number; the rest is the same in every statement.

_NUMBERS: Final = """
FROM generate_series($1::bigint, $2::bigint) n,
     (SELECT $3::timestamptz AS now, $4::bigint - 2 AS others, $5::bigint AS accounts, $6::bigint AS step) given"""
_USERS: Final = f"""
INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)
SELECT {_key(1, "n")}, 'user' || n || '@example.com', 'user' || n || '@example.com', 'User ' || n, 'en', '-', now, now
{_NUMBERS}
"""
_SESSIONS: Final = f"""
INSERT INTO sessions (id, user_id, token_digest, created_at, last_used_at, expires_at)
SELECT {_key(4, "n")}, {_key(1, "n")}, sha256(convert_to(rpad('token-' || n, 43, '-'), 'UTF8')),
       now, now, now + interval '30 days'
{_NUMBERS}
"""
_OWNER: Final = f"CASE WHEN n <= {OWNED} THEN {_key(1, '2')} ELSE {_key(1, f'3 + n * {_SPREAD} % others')} END"
_IBAN: Final = "'SE45' || lpad(n::text, 20, '0')"
_BANK_ACCOUNTS: Final = f"INSERT INTO bank_accounts (number, owner_id) SELECT {_IBAN}, {_OWNER} {_NUMBERS}"
_ACCOUNTS: Final = f"""
INSERT INTO accounts (id, number, name, kind, owner_id, created_at, activated_at, subscription_until, invoice_prefix,
    vat_number, bank_account_number, default_currency, default_locale, payment_term_days, simple_user_restrictions,
    locks, requires_two_factor, purchased_seats)
SELECT {_key(2, "n")}, 10000000 + n, 'Account ' || lpad(n::text, 7, '0'), 'BUSINESS', {_OWNER}, now, now,
       now + interval '1 year' + n % 1000 * interval '1 day', 'INV' || n || '/',
       'SE' || 550000000001 + n, {_IBAN}, 'SEK', 'sv', 30, 0, 0, false, 100000
{_NUMBERS}
"""
_GRANTS: Final = f"""
INSERT INTO grants (id, account_id, user_id, role, status, listed, created_at)
SELECT {_key(3, "n")}, {_key(2, "a")}, CASE
         WHEN k = 0 AND a <= {OWNED} THEN {_key(1, "2")}
         WHEN k = 1 AND a <= {CONSULTED} THEN {_key(1, "1")}
         ELSE {_key(1, f"3 + (a * {_SPREAD} + k * step) % others")} END,
       CASE WHEN k = 0 THEN 'OWNER' WHEN k = 1 AND a <= {CONSULTED} THEN 'CONSULTANT'
            WHEN k % 3 = 1 THEN 'ACCOUNTANT' ELSE 'SIMPLE_USER' END,
       'ACTIVE', CASE WHEN k = 1 AND a <= {CONSULTED} THEN {CONSULTANTS_LIST} END, now
{_NUMBERS},
LATERAL (SELECT n - 1 - {_FIXED}, n - 1 - {_FIXED + IN_LARGE}, greatest(accounts - {LARGE}, 1)) part (l, m, small),
LATERAL (
    SELECT CASE WHEN l < 0 THEN (n - 1) / {PER_ACCOUNT} + 1 WHEN m < 0 THEN {LARGE} ELSE {LARGE + 1} + m % small END,
           CASE WHEN l < 0 THEN (n - 1) % {PER_ACCOUNT} WHEN m < 0 THEN l ELSE m / small END
) place (a, k)
"""


async def demand_empty() -> None:
    """Raise Unseedable where the database has users."""
    if await db.fetch("SELECT FROM users LIMIT 1", row=db.Row):
        raise Unseedable("The database has users already; only an empty one can be seeded.")


async def write(amounts: Amounts, *, now: datetime, progress: Callable[[int], None]) -> None:
    """Fill a migrated database; `progress` is told the rows of each step. Raises Unseedable where it has users."""
    await demand_empty()
    steps = [
        (_USERS, amounts.users),
        (_SESSIONS, amounts.users),
        (_BANK_ACCOUNTS, amounts.accounts),
        (_ACCOUNTS, amounts.accounts),
        (_GRANTS, amounts.grants),
    ]
    # In one transaction, at the end of which every account must have its owner's grant.
    async with db.transaction():
        for sql, rows in steps:
            for first in range(1, rows + 1, _CHUNK):
                last = min(first + _CHUNK - 1, rows)
                written = await db.execute(sql, first, last, now, amounts.users, amounts.accounts, amounts.step)
                progress(written)
    # Visibility map and statistics now, or autovacuum makes them while something is measured.
    for table in ("users", "sessions", "bank_accounts", "accounts", "grants"):
        await db.fetch(f"VACUUM (ANALYZE) {table}", row=db.Row)


# ---- The file for a harness ------------------------------------------------------------------


def peer(url: str) -> dict[str, object]:
    """What a load harness needs: the address, two tokens, and the queries with their variables.

    Consecutive changes go to different accounts, for changes in one account wait for each other.
    """
    targets = [(account - 1) * PER_ACCOUNT + k + 1 for k in range(2, PER_ACCOUNT) for account in range(1, OWNED + 1)]
    changes = [
        {"input": {"grantId": ids.encode("Grant", grant_id(number)), "role": role}}
        for role in ("ACCOUNTANT", "SIMPLE_USER")
        for number in targets
    ]
    return {
        "name": "fullmakt",
        "label": "Fullmakt",
        "url": url,
        "tokens": {"owner": token(2), "bureau": token(1)},
        "check": False,  # the answers of other schemas have another shape
        "queries": {
            "Q1": {"query": Q1},
            "Q2": {"query": Q2},
            "Q3": {"query": Q2},
            "Q4": {"query": Q4, "variables": changes},
        },
    }


def write_peer_file(path: Path, url: str) -> None:
    """Write `peer` as JSON."""
    path.write_text(json.dumps(peer(url), indent=1) + "\n")
