"""Who is at the other end: the peer of the connection, or whom a proxy of ours names.

X-Forwarded-For grows to the right, one address for each proxy that passes a request on. What a client
wrote himself stands to the left of what our proxies added: the first address from the right that is no
proxy of ours is his.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
PROXIED: Final = "proxied"
"""In the state of a request that one of the believed proxies passes on."""
_MAPPED: Final = 96
"""Bits of the network of IPv6 that holds all of IPv4."""


class Proxies:
    """The proxies that are believed."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """Addresses and networks as text. Raises ValueError for what is neither."""
        self._networks = [network(one) for one in networks]

    def trust(self, address: str | None) -> bool:
        """Whether it belongs to one of them."""
        known = _parsed(address) if address and self._networks else None
        return known is not None and self._are(known)

    def client(self, peer: str, forwarded: Sequence[bytes]) -> str:
        """The client behind a trusted peer, from its X-Forwarded-For headers; what is no address ends the search."""
        found = peer
        for text in reversed(b",".join(forwarded).decode("latin-1").split(",")):
            address = _parsed(text)
            if address is None:
                break
            found = str(address)
            if not self._are(address):
                break
        return found

    def _are(self, address: Address) -> bool:
        return any(address.version == one.version and address in one for one in self._networks)


def network(text: str) -> Network:
    """A network, or an address as the network of it alone. Raises ValueError."""
    found = ipaddress.ip_network(text)
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped and found.prefixlen >= _MAPPED:
        return ipaddress.ip_network((found.network_address.ipv4_mapped, found.prefixlen - _MAPPED))
    return found


def plain(address: str) -> str:
    """The address in the one spelling in which it is stored and counted: IPv4 as such, no zone."""
    found = _parsed(address)
    return address if found is None else str(found)


def _parsed(text: str) -> Address | None:
    """An address, with or without brackets, port, zone, or the clothes of IPv6 about an IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
