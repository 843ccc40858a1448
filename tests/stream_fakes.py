"""Servers of other people that misbehave, by a seed: what streams must stand.

Each fake knows what it published (`truth`): the last text of every post that was not taken back. What it
may do wrong is in `Faults`; the fault that is drawn at a moment is the seed's, which thread comes when is
the system's.
"""

import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_EPOCH_MS = 1_760_000_000_000


@dataclass
class Faults:
    """How often what goes wrong, 0 to 1.

    Attributes:
        refuse: 429 with Retry-After, or 500.
        cut: An answer that claims more bytes than come, or a connection that is cut.
        garbage: A page of HTML with status 200, or a frame that is no JSON.
        twice: What came is sent once more.
        swap: Two posts change places.
        gap: A live event is not sent.
        mute: A connection that stays open and says nothing more.
    """

    refuse: float = 0.1
    cut: float = 0.1
    garbage: float = 0.05
    twice: float = 0.2
    swap: float = 0.1
    gap: float = 0.1
    mute: float = 0.02


class Web:
    """A server of HTTP on this computer, a thread a request.

    Attributes:
        truth: From the ids of posts to their texts.
        seen: Requests: path with query, and headers.
    """

    def __init__(self, seed: int, faults: Faults) -> None:
        self.rng, self.faults = random.Random(seed), faults
        self.truth: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.RLock()
        self.stopped, self.worked = threading.Event(), False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                self.close_connection = True
                with suppress(OSError):
                    outer.answer(self, urlsplit(self.path).path, parse_qs(urlsplit(self.path).query))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]]) -> None:
        raise NotImplementedError

    def chance(self, fault: str) -> bool:
        with self.lock:
            return self.rng.random() < getattr(self.faults, fault)

    def misbehaves(self, request: BaseHTTPRequestHandler) -> bool:
        """Whether the request was answered badly; never the first, whose failure is a person's to see."""
        if not self.worked:
            self.worked = True
            return False
        if self.chance("refuse"):
            status = self.rng.choice((429, 500, 503))
            send(request, status, b"no", "text/plain", {"Retry-After": "0"} if status == 429 else {})
            return True
        if self.chance("garbage"):
            send(
                request, 200, b"<html>maintenance</html>", self.rng.choice(("text/html", "application/json"))
            )
            return True
        return False

    def send_json(self, request: BaseHTTPRequestHandler, value: Any) -> None:
        body = json.dumps(value).encode()
        if self.chance("cut"):
            # claims more than comes
            send(
                request,
                200,
                body[: len(body) // 2],
                "application/json",
                {"Content-Length": str(len(body) + 7)},
            )
            return
        send(request, 200, body, "application/json")

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    kind: str,
    more: dict[str, str] | None = None,
) -> None:
    headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **(more or {})}
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
    request.wfile.flush()


