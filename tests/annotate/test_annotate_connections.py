"""Bounds on connections: who says nothing, says it slowly, or does not listen is let go.

The clock of these tests is a number, so that none of them waits and none fails on a busy machine.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import Mock

import h11
import pytest
import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

from crisislens.annotate.bounds import BOUNDS as PAGE
from crisislens.annotate.connections import BoundedH11, ConnectionBounds
from crisislens.serve.protocol import BOUNDS as SERVICE
from crisislens.serve.protocol import http_protocol

HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
KEEP_S = 20


SHORT = ConnectionBounds(most=2, head_s=5, body_s=10, stall_s=7)
KINDS = {"h11": BoundedH11, "service": http_protocol()}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """How requests are read."""
    return str(request.param)


class Timer:
    """One call that was asked for."""

    def __init__(self, at: float, call: Callable[..., object]) -> None:
        self.at, self.call, self.gone = at, call, False

    def cancel(self) -> None:
        self.gone = True


class Clock:
    """What a connection uses of an event loop; time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, call: Callable[..., object]) -> Timer:
        self.timers.append(Timer(self.now + seconds, call))
        return self.timers[-1]

    def create_task(self, work: Coroutine[Any, Any, None], **more: object) -> Mock:
        # the application never runs; `answered` stands for it
        work.close()
        return Mock()

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.at <= self.now and not timer.gone]:
            timer.gone = True
            timer.call()


class Wire(asyncio.Transport):
    """What a connection uses of a transport."""

    def __init__(self) -> None:
        super().__init__()
        self.ended, self.written = "", b""

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None: ...

    resume_reading = pause_reading


class Visit:
    """A connection, its clock and its wire."""

    def __init__(self, kind: str, state: ServerState | None = None, bounds: ConnectionBounds = SHORT) -> None:
        config = uvicorn.Config(Starlette(), lifespan="off", log_config=None, timeout_keep_alive=KEEP_S)
        config.load()
        self.clock, self.wire = Clock(), Wire()
        made = type("Bounded", (KINDS[kind],), {"bounds": bounds})
        self.protocol: Any = made(config, state or ServerState(), {}, _loop=self.clock)
        self.protocol.connection_made(self.wire)

    def says(self, *parts: bytes, each_s: float = 0) -> str:
        """Sends parts; how the connection ended so far."""
        for part in parts:
            if not self.wire.ended:
                self.protocol.data_received(part)
                self.clock.let_pass(each_s)
        return self.wire.ended

    def later(self, seconds: float) -> str:
        """Lets time pass; how the connection ended so far."""
        self.clock.let_pass(seconds)
        return self.wire.ended

    def answered(self) -> None:
        """The application answers the request that stands."""
        cycle = self.protocol.cycle
        cycle.response_started = cycle.response_complete = True
        if hasattr(self.protocol, "conn"):
            length = [(b"content-length", b"0")]
            for event in (h11.Response(status_code=200, headers=length), h11.EndOfMessage()):
                self.protocol.conn.send(event)
        self.protocol.on_response_complete()


@pytest.mark.parametrize(
    ("parts", "each_s"),
    [
        ([], 0),
        ([b"GET / HT"], 0),
        ([HELLO[:20], HELLO[20:22]], 2),
        ([HELLO[i : i + 1] for i in range(20)], 1),
    ],
    ids=range(4),
)
def test_a_head_that_does_not_arrive_ends_the_connection(
    kind: str, parts: list[bytes], each_s: float
) -> None:
    visit = Visit(kind)
    assert visit.says(*parts, each_s=each_s) in ("", "aborted")
    assert visit.later(5 - visit.clock.now if visit.clock.now < 5 else 0) == "aborted"
    assert visit.wire.written == b""


