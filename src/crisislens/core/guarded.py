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

import re
import zlib
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import httpcore2

from crisislens.core.errors import InputError
from crisislens.core.guarded_backend import Deadline, GuardedBackend
from crisislens.core.guarded_rules import Guard, RefusedError, certificates, parsed_address
from crisislens.core.http_answers import RequestError, shown_address

__all__ = ["Fetched", "Guard", "RefusedError", "check_status", "check_type", "fetch"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 524, 529})
_BLOCK: Final = 1 << 16


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


def _same_host(url: str, other: str) -> bool:
    return parsed_address(url)[:3] == parsed_address(other)[:3]


def _asked(
    url: str, headers: Mapping[str, str], types: Collection[str], guard: Guard, deadline: Deadline
) -> Fetched | str:
    """The answer, or where a redirect leads."""
    scheme, host, port, target = parsed_address(url)
    addresses = guard.addresses(scheme, host, port, within_s=deadline.left())
    backend = GuardedBackend(addresses, deadline, dial=guard.dial)
    context = certificates() if scheme == "https" else None
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
            check_status(shown, answer.status, said)
            if answer.status == 304:
                return Fetched(304, said, b"", url)
            check_type(shown, said, types)
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
        scheme = parsed_address(new)[0]
    except ValueError:
        raise RefusedError(
            f"{shown_address(url)} redirected to {target!r:.80}, which is no address"
        ) from None
    # an address may be written HTTPS:// too
    if parsed_address(url)[0] == "https" and scheme != "https":
        raise RefusedError(f"{shown_address(url)} redirected to {shown_address(new)}, which is not https")
    return new


def check_status(shown: str, status: int, headers: Mapping[str, str]) -> None:
    """Raises where an answer is no 200 and no 304; says how long its server wants to be left alone."""
    if status in (200, 304):
        return
    after = headers.get("retry-after", "")
    raise RequestError(
        f"{shown} answered {status}",
        status=status,
        transient=status in _TRANSIENT,
        wait_s=float(after) if re.fullmatch(r"\d{1,9}", after) else None,
    )


def check_type(shown: str, headers: Mapping[str, str], types: Collection[str]) -> None:
    """Refuses what is of another media type, before it is read."""
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
