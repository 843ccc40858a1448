"""Where a request comes from, as far as that can be known, and where visitors reach the service.

A proxy on this computer connects from this computer, whoever stands behind it, and what it adds to a request
tells that it is one. Whom a proxy speaks for stands last in `X-Forwarded-For`, where it appends the address
that it was connected from; but one that was not told to passes on what a visitor wrote there. So only a proxy
that `serve --proxy` names is believed, on this computer too, and an entry before the last is not looked at.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from starlette.requests import Request

from crisislens.serve.service import service_of

__all__ = ["is_here", "service_url", "visitor_address"]

# the last is how Starlette's own client for tests calls itself
_LOOPBACK: Final = ("127.0.0.1", "::1", "testclient")
_OWN_NAMES: Final = ("127.0.0.1", "::1", "localhost", "testserver")
_OF_PROXIES: Final = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


def is_here(request: Request) -> bool:
    """Whether it was asked on this computer, by one of its own names and with nothing that a proxy adds."""
    if _connected(request) not in _LOOPBACK or request.url.hostname not in _OWN_NAMES:
        return False
    return not any(name in request.headers for name in _OF_PROXIES)


def visitor_address(request: Request) -> str:
    """The address that attempts are counted by: whom a proxy that is believed speaks for, else who connects;
    empty where nobody can tell.
    """
    connected = _connected(request)
    named = request.headers.getlist("x-forwarded-for")
    if not named or not _is_believed(connected, service_of(request).settings.proxies):
        return connected
    try:
        return str(ip_address(named[-1].rpartition(",")[2].strip()))
    except ValueError:
        return connected


def service_url(request: Request) -> str:
    """The address of this service as visitors reach it, without a slash at the end; links that leave the
    service begin with it.
    """
    # behind a proxy that speaks https the request itself comes by http
    scheme = "https" if service_of(request).settings.secure else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


def _is_believed(connected: str, proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(connected)
    except ValueError:
        return False
    # a socket for both families shows an address of the older one in the newer one's words
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in proxies)


def _connected(request: Request) -> str:
    return request.client.host if request.client is not None else ""
