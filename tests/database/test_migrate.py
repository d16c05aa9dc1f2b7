"""Migrations: up from an empty database, repeated, concurrent, down, and failing."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from uuid import uuid4

import asyncpg
import pytest

from database import db, migrate
from models.tables import SCHEMA
from tests.conftest import connect, database_address, execute_outside_transaction

NUMBERS = count(1)


@pytest.fixture
async def empty_database(postgres: str) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    name = f"empty_{next(NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name}")
    yield database_address(postgres, name)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def tables(url: str) -> set[str]:
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}


async def test_pending_migrations_are_applied_once(empty_database: str) -> None:
    names = await migrate.pending_migrations(empty_database, SCHEMA)
    assert names[0] == "0001_main_path"

    await migrate.migrate(empty_database, SCHEMA)

    assert await migrate.pending_migrations(empty_database, SCHEMA) == []
    assert await tables(empty_database) >= {"users", "accounts", "grants", "events"}
    await migrate.migrate(empty_database, SCHEMA)
    assert await migrate.pending_migrations(empty_database, SCHEMA) == []


async def test_concurrent_processes_wait_for_each_other(empty_database: str) -> None:
    """Separate processes, because Tortoise supports one database in each process."""
    program = (
        "import asyncio, sys; from database import migrate; from models.tables import SCHEMA;"
        " asyncio.run(migrate.migrate(sys.argv[1], SCHEMA))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            ".venv/bin/python", "-c", program, empty_database, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]

    outputs = await asyncio.gather(*(process.communicate() for process in processes))

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert await migrate.pending_migrations(empty_database, SCHEMA) == []


async def test_migrating_down_removes_all_tables(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA)

    await migrate.migrate(empty_database, SCHEMA, target="models.__first__")

    assert not await tables(empty_database) & {"users", "accounts", "grants", "events"}
    await migrate.migrate(empty_database, SCHEMA)
    assert await tables(empty_database) >= {"users", "accounts", "grants", "events"}


def test_servers_of_the_release_before_run_on_the_new_schema() -> None:
    """Expand in one release, contract in the next: see CONTRIBUTING.md."""
    contracting_names = {(part.label, name) for part, name in migrate.contracting_migrations(SCHEMA)}

    assert contracting_names == {(part.label, name) for part in SCHEMA.all_parts for name in part.contractions}


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE messages DROP COLUMN subject",
        "ALTER TABLE messages RENAME subject TO title",
        "ALTER TABLE messages ADD lane text NOT NULL",
        "ALTER TABLE messages ADD COLUMN lane text NOT NULL, ADD COLUMN size int NOT NULL DEFAULT 1",
        "ALTER TABLE messages ADD COLUMN size int DEFAULT 1 NOT NULL,\n    ADD lane text NOT NULL",
        "ALTER TABLE messages ALTER COLUMN lane SET NOT NULL",
        "ALTER TABLE messages ALTER lane TYPE int",
        "drop table messages",
    ],
)
def test_contracting_statement_is_noticed(sql: str) -> None:
    assert migrate.is_contracting(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "-- DROP TABLE messages\nSELECT 1",
        "ALTER TABLE messages ADD COLUMN lane text NOT NULL DEFAULT 'x'",
        "ALTER TABLE messages ADD COLUMN lane text DEFAULT 'x' NOT NULL",
        "ALTER TABLE messages ADD CONSTRAINT lanes CHECK (lane IS NOT NULL)",
        "CREATE TABLE lanes (name text NOT NULL)",
    ],
)
def test_expanding_statement_is_allowed(sql: str) -> None:
    assert not migrate.is_contracting(sql)


@pytest.mark.parametrize(("colleagues", "seats"), [(2, 5), (7, 9)])
async def test_members_from_before_seats_were_counted_have_seats(
    empty_database: str, colleagues: int, seats: int
) -> None:
    """Two pending invitations reserve seats, too. An accountant needs none."""
    await migrate.migrate(empty_database, SCHEMA, target="models.0005_access_requests")
    connection = await connect(empty_database)
    try:
        await connection.execute(BEFORE_SEATS.format(colleagues=colleagues))

        await migrate.migrate(empty_database, SCHEMA)

        assert await connection.fetchval("SELECT purchased_seats FROM accounts") == seats
    finally:
        await connection.close()


BEFORE_SEATS = """
BEGIN;
INSERT INTO users (id, email, email_key, name, locale, created_at)
    SELECT md5(n::text)::uuid, n || '@example.com', n || '@example.com', 'User', 'en', now()
    FROM generate_series(0, 9) n;
