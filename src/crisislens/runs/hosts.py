"""Hosts: objects that live in other processes, on this machine or on others, and are asked from
here. A model is loaded once a host; a run asks as many at a time as there are.

Nothing of a run but the asking moves there: the engine here reads the source, keeps the order,
retries, and writes the ledger. So a run over hosts ends with the bytes of a run without them, goes
on after a kill by the same chunks, and a host that dies costs the call that it was in.

A host is made by a *recipe*, a picklable callable without arguments. What a method raises there is
raised here under the same name and words, so that a failed post has the same reason wherever it
failed.
"""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from crisislens.core.errors import RunError
from crisislens.domain.post import Post
from crisislens.runs.executor import Threads
from crisislens.runs.step import MACHINE_FAULTS, Step

__all__ = [
    "Answer",
    "HostEndedError",
    "Hosts",
    "Recipe",
    "RemoteStep",
    "answered",
    "beside",
    "opened",
    "portable",
]

R = TypeVar("R")

Recipe = Callable[[], object]
"""Makes the object that a host holds; it is pickled, so a function of a module or an instance of a
class with `__call__`, and loads nothing before it is called."""

Answer = tuple[str, Any]
"""`done` with what a method returned, or `raised` with the exception."""


class HostEndedError(Exception):
    """A host ended twice in the same call: it was killed, or had no memory left. No fault of the
    machine in the sense of `runs.step`: its posts are asked for one by one.
    """


@runtime_checkable
class Hosts(Protocol):
    """Several objects of one recipe.

    Attributes:
        size: How many; calls beyond that wait for one that is free.
    """

    size: int

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Calls a method of one of them and waits for the answer. Several threads may call.

        Arguments:
            method: Its name.
            arguments: Picklable.
            named: The same.

        Raises:
            HostEndedError: If the host ended in the call, and another one too.
            RunError: If hosts cannot be started, or keep ending.
            Exception: What the method raised.
        """
        ...


@dataclass(frozen=True)
class RemoteStep(Generic[R]):
    """A step whose `map` is a call to hosts; name, failure and fingerprint are those of the step that
    the hosts are made like.

    Arguments:
        like: The step here.
        ask: Calls the hosts with posts and gives a record each.
    """

    like: Step[R]
    ask: Callable[[Sequence[Post]], Sequence[R]]

    @property
    def name(self) -> str:
        """See `runs.step.Step`."""
        return self.like.name

    @property
    def failure(self) -> str:
        """See `runs.step.Step`."""
        return self.like.failure

    def fingerprint(self) -> str:
        """See `runs.step.Step`."""
        return self.like.fingerprint()

    def map(self, posts: Sequence[Post]) -> Sequence[R]:
        """See `runs.step.Step`."""
        # a chunk of failed rows only is no reason to ask anybody
        return self.ask(posts) if posts else []


def beside(hosts: Hosts) -> Threads:
    """An executor with a thread a host, which waits for its answers; one chunk more a host is read, so
    that none waits for the reader.
    """
    return Threads(hosts.size, ahead=2 * hosts.size)


def answered(held: object, method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Answer:
    """What a host answers to a call; never raises."""
    try:
        return "done", getattr(held, method)(*arguments, **named)
    except Exception as error:
        return "raised", portable(error)


def opened(answer: Answer) -> Any:
    """What a host returned.

    Raises:
        Exception: What it raised.
    """
    kind, value = answer
    if kind == "raised":
        raise value
    return value


def portable(error: Exception) -> Exception:
    """An exception that can be pickled and read again, with the same name and words.

    Exceptions of libraries often cannot: their constructors take other arguments than a message.
    """
    try:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, made in this line
    except Exception:
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    if isinstance(error, MACHINE_FAULTS):
        return RunError(str(error))
    return _Foreign(type(error).__name__, str(error))


class _Foreign(Exception):
    """Stands for an exception that cannot travel.

    Arguments:
        name: Its class's name.
        words: Its message.
    """

    def __new__(cls, name: str, words: str) -> "_Foreign":
        # reasons of failed posts begin with the class's name
        made = type(name, (Exception,), {"__reduce__": lambda _: (_Foreign, (name, words))})
        return cast("_Foreign", made(words))
