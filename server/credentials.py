"""How a request says who asks: by a bearer token, or by the cookie in which a browser keeps one.

    Authorization: Bearer ...        programs, and whoever keeps the token himself
    X-Session: cookie                browsers: sign in into a cookie, and be known by it

A page of another site can make a browser send the cookie along, but not the header: for that the browser asks us
first, and we agree only for the allowed origins. So the cookie counts with the header alone, and only from a page of
ours or of an allowed origin. Without it, or beside a bearer token, it is refused, never overlooked and never believed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from server import errors
from server.errors import Rejected

COOKIE: Final = "__Host-fullmakt"
"""The prefix makes browsers hold it to this host and to https. On 127.0.0.1 they take http for as good."""
HEADER: Final = "X-Session"
IN_COOKIE: Final = "cookie"
"""What the header says."""
_ATTRIBUTES: Final = "; Path=/; Secure; HttpOnly; SameSite=Strict"
_SAME: Final = "same-origin"
_OTHERS: Final = frozenset({"cross-site", "same-site"})

Header = Callable[[str], str | None]
"""Looks up a header by its name in small letters: `Asking.header`, or `headers.get` of a WebSocket."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The token of a request, if it has one, and whether it is, or would be, kept in a browser's cookie."""

    token: str | None = field(repr=False)
    in_cookie: bool

    def to_keep(self, token: str | None) -> dict[str, str]:
        """The header by which the browser goes on with `token`, or with none; nothing where it has that already."""
        if not self.in_cookie or token == self.token:
            return {}
        return {"Set-Cookie": f"{COOKIE}={token}{_ATTRIBUTES}" if token else f"{COOKIE}=; Max-Age=0{_ATTRIBUTES}"}


@dataclass(frozen=True, slots=True)
class Browsers:
    """Which pages a browser may show while it sends us its cookie: our own, and those of the allowed origins."""

    https: bool
    allowed: frozenset[str] = frozenset()

    def credential(self, header: Header, *, handshake: bool = False) -> Credential:
        """What the request shows. Raises Rejected where that is ambiguous, or a cookie comes without its proof.

        A `handshake`, of a WebSocket or of an EventSource, cannot send headers of its own. There the cookie counts
        without X-Session if the browser says that the page is ours or allowed: by Origin, which every WebSocket has,
        or by `Sec-Fetch-Site: same-origin`. An answer to it sets no cookie.
        """
        bearer, cookie, chosen = _bearer(header("authorization")), _kept(header("cookie")), header("x-session")
        if cookie is None and chosen is None:
            return Credential(bearer, in_cookie=False)
        if chosen is not None and chosen != IN_COOKIE:
            raise Rejected(400, f"{HEADER} is {IN_COOKIE}, or left out.")
        if self.is_foreign(header):
            _forbid("FOREIGN_ORIGIN", "This page's origin is not among those that may use the cookie.")
        if bearer is not None:
            _ambiguous(f"Send either the cookie with {HEADER}, or a bearer token, not both.")
        if chosen is None and not (handshake and self._is_proven(header)):
            _forbid("SESSION_HEADER_MISSING", f"A cookie counts only with the header {HEADER}: {IN_COOKIE}.")
        return Credential(cookie or None, in_cookie=True)

    def is_foreign(self, header: Header) -> bool:
        """Whether a browser says that a page that is neither ours nor allowed has sent the request."""
        origin = header("origin")
        if origin is None:
            return header("sec-fetch-site") in _OTHERS
        return origin not in self.allowed and origin != self._own(header) and header("sec-fetch-site") != _SAME

    def _is_proven(self, header: Header) -> bool:
        return header("origin") is not None or header("sec-fetch-site") == _SAME

    def _own(self, header: Header) -> str:
        return f"{'https' if self.https else 'http'}://{header('host')}"


def _bearer(authorization: str | None) -> str | None:
    """The token; an empty one is one too."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _kept(cookies: str | None) -> str | None:
    """The value of our cookie among others."""
    if cookies is None or COOKIE not in cookies:
        return None
    pairs = [part.strip().partition("=") for part in cookies.split(";")]
    found = [value for name, _, value in pairs if name == COOKIE]
    if len(found) > 1:  # One may have been slipped in from a neighbouring host, in spite of the prefix.
        _ambiguous("The cookie is there more than once.")
    return found[0] if found else None


def _ambiguous(message: str) -> NoReturn:
    raise Rejected(400, message, reason="AMBIGUOUS_CREDENTIALS")


def _forbid(reason: str, message: str) -> NoReturn:
    raise Rejected(403, message, errors.FORBIDDEN, reason=reason)
