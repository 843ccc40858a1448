"""What must hold after posts were read from a source that misbehaves, and a way to read until it does."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from crisislens.store import Store
from crisislens.store.records import PostFilter
from crisislens.streams import Batch, Pump, StoreTarget
from crisislens.streams.targets import Taken

__all__ = ["CrashError", "Crashing", "kept", "pumping", "survived", "until"]


def kept(store: Store, source: str) -> dict[str, str]:
    """From ids to texts, in the order in which they came in; fails where a post is there twice."""
    rows = [row for row in store.posts.stream(PostFilter()) if row.source == source]
    rows.sort(key=lambda row: row.id)
    assert len({row.external_id for row in rows}) == len(rows)
    return {row.external_id: row.text for row in rows}


class pumping:
    """A pump in a thread, with waits that are short whatever is asked for."""

    def __init__(self, source: Any, store: Store, **more: Any) -> None:
        self.told: list[str] = []
        self.stopped, self.failed = threading.Event(), list[BaseException]()
        self.pump = Pump(source, StoreTarget(store), tell=self.told.append, rng=random.Random(1), **more)
        self.pump._spread = lambda seconds: min(seconds, 0.01)  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.pump.run(self.stopped)
        except BaseException as error:
            self.failed.append(error)

    def __enter__(self) -> "pumping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self.failed, self.failed


def until(true: Callable[[], bool], deadline_s: float = 30.0) -> bool:
    """Waits until something holds; whether it does."""
    ends = time.monotonic() + deadline_s
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.05)
    return true()


class CrashError(BaseException):
    """Stands for `kill -9`: nothing of ours runs after it."""


class Crashing(StoreTarget):
    """Dies at random: before the commit, or between it and the acknowledgement."""

    def __init__(self, store: Store, rng: random.Random, chance: float) -> None:
        super().__init__(store)
        self.rng, self.chance = rng, chance

    def take(self, source: Any, batch: Batch) -> Taken:
        draw = self.rng.random()
        if draw < self.chance:
            raise CrashError
        found = super().take(source, batch)
        if draw < 2 * self.chance:
            raise CrashError
        return found


def survived(make: Any, store: Store, seed: int, chance: float = 0.15) -> int:
    """Starts again after each crash until the source is read; how many crashes there were."""
    rng, crashes = random.Random(seed), 0
    while True:
        source = make()
        pump = Pump(source, Crashing(store, rng, chance))
        pump._spread = lambda seconds: min(seconds, 0.01)  # type: ignore[method-assign]
        try:
            pump.run()
        except CrashError:
            crashes += 1
        else:
            return crashes
