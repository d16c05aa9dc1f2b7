"""The client of a request: its credential, account, language and address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

import i18n
from server.credentials import Browsers, Credential
from server.errors import RequestError
from server.request import HTTPRequest


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The headers and the address of a request that the server uses."""

    request_id: str
    credential: Credential
    account_key: str | None
    view_as: list[str]
    """All values of X-View-As. Empty if the header is missing."""
    locale: str
    ip_address: str | None
    user_agent: str | None


def of_request(request: HTTPRequest, request_id: str, browsers: Browsers) -> ClientInfo:
    """The client of an HTTP request. Raises RequestError if `browsers` rejects its credentials."""
    return ClientInfo(
        request_id=request_id,
        credential=browsers.credential(request.header),
        account_key=request.header("x-account"),
        view_as=request.headers.getlist("x-view-as") if request.header("x-view-as") is not None else [],
        locale=i18n.negotiate(request.header("accept-language")),
        ip_address=address_of(request.scope),
        user_agent=_printable(request.header("user-agent")),
    )


_INIT_HEADERS: Final = frozenset({"authorization", "x-account", "x-session"})
"""Headers that a `connection_init` payload may carry, because the WebSocket of a browser cannot send headers."""
_VIEW_AS: Final = "x-view-as"


def of_socket(scope: Scope, connection_init: Mapping[str, object], request_id: str, browsers: Browsers) -> ClientInfo:
    """The client of a WebSocket. The payload of `connection_init` overrides the headers of the handshake.

    Values of the payload are converted to text, so that no header is ignored. Raises RequestError as `of_request` does.
    """
    headers = Headers(scope=scope)
    init_headers = {name.lower(): str(value) for name, value in connection_init.items() if value is not None}
    if _VIEW_AS in init_headers or _VIEW_AS in headers:
        raise RequestError(400, "X-View-As is for queries.")

    def header(name: str) -> str | None:
        return init_headers[name] if name in _INIT_HEADERS and name in init_headers else headers.get(name)

    return ClientInfo(
        request_id=request_id,
        credential=browsers.credential(header, handshake=True),
        account_key=header("x-account"),
        view_as=[],
        locale=i18n.negotiate(headers.get("accept-language")),
        ip_address=address_of(scope),
        user_agent=_printable(headers.get("user-agent")),
    )


def address_of(scope: Scope) -> str | None:
    """The IP address of a client, or None on a Unix socket."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else None


def _printable(text: str | None) -> str | None:
    """The printable characters among the first 300 of a header, so that it can be stored."""
    return None if text is None else "".join(c for c in text[:300] if c.isprintable())
