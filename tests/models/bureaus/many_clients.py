"""Many clients of a bureau, written into the database at once."""

from database import db
from resolvers import ids
from tests.api import Person

_COLUMNS = """
SELECT string_agg(column_name, ', ') AS names FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'
"""
_USERS = """
INSERT INTO users ({columns}) SELECT {columns} FROM (
    SELECT (jsonb_populate_record(u, jsonb_build_object(
        'id', gen_random_uuid(), 'email', 'owner' || n || '@example.com',
        'email_key', 'owner' || n || '@example.com'))).*
    FROM accounts a JOIN users u ON u.id = a.owner_id, generate_series(1, $2) n WHERE a.id = $1) r
"""
_ACCOUNTS = """
INSERT INTO accounts ({columns}) SELECT {columns} FROM (
    SELECT (jsonb_populate_record(a, jsonb_build_object(
        'id', gen_random_uuid(), 'number', 30000000 + n, 'name', 'Client ' || n, 'owner_id', u.id,
        'organization_number', NULL, 'bank_account_number', NULL, 'vat_number', NULL))).*
    FROM accounts a, generate_series(1, $2) n JOIN users u ON u.email = 'owner' || n || '@example.com'
    WHERE a.id = $1) r
"""
_OWNERS = """
INSERT INTO grants (id, account_id, user_id, role, status, created_at)
SELECT gen_random_uuid(), a.id, a.owner_id, 'OWNER', 'ACTIVE', a.created_at FROM accounts a WHERE a.name LIKE 'Client %'
"""
_ENGAGEMENTS = """
INSERT INTO engagements SELECT (jsonb_populate_record(e, jsonb_build_object(
    'id', gen_random_uuid(), 'client_id', a.id, 'asked_by_id', a.id))).*
FROM engagements e, accounts a WHERE e.bureau_id = $1 AND e.status = 'ACTIVE' AND a.name LIKE 'Client %'
"""


async def add_clients(bureau: Person, client: Person, count: int) -> None:
    """Give the bureau `count` more clients, each with an owner, like its only client."""
    bureau_id, client_id = (ids.decode("Account", person.account_id) for person in (bureau, client))
    async with db.transaction():
        for table, statement in (("users", _USERS), ("accounts", _ACCOUNTS)):
            (columns,) = await db.fetch(_COLUMNS, table, row=db.Row)
            await db.execute(statement.format(columns=columns.names), client_id, count)
        await db.execute(_OWNERS)
        await db.execute(_ENGAGEMENTS, bureau_id)
