"""How a pool feeds its processes, with processes that are told what to answer: no model is loaded."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crisislens.assess import AnalystSpec, AssessPool
from crisislens.assess import pool as pool_module
from crisislens.assess.batch import Answered
from crisislens.assess.pool import CURRENT_MODELS
from crisislens.assess.process import WorkerProcess
from crisislens.core.errors import NotFoundError, RunError, StoreError
from crisislens.domain.post import Post
from crisislens.store import Store
from store_posts import MODEL, answered, fill, new

Answer = Callable[[str, list[Post]], Any]


def good(kind: str, posts: list[Post]) -> Any:
    """What a whole process answers."""
    if kind == "explain":
        return kind, '{"why": "water"}'
    return kind, [Answered(answered(post).model_dump_json(), uncertainty=0.3125) for post in posts]


class Clerk(WorkerProcess):
    """Stands for a process; what it answers is set by the test."""

    script: ClassVar[list[Answer]] = []
    made: ClassVar[list["Clerk"]] = []
    broken = 0

    def __init__(self, spec: AnalystSpec, image_root: Path) -> None:
        if Clerk.broken and Clerk.made:
            Clerk.broken -= 1
            raise RunError("the models cannot be loaded: not today")
        self.fingerprints: tuple[str, ...] = (MODEL,)
        self.number = 1000 + len(Clerk.made)
        self.ended = threading.Event()
        self.asked: list[str] = []
        self.named: list[str] = []
        Clerk.made.append(self)

    @property
    def pid(self) -> int:
        """A number like that of a process."""
        return self.number

    def ask(
        self,
        request: Any,
        *,
        patience_s: float | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        every_s: float = 1.0,
    ) -> Any:
        """Answers as the next line of the script says, or well."""
        kind, posts, *named = request
        self.asked.append(kind)
        self.named += named
        meanwhile()
        read = [Post.model_validate_json(post) for post, _ in posts]
        answer = Clerk.script.pop(0) if Clerk.script else good
        return answer(kind, read)

    def end(self) -> None:
        """Is over."""
        self.ended.set()


@pytest.fixture(autouse=True)
def clerks(monkeypatch: pytest.MonkeyPatch) -> type[Clerk]:
    """Pools get clerks for processes, and wait for nothing."""
    Clerk.script, Clerk.made, Clerk.broken = [], [], 0
    monkeypatch.setattr(pool_module, "WorkerProcess", Clerk)
    monkeypatch.setattr(pool_module, "_TEND_S", 0.02)
    monkeypatch.setattr(pool_module, "_WAIT_S", 0.02)
    monkeypatch.setattr(pool_module, "_REST_S", (0.01, 0.01, 0.01))
    return Clerk


Started = Callable[..., AssessPool]


@pytest.fixture
def started(store: Store) -> Iterator[Started]:
    """Starts pools; they are stopped after the test."""
    pools: list[AssessPool] = []

    def start(**given: Any) -> AssessPool:
        pools.append(AssessPool(store, AnalystSpec(("none",)), **given))
        pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        pool.stop(patience_s=5)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def left(store: Store) -> int:
    """How many posts wait or are in work."""
    depth = store.queue.depth()
    return depth.queued + depth.photos + depth.background + depth.leased


def test_what_waits_is_assessed_in_batches(store: Store, started: Started, clerks: type[Clerk]) -> None:
    store.posts.accept("api", [new(i) for i in range(10)])
    pool = started(batch_posts=4)
    until(lambda: pool.state().assessed == 10)
    state = pool.state()
    assert (state.processes, state.wanted, state.failed, state.restarts) == (1, 1, 0, 0)
    assert (state.models, state.problems) == ((MODEL,), [])
    assert pool.pids() == (1000,)
    [clerk] = clerks.made
    assert clerk.asked == ["assess"] * 3
    pool.stop()
    assert clerk.ended.is_set()
    assert pool.state().processes == 0


def test_several_processes_share_the_queue(store: Store, started: Started, clerks: type[Clerk]) -> None:
    store.posts.accept("api", [new(i) for i in range(40)])
    pool = started(processes=3, batch_posts=2)
    until(lambda: pool.state().assessed == 40)
    until(lambda: pool.state().processes == 3)
    assert left(store) == 0
    assert len(clerks.made) == 3


def test_a_post_that_cannot_be_assessed_costs_itself_alone(
    store: Store, started: Started, clerks: type[Clerk]
) -> None:
    def second_fails(kind: str, posts: list[Post]) -> Any:
        found = good(kind, posts)[1]
        found[1] = Answered(None, reason="could not be assessed: ValueError: too bitter")
        return kind, found

    clerks.script = [second_fails]
    numbers = [answer.id or 0 for answer in store.posts.accept("api", [new(i) for i in range(3)])]
    pool = started()
    until(lambda: pool.state().assessed + pool.state().failed == 3)
    assert pool.state().failed == 1
    assert [store.posts.get(number).state for number in numbers] == ["done", "failed", "done"]
    assert store.posts.get(numbers[1]).reason == "could not be assessed: ValueError: too bitter"


DEATHS: list[tuple[str, Answer, str]] = [
    ("it ended", lambda kind, posts: None, "a process of 3 posts in work ended"),
    ("it said so", lambda kind, posts: ("fault", "MemoryError: "), "3 posts in work MemoryError"),
]


@pytest.mark.parametrize(("death", "said"), [row[1:] for row in DEATHS], ids=[row[0] for row in DEATHS])
def test_a_process_that_dies_is_started_anew_and_its_posts_are_done(
    store: Store, started: Started, clerks: type[Clerk], death: Answer, said: str
) -> None:
    clerks.script = [death]
    store.posts.accept("api", [new(i) for i in range(3)])
    pool = started()
    until(lambda: pool.state().assessed == 3)
    state = pool.state()
    assert (state.restarts, state.failed) == (1, 0)
    assert any(said in problem for problem in state.problems)
    first, second = clerks.made
    assert first.ended.is_set()
    # those that were in work when it died are tried one by one
    assert second.asked == ["assess"] * 3


def test_a_process_that_cannot_be_started_again_is_tried_until_it_can(
    store: Store, started: Started, clerks: type[Clerk]
) -> None:
    clerks.script, clerks.broken = [lambda kind, posts: None], 2
    store.posts.accept("api", [new(1)])
    pool = started()
    until(lambda: pool.state().assessed == 1)
    state = pool.state()
    assert state.restarts == 3
    assert state.problems.count("the models cannot be loaded: not today") == 2


def test_a_store_that_refuses_for_a_while_is_asked_again(
    store: Store, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, refusals = store.queue.claim, [1] * 7

    def refuse(*given: Any, **more: Any) -> Any:
        if refusals:
            refusals.pop()
            raise StoreError(f"the disk is away {len(refusals)}")
        return claim(*given, **more)

    monkeypatch.setattr(store.queue, "claim", refuse)
    store.posts.accept("api", [new(1)])
    pool = started()
    until(lambda: pool.state().assessed == 1)
    # the newest are kept, and no process was started anew for it
    assert pool.state().problems == [f"the disk is away {i}" for i in (4, 3, 2, 1, 0)]
    assert pool.state().restarts == 0


def test_posts_of_another_model_are_looked_at_when_nothing_waits(store: Store, started: Started) -> None:
    [old] = fill(store, new("old"), model="b" * 16)
    pool = started()
    # counted after it is written, so whoever sees the answer first may see no count yet
    until(lambda: pool.state().assessed == 1)
    assert store.posts.get(old).model == MODEL
    assert store.settings.get(CURRENT_MODELS) == {"models": [MODEL]}


@pytest.mark.parametrize("why", ["not wanted", "another version runs"])
def test_they_are_left_alone_otherwise(
    store: Store, started: Started, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    [old] = fill(store, new("old"), model="b" * 16)
    if why == "another version runs":
        monkeypatch.setattr(store.settings, "get", lambda name: {"models": ["c" * 16]})
    tended: list[int] = []
    sweep = store.queue.sweep

    def note() -> int:
        tended.append(1)
        return sweep()

    monkeypatch.setattr(store.queue, "sweep", note)
    pool = started(renew=why != "not wanted")
    until(lambda: len(tended) >= 3)
    assert store.posts.get(old).model == "b" * 16
    assert (pool.state().assessed, left(store)) == (0, 0)


def test_leases_are_renewed_while_a_process_works(
    store: Store, started: Started, clerks: type[Clerk]
) -> None:
    """What ran out meanwhile would go to somebody else."""
    working, go = threading.Event(), threading.Event()

    def slow(kind: str, posts: list[Post]) -> Any:
        working.set()
        go.wait(timeout=20)
        return good(kind, posts)

    clerks.script = [slow]
    renewed: list[str] = []
    renew = store.queue.renew

    def note(worker: str, **more: Any) -> int:
        renewed.append(worker)
        return renew(worker, **more)

    store.queue.renew = note  # type: ignore[method-assign]
    store.posts.accept("api", [new(1)])
    pool = started(lease_s=60)
    assert working.wait(timeout=20)
    assert store.queue.depth().leased == 1
    go.set()
    until(lambda: pool.state().assessed == 1)
    assert len(renewed) == 1
    assert pool.state().busy_s > 0


def test_evidence_is_made_and_kept(store: Store, started: Started, clerks: type[Clerk]) -> None:
    [number] = fill(store, new(1))
    pool = started()
    until(lambda: pool.state().processes == 1)
    assert pool.explain(number) == '{"why": "water"}'
    # asked of the model whose answer is shown
    assert clerks.made[0].named == [store.posts.get(number).model]
    assert store.posts.detail(number).rationale == '{"why": "water"}'
    clerks.script = [lambda kind, posts: ("explain", None)]
    assert pool.explain(number) is None
    with pytest.raises(NotFoundError, match="no post 99"):
        pool.explain(99)
    # an answer that does not come ends the process: it would be taken for that of the next batch
    clerks.script = [lambda kind, posts: None]
    assert pool.explain(number, patience_s=0.01) is None
    assert clerks.made[0].ended.is_set()
    assert store.posts.detail(number).rationale == '{"why": "water"}'


def test_a_pool_that_is_stopped_in_the_middle_gives_its_posts_back(
    store: Store, started: Started, clerks: type[Clerk]
) -> None:
    working = threading.Event()

    def never(kind: str, posts: list[Post]) -> Any:
        working.set()
        clerks.made[0].ended.wait(timeout=20)
        return None

    clerks.script = [never]
    store.posts.accept("api", [new(i) for i in range(3)])
    pool = started()
    assert working.wait(timeout=20)
    pool.stop(patience_s=0.05)
    depth = store.queue.depth()
    assert (depth.leased, depth.queued) == (0, 3)
    assert pool.pids() == ()


def test_a_pool_that_cannot_start_leaves_the_store_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RunError("the models cannot be loaded: there is none")

    monkeypatch.setattr(pool_module, "WorkerProcess", refuse)
    pool = AssessPool(store, AnalystSpec(("none",)))
    with pytest.raises(RunError, match="there is none"):
        pool.start()
    pool.stop(patience_s=1)
    assert store.settings.get(CURRENT_MODELS) is None
    assert pool.state().processes == 0


def test_a_pool_that_is_started_again_has_other_names(
    store: Store, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the host's name and the number of the process are those of the one that died, whose
    leases must run out.
    """
    names: list[str] = []
    claim = store.queue.claim

    def noted(worker: str, *given: Any, **more: Any) -> Any:
        names.append(worker)
        return claim(worker, *given, **more)

    monkeypatch.setattr(store.queue, "claim", noted)
    first = started()
    until(lambda: bool(names))
    first.stop()
    before = set(names)
    names.clear()
    started()
    until(lambda: bool(names))
    assert before.isdisjoint(names)
