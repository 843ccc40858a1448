"""The annotation server against visitors who mean no good: other hosts, endless and broken requests."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from crisislens.annotate import bounds
from crisislens.annotate.bounds import answers_to
from crisislens.annotate.server import AnnotationServer
from crisislens.annotate.store import AnnotationStore
from crisislens.domain.post import Post

POSTS = [Post(id="1", text="Bridge is down"), Post(id="2", text="Sunny")]


def build(tmp_path: Path) -> AnnotationServer:
    store = AnnotationStore(tmp_path / "out.jsonl", POSTS, labels=["damage"])
    return AnnotationServer(store, image_root=tmp_path)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Asks the application without a network, at the address of the page."""
    server = build(tmp_path)
    with TestClient(server.app, base_url=server.url, raise_server_exceptions=False) as found:
        yield found
    server.socket.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[AnnotationServer]:
    server = build(tmp_path)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.close()
    thread.join(5)
    assert not thread.is_alive()


def connect(server: AnnotationServer) -> socket.socket:
    return socket.create_connection(server.socket.getsockname(), timeout=5)


def request(server: AnnotationServer, head: str, body: bytes = b"", *, token: str | None = None) -> str:
    """The answer to raw bytes; `{at}` in the head stands for the page's path."""
    with connect(server) as stream:
        stream.sendall(head.format(at=f"/{token or server.token}").encode("latin-1") + body)
        return read_all(stream)


def read_all(stream: socket.socket) -> str:
    parts = []
    try:
        while part := stream.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts).decode("utf-8", "replace")


