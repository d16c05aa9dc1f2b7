"""The health endpoints /livez and /readyz.

Both are answered above the limits of connections too (`server/connection_limits.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse

from database import db
from server.shutdown import Shutdown


async def live(_: Request) -> JSONResponse:
    """Answer 200. The database is not checked, because a restart of this process would not repair it."""
    return JSONResponse({"status": "live"})


def ready(shutdown: Shutdown) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Return the endpoint /readyz.

    It answers 503 while the process shuts down or if the database does not answer within one second. Load balancers
    then send no requests to this process. Concurrent requests share one check, so that a flood of them takes one
    database connection.
    """
    check: asyncio.Task[bool] | None = None

    async def endpoint(_: Request) -> JSONResponse:
        nonlocal check
        if shutdown.is_draining:
            return JSONResponse({"status": "leaving"}, status_code=503)
        if check is None or check.done():
            check = asyncio.create_task(db.is_reachable())
        if await asyncio.shield(check):
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "database unavailable"}, status_code=503)

    return endpoint
