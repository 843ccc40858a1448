"""The loop between a source and where its posts go."""

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import InputError, StoreError, StoreFullError
from crisislens.core.http import Response
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.records import Box, NewPost, PostFilter, Unread
from crisislens.streams import Batch, Filters, Pump, ServiceTarget, StoreTarget, replay, replay_to
from crisislens.streams.rows import RowMaker
from crisislens.streams.targets import Taken
from store_posts import new


class Given:
    """A source that gives what it is given, a batch a look."""

    kind, edits, every_s = "file", False, 0.0

    def __init__(self, *batches: Batch | Exception, name: str = "given") -> None:
        self.name, self.batches = name, list(batches)

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        if self.batches:
            batch = self.batches.pop(0)
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def ended(self) -> bool:
        return not self.batches


class Full(StoreTarget):
    """Refuses the first calls."""

    def __init__(self, store: Store, *errors: Exception) -> None:
        super().__init__(store)
        self.errors, self.tried = list(errors), 0

    def take(self, source: Any, batch: Batch) -> Taken:
        self.tried += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().take(source, batch)


def pumped(source: Given, target: Any, **more: Any) -> tuple[Pump, list[str], list[float]]:
    told: list[str] = []
    waited: list[float] = []
    pump = Pump(source, target, tell=told.append, **more)
    pump._spread = lambda seconds: waited.append(seconds) or 0.0  # type: ignore[method-assign, func-returns-value]
    pump.run()
    return pump, told, waited


def test_batch_letters_and_cursor_are_one_transaction(store: Store) -> None:
    letter = Unread(raw="x" * 70_000 + "\0", reason="no post")
    pumped(Given(Batch((new(1), new(2)), (letter,), {"at": 7})), StoreTarget(store))
    [source] = store.sources.all()
    assert (source.posts, source.dead, json.loads(source.cursor or "")) == (2, 1, {"at": 7})
    [found] = store.dead_letters.list()
    assert (len(found.raw), found.reason) == (65_536, "no post")


def test_nothing_of_a_batch_that_is_refused_is_there(store: Store) -> None:
    """Neither letters nor cursor, where the posts are not taken."""
    store.posts._inbox._most_queued = 1
    with pytest.raises(StoreFullError):
        store.posts.accept("s", [new(1), new(2)], cursor="9", dead=[Unread(raw="x", reason="y")])
    assert store.sources.all() == ()
    assert store.dead_letters.list() == ()


def test_a_full_store_is_waited_for_and_loses_nothing(store: Store) -> None:
    full = Full(store, StoreFullError("full", retry_after_s=7), StoreError("gone"), StoreError("gone"))
    pump, told, waited = pumped(Given(Batch((new(1),), (), {"at": 1})), full)
    assert (full.tried, pump.tally.created) == (4, 1)
    assert waited[:3] == [7.0, 2.0, 4.0]
    # one sentence, not one a try
    assert told == ["waiting: full"]


def test_jitter_spreads(store: Store) -> None:
    pump = Pump(Given(), StoreTarget(store))
    waits = {pump._spread(10.0) for _ in range(50)}
    assert all(8.0 <= wait <= 12.0 for wait in waits)
    assert len(waits) > 40


def test_an_id_that_is_taken_is_a_dead_letter_and_may_be_replayed(store: Store) -> None:
    pump, _, _ = pumped(Given(Batch((new(1, "water"),)), Batch((new(1, "food"),))), StoreTarget(store))
    assert (pump.tally.created, pump.tally.changed, pump.tally.dead) == (1, 1, 1)
    [letter] = store.dead_letters.list()
    assert "its id is here with other content" in letter.reason
    done = replay(store, RowMaker())
    assert (done.taken, done.left, store.dead_letters.list()) == (1, 0, ())
    assert sorted(row.text for row in store.posts.stream(PostFilter())) == ["food", "water"]


