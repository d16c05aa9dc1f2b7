"""The client address of a request, behind trusted proxies.

Each proxy appends the address of its peer to X-Forwarded-For. Addresses that the client forged are therefore on the
left. The first address from the right that is no trusted proxy is the client.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
BEHIND_PROXY: Final = "proxied"
"""Key in the scope state of a request that came through a trusted proxy."""
_MAPPED_PREFIX_BITS: Final = 96
"""Prefix length of ::ffff:0:0/96, the IPv6 network of IPv4-mapped addresses."""


class Proxies:
    """The trusted proxies."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """`networks` are addresses or networks in CIDR notation. Raises ValueError for other text."""
        self._networks = [parse_network(text) for text in networks]

    def is_trusted(self, address: str | None) -> bool:
        """True if an address is that of a trusted proxy."""
        parsed_address = _parse(address) if address and self._networks else None
        return parsed_address is not None and self._contain(parsed_address)

    def client(self, peer: str, forwarded_for: Sequence[bytes]) -> str:
        """The client behind a trusted peer, by its X-Forwarded-For headers. Text that is no address ends the search."""
        client = peer
        for text in reversed(b",".join(forwarded_for).decode("latin-1").split(",")):
            address = _parse(text)
            if address is None:
                break
            client = str(address)
            if not self._contain(address):
                break
        return client

    def _contain(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def parse_network(text: str) -> Network:
    """A network, or the network of a single address. IPv4-mapped networks become IPv4. Raises ValueError."""
    network = ipaddress.ip_network(text)
    if (
        isinstance(network, ipaddress.IPv6Network)
        and network.network_address.ipv4_mapped
        and network.prefixlen >= _MAPPED_PREFIX_BITS
    ):
        return ipaddress.ip_network((network.network_address.ipv4_mapped, network.prefixlen - _MAPPED_PREFIX_BITS))
    return network


def normalize(address: str) -> str:
    """The canonical spelling of an address: IPv4-mapped as IPv4, without a zone. Other text stays as it is."""
    parsed_address = _parse(address)
    return address if parsed_address is None else str(parsed_address)


def _parse(text: str) -> Address | None:
    """Parse an address that may have brackets, a port or a zone, or be IPv4-mapped. None if it is no address."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed_address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed_address, "ipv4_mapped", None) or parsed_address
