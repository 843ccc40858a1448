"""Which addresses may be asked."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.addresses import why_not_public

PUBLIC = [
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700::1111",
    "64:ff9b::101:101",
    "2002:101:101::1",
    "::ffff:1.1.1.1",
]
NOT = {
    "0.0.0.0": "this network",
    "10.1.2.3": "private",
    "100.64.0.1": "CGNAT",
    "100.127.255.255": "CGNAT",
    "127.0.0.1": "this computer",
    "127.255.255.254": "this computer",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "relay",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "this network",
    "::1": "this computer",
    "::7f00:1": "not given out",
    "::ffff:127.0.0.1": "this computer",
    "::ffff:169.254.169.254": "link-local",
    "64:ff9b::7f00:1": "this computer",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::1": "translation",
    "100::1": "not given out",
    "2001::1": "Teredo",
    "2001:db8::1": "documentation",
    "2002:7f00:1::1": "this computer",
    "2002:c0a8:101::": "private",
    "2002:a9fe:a9fe::": "link-local",
    "2606:4700::5efe:10.0.0.1": "private",
    "2606:4700::200:5efe:127.0.0.1": "this computer",
    "3fff::1": "documentation",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%1": "network card",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "example.org": "no address",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address: str) -> None:
    assert why_not_public(address) is None


@pytest.mark.parametrize("address", NOT)
def test_others_may_not(address: str) -> None:
    assert NOT[address] in (why_not_public(address) or "")


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_as_itself(inner: ipaddress.IPv4Address) -> None:
    said, number = why_not_public(str(inner)), int(inner)
    within = (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80)
    assert {why_not_public(str(ipaddress.IPv6Address(each))) for each in within} == {said}


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_multicast or address.is_link_local:
        # what carries an IPv4 address is judged by that one; Python 3.13 calls all of 2002::/16 private
        carried = [getattr(address, name, None) for name in ("ipv4_mapped", "sixtofour")]
        assert why_not_public(str(address)) is not None or carried != [None, None]
