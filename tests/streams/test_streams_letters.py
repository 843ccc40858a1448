"""Dead letters of posts that go to a service: kept in a file, read again, and lost by no crash."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.core.errors import InputError, StoreFullError
from crisislens.core.http import Response
from crisislens.core.http_answers import RequestError
from crisislens.store.records import Unread
from crisislens.streams import ServiceTarget, replay_to
from crisislens.streams.letterbox import Letterbox, source_in
from crisislens.streams.rows import RowMaker

WHERE = "http://127.0.0.1:1"


class Service:
    """Takes every post once; refuses those that say `refuse`."""

    def __init__(self) -> None:
        self.posts: dict[tuple[str, str], str] = {}
        self.fault: RequestError | None = None

    def __call__(self, url: str, *, body: Any, headers: Mapping[str, str]) -> Response:
        if self.fault is not None:
            raise self.fault
        source = url.rpartition("source=")[2]
        rows = body if isinstance(body, list) else [body]
        results = []
        for number, row in enumerate(rows):
            new = (source, row["id"]) not in self.posts
            outcome = "refused" if row["text"] == "refuse" else "created" if new else "same"
            if outcome == "created":
                self.posts[source, row["id"]] = row["text"]
            results.append({"row": number, "outcome": outcome, "reason": "too rude"})
        if all(result["outcome"] == "refused" for result in results):
            raise RequestError("answered 422", status=422)
        return Response({"results": results}, 0.0)


def letters(*texts: str) -> list[Unread]:
    return [Unread(raw=text, reason="why") for text in texts]


def left(folder: Path) -> list[str]:
    """The raw words of all letters in a folder, in order."""
    found = []
    for file in sorted(folder.glob("*.dead.jsonl*")):
        found += [json.loads(line)["raw"] for line in file.read_text().split("\n") if line]
    return found


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def target(service: Service, tmp_path: Path) -> ServiceTarget:
    found = ServiceTarget(WHERE, "k", tmp_path, ask=service)
    found.letters("radio").put(
        letters('{"id": 1, "said": "boat"}', "nonsense", '{"id": 2, "said": "refuse"}')
    )
    found.letters("tv").put(letters('{"id": 1, "said": "water"}'))
    return found


def test_what_is_a_post_now_is_sent_and_the_rest_stays(
    target: ServiceTarget, service: Service, tmp_path: Path
) -> None:
    rows = RowMaker({"text": "said"})
    trial = replay_to(target, rows, trial=True)
    assert (trial.taken, trial.there, trial.left) == (3, 0, 1)
    assert len(left(tmp_path)) == 4
    done = replay_to(target, rows)
    assert (done.taken, done.there, done.left) == (2, 0, 2)
    assert service.posts == {("radio", "1"): "boat", ("tv", "1"): "water"}
    # the refused one is kept as it would be sent, under the same id
    kept = left(tmp_path)
    assert kept[0] == "nonsense"
    assert json.loads(kept[1])["id"] == "2"
    again = replay_to(target, rows)
    assert (again.taken, again.left) == (0, 2)


def test_only_one_source_is_replayed_where_it_is_named(target: ServiceTarget, service: Service) -> None:
    rows = RowMaker({"text": "said"})
    assert replay_to(target, rows, source="tv").taken == 1
    assert list(service.posts) == [("tv", "1")]
    with pytest.raises(InputError, match="no dead letters of 'tv' here; there are of radio"):
        replay_to(target, rows, source="tv")


def test_letters_of_another_service_are_left_alone(
    target: ServiceTarget, service: Service, tmp_path: Path
) -> None:
    other = ServiceTarget("http://127.0.0.1:2", "k", tmp_path, ask=service)
    assert other.letterboxes() == []
    assert replay_to(other, RowMaker()).taken == 0
    assert len(left(tmp_path)) == 4


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (RequestError("full", status=507, transient=True, wait_s=3.0), StoreFullError),
        (RequestError("no", status=401), InputError),
    ],
)
def test_a_service_that_does_not_answer_loses_no_letter(
    target: ServiceTarget, service: Service, tmp_path: Path, fault: RequestError, raised: type[Exception]
) -> None:
    service.fault = fault
    rows = RowMaker({"text": "said"})
    with pytest.raises(raised):
        replay_to(target, rows)
    assert len(left(tmp_path)) == 4
    # a stream that runs meanwhile puts new ones beside those that were set aside
    target.letters("radio").put(letters('{"id": 3, "said": "food"}'))
    service.fault = None
    assert replay_to(target, rows).taken == 2
    assert replay_to(target, rows).taken == 1
    assert len(left(tmp_path)) == 2


def put_and_read(box: Letterbox, *texts: str) -> Sequence[str]:
    box.put(letters(*texts))
    return [letter.raw for letter in box.read()]


def test_a_letterbox_keeps_what_it_was_given(tmp_path: Path) -> None:
    box = Letterbox(tmp_path / "deep" / "x.dead.jsonl", "radio: näh\u2028e")
    assert box.read() == []
    assert box.take() == []
    box.put([])
    assert not box.file.exists()
    assert put_and_read(box, "one\ntwo", "\u2028", "\0") == ["one\ntwo", "\u2028", "\0"]
    assert source_in(box.file) == box.source
    assert [letter.raw for letter in box.take()] == ["one\ntwo", "\u2028", "\0"]
    # set aside, and still there
    assert len(box.read()) == 3
    box.done(letters("one\ntwo"))
    assert [letter.raw for letter in box.read()] == ["one\ntwo"]
    assert [path.name for path in box.file.parent.iterdir()] == ["x.dead.jsonl"]


def test_a_line_that_a_crash_cut_costs_itself_alone(tmp_path: Path) -> None:
    box = Letterbox(tmp_path / "x.dead.jsonl", "radio")
    box.put(letters("whole"))
    with box.file.open("a") as file:
        file.write('{"at": "2026", "source": "radio", "raw": "cu')
    assert [letter.raw for letter in box.read()] == ["whole"]
    assert put_and_read(box, "next") == ["whole", "next"]


@pytest.mark.parametrize("text", ["", "no json\n", "[]\n", '{"raw": "of before"}\n', '{"source": 7}\n'])
def test_a_file_that_names_no_source_is_no_letterbox(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.dead.jsonl"
    file.write_text(text)
    assert source_in(file) is None
    assert ServiceTarget(WHERE, "k", tmp_path).letterboxes() == []
