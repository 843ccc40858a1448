"""Receivers for tests: a web server and a mail server that do what they are told."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["MailStandIn", "Receiver", "mail_stand_in", "receiver"]


@dataclass
class Receiver:
    """A web server on this computer.

    Attributes:
        answers: What it answers, one after the other, as bytes on the wire; the last one for ever.
        got: Headers and body of each request.
        port: Where it listens.
    """

    answers: list[bytes]
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def own(self) -> frozenset[str]:
        """What a guard must allow."""
        return frozenset({f"127.0.0.1:{self.port}"})

    def serve(self, line: socket.socket) -> None:
        stream = line.makefile("rb")
        if not stream.readline():
            return
        headers = {}
        while (row := stream.readline().strip()) != b"":
            name, _, value = row.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        self.got.append((headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == b"hang":
            # until the other side gives up
            line.recv(1)
            return
        line.sendall(answer)


def answer(status: int, body: bytes = b"", *more: str) -> bytes:
    """An answer on the wire."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serves each connection in a thread."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    ended = threading.Event()

    def one(line: socket.socket) -> None:
        with suppress(OSError), line:
            line.settimeout(5)
            serve(line)

    def accept() -> None:
        while not ended.is_set():
            try:
                line, _ = server.accept()
            except OSError:
                continue
            threading.Thread(target=one, args=(line,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    ended.set()
    thread.join()
    server.close()


@contextmanager
def receiver(*answers: bytes) -> Iterator[Receiver]:
    """A web server that answers so."""
    found = Receiver(list(answers))
    with _listening(found.serve) as found.port:
        yield found


@dataclass
class MailStandIn:
    """A mail server.

    Attributes:
        refuse: Commands, and what is answered to them instead.
        tls: What it encrypts with; without, it offers no encryption.
        implicit: Whether it encrypts from the first byte, and not from STARTTLS on.
        mails: What was handed over.
        said: What clients said, without the mails; what was encrypted begins with `tls `.
        port: Where it listens.
    """

    refuse: dict[str, str]
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    mails: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    port: int = 0

    def serve(self, line: socket.socket) -> None:
        if self.tls is not None and self.implicit:
            with self.tls.wrap_socket(line, server_side=True) as secret:
                self._spoken(secret, "220 stand-in")
        elif self._spoken(line, "220 stand-in"):
            assert self.tls is not None
            with self.tls.wrap_socket(line, server_side=True) as secret:
                self._spoken(secret, "")

    def _spoken(self, line: socket.socket, greeting: str) -> bool:
        """Whether the client goes on with encryption."""
        stream = line.makefile("rwb")
        encrypted = isinstance(line, ssl.SSLSocket)

        def tell(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        if greeting:
            tell(greeting)
        while row := stream.readline().decode("latin-1").strip():
            self.said.append(f"tls {row}" if encrypted else row)
            word = row.split()[0].upper()
            refused = next(
                (why for start, why in self.refuse.items() if row.upper().startswith(start.upper())), None
            )
            if refused is not None:
                tell(refused)
            elif word == "EHLO" and self.tls is not None:
                tell("250-stand-in\r\n250 AUTH PLAIN" if encrypted else "250-stand-in\r\n250 STARTTLS")
            elif word == "STARTTLS" and self.tls is not None:
                tell("220 go on")
                return True
            elif word == "AUTH":
                tell("235 welcome")
            elif word == "DATA":
                tell("354 go on")
                lines = []
                while (text := stream.readline()) not in (b".\r\n", b""):
                    lines.append(text.decode())
                self.mails.append("".join(lines))
                tell("250 taken")
            else:
                # a farewell is answered by 221; some servers know that no better
                tell("250 ok")
                if word == "QUIT":
                    return False
        return False


@contextmanager
def mail_stand_in(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, **refuse: str
) -> Iterator[MailStandIn]:
    """A mail server that refuses some commands."""
    said = {name.replace("_", " "): said for name, said in refuse.items()}
    found = MailStandIn(said, tls, implicit)
    with _listening(found.serve) as found.port:
        yield found
