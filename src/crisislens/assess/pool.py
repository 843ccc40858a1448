"""Processes that assess what waits, and the threads that feed them.

Each process has a thread here: it claims a batch, sends it over the pipe, renews the lease while the process
works, and writes what comes back. A process that dies is started anew, and its batch goes back into the queue
(`store.queue` says how often). One thread looks after the rest: leases of other machines that ran out, and
old posts that a new model has not seen, of which a few are put behind everything else whenever the queue is
empty. The models that were started last are those of the store; others stop re-assessing, so that two
versions never undo each other's work.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from crisislens.assess.batch import Answered
from crisislens.assess.process import WorkerProcess
from crisislens.assess.spec import AnalystSpec
from crisislens.core.errors import CrisisLensError, RunError, StoreError
from crisislens.store import Store
from crisislens.store.queue import LEASE_S
from crisislens.store.records import Done, Job

__all__ = ["CURRENT_MODELS", "AssessPool", "PoolState"]

CURRENT_MODELS = "current_models"
"""The setting that names the fingerprints of the models that were started last."""
BATCH_POSTS = 256
"""Texts of one length are encoded together: 256 posts take a sixth less CPU each than 64."""
_WAIT_S = 0.5
_TEND_S = 5.0
_REST_S = (1.0, 5.0, 30.0)
_ERRORS = 5


@dataclass
class PoolState:
    """How a pool fares.

    Attributes:
        processes: Processes that run.
        wanted: Processes that should.
        models: Fingerprints of their models, the first choice first.
        assessed: Posts since the start.
        failed: Posts since the start that could not be assessed.
        restarts: Processes that died and were started anew.
        busy_s: Seconds of processes at work.
        problems: The newest faults, in a sentence each.
    """

    processes: int = 0
    wanted: int = 0
    models: tuple[str, ...] = ()
    assessed: int = 0
    failed: int = 0
    restarts: int = 0
    busy_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class AssessPool:
    """Assesses what waits in a store.

    Arguments:
        store: The store, open for writing; it must outlive the pool.
        spec: The models.
        processes: How many.
        batch_posts: Posts a batch; a smaller one answers sooner, a larger one is quicker in all.
        renew: Whether posts that other models answered are assessed anew.
        lease_s: How long a claimed post is ours, in seconds.
    """

    def __init__(
        self,
        store: Store,
        spec: AnalystSpec,
        *,
        processes: int = 1,
        batch_posts: int = BATCH_POSTS,
        renew: bool = True,
        lease_s: int = LEASE_S,
    ) -> None:
        self._store, self._spec = store, spec
        self._batch, self._renew, self._lease_s = batch_posts, renew, lease_s
        self._state = PoolState(wanted=processes)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._woken = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._workers: dict[int, WorkerProcess] = {}
        self._explaining: dict[int, threading.Lock] = {}
        self._unhook = store.events.on_change(self._wake)

    def start(self) -> None:
        """Starts the first process, waits until its models are loaded, and then starts the others.

        Raises:
            RunError: If the models cannot be loaded.
        """
        first = self._started()
        self._state.models = first.fingerprints
        if self._renew:
            self._store.settings.put(CURRENT_MODELS, {"models": list(first.fingerprints)}, actor="system")
        for i in range(self._state.wanted):
            self._explaining[i] = threading.Lock()
            name = f"assess-{i}"
            given = (i, first if i == 0 else None)
            self._threads.append(threading.Thread(target=self._feed, args=given, name=name, daemon=True))
        self._threads.append(threading.Thread(target=self._tend, name="assess-tend", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, *, patience_s: float = 30.0) -> None:
        """Finishes the batches in work, for as long as patience lasts, and gives the rest back."""
        self._stopped.set()
        self._wake()
        end = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(timeout=max(0.0, end - time.monotonic()))
        for worker in list(self._workers.values()):
            worker.end()
        for thread in self._threads:
            thread.join(timeout=5)
        self._unhook()

    def state(self) -> PoolState:
        """How it fares just now."""
        with self._lock:
            copied = PoolState(**vars(self._state))
            copied.problems = list(self._state.problems)
        return copied

    def pids(self) -> tuple[int, ...]:
        """The numbers of its processes."""
        return tuple(worker.pid for worker in list(self._workers.values()))

    def explain(self, post_id: int, *, patience_s: float = 60.0) -> str | None:
        """Makes the evidence of one post, keeps it in the store, and gives it as JSON; None where it could
        not be made. The first time takes as long as a model needs to be loaded.

        Raises:
            NotFoundError: If there is no such post.
        """
        job = self._store.queue.look(post_id)
        # of several models the one whose answer is shown says why
        asked = (*_request("explain", [job]), self._store.posts.get(post_id).model or "")
        for i, worker in list(self._workers.items()):
            with self._explaining[i]:
                answer = worker.ask(asked, patience_s=patience_s)
                if answer is None:
                    # an answer that comes too late would be taken for that of the next batch
                    worker.end()
            if answer is None or answer[0] != "explain" or answer[1] is None:
                continue
            row = self._store.posts.get(post_id)
            self._store.posts.keep_rationale(post_id, row.model or "", answer[1])
            return str(answer[1])
        return None

    # one thread a process

    def _feed(self, i: int, worker: WorkerProcess | None) -> None:
        # a container that is started again has the same host name and number of process as the one that died,
        # and must not renew what that one held
        name = f"{socket.gethostname()}-{os.getpid()}-{i}-{uuid.uuid4().hex[:12]}"
        deaths = 0
        while not self._stopped.is_set():
            try:
                if worker is None:
                    worker = self._started()
                self._note_worker(i, worker)
                if self._one_batch(name, i, worker):
                    deaths = 0
                    continue
            except StoreError as error:
                self._problem(str(error))
                self._rest(_REST_S[0])
                continue
            except RunError as error:
                self._problem(str(error))
            # it died, or could not be started
            self._note_worker(i, None)
            if worker is not None:
                worker.end()
                worker = None
            with suppress(CrisisLensError):
                self._store.queue.release(name)
            with self._lock:
                self._state.restarts += 1
            self._rest(_REST_S[min(deaths, len(_REST_S) - 1)])
            deaths += 1
        self._note_worker(i, None)
        if worker is not None:
            worker.end()
        with suppress(CrisisLensError):
            self._store.queue.release(name, begun=())

    def _one_batch(self, name: str, i: int, worker: WorkerProcess) -> bool:
        """Assesses a batch, where one waits; False where the process died of it."""
        jobs = self._store.queue.claim(name, self._batch, lease_s=self._lease_s)
        if not jobs:
            self._rest(_WAIT_S)
            return True
        began = time.monotonic()
        every_s = self._lease_s / 4

        def renew() -> None:
            self._store.queue.renew(name, lease_s=self._lease_s)

        with self._explaining[i]:
            answer = worker.ask(_request("assess", jobs), meanwhile=renew, every_s=every_s)
        with self._lock:
            self._state.busy_s += time.monotonic() - began
        if answer is None or answer[0] != "assess":
            said = "ended" if answer is None else str(answer[1])
            self._problem(f"a process of {len(jobs)} posts in work {said}")
            return False
        self._write(name, jobs, answer[1])
        return True

    def _write(self, name: str, jobs: Sequence[Job], found: Sequence[Answered]) -> None:
        done, failed = [], []
        for job, answered in zip(jobs, found, strict=True):
            if answered.doc is None:
                failed.append((job.post_id, str(answered.reason)))
                continue
            done.append(
                Done(
                    post_id=job.post_id,
                    doc=answered.doc,
                    minhash=answered.minhash,
                    phash=answered.phash,
                    partial=job.partial,
                    uncertainty=answered.uncertainty,
                )
            )
        written = self._store.queue.finish(name, done) if done else 0
        for post_id, reason in failed:
            self._store.queue.fail(name, post_id, reason)
        with self._lock:
            self._state.assessed += written
            self._state.failed += len(failed)

    # one thread for the rest

    def _tend(self) -> None:
        while not self._stopped.wait(_TEND_S):
            try:
                self._store.queue.sweep()
                if self._renew and self._ours():
                    depth = self._store.queue.depth()
                    if not (depth.queued or depth.photos or depth.background):
                        self._store.queue.renew_model(self._state.models)
            except StoreError as error:
                self._problem(str(error))

    def _ours(self) -> bool:
        value = self._store.settings.get(CURRENT_MODELS) or {}
        return value.get("models") == list(self._state.models)

    def _started(self) -> WorkerProcess:
        return WorkerProcess(self._spec, self._store.blobs.folder)

    def _note_worker(self, i: int, worker: WorkerProcess | None) -> None:
        with self._lock:
            if worker is None:
                self._workers.pop(i, None)
            else:
                self._workers[i] = worker
            self._state.processes = len(self._workers)

    def _problem(self, said: str) -> None:
        with self._lock:
            self._state.problems = [*self._state.problems[1 - _ERRORS :], said]

    def _rest(self, seconds: float) -> None:
        """Waits until something happens in the store, or for some time."""
        if self._stopped.is_set():
            return
        with self._woken:
            self._woken.wait(timeout=seconds)

    def _wake(self) -> None:
        with self._woken:
            self._woken.notify_all()


def _request(kind: str, jobs: Sequence[Job]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    # what is of the reading does not stand in a post's JSON
    posts: list[tuple[str, dict[str, Any]]] = [
        (job.post.model_dump_json(), {"remarks": job.post.remarks, "doubt": job.post.doubt}) for job in jobs
    ]
    return kind, posts
