"""The client address of a request behind trusted and other proxies."""

import pytest

from server.proxies import Proxies, normalize

PROXIES = Proxies(("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:172.16.0.0/108"))


def test_proxy_is_trusted_by_its_address_or_network() -> None:
    for address in ("10.0.0.1", "10.255.255.255", "192.0.2.1", "2001:db8::7", "::ffff:10.0.0.1", "172.16.3.4"):
        assert PROXIES.is_trusted(address), address
    for address in ("11.0.0.1", "192.0.2.2", "2001:db9::7", "::1", "172.32.0.1", "proxy", ""):
        assert not PROXIES.is_trusted(address), address
    assert not PROXIES.is_trusted(None)
    assert not Proxies().is_trusted("127.0.0.1")


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["203.0.113.7", "10.0.0.2, 192.0.2.1"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),  # Forged addresses are on the left.
        (["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["[2001:DB9::0:7]:4711"], "2001:db9::7"),
        (['"[2001:db9::7]"'], "2001:db9::7"),
        (["fe80::1%eth0"], "fe80::1"),
        (["203.0.113.7, unknown"], "10.0.0.1"),
        (["203.0.113.7, rubbish, 10.0.0.2"], "10.0.0.2"),
        ([""], "10.0.0.1"),
        ([","], "10.0.0.1"),
        (["' OR 1=1 --"], "10.0.0.1"),
        (["\xff\x00[[::"], "10.0.0.1"),
        (["203.0.113.7," * 2000 + "10.0.0.2"], "203.0.113.7"),
    ],
)
def test_client_is_the_rightmost_address_that_is_no_proxy(forwarded_for: list[str], client: str) -> None:
    assert PROXIES.client("10.0.0.1", [text.encode("latin-1") for text in forwarded_for]) == client


def test_address_is_normalized() -> None:
    assert normalize("::ffff:127.0.0.1") == "127.0.0.1"
    assert normalize("2001:DB8:0::1") == "2001:db8::1"
    assert normalize("fe80::1%lo") == "fe80::1"
    assert normalize("testclient") == "testclient"
