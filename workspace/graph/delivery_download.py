"""The route that downloads a file of a delivery by its link.

    GET  /document-files/{token}   the PDF or the structured invoice, byte for byte as it was sent

A link that does not work, and a document that the user may not read any more, are 404.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

import i18n
from i18n import mark
from models.base.caller import Caller, OperationConfig
from workspace import delivery_link

_HEADERS: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_NOT_FOUND: Final = mark("This link does not work, or no longer works. Create a new one.")


def routes(config: OperationConfig, clock: Callable[[], datetime]) -> Sequence[BaseRoute]:
    """The routes of deliveries, for ROUTES of the module."""

    async def respond(request: Request) -> Response:
        locale = i18n.negotiate(request.headers.get("accept-language"))
        caller = Caller(now=clock(), config=config, locale=locale)
        file = await delivery_link.find(caller, request.path_params["token"])
        if file is None:
            return PlainTextResponse(i18n.translate(locale, _NOT_FOUND), 404, _HEADERS)
        disposition = f'attachment; filename="{file.name}"'
        return Response(
            file.content, headers=_HEADERS | {"Content-Disposition": disposition}, media_type=file.media_type
        )

    return [Route(f"{delivery_link.PATH}/{{token}}", respond, methods=["GET"])]