INSERT INTO accounts (id, number, name, kind, owner_id, created_at, subscription_until, invoice_prefix,
    default_currency, default_locale, payment_term_days, simple_user_restrictions, locks, requires_two_factor)
    SELECT id, 100000, 'Firm', 'BUSINESS', id, now(), now(), '', 'EUR', 'en', 14, 0, 0, false
    FROM users WHERE email = '0@example.com';
INSERT INTO grants (id, account_id, user_id, role, status, created_at)
    SELECT u.id, a.id, u.id, CASE u.email WHEN '0@example.com' THEN 'OWNER' WHEN '9@example.com' THEN 'ACCOUNTANT'
        ELSE 'COLLABORATOR' END, 'ACTIVE', now()
    FROM users u, accounts a WHERE left(u.email, 1)::int <= {colleagues} OR u.email = '9@example.com';
INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale, allow_other_login,
    token_digest, created_at, expires_at)
    SELECT u.id, a.id, u.email, u.email, 'SIMPLE_USER', 'PENDING', a.owner_id, 'en', false, sha256(u.email::bytea),
        now(), now() + interval '7 days'
    FROM users u, accounts a WHERE u.email IN ('8@example.com', '9@example.com');
COMMIT;
"""


async def test_locks_can_have_permissions_of_modules_and_not_the_keys(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA, target="models.0005_access_requests")
    connection = await connect(empty_database)
    try:
        await connection.execute(BEFORE_SEATS.format(colleagues=2))
        await migrate.migrate(empty_database, SCHEMA)

        await connection.execute("UPDATE accounts SET locks = 1::bigint << 44 | 1 << 9")

        with pytest.raises(asyncpg.CheckViolationError):  # 2 is the bit of SETTINGS_WRITE
            await connection.execute("UPDATE accounts SET locks = 1 << 2")
        await migrate.migrate(empty_database, SCHEMA, target="models.0028_event_scopes")
        assert await connection.fetchval("SELECT locks FROM accounts") == 1 << 9
    finally:
        await connection.close()


FOLDED_KEYS = """
DROP INDEX invitations_one_pending;
UPDATE users SET email = 'groß@example.com', email_key = 'gross@example.com' WHERE email = '1@example.com';
UPDATE users SET email = 'gross2@bücher.de', email_key = 'gross2@xn--bcher-kva.de' WHERE email = '2@example.com';
UPDATE invitations SET email = 'groß@example.com', email_key = 'gross@example.com' WHERE email = '8@example.com';
UPDATE invitations SET email = 'gross@example.com', email_key = 'gross@example.com' WHERE email = '9@example.com';
"""
READ_KEYS = """
SELECT email_key FROM users WHERE email IN ('groß@example.com', 'gross2@bücher.de')
UNION ALL SELECT email_key FROM invitations ORDER BY 1
"""


async def test_keys_of_addresses_are_no_longer_case_folded(
    empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await migrate.migrate(empty_database, SCHEMA, target="models.0005_access_requests")
    connection = await connect(empty_database)
    try:
        await connection.execute(BEFORE_SEATS.format(colleagues=2))
        await migrate.migrate(empty_database, SCHEMA, target="models.0018_session_proofs")
        await connection.execute(FOLDED_KEYS)

        await migrate.migrate(empty_database, SCHEMA, target="models.0019_email_keys")

        assert [row[0] for row in await connection.fetch(READ_KEYS)] == [
            "gross2@xn--bcher-kva.de",
            "gross@example.com",
            "groß@example.com",
            "groß@example.com",
        ]
        assert "has a new address key. 1 open invitations name another mailbox." in capsys.readouterr().err
        await migrate.migrate(empty_database, SCHEMA, target="models.0018_session_proofs")
        assert {row[0] for row in await connection.fetch(READ_KEYS)} == {"gross2@xn--bcher-kva.de", "gross@example.com"}
    finally:
        await connection.close()


async def test_logins_that_would_get_the_same_key_stop_the_migration(empty_database: str) -> None:
    """Only a wrong key in the database can lead to this."""
    await migrate.migrate(empty_database, SCHEMA, target="models.0005_access_requests")
    connection = await connect(empty_database)
    try:
        await connection.execute(BEFORE_SEATS.format(colleagues=2))
        await migrate.migrate(empty_database, SCHEMA, target="models.0018_session_proofs")
        await connection.execute(FOLDED_KEYS)
        await connection.execute(
            "UPDATE users SET email = 'GROß@example.com', email_key = 'GROß@example.com' WHERE email = '3@example.com';"
            "UPDATE users SET email_key = 'groß@example.com' WHERE email = '4@example.com'"
        )

        with pytest.raises(RuntimeError, match="have the same address in another spelling"):
            await migrate.migrate(empty_database, SCHEMA)

        keys = await connection.fetch("SELECT email_key FROM users WHERE email_key LIKE 'gross@%'")
        assert len(keys) == 1
    finally:
        await connection.close()


async def test_messages_from_before_senders_were_named_can_be_read(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA, target="models.0005_access_requests")
    connection = await connect(empty_database)
    try:
        await connection.execute(BEFORE_SEATS.format(colleagues=2))
        await migrate.migrate(empty_database, SCHEMA, target="models.0013_list_indexes")
        await connection.execute(BEFORE_SENDERS)

        await migrate.migrate(empty_database, SCHEMA, target="models.0014_mail_bounds")

        rows = await connection.fetch("SELECT kind, params ->> 'sender_email' AS sender FROM messages ORDER BY kind")
        assert [tuple(row) for row in rows] == [
            ("client-activation", "Biuro"),
            ("engagement-asked", "Biuro"),
            ("invitation", "0@example.com"),
            ("password-changed", None),
        ]
        await migrate.migrate(empty_database, SCHEMA, target="models.0013_list_indexes")
        assert await connection.fetchval("SELECT count(*) FROM messages WHERE subject = kind") == 4
        await migrate.migrate(empty_database, SCHEMA)
    finally:
        await connection.close()


BEFORE_SENDERS = """
INSERT INTO messages (id, account_id, kind, to_address, locale, subject, params, status, attempts, created_at,
    next_attempt_at)
    SELECT gen_random_uuid(), a.id, k.kind, '8@example.com', 'en', 'A subject', k.params::jsonb, 'SENT', 1, now(), now()
    FROM accounts a, (VALUES ('invitation', '{"inviter_name": "Olga"}'), ('password-changed', '{}'),
        ('client-activation', '{"bureau_name": "Biuro"}'), ('engagement-asked', '{"asker_name": "Biuro"}')
    ) AS k (kind, params)
