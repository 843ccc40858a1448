"""The client: typed answers, retries that cannot send a post twice, the service's own sentences as errors."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from crisislens.client import Client, ServiceError
from crisislens.core.errors import ConflictError, CrisisLensError, InputError, NotFoundError, StoreError

Handler = Callable[[httpx2.Request], httpx2.Response]
TAKEN = {"id": 7, "external_id": "1", "state": "queued", "created": True, "notes": [], "newer": 1}


def client(handler: Handler, waits: list[float] | None = None, tries: int = 4) -> Client:
    kept = waits if waits is not None else []
    return Client(
        "http://service.test",
        key="cl_secret",
        tries=tries,
        transport=httpx2.MockTransport(handler),
        sleep=kept.append,
    )


def test_a_post_is_sent_with_key_and_source() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(202, json=TAKEN)

    post = {"id": "1", "text": "Bridge is down", "created_at": datetime(2026, 3, 6, tzinfo=UTC)}
    sent = client(handler).send(post, source="radio", wait_s=2)
    assert (sent.id, sent.created) == (7, True)
    [request] = seen
    assert request.headers["authorization"] == "Bearer cl_secret"
    assert dict(request.url.params) == {"source": "radio", "wait": "2"}
    assert json.loads(request.content)["created_at"] == "2026-03-06T00:00:00+00:00"


def test_photos_are_sent_without_their_names(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.read())
        return httpx2.Response(202, json=TAKEN)

    (tmp_path / "my street.jpg").write_bytes(b"jpeg bytes")
    client(handler).send({"id": "1"}, photos=[tmp_path / "my street.jpg"])
    assert b"jpeg bytes" in bodies[0]
    assert b"my street" not in bodies[0]


def test_a_full_queue_is_waited_for_as_long_as_it_says() -> None:
    answers = [
        httpx2.Response(429, headers={"Retry-After": "7"}, json={"detail": "full"}),
        httpx2.Response(507, json={"detail": "disk"}),
        httpx2.Response(202, json=TAKEN),
    ]
    waits: list[float] = []
    assert client(lambda _: answers.pop(0), waits).send({"id": "1"}).id == 7
    assert waits == [7.0, 1.0]


def test_a_service_that_cannot_be_reached_is_tried_and_then_named() -> None:
    tried = 0

    def handler(request: httpx2.Request) -> httpx2.Response:
        nonlocal tried
        tried += 1
        raise httpx2.ConnectError("refused")

    waits: list[float] = []
    with pytest.raises(ServiceError, match="cannot be reached"):
        client(handler, waits, tries=3).send({"id": "1"})
    assert tried == 3
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ServiceError),
        (403, ServiceError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, ConflictError),
        (413, InputError),
        (422, InputError),
        (500, ServiceError),
        (503, StoreError | ServiceError),
    ],
)
def test_a_refusal_is_the_services_own_sentence(status: int, kind: type[CrisisLensError]) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, json={"detail": "its own sentence"})

    with pytest.raises(CrisisLensError, match="its own sentence") as refused:
        client(handler, tries=1).get(7)
    assert isinstance(refused.value, kind)


def test_many_posts_are_numbered_through() -> None:
    sizes: list[int] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        lines = request.content.split(b"\n")
        sizes.append(len(lines))
        rows = [
            {"row": i, "external_id": json.loads(line)["id"], "id": i + 1, "outcome": "created"}
            for i, line in enumerate(lines)
        ]
        return httpx2.Response(202, json={"created": len(rows), "same": 0, "refused": 0, "results": rows})

    found = list(client(handler).send_many({"id": str(i)} for i in range(450)))
    assert sizes == [200, 200, 50]
    assert [outcome.row for outcome in found] == list(range(450))
    assert [outcome.external_id for outcome in found] == [str(i) for i in range(450)]


def test_a_batch_that_is_refused_whole_still_says_why_for_each() -> None:
    row = {"row": 0, "external_id": None, "id": None, "outcome": "refused", "reason": "id: missing"}
    body = {"created": 0, "same": 0, "refused": 1, "results": [row]}
    [found] = client(lambda _: httpx2.Response(422, json=body)).send_many([{"text": "no id"}])
    assert (found.outcome, found.reason) == ("refused", "id: missing")


def taking(sizes: list[int]) -> Handler:
    """A service that takes all rows, and notes how many a call had."""

    def handler(request: httpx2.Request) -> httpx2.Response:
        ids = [json.loads(line)["id"] for line in request.content.split(b"\n")]
        sizes.append(len(ids))
        rows = [{"row": i, "external_id": name, "id": 1, "outcome": "created"} for i, name in enumerate(ids)]
        return httpx2.Response(202, json={"results": rows})

    return handler


def test_a_row_that_cannot_be_written_costs_no_other() -> None:
    circle: list[object] = []
    circle.append(circle)
    posts: list[Any] = [{"id": str(i), "text": "t", "lat": 1.0} for i in range(450)]
    posts[150]["lat"] = float("nan")
    posts[250] = {"id": "\ud800", "text": object()}
    posts[251] = {"id": 10**5000}
    posts[252] = {"id": 7, "text": circle}
    sizes: list[int] = []
    found = list(client(taking(sizes)).send_many(posts))
    assert sizes == [199, 197, 50]
    assert [outcome.row for outcome in found] == list(range(450))
    refused = {outcome.row: outcome for outcome in found if outcome.outcome == "refused"}
    assert {row: outcome.external_id for row, outcome in refused.items()} == {
        150: "150",
        250: "?",
        251: None,
        252: "7",
    }
    assert "not JSON compliant" in (refused[150].reason or "")
    taken = [outcome for outcome in found if outcome.row not in refused]
    assert all(outcome.external_id == str(outcome.row) for outcome in taken)


def test_where_no_row_can_be_written_nothing_is_sent() -> None:
    found = list(client(lambda _: httpx2.Response(500)).send_many([{"id": "1", "lat": float("inf")}] * 3))
    assert [(outcome.row, outcome.outcome) for outcome in found] == [(i, "refused") for i in range(3)]


def test_long_posts_are_cut_into_calls_that_the_service_takes() -> None:
    sizes: list[int] = []
    posts = [{"id": str(i), "text": "x" * (17_000_000 if i == 4 else 5_000_000)} for i in range(8)]
    found = list(client(taking(sizes)).send_many(posts))
    assert sizes == [3, 3, 1]
    assert [outcome.row for outcome in found] == list(range(8))
    assert [outcome.row for outcome in found if outcome.outcome == "refused"] == [4]


def test_what_is_waited_for_comes_on_top_of_the_time_of_a_call() -> None:
    waits: list[float] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        waits.append(request.extensions["timeout"]["read"])
        return httpx2.Response(202, json=TAKEN)

    client(handler).send({"id": "1"}, wait_s=30)
    client(handler).send({"id": "1"}, photos=[b"jpeg"], wait_s=20)
    client(handler).send({"id": "1"})
    assert waits == [60.0, 50.0, 30.0]


def test_what_is_no_post_is_not_sent() -> None:
    with pytest.raises(InputError, match="not object"):
        client(lambda _: httpx2.Response(500)).send({"id": object()})
    with pytest.raises(InputError, match="no post"):
        client(lambda _: httpx2.Response(500)).send({"id": "1", "lat": float("nan")})


def test_find_reads_page_after_page() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        after = request.url.params.get("after")
        at = int(after or 0)
        post = {"id": at + 1, "source": "api", "external_id": "x", "text": "", "state": "done", "more": 1}
        return httpx2.Response(200, json={"posts": [post], "next": str(at + 1) if at < 2 else None})

    assert [post.id for post in client(handler).find(q="flood", unread=True)] == [1, 2, 3]


def test_an_export_is_whole_or_not_there(tmp_path: Path) -> None:
    def good(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=b"id\n1\n")

    def broken(request: httpx2.Request) -> httpx2.Response:
        def pieces() -> Iterator[bytes]:
            yield b"id\n"
            raise httpx2.ReadError("cut off")

        return httpx2.Response(200, content=pieces())

    out = client(good).export("csv", tmp_path / "posts.csv")
    assert out.read_bytes() == b"id\n1\n"
    with pytest.raises(ServiceError, match="broke off"):
        client(broken).export("csv", tmp_path / "other.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["posts.csv"]


def test_an_export_touches_no_file_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "posts.csv.part").write_text("mine")
    (tmp_path / "posts.csv").write_text("old")
    with pytest.raises(InputError, match="no such filter"):
        client(lambda _: httpx2.Response(422, json={"detail": "no such filter"})).export(
            "csv", tmp_path / "posts.csv"
        )
    assert (tmp_path / "posts.csv").read_text() == "old"
    client(lambda _: httpx2.Response(200, content=b"new")).export("csv", tmp_path / "posts.csv")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"posts.csv": "new", "posts.csv.part": "mine"}


def test_an_export_is_tried_again_and_a_report_has_time(tmp_path: Path) -> None:
    answers = [httpx2.Response(503, json={"detail": "no store"}), httpx2.Response(200, content=b"<html>")]
    times: list[float] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        times.append(request.extensions["timeout"]["read"])
        return answers.pop(0)

    waits: list[float] = []
    out = client(handler, waits).export("report.html", tmp_path / "report.html")
    assert out.read_bytes() == b"<html>"
    assert waits == [0.5]
    # nothing of a report comes before it is whole
    assert times == [600.0, 600.0]


def test_events_go_on_after_the_last_one() -> None:
    heads: list[str | None] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        heads.append(request.headers.get("last-event-id"))
        if len(heads) == 3:
            return httpx2.Response(401, json={"detail": "the key has ended"})
        seq = len(heads) * 10
        data = json.dumps({"seq": seq, "kind": "post.assessed", "post_id": 1})
        return httpx2.Response(200, text=f"retry: 2000\n\nid: {seq}\nevent: post.assessed\ndata: {data}\n\n")

    seen: list[tuple[int, str]] = []

    def listen() -> None:
        for event in client(handler).events("post.assessed"):
            seen.append((event.seq, event.kind))

    with pytest.raises(ServiceError, match="the key has ended"):
        listen()
    assert seen == [(10, "post.assessed"), (20, "post.assessed")]
    assert heads == [None, "10", "20"]


class Broken(httpx2.SyncByteStream):
    """A stream that says something and breaks off."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __iter__(self) -> Iterator[bytes]:
        yield self.text.encode()
        raise httpx2.ReadError("reset")


