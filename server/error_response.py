"""What a request gets that never reaches the graph: JSON with a code, like every other refusal."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import i18n
from server import access_log, errors
from server.errors import Rejected

_MESSAGES: Final = {404: "There is nothing here.", 405: "This method is not for this address."}
_CODES: Final = {404: errors.NOT_FOUND}


def request_id(request: Request) -> str:
    """The id under which the log knows a request."""
    known: str = request.scope["state"]["request_id"]
    return known


async def http(request: Request, error: Exception) -> Response:
    """For what the routes refuse: an unknown address, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these alone
    status = error.status_code
    message = _MESSAGES.get(status, "The request cannot be answered.")
    found = Rejected(status, message, _CODES.get(status, errors.BAD_USER_INPUT), headers=error.headers)
    return _answered(request, found)


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    """For what the connection refuses before anybody was asked: it says what, as `scope["refused"]`."""
    await _answered(Request(scope), scope["refused"])(scope, receive, send)


async def unexpected(request: Request, error: Exception) -> Response:
    """For what a page or a probe did not expect: coded, masked, logged."""
    return _answered(
        request, errors.rejected(error, request_id(request), i18n.negotiate(request.headers.get("accept-language")))
    )


def _answered(request: Request, found: Rejected) -> Response:
    answer = found.answer(request_id(request))
    access_log.of(request.scope).errors = answer["errors"]
    return as_json(found.status, answer, found.headers)


class Json(Response):
    """An answer in JSON, without the copying and looking-up that an answer of any kind would take."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"%s; charset=utf-8" % media_type.encode()),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()),
        ]


def as_json(
    status: int,
    answer: dict[str, Any],
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> Response:
    """An answer in JSON."""
    return Json(status, orjson.dumps(answer, option=orjson.OPT_UTC_Z), headers or {}, media_type)
