"""The route that downloads an export by its link.

    GET   /exports/{token}   the file. Uses the link up.
    HEAD  /exports/{token}   the headers of the file. Changes nothing.

A link that does not work is 404, and lost rights are 403, each with a text in the language of the browser. Browsers
that only prefetch get 503, and the link stays open. Ranges are not offered: a download that breaks off needs a new
link.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

import i18n
from models.base.caller import Caller, OperationConfig
from workspace import export_link
from workspace.export import Export
from workspace.export_format import EXTENSIONS, MEDIA_TYPES
from workspace.export_link import RightsLost, UnknownLink

_HEADERS: Final = {"Cache-Control": "no-store", "Accept-Ranges": "none", "X-Robots-Tag": "noindex"}
_PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def routes(config: OperationConfig, clock: Callable[[], datetime]) -> Sequence[BaseRoute]:
    """The routes of exports, for ROUTES of the module."""

    async def respond(request: Request) -> Response:
        if any("prefetch" in request.headers.get(name, "").lower() for name in _PREFETCH_HEADERS):
            return Response(status_code=503, headers=_HEADERS)
        locale = i18n.negotiate(request.headers.get("accept-language"))
        caller = Caller(
            now=clock(),
            config=config,
            locale=locale,
            ip_address=request.client.host if request.client is not None else None,
            request_id=request.scope["state"]["request_id"],
        )
        try:
            download = await export_link.find(caller, request.path_params["token"])
            if request.method == "HEAD":
                return Response(headers=_file_headers(download.export))
            await export_link.start(caller, download)
        except (UnknownLink, RightsLost) as error:
            status = 403 if isinstance(error, RightsLost) else 404
            return PlainTextResponse(i18n.translate(locale, error.text), status, _HEADERS)
        return StreamingResponse(export_link.read(download, clock), headers=_file_headers(download.export))

    return [Route(f"{export_link.PATH}/{{token}}", respond, methods=["GET"])]


def _file_headers(export: Export) -> dict[str, str]:
    name = f"{export.kind.lower().replace('_', '-')}-{export.created_at:%Y-%m-%d}.{EXTENSIONS[export.format]}"
    return {
        **_HEADERS,
        "Content-Type": MEDIA_TYPES[export.format],
        "Content-Length": str(export.byte_count),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
