"""The page on which the receiver of a mail stops mails of its kind, without a login.

    GET  /unsubscribe/{kind}/{token}         a page with a button. Changes nothing, because scanners open links.
    POST /unsubscribe/{kind}/{token}         blocks the kind. Mail programs send it: List-Unsubscribe, RFC 8058.
    POST /unsubscribe/{kind}/{token}/undo    allows the kind again.

The body of a POST is not read: RFC 8058 allows several forms of it, and the path says everything. An invalid token is
404. The page is in the language of the browser.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import i18n
from mailer import render
from models.outbox import block
from models.outbox.block import Blockable

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def routes(link_key: str, public_url: str, clock: Callable[[], datetime]) -> list[Route]:
    """The routes of the page, in development and in production."""

    async def show_or_block(request: Request) -> Response:
        blockable = find(request)
        if request.method == "POST":
            await blockable.add(clock())
        return await page(request, blockable)

    async def allow(request: Request) -> Response:
        blockable = find(request)
        await blockable.remove()
        return await page(request, blockable)

    def find(request: Request) -> Blockable:
        blockable = block.find(link_key, request.path_params["kind"], request.path_params["token"])
        if blockable is None:
            raise HTTPException(404)
        return blockable

    async def page(request: Request, blockable: Blockable) -> Response:
        url = render.unsubscribe_url(link_key, public_url, blockable)
        return await _page(request, blockable, urlsplit(url).path)

    path = f"{render.UNSUBSCRIBE_PATH}/{{kind}}/{{token}}"
    return [
        Route(path, show_or_block, methods=["GET", "POST"]),
        Route(f"{path}/undo", allow, methods=["POST"]),
    ]


async def _page(request: Request, blockable: Blockable, path: str) -> Response:
    locale = i18n.negotiate(request.headers.get("accept-language"))
    html = render.render_page(
        "unsubscribe/page.html",
        locale,
        topic=i18n.translate(locale, blockable.kind.topic or ""),
        is_blocked=await blockable.is_blocked(),
        path=path,
    )
    return HTMLResponse(html, headers={**_HEADERS, "Content-Language": locale})
