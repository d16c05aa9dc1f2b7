"""Where a request comes from, and who it says it is: what its operation does not say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

import i18n
from server.credentials import Browsers, Credential
from server.errors import Rejected
from server.request import HTTPRequest


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The headers and the address of a request, as far as they decide anything."""

    request_id: str
    credential: Credential
    account_key: str | None
    through: list[str]
    """X-View-As, as often as it was given."""
    locale: str
    ip_address: str | None
    user_agent: str | None


def of(request: HTTPRequest, request_id: str, browsers: Browsers) -> ClientInfo:
    """The origin of an HTTP request. Raises Rejected for credentials that `browsers` refuses."""
    return ClientInfo(
        request_id=request_id,
        credential=browsers.credential(request.header),
        account_key=request.header("x-account"),
        through=request.headers.getlist("x-view-as") if request.header("x-view-as") is not None else [],
        locale=i18n.negotiate(request.header("accept-language")),
        ip_address=_address(request.scope),
        user_agent=_plain(request.header("user-agent")),
    )


_SAID: Final = frozenset({"authorization", "x-account", "x-session"})
"""What a socket may say itself, because a browser's cannot send headers."""
_VIEW: Final = "x-view-as"


def of_socket(scope: Scope, given: Mapping[str, object], request_id: str, browsers: Browsers) -> ClientInfo:
    """The origin of what comes by a socket: what was `given` when it began goes before the headers of its handshake.

    What is no text is read as what it would be as one, so that a header is never overlooked. Raises Rejected as for an
    HTTP request.
    """
    headers = Headers(scope=scope)
    said = {name.lower(): str(value) for name, value in given.items() if value is not None}
    if _VIEW in said or _VIEW in headers:
        raise Rejected(400, "X-View-As is for queries.")

    def header(name: str) -> str | None:
        return said[name] if name in _SAID and name in said else headers.get(name)

    return ClientInfo(
        request_id=request_id,
        credential=browsers.credential(header, handshake=True),
        account_key=header("x-account"),
        through=[],
        locale=i18n.negotiate(headers.get("accept-language")),
        ip_address=_address(scope),
        user_agent=_plain(headers.get("user-agent")),
    )


def _address(scope: Scope) -> str | None:
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else None


def _plain(text: str | None) -> str | None:
    """A header as it can be stored: printable, and not for ever long."""
    return None if text is None else "".join(c for c in text[:300] if c.isprintable())
