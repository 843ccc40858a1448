"""Fetching what somebody else named: nothing is sent where nothing may be."""

import gzip
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpcore2
import pytest

from crisislens.core.guarded import Fetched, Guard, RefusedError, fetch
from crisislens.core.guarded_streams import connected, lines_of
from crisislens.core.http_answers import RequestError
from hostile_urls import HOSTILE_URLS

PUBLIC = "93.184.215.14"
XML = ("text/xml",)
NAMES = {
    "example.org": [PUBLIC],
    "other.org": ["1.1.1.1"],
    "mixed.test": [PUBLIC, "10.0.0.1"],
    "six.org": ["2606:4700::1111"],
    "own.lan": ["192.168.1.5"],
}


class Wire(httpcore2.NetworkBackend):
    """Stands for the network: notes where connections go, and answers what it is told to."""

    def __init__(self, *answers: bytes | list[bytes]) -> None:
        self.answers, self.asked, self.sent = list(answers), [], b""

    asked: list[tuple[str, int]]

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        self.asked.append((host, port))
        if not self.answers:
            raise httpcore2.ConnectError("nobody is there")
        answer = self.answers.pop(0)
        return Line(self, [answer] if isinstance(answer, bytes) else answer)


class Line(httpcore2.NetworkStream):
    """One connection."""

    def __init__(self, wire: Wire, parts: list[bytes]) -> None:
        self.wire, self.parts = wire, list(parts)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        part = self.parts.pop(0) if self.parts else b""
        if len(part) > max_bytes:
            self.parts.insert(0, part[max_bytes:])
        return part[:max_bytes]

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.wire.sent += buffer

    def close(self) -> None: ...

    def start_tls(self, *given: Any, **more: Any) -> "Line":
        return self

    def get_extra_info(self, info: str) -> None: ...


def said(status: int = 200, body: bytes = b"<x/>", **headers: str) -> bytes:
    lines = {"content-type": "text/xml", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def looked_up(host: str, port: int) -> list[str]:
    return NAMES.get(host, ["127.0.0.1"])


def ask(wire: Wire, url: str = "http://example.org/feed", **guard: Any) -> Fetched:
    headers: Mapping[str, str] = guard.pop("headers", {})
    given = {"resolve": looked_up, "dial": wire, **guard}
    return fetch(url, types=XML, headers=headers, guard=Guard(**given))


@pytest.fixture(autouse=True)
def no_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reaches the system's sockets fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a packet would have left")

    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTILE_URLS)) >= 60


@pytest.mark.parametrize("url", HOSTILE_URLS, ids=lambda url: url[:40])
def test_hostile_addresses_are_refused_before_anything_is_sent(url: str) -> None:
    wire = Wire(said())
    with pytest.raises(RefusedError):
        ask(wire, url)
    assert wire.asked == []


def test_an_answer_is_read_and_the_connection_pinned() -> None:
    calls: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        """Public when it is looked at, and this computer ever after."""
        calls.append(host)
        return [PUBLIC] if len(calls) == 1 else ["127.0.0.1"]

    wire = Wire(said(etag='"1"'))
    found = ask(wire, resolve=rebinding, headers={"If-None-Match": '"0"'})
    assert (found.status, found.body, found.headers["etag"]) == (200, b"<x/>", '"1"')
    assert wire.asked == [(PUBLIC, 80)]
    assert calls == ["example.org"]
    assert b"Host: example.org\r\n" in wire.sent
    assert b'If-None-Match: "0"' in wire.sent


def test_a_redirect_is_looked_up_anew() -> None:
    """Whose name is answered otherwise the second time is refused there."""
    answers = iter([[PUBLIC], ["10.0.0.1"]])
    wire = Wire(said(302, location="/again"))
    with pytest.raises(RefusedError, match="private"):
        ask(wire, resolve=lambda *_: next(answers))
    assert len(wire.asked) == 1


@pytest.mark.parametrize("target", HOSTILE_URLS[:60], ids=lambda url: url[:40])
def test_redirects_to_hostile_addresses_are_refused(target: str) -> None:
    wire = Wire(b"HTTP/1.1 302 X\r\nlocation: " + target.encode() + b"\r\n\r\n", said())
    with pytest.raises((RefusedError, RequestError)):
        ask(wire)
    assert wire.asked == [(PUBLIC, 80)]


def test_redirects_are_few_and_take_no_header_to_another_server() -> None:
    there = said(301, location="http://other.org/x")
    wire = Wire(there, said())
    assert ask(wire, headers={"If-None-Match": "secret"}).url == "http://other.org/x"
    assert wire.sent.count(b"secret") == 1
    wire = Wire(*[said(302, location=f"/{i}") for i in range(9)])
    with pytest.raises(RefusedError, match="more than 3"):
        ask(wire)
    assert len(wire.asked) == 4
    with pytest.raises(RefusedError, match="not https"):
        ask(Wire(said(302, location="http://other.org/")), "https://example.org/")
    with pytest.raises(RefusedError, match="not https"):
        ask(Wire(said(302, location="http://other.org/")), "HTTPS://example.org/")