def test_replay_takes_what_can_be_read_now(store: Store) -> None:
    letters = ('{"id": 1, "said": "boat"}', "nonsense", '{"file": "a.csv", "row": 3, "id": "x"}')
    for raw in letters:
        store.dead_letters.add("radio", raw, "why")
    mapped = RowMaker({"text": "said"})
    assert replay(store, mapped, trial=True).taken == 1
    assert len(store.dead_letters.list()) == 3
    done = replay(store, mapped, source="radio")
    assert (done.taken, done.there, done.left) == (1, 0, 2)
    assert store.posts.by_key("radio", "1") is not None
    assert len(store.dead_letters.list()) == 2
    with pytest.raises(InputError, match="there are radio"):
        replay(store, mapped, source="tv")


def test_a_post_with_a_list_in_it_is_one_post() -> None:
    line = '{"id": "k1", "said": "We are trapped", "items": [{"item": "water"}, {"item": "food"}]}'
    [post] = RowMaker({"text": "said"}).line(line, "x")
    assert isinstance(post, NewPost)
    assert (post.external_id, post.text) == ("k1", "We are trapped")
    [post] = RowMaker().line('{"id": "k2", "description": "Send boats", "items": []}', "x")
    assert isinstance(post, NewPost)
    assert post.text == "Send boats"


def test_a_source_that_fails_is_asked_again(store: Store) -> None:
    busy = RequestError("answered 429", transient=True, wait_s=3.0)
    gone = RequestError("cannot be reached", transient=True)
    batch = Batch((new(1),))
    pump, told, waited = pumped(Given(busy, gone, gone, batch), StoreTarget(store))
    assert pump.tally.created == 1
    # as long as it asks for; then ever longer
    assert waited[:3] == [3.0, 1.0, 2.0]
    assert "answered 429; trying again in 3 s" in told[0]
    with pytest.raises(RequestError, match="404"):
        pumped(Given(RequestError("answered 404"), batch), StoreTarget(store))


def test_a_source_that_fails_and_is_read_all_the_same_is_not_waited_for_ever_longer(store: Store) -> None:
    """Pages of a busy server: each look brings something new, and then a page that cannot be had."""
    busy = RequestError("busy", transient=True)

    class Pages(Given):
        def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
            yield from super().look(cursor)
            raise self.batches.pop(0)  # type: ignore[misc]

    steps = [step for i in range(5) for step in (Batch((new(i),)), busy)]
    # what was there before is no progress
    steps += [step for _ in range(4) for step in (Batch((new(0),)), busy)]
    source = Pages(*steps, Batch((new(9),)), ValueError("the end"))
    told: list[str] = []
    pump = Pump(source, StoreTarget(store), tell=told.append)
    waited: list[float] = []
    pump._spread = lambda seconds: waited.append(seconds) or 0.0  # type: ignore[method-assign, func-returns-value]
    with pytest.raises(ValueError, match="the end"):
        pump.run()
    assert waited == [1.0] * 5 + [2.0, 4.0, 8.0, 16.0]


def test_silence_and_switching_off_are_told(store: Store) -> None:
    source = Given(*[Batch()] * 3)
    _, told, _ = pumped(source, StoreTarget(store), silent_s=1e-9)
    assert [said.partition(" for ")[0] for said in told] == ["given has brought no new post"]
    store.sources.change("given", enabled=False, actor="test")
    told = []
    stopped = threading.Event()

    def tell(said: str) -> None:
        told.append(said)
        stopped.set()

    Pump(Given(Batch((new(1),))), StoreTarget(store), tell=tell).run(stopped)
    assert "switched off" in told[0]
    assert store.posts.by_key("given", "1") is None


