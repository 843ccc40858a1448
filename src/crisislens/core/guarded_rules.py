"""What may be asked of what somebody else named: whether an address is one, and where it may lead.

See `core.guarded`, which fetches, and `core.guarded_streams`, which listens.
"""

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

import httpcore2
import httpx2

from crisislens.core.addresses import why_not_public
from crisislens.core.http_answers import RequestError, shown_address

__all__ = ["PORTS", "Guard", "RefusedError", "certificates", "parsed_address"]

PORTS: Final = {"http": 80, "https": 443}
"""The schemes that are asked, and the only ports."""
_MOST_URL: Final = 2_000
_HOST: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_UNUSUAL: Final = re.compile(r"[\x00-\x20\x7f\\]")

Resolve = Callable[[str, int], Sequence[str]]


class RefusedError(RequestError):
    """Nothing was sent, or what came was not read: the address or the answer is none that may be used."""

    exit_code = 2
    http_status = 422


@dataclass(frozen=True)
class Guard:
    """What may be fetched.

    Attributes:
        allow_private: Hosts, as `feeds.lan` or `feeds.lan:8080`, that may lie in a private network.
        seconds: For the whole exchange.
        most_bytes: The largest body, as sent and as unpacked.
        resolve: From a name and a port to addresses; the system's way by default.
        dial: How a connection is made to an address; the system's way by default.
    """

    allow_private: Collection[str] = frozenset()
    seconds: float = 10.0
    most_bytes: int = 10_000_000
    resolve: Resolve | None = None
    dial: httpcore2.NetworkBackend | None = None

    def addresses(self, scheme: str, host: str, port: int, *, within_s: float) -> tuple[str, ...]:
        """The addresses of a host, if it may be asked.

        Raises:
            RefusedError: If it may not.
            RequestError: If the name has no address, or nobody says in time.
        """
        private = {name.lower() for name in self.allow_private}
        own_port = f"{host}:{port}" in private
        if port not in PORTS.values() and not own_port:
            raise RefusedError(f"{host}:{port} was not asked: only the ports 80 and 443 are, not {port}")
        found = self._resolved(host, port, within_s)
        if own_port or host in private:
            return found
        for address in found:
            # one that is not public among others that are is how names are turned against their readers
            if (why := why_not_public(address)) is not None:
                raise RefusedError(
                    f"{host} was not asked: its address {address} is {why}; --allow-private {host} allows a "
                    "server of your own"
                )
        return found

    def _resolved(self, host: str, port: int, within_s: float) -> tuple[str, ...]:
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        found = _in_time(partial(self.resolve or _looked_up, host, port), within_s)
        if not found:
            raise RequestError(
                f"the name {host} is not known; is it right, is there a network?", transient=True
            )
        return tuple(dict.fromkeys(found))


def parsed_address(url: str) -> tuple[str, str, int, bytes]:
    """Scheme, host, port and target of an address; read once, by one parser, for checking and for asking.

    Raises:
        RefusedError: If it is none that is asked.
    """
    try:
        # a browser reads a backslash as a slash, others do not: nobody is to be told two things
        if len(url) > _MOST_URL or _UNUSUAL.search(url):
            raise ValueError
        parts = httpx2.URL(url)
        host, port = parts.raw_host.decode("ascii").lower(), parts.port
    except (ValueError, httpx2.InvalidURL):
        raise RefusedError(f"{url!r:.80} is no address; give one that starts with https://") from None
    if parts.scheme not in PORTS:
        raise RefusedError(f"{url!r:.80} was not asked; only http:// and https:// are")
    if parts.userinfo:
        raise RefusedError(f"{shown_address(url)} was not asked: its address holds a user's name")
    if not _is_host(host):
        raise RefusedError(f"{url!r:.80} was not asked: it names no host in the usual way")
    return parts.scheme, host, port or PORTS[parts.scheme], parts.raw_path


def _is_host(host: str) -> bool:
    """A name, or an address in its one usual form; `127.1`, `0x7f.1` and `2130706433` are none."""
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        return _HOST.fullmatch(host) is not None and len(host) <= 253 and not re.match(r"\d|0x", last)


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """The authorities that this computer trusts; no file that the environment names is read."""
    return httpx2.create_ssl_context(trust_env=False)


def _looked_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(entry[4][0]) for entry in found]


def _in_time(look_up: Callable[[], Sequence[str]], seconds: float) -> Sequence[str]:
    """What a look-up gives; the system's own cannot be told when to end, so it is left behind."""
    found: list[Sequence[str]] = []
    thread = threading.Thread(target=lambda: found.append(look_up()), daemon=True)
    thread.start()
    ends = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < ends:
        # in steps, so that Ctrl+C is heard
        thread.join(min(0.2, max(0.0, ends - time.monotonic())))
    if not found:
        raise RequestError("nobody said in time which address the name has", transient=True)
    return found[0]
