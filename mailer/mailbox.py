"""Development's mailbox: every message in the browser, as its reader would see it, links working.

    /mailbox              the messages, newest first
    /mailbox/{id}         the HTML part of one, alone in its frame
    /mailbox.json?to=     the same for programs

Whoever can open it can take every account over, so that only development without a mail server has
these routes. Nothing is stored: mails are rendered when they are looked at.
"""

from dataclasses import asdict
from typing import Final
from uuid import UUID

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mailer import render
from models.outbox import message
from models.outbox.message import OutgoingRow

SHOWN: Final = 100
_COMMON: Final = "default-src 'none'; base-uri 'none'; form-action 'none'"
_DATA_CSP: Final = f"{_COMMON}; frame-ancestors 'none'"
_LIST_CSP: Final = f"{_COMMON}; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'"
# Mails carry their style in attributes, which only 'unsafe-inline' allows. The sandbox runs no script.
_MAIL_CSP: Final = (
    f"{_COMMON}; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


def routes(link_key: str, public_url: str) -> list[Route]:
    """The mailbox's routes, for the composition root to mount in development only."""

    async def listing(request: Request) -> Response:
        rows = await _rows(request)
        mails = [(row, render.render(row, link_key, public_url)) for row in rows]
        return _page(render.page("mailbox/list.html", mails=mails, to=request.query_params.get("to")), _LIST_CSP)

    async def one(request: Request) -> Response:
        message_id: UUID = request.path_params["message_id"]
        row = await message.one(message_id)
        if row is None:
            raise HTTPException(404)
        html = render.render(row, link_key, public_url).html
        # Links open in a new tab: inside the frame they would have no script.
        return _page(html.replace("<head>", '<head><base target="_blank">', 1), _MAIL_CSP)

    async def as_json(request: Request) -> Response:
        found = [_facts(row, render.render(row, link_key, public_url)) for row in await _rows(request)]
        return Response(orjson.dumps(found), media_type="application/json", headers=_headers(_DATA_CSP))

    return [
        Route("/mailbox", listing),
        Route("/mailbox.json", as_json),
        Route("/mailbox/{message_id:uuid}", one),
    ]


async def _rows(request: Request) -> list[OutgoingRow]:
    to = request.query_params.get("to")
    # No address holds a NUL, and PostgreSQL takes none.
    return [] if to and "\x00" in to else await message.newest(SHOWN, to=to or None)


def _facts(row: OutgoingRow, mail: render.Mail) -> dict[str, object]:
    return {
        "id": str(row.id),
        **asdict(mail),
        "status": row.status,
        "createdAt": row.created_at.isoformat().replace("+00:00", "Z"),
    }


def _page(html: str, csp: str) -> Response:
    return HTMLResponse(html, headers=_headers(csp))


def _headers(csp: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": csp,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
