"""The network that an address belongs to."""

import pytest

from models.base.network import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", None),
        ("/run/socket", None),
        ("", None),
        (None, None),
    ],
)
def test_ipv6_addresses_share_their_64_bit_network(address: str | None, network: str | None) -> None:
    assert network_of(address) == network
