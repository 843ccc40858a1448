"""The made-up crisis as a source that goes on: posts of the last hours at once, then one every few seconds.

Its posts are those of `crisislens.demo`, with times moved so that the crisis is now. Every page says that
they are made up.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from crisislens.core.errors import CrisisLensError, ImageError
from crisislens.demo.crisis import Told, told_posts
from crisislens.domain.post import Post
from crisislens.store import Store
from crisislens.store.records import NewPost, Photo

__all__ = ["DemoFeed"]

_SOURCES: Final = ("radio", "volunteers", "social")
_MOST: Final = 2_000
"""Posts of one start: a demonstration that somebody forgot must not fill a disk."""


class DemoFeed:
    """Fills a store and keeps posts coming, in a thread of its own.

    Arguments:
        store: Where they go.
        first: How many come at once.
        every_s: Seconds between the others, on average.
        seed: Decides everything about them but their times.
    """

    def __init__(self, store: Store, *, first: int = 60, every_s: float = 4.0, seed: int = 0) -> None:
        self._store, self._first, self._every_s, self._seed = store, first, every_s, seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="made-up crisis", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; a post that is being sent is sent."""
        self._stop.set()
        self._thread.join(timeout=3)

    def fill(self) -> Iterator[Told]:
        """Sends the first posts, and gives those that are left. A store that was filled before goes on."""
        here = sum(source.posts for source in self._store.sources.all())
        rest = told_posts(_MOST, start=here, seed=self._seed)
        first = list(islice(rest, self._first))
        shift = datetime.now(UTC) - max(_when(one.post) for one in first)
        # what a reviewer reads first is there first; drawing a picture takes longer than sending a post
        for one in sorted(first, key=lambda one: one.post.image is not None):
            if self._stop.is_set():
                return
            self._send(one, _when(one.post) + shift)
        yield from rest

    def _run(self) -> None:
        chance = random.Random(self._seed)
        for one in self.fill():
            if self._stop.wait(chance.uniform(0.3, 1.7) * self._every_s):
                return
            self._send(one, datetime.now(UTC) - timedelta(seconds=chance.uniform(5, 90)))

    def _send(self, told: Told, when: datetime) -> None:
        post = told.post
        # what a full or closing store refuses is lost, as it is made up anyway
        with suppress(CrisisLensError):
            source = _SOURCES[sum(map(ord, post.id)) % len(_SOURCES)]
            new = NewPost(
                external_id=post.id,
                photos=self._photos(told),
                created_at=when,
                author=f"@resident_{sum(map(ord, post.text)) % 97}",
                **post.model_dump(include={"text", "lang", "lat", "lon", "event"}),
            )
            self._store.posts.accept(source, [new], kind="demo")

    def _photos(self, told: Told) -> tuple[Photo, ...]:
        if told.post.image is None:
            return ()
        try:
            return (self._store.blobs.keep(told.picture() or b""),)
        except (ImageError, OSError) as error:
            reason = str(error) if isinstance(error, ImageError) else "it could not be read"
            return (Photo(state="refused", reason=f"the photo was not used: {reason}"[:300]),)


def _when(post: Post) -> datetime:
    return post.created_at or datetime.min.replace(tzinfo=UTC)