"""


async def test_days_from_before_trials_stayed_are_kept_as_trial_days(empty_database: str) -> None:
    """An account keeps its days. Those of its trial that were not transferred yet stay from now on."""
    await migrate.migrate(empty_database, SCHEMA, target="models.0015_mail_lanes")
    connection = await connect(empty_database)
    try:
        for number, days in ((100000, 30), (200000, 75), (300000, 12)):
            await connection.execute(BEFORE_TRIALS, uuid4(), number, days, days - 30)
        await migrate.migrate(empty_database, SCHEMA)
        rows = await connection.fetch("""SELECT a.number, a.trial_until - a.created_at AS trial,
            a.subscription_until - a.created_at AS total, t.user_id = a.owner_id AS is_counted
            FROM accounts a JOIN trials t ON t.account_id = a.id ORDER BY a.number""")
        assert [(row["trial"].days, row["total"].days, row["is_counted"]) for row in rows] == [
            (30, 30, True),
            (30, 75, True),
            (12, 12, True),
        ]
        await migrate.migrate(empty_database, SCHEMA, target="models.0015_mail_lanes")
        assert await connection.fetchval("SELECT sum(days) FROM subscription_entries") == 30 + 75 + 12
    finally:
        await connection.close()


# $1 is a new id of the user and their account, $2 the account's number, $3 the days that it has. $4 of them were
# credited, or transferred if negative.
BEFORE_TRIALS = """
WITH u AS (INSERT INTO users (id, email, email_key, name, locale, created_at)
    VALUES ($1, $1::uuid || '@example.com', $1::uuid || '@example.com', 'User', 'en', '2026-01-01') RETURNING id),
