"""The network of an IP address: all addresses that one customer of an internet provider can use."""

import ipaddress
from functools import lru_cache
from typing import Final

_PREFIX_LENGTHS: Final = (64, 56, 48)
"""The IPv6 networks that providers assign to one customer."""


@lru_cache(maxsize=1024)
def network_of(address: str | None) -> str | None:
    """An IPv4 address itself, also if it is mapped into IPv6; the /64 network of an IPv6 address, without its zone.

    None if the text is not an IP address.
    """
    networks = networks_of(address)
    return networks[0] if networks else None


@lru_cache(maxsize=1024)
def networks_of(address: str | None) -> tuple[str, ...]:
    """The networks of an address, the smallest first: an IPv4 address, or the /64, /56 and /48 networks of IPv6.

    One customer may have any of these IPv6 networks, and so 65,536 networks of /64. Empty if the text is no address.
    """
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ()
    if isinstance(ip, ipaddress.IPv4Address):
        return (str(ip),)
    if ip.ipv4_mapped is not None:
        return (str(ip.ipv4_mapped),)
    return tuple(
        str(ipaddress.IPv6Network((int(ip) >> (128 - length) << (128 - length), length))) for length in _PREFIX_LENGTHS
    )
