"""The credential of a request: a bearer token, or the session cookie of a browser.

    Authorization: Bearer ...        programs that store the token themselves
    X-Session: cookie                browsers: a sign-in sets the cookie, later requests send it

A page of another site can make a browser send the cookie, but not the header: the header needs a CORS preflight, which
only allowed origins pass. The cookie is therefore accepted only together with the header, and only from a page of the
same or an allowed origin. A cookie without the header or beside a bearer token is an error, so that neither is ignored.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from server import errors
from server.errors import RequestError

COOKIE: Final = "__Host-fullmakt"
"""The prefix `__Host-` makes browsers bind the cookie to this host and to https. They accept http on 127.0.0.1."""
HEADER: Final = "X-Session"
HEADER_VALUE: Final = "cookie"
"""The only value of the header."""
_ATTRIBUTES: Final = "; Path=/; Secure; HttpOnly; SameSite=Strict"
_SAME_ORIGIN: Final = "same-origin"
_CROSS_SITE: Final = "cross-site"
_FOREIGN_SITES: Final = frozenset({_CROSS_SITE, "same-site"})
_LOOPBACK: Final = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")

Header = Callable[[str], str | None]
"""Looks up a header by its lower-case name: `HTTPRequest.header`, or `headers.get` of a WebSocket."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The token of a request, None without one, and whether the client stores its token in the cookie."""

    token: str | None = field(repr=False)
    in_cookie: bool

    def cookie_header(self, token: str | None) -> dict[str, str]:
        """The header that sets the cookie to `token`, or clears it for None. Empty if the browser has that already."""
        if not self.in_cookie or token == self.token:
            return {}
        return {"Set-Cookie": f"{COOKIE}={token}{_ATTRIBUTES}" if token else f"{COOKIE}=; Max-Age=0{_ATTRIBUTES}"}


@dataclass(frozen=True, slots=True)
class Browsers:
    """The pages that may use the session cookie: those of the same origin and of the allowed origins."""

    https: bool
    allowed_origins: frozenset[str] = frozenset()
    allows_loopback: bool = False
    """In development, pages of all ports of this machine are allowed."""

    def credential(self, header: Header, *, handshake: bool = False) -> Credential:
        """The credential of a request. Raises RequestError if it is ambiguous or a cookie lacks the header.

        The `handshake` of a WebSocket or an EventSource cannot send X-Session. Its cookie is accepted if the browser
        states an allowed page: by Origin, which every WebSocket handshake has, or by `Sec-Fetch-Site: same-origin`. The
        response to a handshake sets no cookie.
        """
        bearer, cookie, session_header = (
            _bearer(header("authorization")),
            _cookie_value(header("cookie")),
            header("x-session"),
        )
        if cookie is None and session_header is None:
            return Credential(bearer, in_cookie=False)
        if session_header is not None and session_header != HEADER_VALUE:
            raise RequestError(400, f"The only value of {HEADER} is {HEADER_VALUE}.")
        if self.is_foreign(header):
            _forbid("FOREIGN_ORIGIN", "The origin of this page may not use the cookie.")
        if header("sec-fetch-site") == _CROSS_SITE:
            _forbid(
                "CROSS_SITE_COOKIE",
                "The browser does not store or send the cookie, because this page is of another site than the server."
                " Send a bearer token instead, or serve the page from the same site.",
            )
        if bearer is not None:
            _ambiguous(f"Send either the cookie with {HEADER}, or a bearer token, not both.")
        if session_header is None and not (handshake and self._is_proven(header)):
            _forbid("SESSION_HEADER_MISSING", f"The cookie is accepted only with the header {HEADER}: {HEADER_VALUE}.")
        return Credential(cookie or None, in_cookie=True)

    def is_foreign(self, header: Header) -> bool:
        """True if a browser states that the page is of another origin that is not allowed."""
        origin = header("origin")
        if origin is None:
            return header("sec-fetch-site") in _FOREIGN_SITES
        is_allowed = self.is_allowed_origin(origin) or origin == self._own_origin(header)
        return not is_allowed and header("sec-fetch-site") != _SAME_ORIGIN

    def is_allowed_origin(self, origin: str) -> bool:
        """True if pages of this other origin may call the API."""
        return origin in self.allowed_origins or (self.allows_loopback and _LOOPBACK.fullmatch(origin) is not None)

    def _is_proven(self, header: Header) -> bool:
        return header("origin") is not None or header("sec-fetch-site") == _SAME_ORIGIN

    def _own_origin(self, header: Header) -> str:
        return f"{'https' if self.https else 'http'}://{header('host')}"


def _bearer(authorization: str | None) -> str | None:
    """The bearer token. An empty token counts as a token. None without one."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie_value(cookies: str | None) -> str | None:
    """The value of the session cookie. None without the cookie."""
    if cookies is None or COOKIE not in cookies:
        return None
    pairs = [part.strip().partition("=") for part in cookies.split(";")]
    values = [value for name, _, value in pairs if name == COOKIE]
    if len(values) > 1:  # A neighbouring host may have set one of them in spite of the prefix.
        _ambiguous("The request has the cookie more than once.")
    return values[0] if values else None


def _ambiguous(message: str) -> NoReturn:
    raise RequestError(400, message, reason="AMBIGUOUS_CREDENTIALS")


def _forbid(reason: str, message: str) -> NoReturn:
    raise RequestError(403, message, errors.FORBIDDEN, reason=reason)
