"""A migrated database that the tests of a process use one after the other, with database connections that stay open.

A new database costs 40 ms, and PostgreSQL needs another 100 ms to prepare the first statements on its new database
connections. So `reset` deletes the rows that a test wrote. It reads the names of the tables and sequences from the
database, so that a new table needs no entry here.

`reset` also notices changes of another kind: in the schema, the privileges, the statistics of ANALYZE, a table that the
migrations fill, or the size of a table. Then it drops the database, and the next test has a new copy.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import asyncpg
import pytest

from database import db
from database.pool import Pool
from tests.databases import connect, database_address, execute_outside_transaction

NUMBERS = count(1)
MAX_TABLE_BYTES: Final = 2**20
"""Deleted rows keep their place in a table. A larger one would make the statements of the next tests slower."""

CATALOGS: Final = ("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_trigger", "pg_proc", "pg_type")
RELATIONS: Final = """
    SELECT c.oid::regclass::text AS name, c.relkind = 'S' AS is_sequence
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'S')
    ORDER BY 1
"""
TERMINATE_OTHERS: Final = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL ($1)
"""


class KeptDatabase:
    """A copy of the database `template`, on the server at `server_url`."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._template = template
        self._copy: _Copy | None = None

    async def address(self) -> str:
        """The address of the database, which is as the template is."""
        if self._copy is None:
            name = f"kept_{next(NUMBERS)}"
            statement = f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY"
            await execute_outside_transaction(self._server_url, statement)
            self._copy = _Copy(name, database_address(self._server_url, name))
            await self._copy.open()
        return self._copy.address

    async def reset(self) -> None:
        """Make the database as the template is. Closes the connections that are not the kept ones."""
        if self._copy is not None and not await self._copy.reset():
            await self.drop()

    async def drop(self) -> None:
        """Drop the database. The next call of `address` makes a new copy."""
        if self._copy is not None:
            copy, self._copy = self._copy, None
            await copy.close()
            await execute_outside_transaction(self._server_url, f"DROP DATABASE {copy.name} WITH (FORCE)")

    @asynccontextmanager
    async def lends_connections(self) -> AsyncGenerator[None]:
        """Applications that use the database in this event loop have the kept connections, until the block ends.

        A test with an event loop of its own, such as one of a command, has connections of its own.
        """
        create_pool, loop = db._create_pool, asyncio.get_running_loop()

        async def find_pool(on_statement: db.StatementLogger | None, per_caller: int, **options: Any) -> Any:
            copy, is_here = self._copy, asyncio.get_running_loop() is loop
            if copy is not None and options["database"] == copy.name and is_here and on_statement is None:
                pool = await copy.lend_pool(per_caller, options)
                if pool is not None:
                    return pool
            return await create_pool(on_statement, per_caller, **options)

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(db, "_create_pool", find_pool)
            yield


@asynccontextmanager
async def keep_database(server_url: str, template: str) -> AsyncGenerator[KeptDatabase]:
    """Keep a copy of the database `template` until the block ends."""
    database = KeptDatabase(server_url, template)
    async with database.lends_connections():
        yield database
        await database.drop()


class LentPool(Pool):
    """A pool whose database connections stay open when the application closes it."""

    is_closed = False

    async def close(self) -> None:
        """Wait until all database connections are released."""
        # In this order, the connection that was used most is acquired first again.
        for driver, _ in self._idle:
            await self._inner.release(driver)
        self._idle.clear()
        while self._inner.get_idle_size() < self._inner.get_size():  # noqa: ASYNC110 - asyncpg has no event for it
            await asyncio.sleep(0.001)
        self.is_closed = True


class _Copy:
    """A copy of the template, with the connection that resets it and the pool of kept connections."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._inner: asyncpg.Pool[asyncpg.Record] | None = None
        self._options: dict[str, Any] = {}
        self._process_ids: list[int] = []
        self._lent: LentPool | None = None

    async def open(self) -> None:
        """Connect, and prepare the statements of `reset` from what the copy has."""
        self._connection = connection = await connect(self.address)
        # Without triggers and foreign keys, rows can be deleted in any order, and events at all.
        await connection.execute("SET session_replication_role = replica")
        reset, constant = list[str](), list[str]()
        for relation in await connection.fetch(RELATIONS):
            name = relation["name"]
            if relation["is_sequence"]:
                row = await connection.fetchrow(f"SELECT last_value, is_called FROM {name}")
                assert row is not None
                reset.append(f"SELECT setval('{name}', {row['last_value']}, {row['is_called']})")
            elif await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):
                constant.append(name)
            else:
                reset.append(f"DELETE FROM {name}")
        self._reset_sql = ";".join(reset)
        # The rows of transactions since now, and all rows, which tell of removed ones. ANALYZE changes rows in place.
        transaction_id = await connection.fetchval("SELECT pg_current_xact_id()::xid::text")
        new = f"age(xmin) <= age('{transaction_id}'::xid)"
        rows = [f"(SELECT (count(*), count(*) FILTER (WHERE {new})) FROM {table})" for table in (*CATALOGS, *constant)]
        columns = [*rows, "(SELECT sum(reltuples) FROM pg_class WHERE oid >= 16384)"]
        sizes = "(SELECT max(pg_relation_size(oid)) FROM pg_class WHERE oid >= 16384)"
        self._state_sql = f"SELECT ({', '.join(columns)})::text AS state, {sizes} AS bytes"
        state = await self._read_state()
        assert state is not None
        self._state = state

    async def reset(self) -> bool:
        """Delete all rows that a test can have written. False if the copy is then not as the template is."""
        if self._connection.is_closed() or (self._lent is not None and not self._lent.is_closed):
            return False
        await self._connection.fetch(TERMINATE_OTHERS, [self._connection.get_server_pid(), *self._process_ids])
        await self._connection.execute(self._reset_sql)
        return await self._read_state() == self._state

    async def _read_state(self) -> str | None:
        row = await self._connection.fetchrow(self._state_sql)
        assert row is not None
        return row["state"] if row["bytes"] <= MAX_TABLE_BYTES else None

    async def lend_pool(self, per_caller: int, options: dict[str, Any]) -> LentPool | None:
        """The pool of kept connections, or a new one for other options. None while another application has it."""
        if self._lent is not None and not self._lent.is_closed:
            return None
        if self._inner is None or options != self._options:
            if self._inner is not None:
                self._inner.terminate()
            self._inner, self._options = await asyncpg.create_pool(**options, init=self._keep), options
        self._lent = LentPool(self._inner, per_caller)
        return self._lent

    async def _keep(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._process_ids.append(connection.get_server_pid())

    async def close(self) -> None:
        """Close all connections."""
        if self._inner is not None:
            self._inner.terminate()
        await self._connection.close()
