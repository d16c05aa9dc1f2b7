"""Under which names we are served. A request for any other is not for us, whoever passes it on."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from server.errors import Rejected

PROBES: Final = ("/livez", "/readyz", "/metrics")
"""What is asked by an address that nobody can list beforehand: from inside, for the process itself."""
FORWARDED: Final = frozenset(
    (b"x-forwarded-host", b"x-forwarded-server", b"x-original-host", b"x-host", b"x-http-host-override", b"forwarded")
)
"""Other headers that name a host. None of them decides anything; one that names a foreign host is refused."""
_HOST: Final = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)\.?(?::[0-9]{0,5})?", re.IGNORECASE)
_LONGEST_PORT: Final = 5
_IN_FORWARDED: Final = re.compile(rb"(?:^|[;,\s])host\s*=\s*(\"[^\"]*\"|[^;,\s]*)", re.IGNORECASE)


class Hosts:
    """The names; of a port nothing depends, so that none is compared."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(_normal(name) for name in names)
        self._spelt = frozenset(name.encode() for name in self._names)

    def is_one(self, said: list[bytes]) -> bool:
        """Whether a single host is said, one of ours, as nearly everybody writes it."""
        if len(said) != 1:
            return False
        name, colon, port = said[0].partition(b":")
        return name in self._spelt and (not colon or (port.isdigit() and len(port) <= _LONGEST_PORT))

    def objection(self, said: list[bytes], forwarded: list[tuple[bytes, bytes]], *, probed: bool) -> Rejected | None:
        """What is wrong with the Host headers and the others that name one; `probed` may say any name."""
        if len(said) != 1:
            return Rejected(400, "Send one Host header." if said else "Send a Host header.")
        if not probed and (found := self._foreign(said[0])) is not None:
            return found
        for name, value in forwarded:
            named = _IN_FORWARDED.findall(value) if name == b"forwarded" else value.split(b",")
            for one in named:
                found = self._foreign(one.strip(b' "'))
                if found is not None:
                    return found
        return None

    def _foreign(self, value: bytes) -> Rejected | None:
        match = _HOST.fullmatch(value)
        if match is None:
            return Rejected(400, "The host is no name and no address.")
        if _normal(match[1].decode("ascii")) in self._names:
            return None
        return Rejected(421, "This host is not served here. FULLMAKT_PUBLIC_URL and FULLMAKT_ALLOWED_HOSTS name those.")


def _normal(name: str) -> str:
    """One spelling: small letters, no dot at the end, addresses of IPv6 shortened and in their brackets."""
    name = name.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name
    return f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address)
