"""The network of an IP address: all addresses that one customer of an internet provider can use."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=1024)
def network_of(address: str | None) -> str | None:
    """An IPv4 address itself, also if it is mapped into IPv6; the /64 network of an IPv6 address, without its zone.

    None if the text is not an IP address.
    """
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
