"""Checks of a request head: its size, method, version and host.

The connection checks the head of each request and of each WebSocket handshake before it calls the application.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import httptools

from server.errors import RequestError
from server.hosts import FORWARDING_HEADERS, PROBES, Hosts
from server.proxies import Proxies

TIMEOUT_SECONDS: Final = 10
"""Timeout for the request head, for the body, and for the client to read more of a response."""
KEEP_ALIVE_SECONDS: Final = 10
MAX_TARGET_BYTES: Final = 8 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
"""Of all headers together, without the request line."""
MAX_HEADERS: Final = 100
MAX_PIPELINED_REQUESTS: Final = 100
"""Pipelined requests of one connection that wait for earlier responses."""
MAX_HANDSHAKE_HEADER_BYTES: Final = 8000
"""Of one header. Beyond that, uvicorn's WebSocket implementation would reject the handshake without a coded error."""

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_VERSIONS: Final = frozenset(("1.1", "1.0"))
_METHODS: Final = frozenset((b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"DELETE"))
_PROBE_METHODS: Final = frozenset((b"GET", b"HEAD"))
_FORBIDDEN_METHODS: Final = frozenset((b"TRACE", b"CONNECT"))
_ALLOW_HEADER: Final = {"Allow": "GET, HEAD, POST"}
_RELEVANT_HEADERS: Final = FORWARDING_HEADERS | {b"host", b"transfer-encoding"}
_GRAPHQL: Final = b"/graphql"
"""The target of nearly all requests, checked on a fast path."""
_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class RequestGuard:
    """The rules for request heads, and the timeouts of connections."""

    hosts: Hosts
    proxies: Proxies = field(default_factory=Proxies)
    timeout_seconds: float = TIMEOUT_SECONDS
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS

    def check(self, method: bytes, version: str, target: bytes, headers: Headers) -> RequestError | None:
        """The error of a request head, or None. Header names are in lower case."""
        if version not in _VERSIONS:
            return RequestError(505, "Send HTTP/1.1.")
        if method not in _METHODS:
            return unknown_method(405 if method in _FORBIDDEN_METHODS else 501)
        host_values: list[bytes] = []
        forwarding_headers: list[tuple[bytes, bytes]] = []
        for header in headers:
            name, value = header
            if name not in _RELEVANT_HEADERS:
                continue
            if name == b"host":
                host_values.append(value)
            elif name in FORWARDING_HEADERS:
                forwarding_headers.append(header)
            elif version == "1.0" or value.lower() != b"chunked":
                return RequestError(501, "Send the body with Content-Length or as Transfer-Encoding: chunked.")
        if target == _GRAPHQL and not forwarding_headers and self.hosts.is_plain_match(host_values):
            return None
        return self._check_host(version, target, host_values, forwarding_headers)

    def _check_host(
        self, version: str, target: bytes, host_values: list[bytes], forwarding_headers: list[tuple[bytes, bytes]]
    ) -> RequestError | None:
        is_for_probes = _is_for_probes(target)
        if is_for_probes and not host_values and version == "1.0":
            return None
        if not target.startswith(b"/") and target != b"*":
            # A request target in absolute form: its host overrides the Host header, so it is checked too.
            forwarding_headers.append((b"", httptools.parse_url(target).host or b""))
        return self.hosts.check(host_values, forwarding_headers, is_probe=is_for_probes)


def is_probe(method: bytes, target: bytes) -> bool:
    """True for a request of an orchestrator or a monitor, which is served above the limits of connections."""
    return method in _PROBE_METHODS and _is_for_probes(target)


def check_handshake(method: bytes, version: str, headers: Headers) -> RequestError | None:
    """The error of a WebSocket handshake, or None."""
    values = dict(headers)
    is_handshake = method == b"GET" and version == "1.1" and _is_key(values.get(b"sec-websocket-key", b""))
    if not is_handshake or values.keys() & {b"content-length", b"transfer-encoding"}:
        return RequestError(400, "This is not a WebSocket handshake.")
    if values.get(b"sec-websocket-version") != b"13":
        return RequestError(426, "Open the WebSocket in version 13.", headers={"Sec-WebSocket-Version": "13"})
    if any(len(name) + len(value) > MAX_HANDSHAKE_HEADER_BYTES for name, value in headers):
        return head_too_large()
    return None


def head_size(headers: Headers) -> int:
    """The size of the headers in bytes, as sent."""
    return sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)


def target_too_long() -> RequestError:
    """The error of a request target that is too long."""
    return RequestError(414, f"The request target has more than {MAX_TARGET_BYTES} bytes.")


def head_too_large() -> RequestError:
    """The error of too many or too large headers."""
    return RequestError(431, f"There are more than {MAX_HEADERS} headers or more than {MAX_HEAD_BYTES} bytes of them.")


def unknown_method(status: int = 501) -> RequestError:
    """The error of a method that no path supports."""
    return RequestError(status, "This method is not supported here.", headers=_ALLOW_HEADER)


def _is_for_probes(target: bytes) -> bool:
    return target.decode("latin-1").partition("?")[0] in PROBES


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
