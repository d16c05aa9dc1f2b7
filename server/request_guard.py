"""What the head of a request may be: how large, in which words, for which host.

The connection shows each head to the gate before the application learns of it; and each handshake of a WebSocket,
which is a head and nothing more.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import httptools

from server.errors import Rejected
from server.hosts import FORWARDED, PROBES, Hosts
from server.proxies import Proxies

SECONDS: Final = 10
"""For a head, for a body, and to read on in an answer."""
KEEP_ALIVE_SECONDS: Final = 10
MOST_CONNECTIONS: Final = 2000
LONGEST_TARGET: Final = 8 * 1024
LONGEST_HEAD: Final = 16 * 1024
"""In bytes, of all headers together, without the request line."""
MOST_HEADERS: Final = 100
MOST_IN_LINE: Final = 100
"""Requests of one connection that wait for the answer to the one before."""
LONGEST_LINE_OF_HANDSHAKE: Final = 8000
"""What reads a handshake again, uvicorn's WebSockets, would refuse longer ones in its own words."""

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_VERSIONS: Final = frozenset(("1.1", "1.0"))
_ROUTED: Final = frozenset((b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"DELETE"))
_NEVER: Final = frozenset((b"TRACE", b"CONNECT"))
_ALLOWED: Final = {"Allow": "GET, HEAD, POST"}
_LOOKED_AT: Final = FORWARDED | {b"host", b"transfer-encoding"}
_GRAPHQL: Final = b"/graphql"
"""Nearly all that is asked: decided at once."""
_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class RequestGuard:
    """Whom we let in, and how long we wait for him."""

    hosts: Hosts
    proxies: Proxies = field(default_factory=Proxies)
    seconds: float = SECONDS
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    most_connections: int = MOST_CONNECTIONS

    def objection(self, method: bytes, version: str, target: bytes, headers: Headers) -> Rejected | None:
        """What there is against a head; names of headers are in small letters."""
        if version not in _VERSIONS:
            return Rejected(505, "Send HTTP/1.1.")
        if method not in _ROUTED:
            return unknown_method(405 if method in _NEVER else 501)
        said: list[bytes] = []
        others: list[tuple[bytes, bytes]] = []
        for header in headers:
            name, value = header
            if name not in _LOOKED_AT:
                continue
            if name == b"host":
                said.append(value)
            elif name in FORWARDED:
                others.append(header)
            elif version == "1.0" or value.lower() != b"chunked":
                return Rejected(501, "Send the body with Content-Length, or in chunks and no other encoding.")
        if target == _GRAPHQL and not others and self.hosts.is_one(said):
            return None
        return self._misdirected(version, target, said, others)

    def _misdirected(
        self, version: str, target: bytes, said: list[bytes], others: list[tuple[bytes, bytes]]
    ) -> Rejected | None:
        is_probe = target.decode("latin-1").partition("?")[0] in PROBES
        if is_probe and not said and version == "1.0":
            return None
        if not target.startswith(b"/") and target != b"*":
            # The whole address in the request line: its host goes before the header's.
            others.append((b"", httptools.parse_url(target).host or b""))
        return self.hosts.objection(said, others, probed=is_probe)


def handshake(method: bytes, version: str, headers: Headers) -> Rejected | None:
    """What there is against the handshake of a WebSocket."""
    given = dict(headers)
    is_one = method == b"GET" and version == "1.1" and _is_key(given.get(b"sec-websocket-key", b""))
    if not is_one or given.keys() & {b"content-length", b"transfer-encoding"}:
        return Rejected(400, "This is no handshake of a WebSocket.")
    if given.get(b"sec-websocket-version") != b"13":
        return Rejected(426, "Open the WebSocket in version 13.", headers={"Sec-WebSocket-Version": "13"})
    if any(len(name) + len(value) > LONGEST_LINE_OF_HANDSHAKE for name, value in headers):
        return large_head()
    return None


def size(headers: Headers) -> int:
    """How many bytes headers take, as they are sent."""
    return sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)


def long_target() -> Rejected:
    """The refusal of an address that is too long."""
    return Rejected(414, f"The address has more than {LONGEST_TARGET} bytes.")


def large_head() -> Rejected:
    """The refusal of too many or too long headers."""
    return Rejected(431, f"The headers have more than {LONGEST_HEAD} bytes, or are more than {MOST_HEADERS}.")


def unknown_method(status: int = 501) -> Rejected:
    """The refusal of a method that has a meaning nowhere here."""
    return Rejected(status, "This method is not for this address.", headers=_ALLOWED)


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
