"""A request whose head does not end is cut off, and a large body is no head."""

import asyncio
from typing import Any

import pytest

pytest.importorskip("httptools")

import uvicorn
from uvicorn.server import ServerState

from crisislens.serve import protocol
from crisislens.serve.protocol import HEAD_BYTES, http_protocol


class Wire(asyncio.Transport):
    """What the protocol writes, and whether it hung up."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Bodies are read at once here."""

    resume_reading = pause_reading


async def app(scope: Any, receive: Any, send: Any) -> None:
    size = 0
    while True:
        message = await receive()
        size += len(message["body"])
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def talk(*parts: bytes) -> Wire:
    """Sends parts one after the other."""

    async def run() -> Wire:
        wire = Wire()
        made: Any = http_protocol()
        connection = made(uvicorn.Config(app, log_config=None), ServerState(), {})
        connection.connection_made(wire)
        for part in parts:
            if not wire.closed:
                connection.data_received(part)
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        return wire

    return asyncio.run(run())


def test_a_head_that_does_not_end_is_cut_off() -> None:
    wire = talk(b"GET / HTTP/1.1\r\nhost: x\r\n", *[b"x" * 1_000] * (HEAD_BYTES // 1_000 + 2))
    assert wire.written.startswith(b"HTTP/1.1 431 ")
    assert wire.closed


def test_many_small_headers_are_bounded_too() -> None:
    wire = talk(b"GET / HTTP/1.1\r\nhost: x\r\n", *[b"a: b\r\n" * 1_000] * 12)
    assert wire.written.startswith(b"HTTP/1.1 431 ")


def test_a_body_is_no_head_and_the_next_request_starts_anew() -> None:
    body = b"y" * (HEAD_BYTES * 2)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    wire = talk(head + body[:70_000], body[70_000:], head, body)
    assert not wire.closed
    assert wire.written.count(b"HTTP/1.1 200 ") == 2
    assert wire.written.count(str(len(body)).encode()) == 2


def test_without_httptools_the_slower_way_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise protocol.MissingExtraError("httptools is not installed")

    monkeypatch.setattr(protocol, "require", missing)
    assert http_protocol() is protocol._ByH11
