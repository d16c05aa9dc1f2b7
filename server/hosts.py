"""The host names of this service. A request for another host is rejected, also if a proxy passes it on."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from server.errors import RequestError

PROBES: Final = ("/livez", "/readyz", "/metrics")
"""Paths that may have any Host: orchestrators request them by an internal address that cannot be listed."""
FORWARDING_HEADERS: Final = frozenset(
    (b"x-forwarded-host", b"x-forwarded-server", b"x-original-host", b"x-host", b"x-http-host-override", b"forwarded")
)
"""Other headers that name a host. They have no effect, but one with a foreign host is rejected."""
_HOST: Final = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)\.?(?::[0-9]{0,5})?", re.IGNORECASE)
_MAX_PORT_DIGITS: Final = 5
_IN_FORWARDED: Final = re.compile(rb"(?:^|[;,\s])host\s*=\s*(\"[^\"]*\"|[^;,\s]*)", re.IGNORECASE)


class Hosts:
    """The host names. Ports are not compared because nothing depends on them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(_normalize(name) for name in names)
        self._encoded_names = frozenset(name.encode() for name in self._names)

    def is_plain_match(self, host_values: list[bytes]) -> bool:
        """True if there is one Host header with a known name in its usual spelling. The fast path of `check`."""
        if len(host_values) != 1:
            return False
        name, colon, port = host_values[0].partition(b":")
        return name in self._encoded_names and (not colon or (port.isdigit() and len(port) <= _MAX_PORT_DIGITS))

    def check(
        self, host_values: list[bytes], forwarding_headers: list[tuple[bytes, bytes]], *, is_probe: bool
    ) -> RequestError | None:
        """The error of the Host and forwarding headers, or None. With `is_probe`, the Host may be any name."""
        if len(host_values) != 1:
            return RequestError(
                400, "The request has more than one Host header." if host_values else "The request has no Host header."
            )
        if not is_probe and (error := self._check_name(host_values[0])) is not None:
            return error
        for name, value in forwarding_headers:
            host_names = _IN_FORWARDED.findall(value) if name == b"forwarded" else value.split(b",")
            for host_name in host_names:
                error = self._check_name(host_name.strip(b' "'))
                if error is not None:
                    return error
        return None

    def _check_name(self, value: bytes) -> RequestError | None:
        match = _HOST.fullmatch(value)
        if match is None:
            return RequestError(400, "The host is not a valid name or address.")
        if _normalize(match[1].decode("ascii")) in self._names:
            return None
        return RequestError(
            421, "This host is not served here. FULLMAKT_PUBLIC_URL and FULLMAKT_ALLOWED_HOSTS list the hosts that are."
        )


def _normalize(name: str) -> str:
    """A canonical spelling: lower case, no trailing dot, IPv6 addresses compressed and in brackets."""
    name = name.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name
    return f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address)
