"""What a worker process does at its end of the pipe; run here in this process, beside a fake analyst."""

import signal
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from crisislens.assess import AnalystSpec, process
from crisislens.assess.process import work
from crisislens.core.errors import ModelError
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

pytestmark = pytest.mark.usefixtures("warm_starts")


class Fake:
    """An analyst by name alone."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What was loaded; nothing is."""
    calls: list[dict[str, Any]] = []

    def load(models: Any, *, image_root: Path, annotators: Any) -> Fake:
        names = [type(annotator).__name__ for annotator in annotators]
        calls.append({"models": tuple(models), "root": image_root, "annotators": len(names)})
        if "damaged" in models:
            raise ModelError("damaged cannot be read")
        return Fake("-".join(models))

    monkeypatch.setattr(Analyst, "load", load)
    monkeypatch.setattr("crisislens.pipeline.annotators.load_annotators", lambda names: list(names))
    before = signal.getsignal(signal.SIGINT)
    yield calls
    signal.signal(signal.SIGINT, before)


def told(spec: AnalystSpec, folder: Path, *requests: Any) -> list[Any]:
    """What the process answers to requests, one after the other; the pipe is closed after them."""
    ours, theirs = Pipe()
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(ours.recv())
            for request in requests:
                ours.send(request)
                answers.append(ours.recv())
        except (EOFError, OSError):
            answers.append("over")
        finally:
            ours.close()

    asking = threading.Thread(target=ask)
    asking.start()
    work(theirs, spec, str(folder), 1)
    theirs.close()
    asking.join(timeout=30)
    return answers


def request(kind: str, *texts: str) -> Any:
    """As the pool sends it."""
    extra = {"remarks": ("cut",), "doubt": "a doubt"}
    return kind, [(Post(id=str(i), text=text).model_dump_json(), extra) for i, text in enumerate(texts)]


def test_it_says_what_it_loaded_and_answers(
    loaded: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Post] = []

    def assess(analysts: Any, posts: list[Post]) -> Any:
        seen.extend(posts)
        return [f"{[a.fingerprint for a in analysts]} {post.text}" for post in posts]

    monkeypatch.setattr(process, "assess_batch", assess)
    spec = AnalystSpec(("one",), ("two",))
    ready, answer = told(spec, tmp_path, request("assess", "a", "b"))
    assert ready == ("ready", ["one", "two"])
    assert answer == ("assess", ["['one', 'two'] a", "['one', 'two'] b"])
    # what is of the reading and stands in no JSON came along
    assert [(post.remarks, post.doubt) for post in seen] == [(("cut",), "a doubt")] * 2
    assert [call["root"] for call in loaded] == [tmp_path, tmp_path]


def test_models_that_cannot_be_loaded_are_one_sentence(loaded: list[dict[str, Any]], tmp_path: Path) -> None:
    assert told(AnalystSpec(("damaged",)), tmp_path) == [("failed", "damaged cannot be read")]


def test_the_analyst_for_evidence_is_loaded_when_it_is_asked_for(
    loaded: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "explain_post", lambda analyst, post: f"{analyst.fingerprint} {post.text}")
    spec = AnalystSpec(("one",), ("two",))
    answers = told(spec, tmp_path, request("explain", "why"), request("explain", "why not"))
    assert answers[1:] == [("explain", "one why"), ("explain", "one why not")]
    # two for the answers, then one more, once
    assert [call["models"] for call in loaded] == [("one",), ("two",), ("one",)]
    assert loaded[2]["annotators"] == loaded[0]["annotators"] + 1


def test_evidence_is_made_by_the_model_that_answered(
    loaded: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "explain_post", lambda analyst, post: f"{analyst.fingerprint} {post.text}")
    spec = AnalystSpec(("one", "run"), ("two",))
    asked = [(*request("explain", "why"), model) for model in ("two", "one-run", "an older one", "two")]
    answers = told(spec, tmp_path, *asked)
    assert [value for _, value in answers[1:]] == ["two why", "one-run why", "one-run why", "two why"]
    # each one is loaded once
    assert [call["models"] for call in loaded[2:]] == [("two",), ("one", "run")]


FAULTS: list[tuple[Exception, str]] = [
    (MemoryError(), "MemoryError: "),
    (OSError("the disk is away"), "OSError: the disk is away"),
    (ModelError("x" * 900), "ModelError: " + "x" * 288),
]


@pytest.mark.parametrize(("error", "said"), FAULTS, ids=lambda value: type(value).__name__)
def test_a_fault_of_the_machine_is_told_and_ends_it(
    loaded: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(process, "assess_batch", fail)
    answers = told(AnalystSpec(("one",)), tmp_path, request("assess", "a"))
    assert answers[1] == ("fault", said)


def test_it_ends_when_nobody_asks_any_more(
    loaded: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_POLL_S", 0.01)
    assert told(AnalystSpec(("one",)), tmp_path) == [("ready", ["one"])]
    # or when its parent is gone
    parents = iter([1, 2, 2])
    monkeypatch.setattr(process.os, "getppid", lambda: next(parents))
    _ours, theirs = Pipe()
    work(theirs, AnalystSpec(("one",)), str(tmp_path), 1)
    theirs.close()


def test_a_spec_loads_its_models_in_their_order(loaded: list[dict[str, Any]], tmp_path: Path) -> None:
    spec = AnalystSpec(("a", "b"), ("c", "d"), leave_out=("places", "place_types"))
    fingerprints = [analyst.fingerprint for analyst in spec.build(tmp_path)]
    # several runs are one analyst; each fallback is one of its own
    assert fingerprints == ["a-b", "c", "d"]
    assert len({call["annotators"] for call in loaded}) == 1
    assert AnalystSpec().models