FILTERS: list[tuple[dict[str, Any], str, dict[str, Any], bool]] = [
    ({}, "anything", {}, True),
    ({"keep": ("flood",)}, "A FLOOD, here", {}, True),
    ({"keep": ("flood",)}, "flooding", {}, False),
    ({"keep": ("flood*",)}, "flooding", {}, True),
    ({"keep": ("#flood",)}, "see #Flood now", {}, True),
    ({"keep": ("mill road",)}, "on Mill Road.", {}, True),
    ({"keep": ("洪水",)}, "大洪水です", {}, True),
    ({"keep": ("straße",)}, "STRASSE", {}, True),
    ({"keep": ("a.c",)}, "abc", {}, False),
    ({"keep": ("*",)}, "abc", {}, False),
    ({"drop": ("win",)}, "win a phone", {}, False),
    ({"drop": ("win",)}, "window", {}, True),
    ({"languages": ("es",)}, "x", {"lang": "es-PR"}, True),
    ({"languages": ("es",)}, "x", {"lang": "en"}, False),
    ({"languages": ("es",)}, "x", {"lang": "spa"}, True),
    ({"languages": ("spa",)}, "x", {"lang": "es"}, True),
    ({"languages": ("es",)}, "ok", {"lang": "und"}, True),
    ({"languages": ("es",)}, "ok", {}, True),
    ({"languages": ("es",)}, "The bridge is down and the road to the hospital is flooded", {}, False),
    ({"box": Box(west=-70, south=17, east=-60, north=19)}, "x", {"lat": 18.0, "lon": -66.0}, True),
    ({"box": Box(west=-70, south=17, east=-60, north=19)}, "x", {"lat": 20.0, "lon": -66.0}, False),
    ({"box": Box(west=170, south=-20, east=-170, north=0)}, "x", {"lat": -18.0, "lon": 179.0}, True),
    ({"box": Box(west=170, south=-20, east=-170, north=0)}, "x", {"lat": -18.0, "lon": 0.0}, False),
    ({"box": Box(west=-70, south=17, east=-60, north=19)}, "x", {}, True),
]


@pytest.mark.parametrize(("given", "text", "more", "taken"), FILTERS)
def test_filters(given: dict[str, Any], text: str, more: dict[str, Any], taken: bool) -> None:
    assert Filters(**given).take(NewPost(external_id="1", text=text, **more)) is taken


def test_filters_stay_with_their_source(store: Store) -> None:
    keep = Filters(keep=("water",))
    posts = (new(1, "water"), new(2, "food"))
    pump, _, _ = pumped(Given(Batch(posts, (), {"at": 2})), StoreTarget(store), filters=keep)
    assert (pump.tally.created, pump.tally.filtered) == (1, 1)
    pump, _, _ = pumped(Given(Batch((new(3, "boat"),))), StoreTarget(store))
    assert (pump.tally.created, pump.tally.filtered) == (0, 1)
    store.sources.change("given", config={"filters": {"keep": 7}}, actor="test")
    with pytest.raises(InputError, match="filters cannot be used"):
        pumped(Given(), StoreTarget(store))


class Service:
    """Stands for `crisislens serve`, with its answers and its faults."""

    def __init__(self, *faults: RequestError) -> None:
        self.faults, self.posts = list(faults), dict[str, str]()

    def __call__(self, url: str, *, body: Any, headers: Mapping[str, str]) -> Response:
        assert headers == {"Authorization": "Bearer k"}
        assert url == "http://127.0.0.1:1/v1/posts?source=given"
        if self.faults:
            raise self.faults.pop(0)
        rows = body if isinstance(body, list) else [body]
        results = [self._one(number, row) for number, row in enumerate(rows)]
        kinds = {result["outcome"] for result in results}
        if not kinds & {"created", "same"}:
            status = {"conflict": 409, "erased": 410}.get(next(iter(kinds)), 422)
            raise RequestError(f"answered {status}", status=status)
        if isinstance(body, list):
            return Response({"results": results}, 0.0)
        return Response({"id": 1, "created": results[0]["outcome"] == "created"}, 0.0)

    def _one(self, number: int, row: dict[str, str]) -> dict[str, Any]:
        if row["text"] == "refuse":
            return {"row": number, "outcome": "refused", "reason": "too rude"}
        if row["text"] == "erased":
            return {"row": number, "outcome": "erased", "reason": "gone"}
        there = self.posts.setdefault(row["id"], row["text"])
        before = there == row["text"] and number < 0
        outcome = "conflict" if there != row["text"] else "same" if before else "created"
        return {"row": number, "outcome": outcome, "reason": None}


