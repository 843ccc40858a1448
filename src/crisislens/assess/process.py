"""A worker process and the pipe to it.

The process loads the models, says so, and answers one request after the other. It holds no connection and no
file of the store but the photos, so it can be killed at any time, and it ends by itself when the other end of
the pipe is gone. Requests and answers are plain values that the two ends of one program exchange.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crisislens.assess.batch import assess_batch, explain_post
from crisislens.assess.spec import AnalystSpec
from crisislens.core.errors import CrisisLensError, RunError
from crisislens.domain.post import Post

__all__ = ["WorkerProcess", "work"]

_LOADING_S = 600.0
_POLL_S = 1.0


class WorkerProcess:
    """One process with models.

    Arguments:
        spec: What it loads.
        image_root: The folder of the photos.
        threads: Threads within it.

    Raises:
        RunError: If the models cannot be loaded, with the reason.
    """

    def __init__(self, spec: AnalystSpec, image_root: Path, *, threads: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, spec, str(image_root), threads)
        self._process = context.Process(target=work, args=arguments, name="assess", daemon=True)
        self._process.start()
        theirs.close()
        self.fingerprints = self._loaded()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    def _loaded(self) -> tuple[str, ...]:
        answer = self.ask(None, patience_s=_LOADING_S)
        if answer is None:
            self.end()
            raise RunError("a worker process ended while it loaded the models; is there enough memory?")
        kind, value = answer
        if kind != "ready":
            self.end()
            raise RunError(f"the models cannot be loaded: {value}")
        return tuple(value)

    def ask(
        self,
        request: Any,
        *,
        patience_s: float | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        every_s: float = _POLL_S,
    ) -> tuple[str, Any] | None:
        """Sends a request, where it is one, and waits for the answer.

        Arguments:
            request: What `work` understands; None only waits.
            patience_s: How long to wait; None as long as it lives.
            meanwhile: Called while it works, such as to renew leases.
            every_s: How often.

        Returns:
            The kind of the answer and its value; None where the process has ended.
        """
        end = None if patience_s is None else time.monotonic() + patience_s
        try:
            if request is not None:
                self._pipe.send(request)
            while not self._pipe.poll(every_s):
                if not self._process.is_alive() and not self._pipe.poll(0):
                    return None
                if end is not None and time.monotonic() > end:
                    return None
                meanwhile()
            answer: tuple[str, Any] = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def end(self) -> None:
        """Ends the process, whatever it does."""
        with suppress(OSError):
            self._pipe.close()
        self._process.join(timeout=0.2)
        if self._process.is_alive():
            self._process.kill()
        self._process.join(timeout=10)


def work(pipe: Connection, spec: AnalystSpec, image_root: str, threads: int) -> None:
    """The process: loads, says `ready` with the models' fingerprints, and answers until the pipe ends.

    Requests are `("assess", posts)` and `("explain", [post], model)`, posts as JSON and what JSON
    leaves out of them; the model is the fingerprint of the one whose answer is explained. A fault of the
    machine is told and ends the process, which is started anew.
    """
    # Ctrl+C in a terminal goes to all processes of it; this one is ended by its parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    try:
        analysts, explaining = _load(spec, Path(image_root), threads)
    except CrisisLensError as error:
        pipe.send(("failed", str(error)))
        return
    try:
        pipe.send(("ready", [analyst.fingerprint for analyst in analysts]))
    except OSError:
        # the service was stopped while the models were loaded
        return
    while True:
        try:
            while not pipe.poll(_POLL_S):
                if os.getppid() != parent:
                    return
            kind, posts, *named = pipe.recv()
        except (EOFError, OSError):
            return
        read = [Post.model_validate_json(post).model_copy(update=extra) for post, extra in posts]
        try:
            if kind == "explain":
                value: Any = explain_post(explaining(_place(analysts, named)), read[0])
            else:
                value = assess_batch(analysts, read)
        except (CrisisLensError, MemoryError, OSError) as error:
            pipe.send(("fault", f"{type(error).__name__}: {error}"[:300]))
            return
        pipe.send((kind, value))


def _place(analysts: Sequence[Any], named: Sequence[str]) -> int:
    """Which analyst is meant; the first where none has that fingerprint, as after another model's answer."""
    known = [analyst.fingerprint for analyst in analysts]
    return next((known.index(model) for model in named if model in known), 0)


def _load(spec: AnalystSpec, image_root: Path, threads: int) -> tuple[list[Any], Callable[[int], Any]]:
    from crisislens.core.threads import limit_threads

    limit_threads(threads)
    from crisislens.nn.device import set_threads

    set_threads(threads)
    models = [spec.models, *((name,) for name in spec.fallbacks)]
    explaining: dict[int, Any] = {}

    def explainer(place: int) -> Any:
        """The analyst of a place that makes evidence, loaded when somebody asks for the first time."""
        if place not in explaining:
            asked = AnalystSpec(models[place], (), (*spec.add, "rationale"), spec.leave_out)
            explaining[place] = asked.build(image_root)[0]
        return explaining[place]

    return spec.build(image_root), explainer
