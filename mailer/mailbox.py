"""The development mailbox: all messages in the browser, rendered for their recipient, with working links.

    /mailbox              the messages, newest first
    /mailbox/{id}         the HTML part of a message, for a frame
    /mailbox.json?to=     the messages as JSON

A visitor of the mailbox can take over every account, so the routes exist only in development without
a mail server. Nothing is stored: mails are rendered on request.
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
from models.outbox import delivery
from models.outbox.delivery import OutgoingRow

MAX_MESSAGES: Final = 100
_COMMON: Final = "default-src 'none'; base-uri 'none'; form-action 'none'"
_DATA_CSP: Final = f"{_COMMON}; frame-ancestors 'none'"
_LIST_CSP: Final = f"{_COMMON}; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'"
# Mails have inline styles, which only 'unsafe-inline' allows. The sandbox prevents scripts.
_MAIL_CSP: Final = (
    f"{_COMMON}; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


def routes(link_key: str, public_url: str) -> list[Route]:
    """The routes of the mailbox. The composition root mounts them only in development."""

    async def list_messages(request: Request) -> Response:
        rows = await _rows(request)
        mails = [(row, render.render(row, link_key, public_url)) for row in rows]
        return _html_response(
            render.render_page("mailbox/list.html", mails=mails, to=request.query_params.get("to")), _LIST_CSP
        )

    async def show_message(request: Request) -> Response:
        message_id: UUID = request.path_params["message_id"]
        row = await delivery.by_id(message_id)
        if row is None:
            raise HTTPException(404)
        html = render.render(row, link_key, public_url).html
        # Links open in a new tab: in the sandboxed frame the page would run without scripts.
        return _html_response(html.replace("<head>", '<head><base target="_blank">', 1), _MAIL_CSP)

    async def list_as_json(request: Request) -> Response:
        messages = [_message_dict(row, render.render(row, link_key, public_url)) for row in await _rows(request)]
        return Response(orjson.dumps(messages), media_type="application/json", headers=_headers(_DATA_CSP))

    return [
        Route("/mailbox", list_messages),
        Route("/mailbox.json", list_as_json),
        Route("/mailbox/{message_id:uuid}", show_message),
    ]


async def _rows(request: Request) -> list[OutgoingRow]:
    to = request.query_params.get("to")
    # PostgreSQL rejects a NUL in a text, and no address contains one.
    return [] if to and "\x00" in to else await delivery.newest(MAX_MESSAGES, to=to or None)


def _message_dict(row: OutgoingRow, mail: render.Mail) -> dict[str, object]:
    return {
        "id": str(row.id),
        **{name: value for name, value in asdict(mail).items() if name != "unsubscribe_url"},
        "status": row.status,
        "createdAt": row.created_at.isoformat().replace("+00:00", "Z"),
    }


def _html_response(html: str, csp: str) -> Response:
    return HTMLResponse(html, headers=_headers(csp))


def _headers(csp: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": csp,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
