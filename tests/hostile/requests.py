"""Seeded generators of hostile requests, byte by byte; equal seeds give equal bytes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Drawn", "draw_request"]

_METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "BREW",
    "get",
    "G\x00T",
    "",
)
_VERSIONS = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "http/1.1", "")
_LENGTHS = ("abc", "-1", "+2", "0x10", "1e3", " 5", "5, 5", "", "99999999999999999999", "\xb2", "0")
_PATHS = ("", "/", "//", "/%00", "/%ff%fe", "/../../etc/passwd", "/" + "a/" * 300, "/?q=" + "%" * 50, "/\xe9")
_HEADERS = (
    "Content-Type: application/json",
    "Content-Type: multipart/form-data; boundary=",
    "Content-Type: text/html; charset=utf-7",
    "Content-Encoding: gzip",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "Range: bytes=9999999999-",
    "X: " + "y" * 9_000,
    "Cookie: " + "a=b; " * 400,
    "Authorization: Bearer \xff\xfe",
    "no colon here",
    ": nothing before",
    " folded: line",
    "Bad\x00Name: x",
)
_BODIES = (
    b"{}",
    b"null",
    b'{"words": [0], "done": true}',
    b"[" * 5_000,
    b'{"a":' * 5_000,
    b'{"text": "\\ud800"}',
    b'{"text": "\xff\xfe"}',
    b"[NaN, 1e999, -Infinity]",
    b"9" * 5_000,
    "\ufeff{}".encode(),
    '{"id": "1"}'.encode("utf-16"),
    b"\x1f\x8b\x08\x00broken",
    b'[{"id": "1", "text": "x"}]',
    b"",
)
_CHUNKS = (
    b"2\r\n{}\r\n0\r\n\r\n",
    b"zz\r\n{}\r\n",
    b"-1\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"2;" + b"x" * 3_000,
)


@dataclass(frozen=True)
class Drawn:
    """A drawn request.

    Attributes:
        parts: What is sent, one part behind the other.
        leaves: Whether the visitor then says that nothing more comes, in the middle perhaps.
    """

    parts: tuple[bytes, ...]
    leaves: bool


def draw_request(seed: int, paths: Sequence[str], host: str) -> Drawn:
    """The request of a seed.

    Arguments:
        seed: Which.
        paths: Such as the server has, by turns with others.
        host: What it calls itself.
    """
    draw = random.Random(seed)
    path = draw.choice((*paths, *paths, *_PATHS, draw.choice(paths) + draw.choice(_PATHS)))
    method = draw.choice(("GET", "POST", "POST")) if draw.random() < 0.8 else draw.choice(_METHODS)
    version = "HTTP/1.1" if draw.random() < 0.9 else draw.choice(_VERSIONS)
    lines = [f"{method} {path} {version}"]
    hosts = [f"Host: {host}"]
    if draw.random() < 0.1:
        hosts = draw.choice(([], ["Host: evil.example"], hosts * 2, ["Host: " + "h" * 5_000]))
    headers = [*hosts, *draw.sample(_HEADERS, draw.choice((0, 0, 0, 1, 2)))]
    body = draw.choice(_BODIES)
    form = draw.random()
    if form < 0.5:
        # one that is right, or more than comes, or less
        headers.append(f"Content-Length: {max(0, len(body) + draw.choice((0, 0, 0, 1, 500, -1)))}")
    elif form < 0.7:
        headers.append(f"Content-Length: {draw.choice(_LENGTHS)}")
    elif form < 0.85:
        headers.append(f"Transfer-Encoding: {draw.choice(('chunked', 'chunked', 'gzip, chunked', 'x'))}")
        body = draw.choice(_CHUNKS)
    draw.shuffle(headers)
    end = "\r\n" if draw.random() < 0.9 else draw.choice(("\n", "\r"))
    head = end.join([*lines, *headers, "", ""]).encode("latin-1", "replace")
    return Drawn(_sent(draw, head, body), draw.random() < 0.3)


def _sent(draw: random.Random, head: bytes, body: bytes) -> tuple[bytes, ...]:
    """How it arrives: whole, in two parts, cut off, twice, or with some bytes that are others."""
    data, way = bytearray(head + body), draw.random()
    if way < 0.05:
        return (bytes(draw.randrange(256) for _ in range(draw.randint(1, 200))),)
    if way < 0.2:
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
    if way < 0.3:
        return (bytes(data[: draw.randrange(1, len(data) + 1)]),)
    if way < 0.5:
        return (head, body)
    return (bytes(data), bytes(data)) if way < 0.6 else (bytes(data),)
