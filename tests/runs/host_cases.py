"""Recipes for tests of hosts; a process of its own imports them, so they stand in a module."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from run_cases import Shout

from crisislens.core.errors import DataError, ModelError
from crisislens.core.http import RequestError
from crisislens.domain.post import Post

__all__ = ["Dying", "Held", "Nothing"]


class OddError(Exception):
    """An exception that cannot be read again: its constructor wants more than a message."""

    def __init__(self, kind: str, *, words: str) -> None:
        super().__init__(f"{kind} {words}")


class Held:
    """What a host holds in these tests."""

    def __init__(self, marks: Path | None = None) -> None:
        self.shout, self.marks = Shout(), marks

    def map(self, posts: Sequence[Post]) -> list[dict[str, object]]:
        """Posts in capitals; one of them kills the process, as a bug in native code would."""
        if any("kill" in post.text for post in posts):
            os.abort()
        if any("slow" in post.text for post in posts):
            time.sleep(0.05)
        return self.shout.map(posts)

    def pid(self) -> int:
        return os.getpid()

    def raises(self, which: str) -> None:
        raise {
            "odd": OddError("odd", words="words"),
            "value": ValueError("no such value"),
            "data": DataError("gone"),
            "request": RequestError("busy", status=503, transient=True),
            "local": type("LocalError", (Exception,), {})("made in a function"),
            "memory": MemoryError("all of it"),
        }[which]

    def dies_once(self) -> str:
        """Dies, and answers when it is asked again."""
        assert self.marks is not None
        if not self.marks.exists():
            self.marks.write_text("died")
            os.abort()
        return "alive"


@dataclass(frozen=True)
class Nothing:
    """Makes a `Held`.

    Attributes:
        marks: Where `dies_once` remembers.
    """

    marks: Path | None = None

    def __call__(self) -> Held:
        return Held(self.marks)


@dataclass(frozen=True)
class Dying:
    """Cannot be made.

    Attributes:
        how: `raise` or `exit`.
    """

    how: str

    def __call__(self) -> Held:
        if self.how == "exit":
            os._exit(1)
        raise ModelError("the weights are damaged; install them again")