def test_an_edit_that_a_service_does_not_take_is_told_once(tmp_path: Path) -> None:
    target = ServiceTarget("http://127.0.0.1:1/", "k", tmp_path, ask=Service())
    later = {"edited_at": datetime(2026, 11, 20, tzinfo=UTC)}
    edits = [new(number, "no water").model_copy(update=later) for number in (1, 2)]
    source = Given(Batch((new(1, "water"), new(2, "water"))), Batch((edits[0],)), Batch((edits[1],)))
    source.edits = True
    pump, told, _ = pumped(source, target)
    assert (pump.tally.created, pump.tally.changed, pump.tally.dead) == (2, 2, 0)
    [sentence] = told
    assert "where people reviewed one, its text stays unless the key is an administrator's" in sentence
    # of a source without versions there is nothing to tell
    _, told, _ = pumped(Given(Batch((new(1, "other"),))), target)
    assert told == []


def test_a_service_takes_posts_and_the_cursor_comes_after(tmp_path: Path) -> None:
    busy = RequestError("full", status=429, transient=True, wait_s=2.0)
    down = RequestError("cannot be reached", transient=True)
    service = Service(busy, down)
    target = ServiceTarget("http://127.0.0.1:1/", "k", tmp_path, ask=service)
    posts = (new(1, "water"), new(2, "refuse"), new(3, "erased"), new(1, "other"))
    source = Given(Batch(posts, (), {"at": 4}), Batch((new(4, "refuse"),), (), {"at": 5}))
    pump, told, waited = pumped(source, target)
    tally = pump.tally
    assert (tally.created, tally.erased, tally.changed, tally.dead) == (1, 1, 1, 3)
    assert (waited[:2], told) == ([2.0, 5.0], ["waiting: full"])
    assert target.cursor(source) == {"at": 5}
    [file] = tmp_path.glob("*.dead.jsonl")
    letters = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
    assert [json.loads(letter["raw"])["id"] for letter in letters] == ["2", "1", "4"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_is_one_sentence(tmp_path: Path, status: int) -> None:
    service = Service(RequestError("no", status=status))
    target = ServiceTarget("http://127.0.0.1:1", "k", tmp_path, ask=service)
    with pytest.raises(InputError, match="does not take the key"):
        pumped(Given(Batch((new(1),))), target)
    assert target.cursor(Given()) is None


def test_letters_of_a_stream_to_a_service_are_sent_again(tmp_path: Path) -> None:
    target = ServiceTarget("http://127.0.0.1:1", "k", tmp_path, ask=Service())
    raws = ['{"id": 1, "said": "boat"}', "nonsense", '{"id": 2, "said": "refuse"}']
    given = Batch((), tuple(Unread(raw=raw, reason="why") for raw in raws), {"at": 1})
    pumped(Given(given), target)
    rows = RowMaker({"text": "said"})
    assert replay_to(target, rows, source="given", trial=True).taken == 2
    done = replay_to(target, rows, source="given")
    assert (done.taken, done.there, done.left) == (1, 0, 2)
    # a second time, only what was left
    done = replay_to(target, rows, source="given")
    assert (done.taken, done.left) == (0, 2)
    with pytest.raises(InputError, match="no dead letters"):
        replay_to(target, rows, source="other")


def test_what_others_keep_with_a_source_stays(store: Store) -> None:
    store.sources.ensure("given", "file", {"note": "of the desk"})
    pumped(Given(Batch((new(1),))), StoreTarget(store), silent_s=600.0)
    [source] = store.sources.all()
    assert source.config == {"note": "of the desk", "silent_minutes": 10.0}