@pytest.mark.parametrize("path", ["", "annotate.js", "setup", "post/0", "post/9", "nothing", "photo/0"])
def test_every_answer_is_guarded(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == (404 if path in ("post/9", "nothing", "photo/0") else 200)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == (
        "nosniff",
        "no-store",
    )
    if answer.status_code != 200:
        assert answer.json()["error"]


@pytest.mark.parametrize(
    ("header", "host", "ours"),
    [
        ("127.0.0.1:80", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("LOCALHOST:80", "127.0.0.1", True),
        ("[::1]:80", "::1", True),
        ("evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example:80", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("192.168.1.5:80", "127.0.0.1", False),
        ("192.168.1.5:80", "0.0.0.0", True),
        ("evil.example", "0.0.0.0", False),
        ("lab-computer:80", "lab-computer", True),
        ("evil.example", "lab-computer", False),
    ],
)
def test_only_its_own_names_are_answered(header: str, host: str, ours: bool) -> None:
    assert answers_to(header, host) is ours


def test_a_foreign_name_or_a_guessed_address_gets_nothing(client: TestClient) -> None:
    assert client.get("setup", headers={"Host": "evil.example"}).status_code == 404
    assert client.post("post/0", headers={"Host": "evil.example"}, json={"words": [0]}).status_code == 404
    for path in ("/", "/setup", "/guess/setup", "//setup", "/%00/setup", "/\u00e9/setup"):
        assert client.get(f"http://127.0.0.1{path}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"words": [0], "label": "damage"}', 200),
        (b"", 422),
        (b"not json", 422),
        (b"[" * 100_000, 422),
        (b'{"words":' * 50_000, 422),
        (b"\xff\xfe{}", 422),
        (b'{"label": "\xff"}', 422),
        (b'{"words": [' + b"9" * 5000 + b"]}", 422),
        (b'{"words": [NaN]}', 422),
        (b'{"label": "\\ud800"}', 422),
        (b'{"label": {"deep": []}}', 422),
        (b"null", 422),
        (b'{"words": [1], "more": 1}', 422),
        (b"x" * 1_000_001, 413),
    ],
    ids=range(14),
)
def test_a_body_that_is_none_is_refused_with_a_sentence(
    client: TestClient, tmp_path: Path, body: bytes, status: int
) -> None:
    answer = client.post("post/0", content=body)
    assert answer.status_code == status, answer.text
    assert (tmp_path / "out.jsonl").exists() == (status == 200)
    if status != 200:
        assert answer.json()["error"]
    # whatever came, the next one is served
    assert client.get("post/0").status_code == 200


@pytest.mark.parametrize("place", ["2", "-1", "x", "9" * 5000, "0.0", "%32%32"], ids=range(6))
def test_a_place_without_a_post(client: TestClient, place: str) -> None:
    assert client.get(f"post/{place}").status_code == 404
    assert client.post(f"post/{place}", json={}).status_code == 404


def test_methods_that_nothing_is_for(client: TestClient) -> None:
    assert client.delete("post/0").status_code == 405
    assert client.put("setup", json={}).status_code == 405


def test_what_cannot_be_written_is_said_and_not_counted(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    assert client.post("post/0", json={"words": [0], "done": True}).json() == {"saved": True, "done": 1}
    monkeypatch.setattr("crisislens.annotate.store.atomic_write", full)
    answer = client.post("post/1", json={"words": [0], "done": True})
    assert answer.status_code == 507
    assert "No space left on device" in answer.json()["error"]
    monkeypatch.undo()
    assert client.get("post/1").json()["done"] == 1
    assert client.get("post/1").json()["marked"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


POST_HEAD = "POST {at}/post/0 HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (POST_HEAD + "Content-Length: abc\r\n\r\n", b"{}", "400"),
        (POST_HEAD + "Content-Length: -5\r\n\r\n", b"{}", "400"),
        (POST_HEAD + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n", b"{}", "400"),
        (POST_HEAD + "Content-Length: 99999999999\r\n\r\n" + "x" * 1_000_001, b"", "413"),
        (POST_HEAD + "Transfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n", "200"),
        (POST_HEAD + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"", "400"),
        (POST_HEAD + "\r\n", b"", "422"),
        ("GET {at}/setup HTTP/1.1\r\n\r\n", b"", "400"),
        ("GET {at}/setup HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"", "400"),
        ("\x16\x03\x01\x02\r\n\r\n", b"", "400"),
        (
            "GET {at}/setup HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            b"",
            "200",
        ),
    ],
    ids=range(11),
)
def test_broken_requests_get_an_answer_and_no_hang(
    served: AnnotationServer, head: str, body: bytes, status: str, capfd: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    answer = request(served, head, body)
    assert answer.startswith(f"HTTP/1.1 {status}"), answer[:200]
    assert time.monotonic() - started < 3
    assert capfd.readouterr().err == ""


def test_a_body_that_never_arrives_ends(served: AnnotationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crisislens.annotate.server.BODY_S", 0.2)
    answer = request(served, POST_HEAD + "Content-Length: 100\r\n\r\n", b"{")
    assert answer.startswith("HTTP/1.1 408"), answer
    assert "did not arrive within 0.2 s" in answer


def test_a_head_that_never_arrives_ends(served: AnnotationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds._PageProtocol, "bounds", replace(bounds.BOUNDS, whole_s=0.2))
    started = time.monotonic()
    assert request(served, "GET {at}/setup HT") == ""
    with connect(served) as silent:
        assert read_all(silent) == ""
    assert time.monotonic() - started < 3


def test_many_connections_are_turned_away_and_leave_it_alive(
    served: AnnotationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds._PageProtocol, "bounds", replace(bounds.BOUNDS, most=4))
    head = "GET {at}/setup HTTP/1.1\r\nHost: localhost\r\n\r\n"
    idle = [connect(served) for _ in range(12)]
    try:
        assert request(served, head) == ""
    finally:
        for stream in idle:
            stream.close()
    deadline = time.monotonic() + 5
    while not (answer := request(served, head)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.startswith("HTTP/1.1 200")
    assert json.loads(answer.partition("\r\n\r\n")[2])["total"] == 2


def test_a_visitor_who_leaves_in_the_middle_costs_nothing(
    served: AnnotationServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(served) as stream:
        stream.sendall((POST_HEAD + "Content-Length: 100\r\n\r\n{{").format(at=f"/{served.token}").encode())
    assert request(served, "GET {at}/setup HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith("HTTP/1.1 200")
    assert capfd.readouterr().err == ""


def test_it_listens_at_this_computer_unless_told(tmp_path: Path) -> None:
    server = build(tmp_path)
    assert server.socket.getsockname()[0] == "127.0.0.1"
    taken = server.socket.getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        AnnotationServer(server.store, image_root=tmp_path, port=taken)
    server.close()
    server.socket.close()
    other = AnnotationServer(server.store, image_root=tmp_path, host="localhost")
    assert other.url.startswith("http://localhost:")
    other.socket.close()
