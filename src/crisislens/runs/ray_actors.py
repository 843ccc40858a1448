"""Hosts that are actors of a Ray cluster: one model load an actor, on as many machines as there are.

Ray's actors and not Ray Data: the engine here already cuts, orders, retries and resumes, and Ray
Data's own checkpoints would be a second, different ledger. The driver therefore reads the source
and sends posts, not pictures: actors read those from the same path, which must be a folder that all
machines see.

Ray restarts an actor that died (`max_restarts`); a call that was lost is made once more, as with
processes. Usage statistics are off, and without an address a cluster is started on this
machine alone, with a password of its own.
"""

import os
import secrets
import threading
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from crisislens.core.errors import MissingExtraError, RunError
from crisislens.core.threads import available_cores, limit_threads
from crisislens.runs.hosts import Answer, HostEndedError, Recipe, answered, opened, portable

__all__ = ["RayActors"]

_WAIT_S = 0.5
# of one actor: what kills it every time is no accident
_RESTARTS = 4


class RayActors:
    """Actors that hold one object each. Use it as a context.

    Arguments:
        recipe: Makes the object; runs in the actor.
        count: How many actors; None takes one a processor of the cluster, or, with `gpus`, as
            many as its GPUs allow.
        address: Of a running cluster (`auto`, `ray://head:10001`, `10.0.0.1:6379`); None starts one on
            this machine, for the time of the run.
        gpus: GPUs an actor, which may be a fraction; 0 keeps it on the processor.
    """

    def __init__(
        self, recipe: Recipe, count: int | None = None, *, address: str | None = None, gpus: float = 0.0
    ) -> None:
        self._recipe, self._address, self._gpus = recipe, address, gpus
        self._wanted = count
        self.size = count or 1
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._over = threading.Event()
        self._ray: Any = None

    def __enter__(self) -> "RayActors":
        """Starts or joins the cluster and waits until every actor has made its object.

        Raises:
            MissingExtraError: If Ray is not installed.
            RunError: If the cluster cannot be reached or the object cannot be made.
        """
        own: dict[str, Any] = {}
        if self._address is None:
            _guard()
            own = {
                "num_cpus": max(available_cores(), self._wanted or 1),
                # one more open port
                "include_dashboard": False,
                # not looked up, which needs a network
                "_node_ip_address": "127.0.0.1",
            }
        self._ray = ray = _ray()
        try:
            ray.init(
                address=self._address,
                **own,
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
            )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            said = " ".join(str(error).split())
            raise RunError(f"no Ray cluster at {self._address or 'this machine'}: {said[:300]}") from error
        try:
            self._start_actors()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ends the actors, and the cluster if it was started here."""
        self._over.set()
        self._ray.shutdown()

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """See `runs.hosts.Hosts`."""
        actor = self._next()
        try:
            for _ in range(2):
                try:
                    return opened(self._answer(actor.call.remote(method, arguments, named)))
                except self._ray.exceptions.RayActorError:
                    # Ray starts it anew, and the next call waits for that
                    continue
        finally:
            self._free.put(actor)
        raise HostEndedError("the process that worked on it ended twice; was it out of memory?")

    def _start_actors(self) -> None:
        ray = self._ray
        there = ray.cluster_resources()
        kind, each = ("GPU", self._gpus) if self._gpus else ("CPU", 1.0)
        room = int(there.get(kind, 0) / each)
        if room < (self._wanted or 1):
            raise RunError(
                f"the Ray cluster has {there.get(kind, 0):g} {kind}s, and {self._wanted or 1} actors of "
                f"{each:g} each are wanted; give fewer --processes"
            )
        self.size = self._wanted or room
        remote = ray.remote(
            num_cpus=0 if self._gpus else 1, num_gpus=self._gpus, max_restarts=_RESTARTS, max_task_retries=0
        )(_Actor)
        actors = [remote.remote(self._recipe) for _ in range(self.size)]
        for actor in actors:
            opened(self._answer(actor.ready.remote()))
            self._free.put(actor)

    def _next(self) -> Any:
        while True:
            try:
                return self._free.get(timeout=_WAIT_S)
            except Empty:
                if self._over.is_set():
                    raise RunError("the actors were stopped") from None

    def _answer(self, ref: Any) -> Answer:
        ray = self._ray
        while True:
            done, _ = ray.wait([ref], timeout=_WAIT_S)
            if done:
                answer: Answer = ray.get(ref)
                return answer
            # the run is over: the answer would be waited for in vain
            if self._over.is_set():
                raise RunError("the actors were stopped")


class _Actor:
    """What runs in an actor. What the recipe raises is told by `ready`: an actor whose constructor raises
    is restarted, and its reason is lost.
    """

    def __init__(self, recipe: Recipe) -> None:
        limit_threads(1)
        self._held: object = None
        self._made: Answer = ("done", None)
        try:
            self._held = recipe()
        except Exception as error:
            self._made = ("raised", portable(error))

    def ready(self) -> Answer:
        """Whether the object was made."""
        return self._made

    def call(self, method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Answer:
        """Calls a method of the object."""
        # an actor that Ray restarted may have failed to make it this time
        return self._made if self._made[0] == "raised" else answered(self._held, method, arguments, named)


def _guard() -> None:
    """Gives the cluster of this run a password of its own; comes before the import of Ray.

    Ray listens on all interfaces, and who reaches it runs code here. Left alone it would write a
    token into the user's home and print a notice.
    """
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _ray() -> Any:
    # before the import, which reads them: nothing is sent home, and one notice less
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "--engine ray needs Ray; install it with: pip install 'crisislens[cluster]'"
        ) from error
    return ray
