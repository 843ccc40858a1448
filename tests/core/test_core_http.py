"""The door to the network: redirects, keys, bounds, and one sentence for whatever a server does."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crisislens.core.errors import InputError
from crisislens.core.http import CutOffError, RequestError, ask_json, check_address, open_stream

Answering = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers as a test says, by path; remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answering] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.command, self.path, headers))
                self.rfile.read(int(headers.get("content-length", 0)))
                outer.answers[self.path.partition("?")[0]](self)
                self.close_connection = True

            do_GET = do_POST = handle_one

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def says(status: int = 200, body: bytes = b"{}", **headers: str) -> Answering:
    """An answer with a length; `_` in the names of headers stands for `-`."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def other() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


SECRETS = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "s3cret"}


def test_a_key_stays_with_the_server_that_it_was_given_for(server: Server, other: Server) -> None:
    server.answers = {"/a": says(302, Location="/b"), "/b": says(307, Location=f"{other.url}/c")}
    other.answers = {"/c": says(301, Location="/d"), "/d": says(body=b'{"ok": 1}')}
    found = ask_json(server.url + "/a", headers={**SECRETS, "User-Agent": "me"})
    assert found.value == {"ok": 1}
    assert [path for _, path, _ in server.asked] == ["/a", "/b"]
    assert all(headers["authorization"] == "Bearer s3cret" for _, _, headers in server.asked)
    assert [path for _, path, _ in other.asked] == ["/c", "/d"]
    for _, _, headers in other.asked:
        assert "s3cret" not in json.dumps(headers)
        assert headers["user-agent"] == "me"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_body_goes_nowhere_else(server: Server, other: Server, status: int) -> None:
    server.answers = {"/a": says(status, Location=f"{other.url}/b?key=hidden")}
    with pytest.raises(RequestError, match=r"redirected to .*/b; give that address") as caught:
        ask_json(server.url + "/a", body={"photo": "x"})
    assert "hidden" not in str(caught.value)
    assert other.asked == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/y", "javascript:1", "http://[::1"])
def test_a_redirect_to_what_is_no_address_is_refused(server: Server, target: str) -> None:
    server.answers = {"/a": says(302, Location=target)}
    with pytest.raises(RequestError, match=r"redirected to .* no address"):
        ask_json(server.url + "/a")


def test_a_circle_of_redirects_ends(server: Server) -> None:
    server.answers = {"/a": says(302, Location="/a")}
    with pytest.raises(RequestError, match="redirected more than 10 times"):
        ask_json(server.url + "/a")
    assert len(server.asked) == 10


@pytest.mark.parametrize(
    ("status", "headers", "transient", "wait_s"),
    [
        (400, {}, False, None),
        (401, {}, False, None),
        (304, {}, False, None),
        (302, {}, False, None),
        (429, {"Retry_After": "7"}, True, 7.0),
        (503, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, True, None),
        (503, {"Retry_After": "-3"}, True, 0.0),
        (500, {}, True, None),
    ],
)
def test_an_error_says_what_the_server_says(
    server: Server, status: int, headers: dict[str, str], transient: bool, wait_s: float | None
) -> None:
    body = b"" if status == 304 else b"no\n  such \xff thing" + b" more" * 1000
    server.answers = {"/a": says(status, body, **headers)}
    with pytest.raises(RequestError, match=f"/a answered {status} ") as caught:
        ask_json(server.url + "/a?key=hidden")
    assert (caught.value.status, caught.value.transient, caught.value.wait_s) == (status, transient, wait_s)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    if body:
        assert "no such \ufffd thing" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"<html>", {}, "what is not JSON"),
        (b"[" * 100_000, {}, "what is not JSON"),
        (b"\xff\xfe\x00", {}, "what is not JSON"),
        # a coding that was not asked for is not undone: a small answer cannot grow
        (b"\x1f\x8b\x08junk", {"Content_Encoding": "gzip"}, "what is not JSON"),
        (b"[1]", {"Content_Length": "30"}, "cut its answer off"),
        (b"[1]", {"Content_Length": "many"}, "cut its answer off or speaks no HTTP"),
        (b"[1]", {"X": "y" * 200_000}, "speaks no HTTP|cannot be reached"),
        (b"0" * 5000, {}, "more than 1000 bytes"),
    ],
    ids=range(8),
)
def test_what_is_no_answer_is_one_sentence(
    server: Server, body: bytes, headers: dict[str, str], message: str
) -> None:
    server.answers = {"/a": says(200, body, **headers)}
    most = 1000 if message.startswith("more") else 1_000_000
    with pytest.raises(RequestError, match=message) as caught:
        ask_json(server.url + "/a", max_bytes=most)
    assert "\n" not in str(caught.value)


def test_what_was_asked_is_plain(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers = {"/a": says()}
    ask_json(server.url + "/a", body={"text": "\u00e9"})
    [(method, _, headers)] = server.asked
    assert (method, headers["accept-encoding"], headers["content-type"]) == (
        "POST",
        "identity",
        "application/json",
    )
    assert headers["user-agent"] == "crisislens"
    assert headers["content-length"] == str(len('{"text": "\u00e9"}'.encode()))


@pytest.mark.parametrize("value", ["Bearer s3cret\n", "Bearer s3cret\r\nX: y", "s3cret\u2019", "s3cret\x00"])
def test_a_key_that_no_header_can_hold_is_not_shown(value: str) -> None:
    with pytest.raises(InputError, match="the header Authorization would hold a line end") as caught:
        ask_json("http://127.0.0.1:9/", headers={"Authorization": value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://a b/",
        "http://h:port/",
        "http://h:99999/",
        "HTTP//x",
        "http://\u2028/",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        check_address(url)


def test_a_server_that_says_nothing_or_nonsense() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(RequestError, match=r"did not answer within 0\.2 s") as caught:
            ask_json(url, timeout_s=0.2)
        assert caught.value.transient
        assert time.monotonic() - started < 3

        def nonsense() -> None:
            stream, _ = silent.accept()
            with stream:
                stream.sendall(b"SSH-2.0-OpenSSH\r\n")
                stream.recv(1000)

        # the connection of the first request waits to be accepted still
        silent.accept()[0].close()
        thread = threading.Thread(target=nonsense, daemon=True)
        thread.start()
        with pytest.raises(RequestError, match="speaks no HTTP") as caught:
            ask_json(url, timeout_s=5)
        assert caught.value.transient
        thread.join()


@pytest.mark.parametrize("proxy", ["socks9://x", "socks5://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InputError, match="the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names"):
        ask_json("http://192.0.2.1/", timeout_s=0.2)


def test_pieces_of_a_stream_that_is_cut_off(server: Server) -> None:
    server.answers = {"/a": says(200, b"x" * 1000, Content_Length="2000")}
    parts = []
    with open_stream(server.url + "/a") as answer:
        assert (answer.status, answer.headers["content-LENGTH"]) == (200, "2000")
        with pytest.raises(CutOffError):
            parts.extend(answer.pieces())
    assert b"".join(parts) == b"x" * 1000