class FakeMastodon(Web):
    """One hashtag: pages by `min_id`, and events to everybody who listens."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.statuses: dict[int, dict[str, Any]] = {}
        self._events: list[tuple[str, str]] = []
        self._clock = _EPOCH_MS
        self.listening = 0
        super().__init__(seed, faults or Faults())

    def publish(self, count: int) -> None:
        """New posts, and now and then an edit or a deletion of an older one."""
        with self.lock:
            for _ in range(count):
                self._clock += self.rng.randint(1, 900)
                # some come from elsewhere and get a place in the past
                late = self.rng.randint(0, 60_000) if self.rng.random() < self.faults.swap else 0
                number = ((self._clock - late) << 16) + self.rng.randint(0, 65_535)
                if number in self.statuses:
                    continue
                self._say(number, f"<p>Water rises at house {number} &amp; more</p>", None)
            if self.listening and len(self.statuses) > 5 and self.rng.random() < 0.5:
                self.change()

    def change(self) -> None:
        """Edits one post and takes another back, while somebody listens."""
        with self.lock:
            there = sorted(self.statuses)[-40:]
            number = self.rng.choice(there)
            self._clock += 1
            self._say(
                number, f"<p>Corrected at {self._clock}: house {number}</p>", self._clock, "status.update"
            )
            gone = self.rng.choice([n for n in there if n != number] or [0])
            if gone in self.statuses:
                del self.statuses[gone], self.truth[str(gone)]
                self._events.append(("delete", str(gone)))

    def _say(self, number: int, content: str, edited_ms: int | None, event: str = "update") -> None:
        status = {
            "id": str(number),
            "content": content,
            "visibility": "public",
            "created_at": _iso(number >> 16),
            "edited_at": None if edited_ms is None else _iso(edited_ms),
            "language": "en",
            "account": {"acct": "ann"},
            "url": f"https://m.example/@ann/{number}",
            "media_attachments": [],
        }
        self.statuses[number] = status
        self.truth[str(number)] = content[3:-4].replace("&amp;", "&")
        self._events.append((event, json.dumps(status)))

    def answer(self, request: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]]) -> None:
        if path == "/api/v2/instance":
            self.send_json(request, {"configuration": {"urls": {"streaming": f"ws://{self.host}"}}})
        elif path.startswith("/api/v1/streaming/"):
            self._stream(request)
        elif not self.misbehaves(request):
            after, limit = int(query.get("min_id", ["0"])[0]), int(query.get("limit", ["20"])[0])
            with self.lock:
                numbers = sorted(n for n in self.statuses if n > after)
                numbers = numbers[:limit] if "min_id" in query else numbers[-limit:]
                page = [self.statuses[n] for n in reversed(numbers)]
            if page and self.chance("twice"):
                page.append(page[-1])
            self.send_json(request, page)

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        if self.chance("refuse"):
            send(request, 503, b"", "text/plain")
            return
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        with self.lock:
            at = len(self._events)
            self.listening += 1
        gone = False
        try:
            while not self.stopped.is_set():
                with self.lock:
                    new, at = self._events[at:], len(self._events)
                for name, data in new:
                    self._tell(request, name, data)
                with self.lock:
                    # a deletion that nobody hears is told by no server, so none is left behind here
                    if at == len(self._events) and new and self.chance("cut"):
                        self.listening, gone = self.listening - 1, True
                        _chunk(request, f"event: update\ndata: {new[-1][1][:40]}")
                        return
                if not new:
                    _chunk(request, ":thump\n")
                    time.sleep(0.01)
        finally:
            if not gone:
                with self.lock:
                    self.listening -= 1

    def _tell(self, request: BaseHTTPRequestHandler, name: str, data: str) -> None:
        if name == "update" and self.chance("gap"):
            return
        text = f"event: {name}\ndata: {data}\n\n"
        _chunk(request, text * (2 if self.chance("twice") else 1))

    def listened_to(self, deadline_s: float = 20.0) -> bool:
        """Waits until somebody listens."""
        ends = time.monotonic() + deadline_s
        while not self.listening and time.monotonic() < ends:
            time.sleep(0.01)
        return bool(self.listening)


def _chunk(request: BaseHTTPRequestHandler, text: str) -> None:
    data = text.encode()
    request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    request.wfile.flush()


def _iso(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"


@dataclass
class FakeJetstream:
    """Jetstream's second version: events by number, replayed from a cursor, and connections that break."""

    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    accounts: int = 5

    def __post_init__(self) -> None:
        from websockets.sync.server import serve

        self.rng, self.lock = random.Random(self.seed), threading.RLock()
        self.truth: dict[str, str] = {}
        self.by_account: dict[str, list[str]] = {}
        self.events: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self._lives = [0] * self.accounts
        self.stopped = threading.Event()
        self._server = serve(
            self._speak,
            "127.0.0.1",
            0,
            subprotocols=["xrpc.v1.json"],  # type: ignore[list-item]
            process_request=self._refuse,
            compression=None,
            ping_interval=None,
        )
        self.host = f"127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, count: int) -> None:
        """New posts, edits, deletions, likes that nobody wants, and accounts that go."""
        with self.lock:
            for _ in range(count):
                draw = self.rng.random()
                number = self.rng.randrange(self.accounts)
                did = f"did:plc:{number}x{self._lives[number]}"
                mine = [name for name in self.by_account.get(did, ()) if name in self.truth]
                if draw < 0.04 and mine:
                    self._take_back(did, self.rng.choice(mine))
                elif draw < 0.08 and mine:
                    self._write(did, self.rng.choice(mine).rpartition("/")[2], "update")
                elif draw < 0.083 and mine:
                    self._event("account", did, account={"active": False, "status": "deleted"})
                    for name in mine:
                        del self.truth[name]
                    # somebody else comes in its place; who is gone posts no more
                    self._lives[number] += 1
                else:
                    self._write(did, f"3k{len(self.events):08d}", "create")

    def _write(self, did: str, rkey: str, operation: str) -> None:
        name = f"at://{did}/app.bsky.feed.post/{rkey}"
        text = f"{operation} {len(self.events)}: the bridge is down"
        record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-11-20T10:00:00Z"}
        self._event("commit", did, operation=operation, rkey=rkey, record=record)
        self.truth[name] = text
        if operation == "create":
            self.by_account.setdefault(did, []).append(name)

    def _take_back(self, did: str, name: str) -> None:
        self._event("commit", did, operation="delete", rkey=name.rpartition("/")[2])
        del self.truth[name]

    def _event(self, kind: str, did: str, **more: Any) -> None:
        seq = len(self.events) + 1
        moment = f"2026-11-20T10:{seq // 60 % 60:02d}:{seq % 60:02d}.{seq % 1_000_000:06d}Z"
        payload = {
            "$type": f"network.bsky.jetstream.subscribeEvents#{kind}",
            **{"seq": seq, "did": did, "time": moment, "witnessedAt": moment},
            **({"collection": "app.bsky.feed.post"} if kind == "commit" else {}),
            **more,
        }
        self.events.append(payload)

    def _refuse(self, _connection: Any, request: Any) -> Any:
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        self.asked.append(request.path)
        with self.lock:
            refused = self.rng.random() < self.faults.refuse
        if refused:
            return Response(429, "Too Many", Headers({"Retry-After": "0", "Content-Length": "0"}), b"")
        return None

    def _speak(self, connection: Any) -> None:
        with suppress(Exception):
            query = parse_qs(urlsplit(connection.request.path).query)
            start = int(query["cursor"][0]) if "cursor" in query else len(self.events) + 1
            connection.send(json.dumps({"$type": "message", "payload": {"$type": "x#info", "name": "Hello"}}))
            at = max(0, start - 1)
            while not self.stopped.is_set():
                with self.lock:
                    new = self._disturbed(self.events[at : at + 200])
                    at = min(at + 200, len(self.events))
                for event in new:
                    if not self._tell(connection, event):
                        return
                if not new:
                    time.sleep(0.01)

    def _disturbed(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Some come twice, some change places; never two of one account."""
        found: list[dict[str, Any]] = []
        for event in events:
            found.append(event)
            if self.rng.random() < self.faults.twice:
                found.append(event)
            if (
                len(found) > 1
                and found[-1]["did"] != found[-2]["did"]
                and self.rng.random() < self.faults.swap
            ):
                found[-1], found[-2] = found[-2], found[-1]
        return found

    def _tell(self, connection: Any, event: dict[str, Any]) -> bool:
        draw = self.rng.random()
        if draw < self.faults.cut / 20:
            hard_close(connection.socket)
            return False
        if draw < self.faults.cut / 10:
            connection.send(json.dumps({"$type": "error", "error": "ConsumerTooSlow"}))
            return False
        if draw < self.faults.cut / 10 + self.faults.garbage / 10:
            connection.send("{not json")
        connection.send(json.dumps({"$type": "message", "payload": event}))
        return True

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()


def hard_close(connection: socket.socket) -> None:
    """Resets a connection, as a machine that falls over does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def stopping(fake: Any) -> Iterator[Any]:
    """A fake for a while."""
    try:
        yield fake
    finally:
        fake.stop()