a AS (INSERT INTO accounts (id, number, name, kind, owner_id, created_at, closed_at, subscription_until,
    invoice_prefix, default_currency, default_locale, payment_term_days, simple_user_restrictions, locks,
    requires_two_factor)
    SELECT id, $2, 'Firm', 'BUSINESS', id, timestamptz '2026-01-01', now(),
        timestamptz '2026-01-01' + $3::int * interval '24 hours', '', 'EUR', 'en', 14, 0, 0, false FROM u RETURNING *)
INSERT INTO subscription_entries (id, account_id, days, kind, counterpart_id, created_at, valid_until_before,
    valid_until_after)
SELECT gen_random_uuid(), a.id, e.days, e.kind, CASE e.kind WHEN 'TRANSFER_OUT' THEN o.id END, a.created_at,
    a.created_at, a.created_at + e.days * interval '24 hours'
FROM a CROSS JOIN (VALUES (30, 'TRIAL'), ($4::int, CASE WHEN $4 < 0 THEN 'TRANSFER_OUT' ELSE 'CREDIT' END))
    AS e (days, kind) LEFT JOIN LATERAL (SELECT id FROM accounts LIMIT 1) o ON TRUE WHERE e.days <> 0
"""


async def test_invitations_find_their_newest_mail_and_near_ends_count_as_announced(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA, target="models.0020_idempotency")
    connection = await connect(empty_database)
    try:
        for number in (100000, 200000):
            await connection.execute(BEFORE_TRIALS, uuid4(), number, 30, 0)
        await connection.execute(BEFORE_BOUNCES)

        await migrate.migrate(empty_database, SCHEMA, target="models.0021_bounces")

        statuses = await connection.fetch(
            "SELECT i.email, m.status FROM invitations i LEFT JOIN messages m ON m.id = i.message_id ORDER BY 1"
        )
        assert [tuple(row) for row in statuses] == [("deleted@example.com", None), ("resent@example.com", "SENT")]
        near_ends = (
            "SELECT count(*) FROM reminders r JOIN grants g ON g.id = r.subject_id AND g.valid_until = r.ends_at"
        )
        assert await connection.fetchval(near_ends) == 1
        await connection.execute("INSERT INTO reminders SELECT id, 0, now() FROM accounts")
        await migrate.migrate(empty_database, SCHEMA, target="models.0020_idempotency")
        assert await connection.fetchval("SELECT count(*) FROM reminders WHERE days = 0") == 0
        await migrate.migrate(empty_database, SCHEMA)
    finally:
        await connection.close()


# An invitation that was sent twice, one whose mail was deleted, and grants that end after 3 and 10 days.
BEFORE_BOUNCES = """
INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale, allow_other_login,
    token_digest, created_at, expires_at)
    SELECT gen_random_uuid(), id, e, e, 'ACCOUNTANT', 'PENDING', owner_id, 'en', false, sha256(e::bytea), created_at,
        timestamptz '2026-01-12' FROM accounts, unnest(ARRAY['resent@example.com', 'deleted@example.com']) AS e
    WHERE number = 100000;
INSERT INTO messages (id, account_id, kind, to_address, locale, params, status, attempts, created_at, next_attempt_at)
    SELECT gen_random_uuid(), a.id, 'invitation', 'resent@example.com', 'en', '{}', m.status, 1, m.at, m.at
    FROM accounts a, (VALUES ('FAILED', timestamptz '2026-01-01'), ('SENT', timestamptz '2026-01-05')) AS m (status, at)
    WHERE number = 100000;
