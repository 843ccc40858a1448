"""The pool: processes that die lose nothing, and end with what fed them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crisislens.assess import AnalystSpec, AssessPool
from crisislens.assess.pool import CURRENT_MODELS
from crisislens.assess.process import WorkerProcess
from crisislens.core.errors import NotFoundError, RunError
from crisislens.domain.post import Post
from crisislens.store import Store
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check
from store_posts import MODEL, fill, new

pytestmark = pytest.mark.usefixtures("warm_starts")


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


def test_a_pool_assesses_what_waits_and_what_comes(
    store: Store, spec: AnalystSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old posts of another model come after; a killed process is started anew."""
    # how often it looks for old posts, and how long it waits after a death
    monkeypatch.setattr("crisislens.assess.pool._TEND_S", 0.2)
    monkeypatch.setattr("crisislens.assess.pool._REST_S", (0.1,))
    [old] = fill(store, new("old"))
    store.posts.accept("api", [new(i) for i in range(20)])
    pool = AssessPool(store, spec, batch_posts=8)
    pool.start()
    try:
        until(lambda: store.queue.depth().queued + store.queue.depth().leased == 0)
        [mine] = pool.state().models
        until(lambda: store.posts.get(old).model == mine)
        assert {a.model_fingerprint for a in store.posts.detail(old).assessments} == {MODEL, mine}
        assert store.settings.get(CURRENT_MODELS) == {"models": [mine]}
        [pid] = pool.pids()
        os.kill(pid, signal.SIGKILL)
        store.posts.accept("api", [new(i) for i in range(20, 30)])
        until(lambda: len(list(store.posts.stream(PostFilter(states=("done",))))) == 31)
        until(lambda: pool.state().processes == 1)
        state = pool.state()
        assert (state.failed, state.restarts >= 1) == (0, True)
        assert state.assessed >= 31
        assert "ended" in state.problems[-1] or state.problems == []
        with pytest.raises(NotFoundError):
            pool.explain(999)
    finally:
        pool.stop()
    depth = store.queue.depth()
    assert (depth.leased, depth.queued, depth.failed) == (0, 0, 0)
    assert pool.pids() == ()
    assert check(store) == []


def test_models_that_cannot_be_loaded_are_told_at_the_start(store: Store, tmp_path: Path) -> None:
    pool = AssessPool(store, AnalystSpec((str(tmp_path / "nothing"),)))
    with pytest.raises(RunError, match="the models cannot be loaded"):
        pool.start()
    pool.stop(patience_s=1)


def test_a_process_that_is_asked_and_killed(spec: AnalystSpec, tmp_path: Path) -> None:
    worker = WorkerProcess(spec, tmp_path)
    post = (Post(id="1", text="Bridge is down").model_dump_json(), {"remarks": (), "doubt": "a doubt"})
    called: list[int] = []
    answer = worker.ask(("assess", [post]), meanwhile=lambda: called.append(1))
    assert answer is not None
    assert answer[0] == "assess"
    assert answer[1][0][3] is None
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.ask(("assess", [post]), every_s=0.05) is None
    worker.end()
