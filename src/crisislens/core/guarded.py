"""Fetching what somebody else named: a feed, a photo, a link that a server redirects to.

Whoever writes an address into a feed may write one of our own network, so nothing is sent before all of
this holds: the scheme is http or https, the port 80 or 443, and every address that the name has is public
(`core.addresses`). The connection goes to the address that was looked at, not to the name again, since a
name may be answered otherwise a moment later. Each redirect starts over, and there are three at most. The
whole exchange has one deadline, name and handshake included; a body is cut off at a size that holds
before and after unpacking; what is not of an allowed type is not read. No proxy of the environment is
used: it would look the name up itself.

`core.http` is for servers that the operator names, this is for all others. An operator who has a feed in
their own network names its host, and its port where that is another one (`allow_private`).
"""

import ipaddress
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final
from urllib.parse import urljoin

import httpcore2
import httpx2

from crisislens.core.addresses import why_not_public
from crisislens.core.errors import InputError
from crisislens.core.guarded_backend import Deadline, GuardedBackend
from crisislens.core.http_answers import RequestError, shown_address

__all__ = ["Fetched", "Guard", "RefusedError", "fetch"]

_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 524, 529})
_BLOCK: Final = 1 << 16
_MOST_URL: Final = 2_000
_HOST: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_UNUSUAL: Final = re.compile(r"[\x00-\x20\x7f\\]")

Resolve = Callable[[str, int], Sequence[str]]


class RefusedError(RequestError):
    """Nothing was sent, or what came was not read: the address or the answer is none that may be used."""

    exit_code = 2
    http_status = 422


@dataclass(frozen=True)
class Fetched:
    """An answer.

    Attributes:
        status: 200, or 304 where nothing changed since the request's `If-None-Match`.
        headers: By names in lower case.
        body: Unpacked.
        url: Where it came from, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


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
        if port not in _PORTS.values() and not own_port:
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


def fetch(
    url: str,
    *,
    types: Collection[str],
    headers: Mapping[str, str] | None = None,
    guard: Guard | None = None,
) -> Fetched:
    """Fetches an address by GET.

    Arguments:
        url: http or https.
        types: Media types that are read, as `application/rss+xml`.
        headers: More headers; they go to the first server alone.
        guard: What may be fetched.

    Raises:
        RefusedError: If the address, a redirect or the answer is none that may be used.
        RequestError: If there is no answer in time, or it is an error.
    """
    guard = guard or Guard()
    deadline = Deadline(guard.seconds)
    more = dict(headers or {})
    for _ in range(_MOST_REDIRECTS + 1):
        found = _asked(url, more, types, guard, deadline)
        if isinstance(found, Fetched):
            return found
        url, more = found, more if _same_host(url, found) else {}
    raise RefusedError(f"{shown_address(url)} was redirected more than {_MOST_REDIRECTS} times")


def _parsed(url: str) -> tuple[str, str, int, bytes]:
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
    if parts.scheme not in _PORTS:
        raise RefusedError(f"{url!r:.80} was not asked; only http:// and https:// are")
    if parts.userinfo:
        raise RefusedError(f"{shown_address(url)} was not asked: its address holds a user's name")
    if not _is_host(host):
        raise RefusedError(f"{url!r:.80} was not asked: it names no host in the usual way")
    return parts.scheme, host, port or _PORTS[parts.scheme], parts.raw_path


def _is_host(host: str) -> bool:
    """A name, or an address in its one usual form; `127.1`, `0x7f.1` and `2130706433` are none."""
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        return _HOST.fullmatch(host) is not None and len(host) <= 253 and not re.match(r"\d|0x", last)


def _same_host(url: str, other: str) -> bool:
    return _parsed(url)[:3] == _parsed(other)[:3]


def _asked(
    url: str, headers: Mapping[str, str], types: Collection[str], guard: Guard, deadline: Deadline
) -> Fetched | str:
    """The answer, or where a redirect leads."""
    scheme, host, port, target = _parsed(url)
    addresses = guard.addresses(scheme, host, port, within_s=deadline.left())
    backend = GuardedBackend(addresses, deadline, dial=guard.dial)
    context = _certificates() if scheme == "https" else None
    sent = {"User-Agent": "crisislens", "Accept": ", ".join(types), "Accept-Encoding": "gzip", **headers}
    sent["Connection"] = "close"
    where = httpcore2.URL(scheme=scheme, host=host, port=port, target=target)
    shown = shown_address(url)
    try:
        with (
            closing(httpcore2.ConnectionPool(ssl_context=context, network_backend=backend)) as pool,
            pool.stream("GET", where, headers=list(sent.items())) as answer,
        ):
            said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            if answer.status in _REDIRECTS and "location" in said:
                return _redirected(url, said["location"])
            _check_status(shown, answer.status, said)
            if answer.status == 304:
                return Fetched(304, said, b"", url)
            _check_type(shown, said, types)
            return Fetched(answer.status, said, _read(shown, answer, said, guard.most_bytes), url)
    except httpcore2.TimeoutException:
        raise RequestError(f"{shown} did not answer within {guard.seconds:g} s", transient=True) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise RequestError(
            f"{shown} cannot be reached or cut its answer off ({error})", transient=True
        ) from None
    except UnicodeEncodeError:
        raise InputError(f"a header for {shown} holds characters that no header may") from None


def _redirected(url: str, target: str) -> str:
    try:
        new = urljoin(url, target)
        scheme = _parsed(new)[0]
    except ValueError:
        raise RefusedError(
            f"{shown_address(url)} redirected to {target!r:.80}, which is no address"
        ) from None
    if url.startswith("https:") and scheme != "https":
        raise RefusedError(f"{shown_address(url)} redirected to {shown_address(new)}, which is not https")
    return new


def _check_status(shown: str, status: int, headers: Mapping[str, str]) -> None:
    if status in (200, 304):
        return
    after = headers.get("retry-after", "")
    raise RequestError(
        f"{shown} answered {status}",
        status=status,
        transient=status in _TRANSIENT,
        wait_s=float(after) if re.fullmatch(r"\d{1,9}", after) else None,
    )


def _check_type(shown: str, headers: Mapping[str, str], types: Collection[str]) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in types:
        raise RefusedError(f"{shown} sends {kind or 'no type'!r:.60}; expected {' or '.join(types)}")


def _read(shown: str, answer: httpcore2.Response, headers: Mapping[str, str], most: int) -> bytes:
    """The body, never more than `most` bytes of it held, however small it was packed."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip", ""):
        raise RefusedError(f"{shown} packs its answer as {coding!r:.40}, which was not asked for")
    unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in coding else None
    parts: list[bytes] = []
    sent = size = 0
    for piece in answer.iter_stream():
        sent += len(piece)
        while piece:
            part = piece if unpacked is None else _unpack(shown, unpacked, piece)
            piece = b"" if unpacked is None else unpacked.unconsumed_tail
            parts.append(part)
            size += len(part)
            if max(sent, size) > most:
                raise RefusedError(f"{shown} sends more than {most:,} bytes; it was not read to the end")
    if unpacked is not None and not unpacked.eof:
        raise RequestError(f"{shown} cut its packed answer off", transient=True)
    return b"".join(parts)


def _unpack(shown: str, unpacked: "zlib._Decompress", piece: bytes) -> bytes:
    try:
        return unpacked.decompress(piece, _BLOCK)
    except zlib.error:
        raise RefusedError(f"{shown} sends a packed answer that cannot be unpacked") from None


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
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
