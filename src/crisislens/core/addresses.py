"""Which IP addresses a server may be asked at that somebody else named: public ones, and no others.

`ipaddress.is_global` is no answer: it lets multicast through, and 64:ff9b::/96 (NAT64, RFC 6052) and
2002::/16 (6to4, RFC 3056), which carry an IPv4 address that a gateway goes on to. So IPv6 is allowed where
addresses are given out (2000::/3) and nowhere else, addresses within addresses are taken out and judged by
themselves, and what of IPv4 is special stands in a table (IANA's registry, RFC 6890).
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

__all__ = ["why_not_public"]

_SPECIAL_4: Final = tuple(
    (IPv4Network(net), what)
    for net, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "a provider's own (CGNAT)"),
        ("127.0.0.0/8", "this computer"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_GIVEN_OUT_6: Final = IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    (IPv6Network(net), what)
    for net, what in (
        ("::1/128", "this computer"),
        ("::/128", "this network"),
        ("64:ff9b:1::/48", "a local translation to IPv4"),
        ("2001::/23", "reserved (Teredo among them)"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_LOW_32: Final = 0xFFFFFFFF


def why_not_public(address: str) -> str | None:
    """What is special about an address, or None of one that anybody may be sent to.

    >>> why_not_public("169.254.169.254"), why_not_public("64:ff9b::7f00:1"), why_not_public("1.1.1.1")
    ('link-local', 'this computer', None)

    Arguments:
        address: As `socket.getaddrinfo` gives it.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    return _special_4(ip) if isinstance(ip, IPv4Address) else _special_6(ip)


def _special_4(ip: IPv4Address) -> str | None:
    return next((what for net, what in _SPECIAL_4 if ip in net), None)


def _special_6(ip: IPv6Address) -> str | None:
    if ip.scope_id is not None:
        return "of one network card"
    number = int(ip)
    if ip in _MAPPED or ip in _NAT64:
        return _special_4(IPv4Address(number & _LOW_32))
    if ip in _SIX_TO_FOUR:
        return _special_4(IPv4Address(number >> 80 & _LOW_32))
    special = next((what for net, what in _SPECIAL_6 if ip in net), None)
    if special is not None:
        return special
    if ip not in _GIVEN_OUT_6:
        return "not given out"
    # a tunnel of a site carries an IPv4 address in its lower half (RFC 5214)
    if number >> 32 & _LOW_32 in _ISATAP:
        return _special_4(IPv4Address(number & _LOW_32))
    return None
