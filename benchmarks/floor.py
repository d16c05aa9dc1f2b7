"""A server that only does what cannot be left out; `benchmarks.floors` starts it: floor FILE."""

import os
import pickle
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
from starlette.types import Receive, Scope, Send


class Floor:
    """Answers anything with as many bytes as were recorded, after as many questions to the database."""

    def __init__(self, kind: str, recorded: Any) -> None:
        self._body = b"x" * recorded.size
        trivial: list[tuple[str, tuple[Any, ...]]] = [("SELECT 1", ())] * len(recorded.statements)
        asked = {"http": [], "trips": trivial, "statements": recorded.statements}
        self._statements: list[tuple[str, tuple[Any, ...]]] = asked[kind]
        self._pool: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One answer."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await receive()
        if self._statements and scope["method"] == "POST":
            connection = self._pool.pop()
            for sql, args in self._statements:
                await connection.fetch(sql, *args)
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


@asynccontextmanager
async def _connections() -> AsyncGenerator[list[Any]]:
    """Twenty connections, as many as our pool has."""
    url = os.environ["FULLMAKT_DATABASE_URL"].replace("asyncpg:", "postgresql:", 1)
    opened = [await asyncpg.connect(url) for _ in range(20)]
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
