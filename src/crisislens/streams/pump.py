"""The loop: look, filter, hand over, and wait where the service is full or the source has nothing."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from crisislens.core.errors import RunError, StoreError, StoreFullError
from crisislens.core.guarded import RefusedError
from crisislens.core.http_answers import RequestError
from crisislens.streams.batch import Batch, Closes, Source
from crisislens.streams.filters import Filters
from crisislens.streams.pictures import without_pictures
from crisislens.streams.targets import Taken, Target

__all__ = ["Pump", "Tally"]

_LOOK_AT_CONFIG_S = 10.0
_LONGEST_WAIT_S = 300.0
_NOT_REPLACED = (
    "the service did not take a later version of a post; where people reviewed one, its text stays unless "
    "the key is an administrator's (crisislens key add --role admin); this is said once"
)


@dataclass
class Tally:
    """What became of what came."""

    created: int = 0
    same: int = 0
    changed: int = 0
    replaced: int = 0
    gone: int = 0
    erased: int = 0
    dead: int = 0
    filtered: int = 0

    def said(self) -> str:
        """In words; what did not happen is left out."""
        parts = [f"{self.created} posts taken"]
        told = (
            (self.same, "were there before"),
            (self.replaced, "took the place of an earlier version"),
            (self.gone, "were taken back at the source"),
            (self.changed, "have an id that is taken by another content"),
            (self.erased, "were erased before"),
            (self.filtered, "were filtered out"),
            (self.dead, "dead letters"),
        )
        return ", ".join(parts + [f"{count} {what}" for count, what in told if count])


class Pump:
    """Moves posts from a source to a target.

    Arguments:
        source: Where they come from.
        target: Where they go.
        filters: Which are taken; None takes those kept with the source.
        tell: Called with sentences for the person who watches.
        fetch_media: Whether the pictures that posts name are fetched.
        silent_s: After how long without a post that is told, in seconds; 0 never.
        rng: For jitter.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        *,
        filters: Filters | None = None,
        tell: Callable[[str], None] = lambda _: None,
        silent_s: float = 900.0,
        fetch_media: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        self._source, self._target, self._tell = source, target, tell
        self._given, self._silent_s, self._fetch_media = filters, silent_s, fetch_media
        self._rng = rng or random.Random()
        self._filters = Filters()
        self._stopped = threading.Event()
        self._off, self._looked_at, self._heard_at, self._told_silence = False, 0.0, time.monotonic(), False
        self._failed, self._heard_once, self._told_not_replaced = 0, False, False
        self.tally = Tally()

    def run(self, stopped: threading.Event | None = None) -> Tally:
        """Goes on until told to stop, or the source is over.

        Raises:
            InputError: If the source or the target is none that works.
        """
        self._stopped = stopped or self._stopped
        given = self._given
        config: dict[str, Any] = {"silent_minutes": self._silent_s / 60}
        if given is not None:
            config["filters"] = given.model_dump(mode="json", exclude_defaults=True)
        self._filters = Filters.read(self._target.begin(self._source, config))
        # what has a place has worked: a page of HTML now is a server that is being mended
        self._heard_once = self._target.cursor(self._source) is not None
        try:
            self._go_on()
        finally:
            if isinstance(self._source, Closes):
                self._source.close()
        return self.tally

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            if not self._is_on():
                self._stopped.wait(_LOOK_AT_CONFIG_S)
                continue
            moved = self._round()
            if self._source.ended():
                break
            self._mind_silence()
            if not moved:
                self._stopped.wait(self._spread(self._source.every_s))

    def _round(self) -> bool:
        """One look at the source; whether anything came."""
        moved = False
        try:
            for batch in self._source.look(self._target.cursor(self._source)):
                self._hand_over(batch)
                self._heard_once = True
                moved = moved or bool(batch.posts or batch.dead)
                if self._stopped.is_set():
                    return True
        except RefusedError as error:
            # of an address that never worked, its one sentence is the answer
            if not self._heard_once:
                raise
            self._wait_for_source("the source sends what cannot be used", error.wait_s)
            return True
        except RequestError as error:
            if not error.transient and not self._heard_once:
                raise
            self._wait_for_source(str(error), error.wait_s)
            return True
        self._failed, self._heard_once = 0, True
        # of a feed all entries come again; it is asked at its pace whatever came
        return moved and self._source.kind != "rss"

    def _hand_over(self, batch: Batch) -> None:
        """Waits as long as it takes: a source is read no faster than the service takes."""
        if batch.note:
            self._tell(batch.note)
        posts = tuple(post for post in batch.posts if self._filters.take(post))
        kept = replace(batch, posts=posts, gone=batch.gone + self._no_longer_wanted(batch))
        if not self._fetch_media:
            kept = without_pictures(kept)
        attempt = 0
        while True:
            try:
                taken = self._target.take(self._source, kept)
            except StoreFullError as error:
                self._held(str(error), float(error.retry_after_s), attempt)
            except StoreError as error:
                self._held(str(error), min(_LONGEST_WAIT_S, 2.0**attempt), attempt)
            else:
                break
            attempt += 1
            if self._stopped.is_set():
                return
        if kept.taken is not None:
            kept.taken()
        if taken.not_replaced and not self._told_not_replaced:
            self._told_not_replaced = True
            self._tell(f"{self._source.name}: {_NOT_REPLACED}")
        self._count(taken, kept, len(batch.posts) - len(posts))

    def _no_longer_wanted(self, batch: Batch) -> tuple[str, ...]:
        """Posts whose later version does not pass the filters: the earlier one is not what they say now."""
        edited = (post for post in batch.posts if post.edited_at is not None)
        return tuple(post.external_id for post in edited if not self._filters.take(post))

    def _count(self, taken: Taken, batch: Batch, filtered: int) -> None:
        tally, buried = self.tally, 0 if self._source.edits else taken.conflict
        tally.created += taken.created
        tally.same += taken.same
        tally.replaced += taken.replaced
        tally.gone += taken.gone
        tally.changed += taken.conflict
        tally.erased += taken.erased
        tally.filtered += filtered
        tally.dead += len(batch.dead) + taken.refused + buried
        if taken.created or taken.replaced:
            self._heard_at, self._told_silence = time.monotonic(), False
            # a server that fails now and then and is read all the same is not one that is down
            self._failed = 0

    def _held(self, why: str, wait_s: float, attempt: int) -> None:
        if attempt == 0:
            self._tell(f"waiting: {why}")
        self._stopped.wait(self._spread(wait_s))

    def _wait_for_source(self, why: str, asked_s: float | None) -> None:
        if self._source.ended():
            raise RunError(why)
        wait = asked_s
        if wait is None:
            # where nobody names a time, each failure without a new post in between doubles it
            wait, self._failed = min(_LONGEST_WAIT_S, 2.0**self._failed), min(self._failed + 1, 16)
        self._tell(f"{self._source.name}: {why}; trying again in {wait:.0f} s")
        self._stopped.wait(self._spread(min(wait, 3600.0)))

    def _is_on(self) -> bool:
        """Whether the source is switched on; looks now and then, and takes changed filters with it."""
        now = time.monotonic()
        if self._looked_at and now - self._looked_at < _LOOK_AT_CONFIG_S and not self._off:
            return True
        self._looked_at = now
        config = self._target.config(self._source)
        if config is None and not self._off:
            self._tell(f"{self._source.name} is switched off in the service; waiting until it is on again")
        self._off = config is None
        if config is not None:
            self._filters = Filters.read(config)
        return not self._off

    def _mind_silence(self) -> None:
        silent = time.monotonic() - self._heard_at
        if self._silent_s and silent > self._silent_s and not self._told_silence:
            self._told_silence = True
            self._tell(f"{self._source.name} has brought no new post for {silent / 60:.0f} minutes")

    def _spread(self, seconds: float) -> float:
        """A fifth more or less, so that many who wait do not come at once."""
        return seconds * self._rng.uniform(0.8, 1.2)