@pytest.mark.parametrize(
    ("allowed", "url", "reached"),
    [
        ("own.lan", "http://own.lan/feed", True),
        ("own.lan", "http://own.lan:8080/feed", False),
        ("own.lan:8080", "http://own.lan:8080/feed", True),
        ("own.lan:8080", "http://own.lan/feed", False),
        ("OWN.lan:8080", "http://own.LAN:8080/feed", True),
        ("own.lan", "http://localhost/feed", False),
    ],
)
def test_an_operator_may_allow_a_host_of_their_own(allowed: str, url: str, reached: bool) -> None:
    wire = Wire(said())
    if reached:
        assert ask(wire, url, allow_private={allowed}).status == 200
    else:
        with pytest.raises(RefusedError):
            ask(wire, url, allow_private={allowed})
    assert bool(wire.asked) == reached


BOMB = gzip.compress(b"0" * 3_000_000)
BAD_ANSWERS: list[tuple[bytes, str]] = [
    (said(body=b"x" * 2_000_000), "more than 1,000,000 bytes"),
    (said(body=BOMB, content_encoding="gzip"), "more than 1,000,000 bytes"),
    (said(body=BOMB, content_encoding="br"), "not asked for"),
    (said(body=b"no gzip", content_encoding="gzip"), "cannot be unpacked"),
    (said(content_type="text/html"), "sends 'text/html'"),
    (said(content_type="image/svg+xml; text/xml"), "image/svg"),
]


@pytest.mark.parametrize(("answer", "message"), BAD_ANSWERS, ids=lambda value: str(value)[-30:])
def test_answers_that_may_not_be_used(answer: bytes, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        ask(Wire(answer), most_bytes=1_000_000)


FAILURES: list[tuple[bytes | None, str, bool]] = [
    (None, "cannot be reached", True),
    (b"", "cut its answer off", True),
    (b"SSH-2.0\r\n", "cannot be reached or cut", True),
    (said()[:-2], "cut its answer off", True),
    (said(body=gzip.compress(b"<x/>")[:-9], content_encoding="gzip"), "cut its packed answer off", True),
    (said(429, retry_after="7"), "answered 429", True),
    (said(404), "answered 404", False),
    (said(500), "answered 500", True),
]


@pytest.mark.parametrize(("answer", "message", "transient"), FAILURES, ids=lambda value: str(value)[-30:])
def test_failures_say_whether_to_come_again(answer: bytes | None, message: str, transient: bool) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        ask(Wire() if answer is None else Wire(answer))
    assert caught.value.transient is transient
    assert caught.value.wait_s == (7.0 if "429" in message else None)


def test_packed_answers_and_unchanged_ones() -> None:
    assert ask(Wire(said(body=gzip.compress(b"<y/>"), content_encoding="gzip"))).body == b"<y/>"
    unchanged = ask(Wire(b"HTTP/1.1 304 X\r\n\r\n"))
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert ask(wire := Wire(said()), "http://six.org/").status == 200
    assert wire.asked == [("2606:4700::1111", 80)]


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    wire = Wire(said())
    ask(wire)
    assert wire.asked == [(PUBLIC, 80)]


def _slow_name(host: str, port: int) -> list[str]:
    time.sleep(5)
    return [PUBLIC]


class Drip(Wire):
    """Sends a byte at a time, slowly."""

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        line = Line(self, [bytes([byte]) for byte in said()])
        read: Callable[..., bytes] = line.read

        def slow(max_bytes: int, timeout: float | None = None) -> bytes:
            time.sleep(0.02)
            return read(max_bytes)

        line.read = slow  # type: ignore[method-assign]
        return line


def test_one_deadline_holds_for_all() -> None:
    with pytest.raises(RequestError, match="in time"):
        ask(Wire(said()), resolve=_slow_name, seconds=0.1)
    with pytest.raises(RequestError, match="did not answer within"):
        ask(Drip(), seconds=0.2)


@pytest.mark.parametrize("ask_for", [lambda *a, **k: list(lines_of(*a, types=XML, **k)), connected])
def test_what_listens_keeps_the_same_rules(ask_for: Callable[..., object]) -> None:
    """No hostile address is dialled."""
    wire = Wire(said())
    guard = Guard(resolve=looked_up, dial=wire)
    for url in HOSTILE_URLS:
        with pytest.raises(RefusedError):
            ask_for(url, guard=guard)
    assert wire.asked == []


def listened(answer: bytes) -> list[bytes]:
    guard = Guard(resolve=looked_up, dial=Wire(answer))
    return list(lines_of("http://example.org/events", types=XML, guard=guard))


def test_lines_of_an_answer_that_goes_on() -> None:
    assert listened(said(body=b"a\r\nb\n\nhalf")) == [b"", b"a", b"b", b""]
    for answer, message in (
        (said(302, location="http://example.org/other"), "answered 302"),
        (said(429, retry_after="7"), "answered 429"),
        (said(body=b"x" * (1 << 21)), "a line of more than"),
        (said(content_type="text/html"), "expected text/xml"),
        (said(content_length="99"), "cut its answer off"),
    ):
        with pytest.raises(RequestError, match=message):
            listened(answer)
