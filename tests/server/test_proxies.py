"""Whose address a request has, behind proxies that are trusted and others."""

import pytest

from server.proxies import Proxies, plain

OURS = Proxies(("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:172.16.0.0/108"))


def test_a_proxy_is_trusted_by_its_address_or_network() -> None:
    for address in ("10.0.0.1", "10.255.255.255", "192.0.2.1", "2001:db8::7", "::ffff:10.0.0.1", "172.16.3.4"):
        assert OURS.trust(address), address
    for address in ("11.0.0.1", "192.0.2.2", "2001:db9::7", "::1", "172.32.0.1", "proxy", ""):
        assert not OURS.trust(address), address
    assert not OURS.trust(None)
    assert not Proxies().trust("127.0.0.1")


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["203.0.113.7", "10.0.0.2, 192.0.2.1"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),  # What the client claims stands on the left.
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
def test_the_client_is_the_first_from_the_right_who_is_no_proxy(forwarded: list[str], client: str) -> None:
    assert OURS.client("10.0.0.1", [text.encode("latin-1") for text in forwarded]) == client


def test_one_address_has_one_spelling() -> None:
    assert plain("::ffff:127.0.0.1") == "127.0.0.1"
    assert plain("2001:DB8:0::1") == "2001:db8::1"
    assert plain("fe80::1%lo") == "fe80::1"
    assert plain("testclient") == "testclient"