INSERT INTO grants (id, account_id, user_id, role, status, created_at, valid_until)
    SELECT gen_random_uuid(), id, owner_id, 'ACCOUNTANT', 'ACTIVE', created_at,
        created_at + CASE number WHEN 100000 THEN interval '3 days' ELSE interval '10 days' END FROM accounts;
"""


async def test_queued_messages_from_before_lanes_get_the_lane_of_their_kind(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA, target="models.0014_mail_bounds")
    connection = await connect(empty_database)
    lanes = "SELECT kind || ' ' || status || ' ' || lane FROM messages ORDER BY 1"
    try:
        await connection.execute(
            "INSERT INTO messages (id, kind, to_address, locale, params, status, attempts, created_at, next_attempt_at)"
            " SELECT gen_random_uuid(), kind, 'anna@example.com', 'en', '{}', status, 0, now(), now()"
            " FROM unnest(ARRAY['invitation', 'password-reset']) kind, unnest(ARRAY['QUEUED', 'SENT']) status"
        )
        for _ in range(2):
            await migrate.migrate(empty_database, SCHEMA, target="models.0015_mail_lanes")

            assert [row[0] for row in await connection.fetch(lanes)] == [
                "invitation QUEUED ORDINARY",
                "invitation SENT ORDINARY",
                "password-reset QUEUED SECURITY",
                "password-reset SENT ORDINARY",
            ]
            await migrate.migrate(empty_database, SCHEMA, target="models.0014_mail_bounds")
    finally:
        await connection.close()


async def test_failed_migration_leaves_no_table(empty_database: str) -> None:
    connection = await connect(empty_database)
    try:
        await connection.execute(
            "CREATE TABLE messages (id int)"
        )  # conflicts with the last table of the first migration
    finally:
        await connection.close()

    with pytest.raises(Exception, match="messages"):
        await migrate.migrate(empty_database, SCHEMA)

    assert "users" not in await tables(empty_database)
    await execute_outside_transaction(empty_database, "DROP TABLE messages")
    await migrate.migrate(empty_database, SCHEMA)
    assert await migrate.pending_migrations(empty_database, SCHEMA) == []


async def test_missing_database_is_an_error(postgres: str) -> None:
    with pytest.raises((*db.UNAVAILABLE, asyncpg.InvalidCatalogNameError)):
        await migrate.pending_migrations(database_address(postgres, "not_there"), SCHEMA)


async def test_several_activation_links_of_a_user_become_one_again(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA, target="models.0021_bounces")
    connection = await connect(empty_database)
    try:
        user_id = await connection.fetchval(PENDING_USER)
        await connection.execute(OPEN_LINK, user_id)
        await migrate.migrate(empty_database, SCHEMA, target="models.0022_registration_secrets")
        await connection.execute(OPEN_LINK, user_id)
        assert await connection.fetchval("SELECT registration_secret_digest FROM users") is None
        links = await connection.fetch("SELECT id FROM user_tokens WHERE used_at IS NULL ORDER BY id")
        assert len(links) == 2

        await migrate.migrate(empty_database, SCHEMA, target="models.0021_bounces")

        assert await connection.fetch("SELECT id FROM user_tokens WHERE used_at IS NULL") == links[1:]
        await migrate.migrate(empty_database, SCHEMA)
        assert await connection.fetchval("SELECT count(*) FROM user_tokens WHERE has_worked") == 0
    finally:
        await connection.close()


PENDING_USER = """
INSERT INTO users (id, email, email_key, name, locale, password_hash, created_at)
VALUES (gen_random_uuid(), 'a@example.com', 'a@example.com', 'Anna', 'en', 'x', now()) RETURNING id
"""
OPEN_LINK = """
INSERT INTO user_tokens (id, user_id, purpose, token_digest, created_at, expires_at)
VALUES (gen_random_uuid(), $1, 'activation', sha256(random()::text::bytea), now(), now() + interval '1 day')
"""
