"""How long a visitor may take to ask and to listen: without bounds a server is stopped by a thousand
connections that say nothing (Slowloris), each of which costs the one who opens it nothing.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BoundedProtocol", "ConnectionBounds"]

_LATE: Final = b"this request did not arrive in time; send less at once, or over a faster line"


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


class BoundedProtocol(H11Protocol):
    """One connection within the bounds of its class."""

    bounds: ClassVar[ConnectionBounds]

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._waits_for: Literal["head", "body"] | None = None
        self._arrival: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._whole: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins its time."""
        super().connection_made(transport)
        # aborted, not answered: an answer would take the time that is bounded
        if len(self.connections) > self.bounds.most:
            transport.abort()
            return
        if self.bounds.whole_s is not None:
            self._whole = self.loop.call_later(self.bounds.whole_s, transport.abort)
        self._wait_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends its time."""
        for timer in (self._arrival, self._stall, self._whole):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; what is broken in the middle of an answer ends the connection without a word."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            self.transport.abort()
            return
        self._look()

    def on_response_complete(self) -> None:
        """The next request has its time from here on; until its first byte uvicorn counts."""
        self._wait_for(None)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The visitor takes nothing more: it has this long to go on."""
        super().pause_writing()  # type: ignore[no-untyped-call]
        if self._stall is None:
            self._stall = self.loop.call_later(self.bounds.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The visitor goes on."""
        super().resume_writing()  # type: ignore[no-untyped-call]
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _look(self) -> None:
        """Notes what is missing of the request after what has just arrived."""
        state = self.conn.their_state
        if state is h11.IDLE:
            self._wait_for("head")
        elif state is h11.SEND_BODY:
            self._wait_for("body")
        else:
            self._wait_for(None)

    def _wait_for(self, part: Literal["head", "body"] | None) -> None:
        # more of the same part is no reason to begin anew
        if part == self._waits_for:
            return
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
        self._waits_for = part
        if part is not None:
            seconds = self.bounds.head_s if part == "head" else self.bounds.body_s
            self._arrival = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        """Ends the connection, with a sentence to one who has at least asked for something."""
        if self._waits_for == "head" or self.conn.our_state is not h11.SEND_RESPONSE:
            self.transport.abort()
            return
        # the application is told that the visitor left, so that both do not answer
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        events = (
            h11.Response(status_code=408, headers=headers, reason=b"Request Timeout"),
            h11.Data(data=_LATE),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
