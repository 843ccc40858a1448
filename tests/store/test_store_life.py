"""The life of posts in any order of events, held against a store that is nothing but a dictionary."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crisislens.core.errors import NotFoundError
from crisislens.store import open_store
from crisislens.store.queue import MOST_TRIES
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check
from store_posts import done, new
from store_template import new_file

NAMES = st.integers(0, 5)
WORKERS = st.sampled_from(["one", "two"])


@dataclass
class Kept:
    """What the dictionary knows of a post."""

    number: int
    text: str
    state: str = "queued"
    worker: str | None = None
    tries: int = 0
    answered: bool = False
    order: tuple[int, int] = field(default=(0, 0))


class Life(RuleBasedStateMachine):
    """Sends, claims, finishes, fails, releases, retries and erases, and looks after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(str(new_file(Path(self.folder.name) / "a.db")), least_free_bytes=0)
        self.posts: dict[str, Kept] = {}
        self.erased: set[str] = set()

    def teardown(self) -> None:
        """What is always so in the end."""
        assert check(self.store) == []
        self.store.close()
        self.folder.cleanup()

    def held(self, worker: str) -> list[tuple[str, Kept]]:
        """What a worker holds, in the order of numbers."""
        mine = [(name, kept) for name, kept in self.posts.items() if kept.worker == worker]
        return sorted(mine, key=lambda pair: pair[1].number)

    @rule(sent=st.lists(st.tuples(NAMES, st.sampled_from(["water", "food"])), max_size=4))
    def send(self, sent: list[tuple[int, str]]) -> None:
        """A key once; afterwards it is the same, a conflict, or erased."""
        expected = []
        for number, text in sent:
            name = str(number)
            if name in self.erased:
                expected.append("erased")
            elif name not in self.posts:
                expected.append("created")
                self.posts[name] = Kept(0, text)
            else:
                expected.append("same" if self.posts[name].text == text else "conflict")
        answers = self.store.posts.accept("api", [new(number, text) for number, text in sent])
        assert [answer.outcome for answer in answers] == expected
        for answer in answers:
            if answer.outcome == "created":
                assert answer.id is not None
                self.posts[answer.external_id].number = answer.id
                self.posts[answer.external_id].order = (0, answer.id)
            elif answer.outcome != "erased":
                assert answer.id == self.posts[answer.external_id].number

    @rule(worker=WORKERS, most=st.integers(1, 4))
    def claim(self, worker: str, most: int) -> None:
        """In the order of the queue; one that was tried before comes alone."""
        waiting = [(name, kept) for name, kept in self.posts.items() if kept.state == "queued"]
        waiting.sort(key=lambda pair: pair[1].order)
        expected = waiting[:most]
        for pair in expected:
            if pair[1].tries:
                expected = [pair]
                break
        jobs = self.store.queue.claim(worker, most)
        assert sorted(job.post.id for job in jobs) == sorted(name for name, _ in expected)
        for _, kept in expected:
            kept.state, kept.worker = "leased", worker
            kept.tries += 1

    @rule(worker=WORKERS)
    def finish(self, worker: str) -> None:
        """What a worker holds is done; what it does not hold is not written."""
        everything = [self.store.queue.look(kept.number) for kept in self.posts.values()]
        mine = self.held(worker)
        assert self.store.queue.finish(worker, [done(job) for job in everything]) == len(mine)
        for _, kept in mine:
            kept.state, kept.worker, kept.tries, kept.answered = "done", None, 0, True
            kept.order = (0, kept.number)

    @rule(worker=WORKERS)
    def fail(self, worker: str) -> None:
        """The first that it holds."""
        for _, kept in self.held(worker)[:1]:
            self.store.queue.fail(worker, kept.number, "no")
            kept.state, kept.worker = "failed", None

    @rule(worker=WORKERS)
    def release(self, worker: str) -> None:
        """It died: what was tried too often fails, the rest waits again."""
        mine = self.held(worker)
        assert self.store.queue.release(worker) == len(mine)
        for _, kept in mine:
            kept.worker = None
            kept.state = "failed" if kept.tries > MOST_TRIES else "queued"

    @rule(number=NAMES)
    def retry(self, number: int) -> None:
        """Only what has come to an end goes back."""
        kept = self.posts.get(str(number))
        if kept is None:
            with pytest.raises(NotFoundError):
                self.store.queue.retry(10_000, actor="cli")
            return
        self.store.queue.retry(kept.number, actor="cli")
        if kept.state in ("done", "failed"):
            kept.state, kept.tries, kept.order = "queued", 0, (0, kept.number)

    @rule(most=st.integers(1, 3))
    def renew(self, most: int) -> None:
        """A new model: the newest done ones, behind all others."""
        old = [kept for kept in self.posts.values() if kept.state == "done"]
        old.sort(key=lambda kept: -kept.number)
        assert self.store.queue.renew_model("z" * 16, most=most) == len(old[:most])
        for kept in old[:most]:
            kept.state, kept.tries, kept.order = "queued", 0, (2, kept.number)

    @rule(number=NAMES)
    def erase(self, number: int) -> None:
        """Whatever state it is in, and before it ever came."""
        there = str(number) in self.posts
        assert self.store.erasure.key("api", str(number), actor="cli") == there
        self.posts.pop(str(number), None)
        self.erased.add(str(number))

    @invariant()
    def agrees(self) -> None:
        """The store and the dictionary say the same."""
        numbers = {kept.number: kept for kept in self.posts.values()}
        states = self.store.posts.states(list(numbers))
        assert states == {number: kept.state for number, kept in numbers.items()}
        depth = self.store.queue.depth()
        by_state = [kept.state for kept in numbers.values()]
        assert depth.queued + depth.background == by_state.count("queued")
        assert (depth.leased, depth.failed) == (by_state.count("leased"), by_state.count("failed"))
        assert self.store.posts.count(PostFilter()) == len(numbers)
        answered = sum(kept.answered for kept in numbers.values())
        assert self.store.posts.count(PostFilter(assessed=True)) == answered


Life.TestCase.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase
