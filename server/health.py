"""Whether the process lives, and whether it can serve."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse

from database import db
from server.shutdown import Shutdown


async def live(_: Request) -> JSONResponse:
    """The process answers; whether the database does is not its life."""
    return JSONResponse({"status": "live"})


def ready(leaving: Shutdown) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Whether the process is to stay, and the database answers within a second; 503 takes it out of the rotation."""

    async def answer(_: Request) -> JSONResponse:
        if leaving.is_draining:
            return JSONResponse({"status": "leaving"}, status_code=503)
        if await db.is_reachable():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "database unavailable"}, status_code=503)

    return answer
