"""What stands around every answer: names that are answered to, headers, ids and the lines of the log."""

import asyncio
import json
import logging
import sys
from typing import Any

import pytest

from crisislens.serve.headers import POLICY, HostGuard, JsonFormatter, RequestLog, SafeHeaders
from crisislens.serve.metrics import Metrics


def ask(app: Any, path: str = "/x", **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status and headers of an answer, and the scope afterwards."""
    sent: list[dict[str, Any]] = []
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": pairs}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    names = [name.decode() for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names)), names
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, scope


def saying(*pairs: tuple[bytes, bytes], status: int = 200) -> Any:
    """An application that answers with these headers."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(pairs)})
        await send({"type": "http.response.body", "body": b""})

    return app


NAMES = [
    ("127.0.0.1", (), "127.0.0.1:8765", 200),
    ("127.0.0.1", (), "localhost:8765", 200),
    ("127.0.0.1", (), "LOCALHOST", 200),
    ("127.0.0.1", (), "[::1]:8765", 200),
    ("127.0.0.1", (), "192.0.2.7:8765", 421),
    ("127.0.0.1", (), "evil.example", 421),
    ("127.0.0.1", (), "127.0.0.1.evil.example", 421),
    ("127.0.0.1", (), "localhost.evil.example:8765", 421),
    ("127.0.0.1", (), "", 421),
    ("127.0.0.1", ("crisis.example.org",), "crisis.example.org", 200),
    ("127.0.0.1", ("Crisis.example.org",), "crisis.EXAMPLE.org:443", 200),
    ("127.0.0.1", ("crisis.example.org",), "example.org", 421),
    ("0.0.0.0", (), "192.0.2.7:8765", 200),
    ("0.0.0.0", (), "evil.example", 421),
]


@pytest.mark.parametrize(("host", "names", "given", "status"), NAMES)
def test_only_its_own_names_are_answered(host: str, names: tuple[str, ...], given: str, status: int) -> None:
    guard = HostGuard(saying(), host=host, names=names)
    # a second time, since answers are remembered
    assert [ask(guard, host=given)[0] for _ in range(2)] == [status, status]


def test_many_made_up_names_are_not_remembered_for_ever() -> None:
    guard = HostGuard(saying(), host="127.0.0.1")
    for number in range(1_000):
        assert ask(guard, host=f"n{number}.example")[0] == 421
    assert guard._means_us.cache_info().currsize <= 256
    assert ask(guard, host="localhost")[0] == 200


def test_every_answer_carries_the_policy_and_no_weaker_one() -> None:
    weak = saying((b"Content-Security-Policy", b"default-src *"), (b"content-type", b"text/html"))
    _, headers, _ = ask(SafeHeaders(weak))
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "text/html"
    assert headers["cache-control"] == "no-store"
    for word in ("unsafe", "http:", "https:", "data:", "*"):
        assert word not in POLICY


def test_what_may_be_kept_says_so_itself() -> None:
    kept = saying((b"Cache-Control", b"max-age=60"))
    assert ask(SafeHeaders(kept))[1] == {
        "Cache-Control": "max-age=60",
        **{name: value for name, value in ask(SafeHeaders(saying()))[1].items() if name != "cache-control"},
    }


IDS = [
    ("from-the-proxy", True),
    ("A.b_c-9", True),
    ("x" * 64, True),
    ("x" * 65, False),
    ("", False),
    ("two words", False),
    ("line\nbreak", False),
    ('quote"', False),
    ("\u00e9", False),
]


@pytest.mark.parametrize(("given", "kept"), IDS)
def test_a_plain_foreign_id_is_kept_and_no_other(given: str, kept: bool) -> None:
    log = RequestLog(saying(), metrics=Metrics())
    _, headers, scope = ask(log, x_request_id=given)
    assert (headers["X-Request-ID".lower()] == given) is kept
    assert scope["request_id"] == headers["x-request-id"]


def test_ids_are_never_given_twice() -> None:
    logs = [RequestLog(saying(), metrics=Metrics()) for _ in range(3)]
    ids = [ask(log)[1]["x-request-id"] for log in logs for _ in range(50)]
    assert len(set(ids)) == 150
    assert all(len(name) <= 64 for name in ids)


def test_a_request_that_breaks_is_counted_and_told() -> None:
    metrics, lines = Metrics(), []

    async def broken(*_: Any) -> None:
        raise ValueError("secret words")

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonFormatter().format(record))

    log = RequestLog(broken, metrics=metrics)
    keeper = Keeper()
    log.log.addHandler(keeper)
    before = log.log.level
    log.log.setLevel(logging.INFO)
    try:
        with pytest.raises(ValueError, match="secret"):
            ask(log)
    finally:
        log.log.removeHandler(keeper)
        log.log.setLevel(before)
    [line] = [json.loads(text) for text in lines]
    assert (line["level"], line["status"], line["route"]) == ("error", 500, "(none)")
    assert "secret" not in lines[0]
    assert 'status="500"} 1.0' in metrics.text().decode()


@pytest.mark.parametrize(("status", "told"), [(200, 0), (404, 0), (429, 0), (500, 1), (503, 1), (507, 1)])
def test_without_asking_only_failures_of_the_server_are_told(status: int, told: int) -> None:
    lines: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record)

    log = RequestLog(saying(status=status), metrics=Metrics())
    keeper, before = Keeper(), log.log.level
    log.log.addHandler(keeper)
    # as `log_to_stderr` has it without --log-requests
    log.log.setLevel(logging.WARNING)
    try:
        _, headers = ask(log)[:2]
    finally:
        log.log.removeHandler(keeper)
        log.log.setLevel(before)
    assert [line.levelname for line in lines] == ["ERROR"] * told
    assert all(line.fields["request_id"] == headers["x-request-id"] for line in lines)  # type: ignore[attr-defined]


def test_a_line_of_the_log_is_one_line_of_ascii() -> None:
    record = logging.LogRecord(
        "crisislens.serve", logging.WARNING, "x.py", 1, "a\nb \u2028 %s", ("\u00e9",), None
    )
    record.fields = {"who": "user:\u00e9\n"}
    text = JsonFormatter().format(record)
    assert text.isascii()
    assert "\n" not in text
    read = json.loads(text)
    assert (read["message"], read["who"]) == ("a\nb \u2028 \u00e9", "user:\u00e9\n")


def test_a_fault_names_its_places_and_not_its_words() -> None:
    def deep(left: int) -> None:
        if not left:
            raise KeyError("a post's text")
        deep(left - 1)

    try:
        deep(40)
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())  # type: ignore[arg-type]
    line = json.loads(JsonFormatter().format(record))
    assert line["error"] == "KeyError"
    assert len(line["where"]) == 12
    assert all("deep" in place for place in line["where"])
    assert "post's text" not in json.dumps(line)


def test_what_is_no_request_passes() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    for wrapped in (
        SafeHeaders(app),
        HostGuard(app, host="127.0.0.1"),
        RequestLog(app, metrics=Metrics()),
    ):
        asyncio.run(wrapped({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"] * 3
