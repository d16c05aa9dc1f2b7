"""Whether the process lives, and whether it can serve."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from models import db


async def live(_: Request) -> JSONResponse:
    """The process answers; whether the database does is not its life."""
    return JSONResponse({"status": "live"})


async def ready(_: Request) -> JSONResponse:
    """The database answers within a second; 503 takes the process out of the rotation."""
    if await db.is_reachable():
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "database unavailable"}, status_code=503)
