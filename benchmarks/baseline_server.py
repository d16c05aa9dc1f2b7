"""A minimal server for comparison. `benchmarks.baselines` starts it with the file of a query trace as argument."""

import os
import pickle
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import uvicorn
from starlette.types import Receive, Scope, Send

from database.db import SERVER_SETTINGS


class BaselineServer:
    """Sends as many bytes as the traced response had, after as many statements to the database."""

    def __init__(self, kind: str, trace: Any) -> None:
        self._body = b"x" * trace.body_size
        trivial_statements: list[tuple[str, tuple[Any, ...]]] = [("SELECT 1", ())] * len(trace.requests[0])
        requests_by_kind = {"http": [[]], "trips": [trivial_statements], "statements": trace.requests}
        self._requests: Iterator[list[tuple[str, tuple[Any, ...]]]] = cycle(requests_by_kind[kind])
        self._pool: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        await receive()
        if scope["method"] == "POST" and (statements := next(self._requests)):
            connection = self._pool.pop()
            for sql, args in statements:
                await connection.fetch(sql, *_arguments_with_new_id(sql, args))
            self._pool.append(connection)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self._body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with _open_connections() as self._pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _arguments_with_new_id(sql: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of a statement. An event gets a new id because the traced id exists already."""
    return (uuid4(), *args[1:]) if "INSERT INTO events" in sql else args


@asynccontextmanager
async def _open_connections() -> AsyncGenerator[list[Any]]:
    """Open twenty database connections: the size and the settings of our pool."""
    url = os.environ["FULLMAKT_DATABASE_URL"].replace("asyncpg:", "postgresql:", 1)
    connections = [await asyncpg.connect(url, server_settings=SERVER_SETTINGS) for _ in range(20)]
    yield [*connections]
    for connection in connections:
        await connection.close()


if __name__ == "__main__":
    uvicorn.run(
        BaselineServer(*pickle.loads(Path(sys.argv[1]).read_bytes())),  # noqa: S301 - the parent process wrote the file
        port=int(os.environ["FULLMAKT_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
