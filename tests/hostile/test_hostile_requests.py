"""Drawn requests to both servers: each gets an answer or an end in time, none a fault of the server, and the
server still answers afterwards.

Bodies and heads that never arrive cost their whole bound, so the bounds are short here; that they hold at
their true length is tested with a clock of numbers in `tests/annotate/test_annotate_connections.py`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.annotate import bounds
from crisislens.annotate.server import AnnotationServer
from crisislens.annotate.store import AnnotationStore
from crisislens.domain.post import Post
from crisislens.serve import protocol
from crisislens.serve.app import create_app
from crisislens.serve.limits import Limits
from crisislens.serve.server import ServiceServer
from crisislens.serve.service import ServeSettings
from crisislens.store import open_store
from hostile.requests import draw_request
from hostile.sockets import Address, running, visit
from store_template import new_file

# an eighth of all inputs, half of them each server
INPUTS = int(os.environ.get("CRISISLENS_FUZZ", "2000")) // 16
SHORT = {"head_s": 0.1, "body_s": 0.15, "stall_s": 1.0}
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
HELLO = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def check(address: Address, paths: Sequence[str], healthy: str, *, key: str = "") -> set[int]:
    """Asks all that is drawn; the statuses that were given."""
    seen: set[int] = set()
    host = f"localhost\r\n{key}" if key else "localhost"

    def ask(seed: int) -> bytes:
        drawn = draw_request(seed, paths, host)
        # a hang is a TimeoutError
        return visit(address, drawn.parts, half_closed=drawn.leaves)

    # several at once: most of the time is that of requests which never come to an end
    with ThreadPoolExecutor(6) as visitors:
        for seed, answer in enumerate(visitors.map(ask, range(INPUTS))):
            statuses = {int(found) for found in STATUS.findall(answer)}
            assert all(100 <= status < 500 for status in statuses), f"seed {seed}: {answer[:300]!r}"
            assert b"Traceback" not in answer, f"seed {seed}: {answer[:300]!r}"
            seen |= statuses
            if seed % 25 == 0:
                alive = visit(address, [HELLO % healthy.encode()])
                assert alive.startswith(b"HTTP/1.1 200"), f"near seed {seed}: {alive[:300]!r}"
    assert visit(address, [HELLO % healthy.encode()]).startswith(b"HTTP/1.1 200")
    return seen


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnnotationServer]:
    monkeypatch.setattr("crisislens.annotate.server.BODY_S", 0.1)
    monkeypatch.setattr(bounds._PageProtocol, "bounds", replace(bounds.BOUNDS, whole_s=2.0, **SHORT))
    posts = [Post(id="1", text="Bridge is down"), Post(id="2", text="Sunny")]
    server = AnnotationServer(
        AnnotationStore(tmp_path / "marks.jsonl", posts, labels=["damage"]), image_root=tmp_path
    )
    with running(server._server, server.socket):
        yield server


def test_the_page_answers_or_ends_what_is_drawn(page: AnnotationServer, tmp_path: Path) -> None:
    at = f"/{page.token}"
    names = ("setup", "post/0", "post/1", "post/-1", "photo/0", "annotate.js", "")
    seen = check(page.socket.getsockname()[:2], [f"{at}/{name}" for name in names], f"{at}/setup")
    assert {200, 400, 404, 405} <= seen
    # what was saved is whole, and nothing else lies about
    assert {path.name for path in tmp_path.iterdir()} <= {"marks.jsonl"}


def test_the_service_answers_or_ends_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BOUNDS", replace(protocol.BOUNDS, **SHORT))
    limits = Limits(stream_s=0.05, wait_s=0.1, calls_s=1e6, sign_ins_min=1e6)
    paths = ("/v1/posts", "/v1/posts/1", "/v1/posts?limit=x", "/v1/export.csv", "/v1/events", "/v1/users")
    pages = ("/", "/queue", "/posts/1", "/sign-in", "/static/serve.css", "/media/x.jpg", "/metrics")
    with open_store(str(new_file(tmp_path / "store.db")), least_free_bytes=0) as store:
        key = store.keys.add("drawn", "admin", actor="cli")[0]
        app = create_app(store, ServeSettings(host="localhost", limits=limits))
        server = ServiceServer(app, host="127.0.0.1", port=0)
        server.config.timeout_keep_alive = 0
        with running(server, server.socket) as address:
            seen = check(address, (*paths, *pages), "/healthz", key=f"Authorization: Bearer {key}")
        assert {200, 400, 404, 405, 422} <= seen


def test_equal_seeds_draw_equal_requests() -> None:
    for seed in range(50):
        first = draw_request(seed, ["/a"], "localhost")
        assert first == draw_request(seed, ["/a"], "localhost")
        assert all(first.parts)
