"""Addresses of databases, and connections of the driver, for tests that read or change rows without the models."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg


def database_address(url: str, database: str) -> str:
    """Return the address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection of the driver, to read or change rows without the models."""
    return await asyncpg.connect(url.replace("asyncpg:", "postgresql:", 1))


async def execute_outside_transaction(url: str, statement: str) -> None:
    """Run a statement that is not allowed in a transaction."""
    connection = await connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
