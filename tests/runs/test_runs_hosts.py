"""Hosts: models in other processes change where a chunk is worked on, and nothing else."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from host_cases import Dying, Nothing
from run_cases import Shout, line

from crisislens.core.errors import DataError, ModelError, RunError
from crisislens.core.http import RequestError
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.chunk_files import ChunkFiles
from crisislens.runs.engine import RunCount, run_step
from crisislens.runs.executor import Here
from crisislens.runs.hosts import HostEndedError, Hosts, RemoteStep, beside, portable
from crisislens.runs.processes import Processes

pytestmark = pytest.mark.usefixtures("warm_starts")

Row = Post | FailedPost


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Two processes that all tests of this file use; those that die are started anew."""
    with Processes(Nothing(tmp_path_factory.mktemp("marks") / "died"), 2) as hosts:
        yield hosts


def written(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def over(hosts: Processes, rows: list[Row], place: Path, chunk: int = 3) -> RunCount:
    step: RemoteStep[dict[str, object]] = RemoteStep(Shout(), partial(hosts.call, "map"))
    ledger = ChunkFiles(place, line=line)
    return run_step(rows, step, ledger, executor=beside(hosts), chunk_posts=chunk)


def test_a_run_over_hosts_writes_the_bytes_of_a_run_here(
    two: Processes, rows: list[Row], tmp_path: Path
) -> None:
    ledger = ChunkFiles(tmp_path / "here", line=line)
    count = run_step(rows, Shout(), ledger, executor=Here(), chunk_posts=3)
    assert over(two, rows, tmp_path / "there") == count
    assert written(tmp_path / "there") == written(tmp_path / "here")
    # what is done is not asked for again
    assert over(two, rows, tmp_path / "there").resumed == count.rows


def test_a_step_over_hosts_is_that_step(two: Processes) -> None:
    step: RemoteStep[dict[str, object]] = RemoteStep(Shout(), partial(two.call, "map"))
    assert isinstance(two, Hosts)
    assert (step.name, step.failure, step.fingerprint()) == ("shout", "could not be shouted", "0" * 16)
    assert step.map([]) == []


def test_calls_beyond_the_hosts_wait(two: Processes) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(two.call("pid"))) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 7
    assert set(found) <= set(two.pids())
    assert os.getpid() not in found


@pytest.mark.parametrize(
    ("which", "kind", "name", "words"),
    [
        ("value", ValueError, "ValueError", "no such value"),
        ("odd", Exception, "OddError", "odd words"),
        ("local", Exception, "LocalError", "made in a function"),
        ("data", DataError, "DataError", "gone"),
        ("memory", MemoryError, "MemoryError", "all of it"),
        ("request", RequestError, "RequestError", "busy"),
    ],
)
def test_what_a_host_raises_is_raised_here(
    which: str, kind: type[Exception], name: str, words: str, two: Processes
) -> None:
    with pytest.raises(kind) as caught:
        two.call("raises", which)
    assert type(caught.value).__name__ == name
    assert str(caught.value) == words
    if isinstance(caught.value, RequestError):
        # what the retries go by
        assert (caught.value.status, caught.value.transient) == (503, True)


def test_a_fault_of_the_machine_that_cannot_travel_stays_one() -> None:
    class Local(DataError):
        def __init__(self, kind: str, *, words: str) -> None:
            super().__init__(words)

    made = portable(Local("kind", words="the disk is gone"))
    assert isinstance(made, RunError)
    assert str(made) == "the disk is gone"


def test_a_host_that_died_is_asked_once_more(two: Processes) -> None:
    before = set(two.pids())
    assert two.call("dies_once") == "alive"
    assert len(set(two.pids()) - before) == 1


def test_a_post_that_kills_costs_itself_only(two: Processes, tmp_path: Path) -> None:
    posts: list[Row] = [Post(id="0", text="a"), Post(id="1", text="kill"), Post(id="2", text="b")]
    assert over(two, posts, tmp_path / "w").rows == 3
    ledger = ChunkFiles(tmp_path / "w", line=line)
    run_step(posts, Shout(), ledger, executor=Here(), chunk_posts=3)
    records = list(ledger.records(json.loads))
    assert [record.failed for record in records] == [False, True, False]
    assert records[1].failure.reason.startswith("could not be shouted: HostEndedError: ")


def test_hosts_that_keep_ending_end_the_run(tmp_path: Path) -> None:
    posts: list[Row] = [Post(id=str(i), text="kill") for i in range(3)]
    with Processes(Nothing(), 1) as hosts:
        with pytest.raises(HostEndedError, match="ended twice"):
            hosts.call("map", posts[:1])
        with pytest.raises(RunError, match="keep ending"):
            hosts.call("map", posts[:1])


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [("raise", ModelError, "install them again"), ("exit", RunError, "while it loaded the models")],
)
def test_hosts_that_cannot_be_made_say_why(how: str, kind: type[Exception], words: str) -> None:
    hosts = Processes(Dying(how), 1)
    with pytest.raises(kind, match=words), hosts:
        pass
    assert hosts.pids() == ()


def test_hosts_killed_at_any_time_change_no_byte(two: Processes, tmp_path: Path) -> None:
    rows: list[Row] = [Post(id=str(i), text=f"slow {i}") for i in range(30)]
    run_step(rows, Shout(), ChunkFiles(tmp_path / "here", line=line), executor=Here(), chunk_posts=2)
    killed: list[int] = []

    def kill(done: int, _total: int | None) -> None:
        # rarely: no call may be hit twice, and processes that never answer end the run, as they should
        if done in (6, 20):
            for pid in two.pids():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    step: RemoteStep[dict[str, object]] = RemoteStep(Shout(), partial(two.call, "map"))
    ledger = ChunkFiles(tmp_path / "there", line=line)
    run_step(rows, step, ledger, executor=beside(two), chunk_posts=2, progress=kill)
    assert len(killed) >= 3
    assert written(tmp_path / "there") == written(tmp_path / "here")


def test_an_end_wakes_whoever_waits() -> None:
    with Processes(Nothing(), 1) as hosts:
        caught: list[Exception] = []

        def ask() -> None:
            try:
                hosts.call("map", [Post(id="1", text="slow")] * 2000)
                while True:
                    hosts.call("map", [Post(id="1", text="slow")])
            except Exception as error:
                caught.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        hosts.end()
        for thread in threads:
            thread.join(timeout=10)
    assert [type(error) for error in caught] == [RunError, RunError]