@pytest.mark.parametrize(
    ("parts", "each_s"),
    [([POST], 0), ([POST, b"{"], 4), ([POST, *[b"x"] * 30], 1), ([CHUNKED, b"5\r\nab"], 1)],
    ids=range(4),
)
def test_a_body_that_does_not_arrive_is_told(kind: str, parts: list[bytes], each_s: float) -> None:
    visit = Visit(kind)
    visit.says(*parts, each_s=each_s)
    assert visit.later(10) == "closed"
    assert visit.wire.written.startswith(b"HTTP/1.1 408")
    assert b"did not arrive in time" in visit.wire.written
    # the application hears that nobody waits for its answer
    assert visit.protocol.cycle.disconnected


@pytest.mark.parametrize("parts", [[HELLO], [HELLO[:9], HELLO[9:]], [POST, b"x" * 99, b"x"]], ids=range(3))
def test_what_arrived_has_all_the_time_for_its_answer(kind: str, parts: list[bytes]) -> None:
    visit = Visit(kind)
    assert visit.says(*parts, each_s=2) == ""
    assert visit.later(10_000) == ""
    visit.answered()
    assert visit.later(KEEP_S - 1) == ""
    assert visit.later(1) == "closed"


def test_a_further_request_has_its_own_time(kind: str) -> None:
    visit = Visit(kind)
    visit.says(HELLO)
    visit.answered()
    assert visit.later(15) == ""
    # its first byte ends the time between requests and begins that of its head
    assert visit.says(b"G") == ""
    assert visit.later(4) == ""
    assert visit.later(1) == "aborted"


def test_a_late_body_behind_an_answer_ends_without_a_second_one(kind: str) -> None:
    visit = Visit(kind)
    visit.says(POST)
    visit.answered()
    visit.says(b"x")
    assert visit.later(KEEP_S) in ("aborted", "closed")
    assert visit.wire.written == b""


@pytest.mark.parametrize(("goes_on_after", "ended"), [(3, ""), (6.9, ""), (7, "aborted"), (100, "aborted")])
def test_a_visitor_who_does_not_listen_is_let_go(kind: str, goes_on_after: float, ended: str) -> None:
    visit = Visit(kind)
    visit.says(HELLO)
    visit.protocol.pause_writing()
    visit.later(goes_on_after)
    visit.protocol.resume_writing()
    assert visit.later(1_000) == ended
    visit.protocol.pause_writing()
    assert visit.later(7) == "aborted"


def test_there_may_be_so_many_and_then_no_more(kind: str) -> None:
    state = ServerState()
    visits = [Visit(kind, state) for _ in range(4)]
    assert [visit.wire.ended for visit in visits] == ["", "", "aborted", "aborted"]
    for visit in visits:
        visit.protocol.connection_lost(None)
    assert not state.connections
    assert Visit(kind, state).wire.ended == ""


def test_a_connection_leaves_no_timer_behind(kind: str) -> None:
    visit = Visit(kind, bounds=ConnectionBounds(2, 5, 10, 7, whole_s=30))
    visit.says(POST)
    visit.protocol.pause_writing()
    visit.protocol.connection_lost(None)
    assert all(timer.gone for timer in visit.clock.timers)


def test_the_whole_time_counts_whatever_is_said(kind: str) -> None:
    visit = Visit(kind, bounds=ConnectionBounds(2, 5, 10, 7, whole_s=30))
    for _ in range(3):
        visit.says(HELLO, each_s=9)
        visit.answered()
    assert visit.later(3) == "aborted"


@pytest.mark.parametrize(
    "part", [b"GET / HTTP/1.1\r\nContent-Length: abc\r\n\r\n", b"\x16\x03", b"\x00" * 70_000]
)
def test_what_is_broken_gets_an_answer_and_an_end(kind: str, part: bytes) -> None:
    visit = Visit(kind)
    assert visit.says(part) == "closed"
    assert visit.wire.written.startswith(b"HTTP/1.1 400")


def test_the_bounds_of_the_two_servers() -> None:
    # a stream of events lasts ten minutes, and an upload over a slow line is not cut
    assert SERVICE.whole_s is None
    assert 60 <= SERVICE.body_s <= 300
    assert SERVICE.head_s <= 30
    assert PAGE.whole_s is not None
    assert PAGE.head_s <= PAGE.whole_s <= 60
