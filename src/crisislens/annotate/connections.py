"""How long a visitor may take to ask and to listen: without bounds a server is stopped by a thousand
connections that say nothing (Slowloris), each of which costs the one who opens it nothing.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BoundedH11", "BoundedTimes", "ConnectionBounds", "Part"]

_LATE: Final = b"this request did not arrive in time; send less at once, or over a faster line"
_REFUSAL: Final = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_LATE), _LATE)
)

Part = Literal["head", "body"]


@dataclass(frozen=True)
class ConnectionBounds:
    """What one connection may cost, in seconds.

    Attributes:
        most: How many connections there may be at once; further ones are ended without an answer.
        head_s: Until a request's first lines have arrived.
        body_s: Until its body has arrived.
        stall_s: How long nothing of an answer may be taken, once the system's buffer is full.
        whole_s: How long a connection may last; None where answers may be streams without an end.
    """

    most: int
    head_s: float
    body_s: float
    stall_s: float
    whole_s: float | None = None


class BoundedTimes(ABC):
    """Mixed into one of uvicorn's protocols, before it: one connection within the bounds of its class.

    A subclass says in `missing` what of a request has not arrived.
    """

    bounds: ClassVar[ConnectionBounds]
    # the protocol's own
    loop: Any
    transport: Any
    connections: Any
    cycle: Any

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._waits_for: Part | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @abstractmethod
    def missing(self) -> Part | None:
        """What is missing of the request that stands, after what has just arrived."""

    # the transport is whatever the event loop brings
    def connection_made(self, transport: Any) -> None:
        """Begins its time."""
        super().connection_made(transport)  # type: ignore[misc]
        # aborted, not answered: an answer would take the time that is bounded
        if len(self.connections) > self.bounds.most:
            transport.abort()
            return
        if self.bounds.whole_s is not None:
            self._start("whole", self.bounds.whole_s)
        self._wait_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends its time."""
        for name in (*self._timers,):
            self._stop(name)
        super().connection_lost(exc)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """Reads on, and looks what is still missing."""
        super().data_received(data)  # type: ignore[misc]
        if not self.transport.is_closing():
            self._wait_for(self.missing())

    def on_response_complete(self) -> None:
        """The next request has its time from here on; until its first byte uvicorn counts."""
        self._wait_for(None)
        super().on_response_complete()  # type: ignore[misc]

    def pause_writing(self) -> None:
        """The visitor takes nothing more: it has this long to go on."""
        super().pause_writing()  # type: ignore[misc]
        if "stall" not in self._timers:
            self._start("stall", self.bounds.stall_s)

    def resume_writing(self) -> None:
        """The visitor goes on."""
        super().resume_writing()  # type: ignore[misc]
        self._stop("stall")

    def _start(self, name: str, seconds: float) -> None:
        late = self._too_late if name == "arrival" else self.transport.abort
        self._timers[name] = self.loop.call_later(seconds, late)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _wait_for(self, part: Part | None) -> None:
        # more of the same part is no reason to begin anew
        if part == self._waits_for:
            return
        self._stop("arrival")
        self._waits_for = part
        if part is not None:
            self._start("arrival", self.bounds.head_s if part == "head" else self.bounds.body_s)

    def _too_late(self) -> None:
        """Ends the connection, with a sentence to one who has at least asked for something."""
        if self._waits_for == "head" or self.cycle.response_started:
            self.transport.abort()
            return
        # the application is told that the visitor left, so that both do not answer
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.transport.write(_REFUSAL)
        self.transport.close()


class BoundedH11(BoundedTimes, H11Protocol):
    """A connection read by h11."""

    def missing(self) -> Part | None:
        """By the state in which h11 sees the visitor."""
        state = self.conn.their_state
        if state is h11.IDLE:
            return "head"
        return "body" if state is h11.SEND_BODY else None

    def data_received(self, data: bytes) -> None:
        """Reads on; what is broken in the middle of an answer ends the connection without a word."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            self.transport.abort()
