"""A server that only does what cannot be left out; `benchmarks.floors` starts it: floor FILE."""

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


class Floor:
    """Answers anything with as many bytes as were recorded, after as many questions to the database."""

    def __init__(self, kind: str, recorded: Any) -> None:
        self._body = b"x" * recorded.size
        trivial: list[tuple[str, tuple[Any, ...]]] = [("SELECT 1", ())] * len(recorded.requests[0])
        asked = {"http": [[]], "trips": [trivial], "statements": recorded.requests}
        self._requests: Iterator[list[tuple[str, tuple[Any, ...]]]] = cycle(asked[kind])
        self._pool: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One answer."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await receive()
        if scope["method"] == "POST" and (statements := next(self._requests)):
            connection = self._pool.pop()
            for sql, args in statements:
                await connection.fetch(sql, *_anew(sql, args))
            self._pool.append(connection)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self._body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with _connections() as self._pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _anew(sql: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a statement; an event, which is there already, under another id."""
    return (uuid4(), *args[1:]) if "INSERT INTO events" in sql else args


@asynccontextmanager
async def _connections() -> AsyncGenerator[list[Any]]:
    """Twenty connections, as many as our pool has, and set up as ours are."""
    url = os.environ["FULLMAKT_DATABASE_URL"].replace("asyncpg:", "postgresql:", 1)
    opened = [await asyncpg.connect(url, server_settings=SERVER_SETTINGS) for _ in range(20)]
    yield [*opened]
    for connection in opened:
        await connection.close()


if __name__ == "__main__":
    uvicorn.run(
        Floor(*pickle.loads(Path(sys.argv[1]).read_bytes())),  # noqa: S301 - written by our parent a moment ago
        port=int(os.environ["FULLMAKT_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