def block(seq: int) -> str:
    data = json.dumps({"seq": seq, "kind": "post.assessed", "post_id": 1})
    return f"id: {seq}\nevent: post.assessed\ndata: {data}\n\n"


def test_who_has_heard_nothing_yet_comes_back_to_the_same_place() -> None:
    heads: list[str | None] = []
    said = ["retry: 2000\nid: 5\n\n", ": still here\nid: 8\n\n", block(9) + "id: 99\ndata: {", block(10)]

    def handler(request: httpx2.Request) -> httpx2.Response:
        heads.append(request.headers.get("last-event-id"))
        return httpx2.Response(200, stream=Broken(said[len(heads) - 1]))

    # what was cut off in its middle has not been told
    assert [event.seq for event in islice(client(handler).events(), 2)] == [9, 10]
    assert heads == [None, "5", "8", "9"]


def test_a_stream_that_connects_is_come_back_to_however_often_it_breaks() -> None:
    streams = [httpx2.Response(200, stream=Broken(": still here\n\n")) for _ in range(9)]
    streams.append(httpx2.Response(200, text=block(1)))
    found = client(lambda _: streams.pop(0), tries=3).events()
    assert next(found).seq == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_service_that_starts_again_is_a_break(status: int) -> None:
    answers = [
        httpx2.Response(200, text=block(1)),
        httpx2.Response(status, json={"detail": "not now"}),
        httpx2.Response(200, text=block(2)),
    ]
    found = client(lambda _: answers.pop(0)).events()
    assert [event.seq for event in islice(found, 2)] == [1, 2]


def test_events_give_up_on_a_service_that_stays_away() -> None:
    tried: list[int] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        tried.append(1)
        return httpx2.Response(503, json={"detail": "no store"})

    with pytest.raises(ServiceError, match="no store"):
        next(client(handler, tries=3).events())
    assert len(tried) == 3


def test_a_gap_is_told() -> None:
    gap = 'id: 6\nevent: gap\ndata: {"after": 2, "before": 7}\n\n'
    found = client(lambda _: httpx2.Response(200, text=gap + block(7))).events("post.assessed", after=2)
    first, second = islice(found, 2)
    assert (first.kind, first.seq, first.data) == ("gap", 6, {"after": 2, "before": 7})
    assert (second.kind, second.seq) == ("post.assessed", 7)
