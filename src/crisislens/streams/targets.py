"""Where posts go; into a store here, to a service over HTTP in `streams.service_target`."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from crisislens.core.errors import ImageError, InputError, StoreError
from crisislens.core.guarded import Guard
from crisislens.store.records import NewPost, Photo, Unread
from crisislens.streams.batch import Batch, OwnServer, Placed, Source
from crisislens.streams.letters import KnownLetters
from crisislens.streams.media_fetch import MediaFetcher

if TYPE_CHECKING:
    from crisislens.store import Store

__all__ = ["StoreTarget", "Taken", "Target", "checked_place", "read_cursor"]

_MOST_LETTERS: Final = 500


@dataclass(frozen=True)
class Taken:
    """What became of a batch: posts that are new, were there, took the place of an earlier version, have an
    id that is taken, were erased before, were refused, or were taken back now; and of those whose id is taken
    how many are later versions that a service did not take.
    """

    created: int = 0
    same: int = 0
    replaced: int = 0
    conflict: int = 0
    erased: int = 0
    refused: int = 0
    gone: int = 0
    not_replaced: int = 0


@runtime_checkable
class Target(Protocol):
    """Takes batches; what it returned from is durable."""

    def begin(self, source: Source, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """Makes the source known; gives its configuration, of which `config` replaces what it names."""
        ...

    def cursor(self, source: Source) -> dict[str, Any] | None:
        """Where a source was left."""
        ...

    def config(self, source: Source) -> dict[str, Any] | None:
        """The configuration just now; None where somebody switched the source off."""
        ...

    def take(self, source: Source, batch: Batch) -> Taken:
        """Takes a batch and its cursor.

        Raises:
            StoreFullError: If it is full; then nothing was taken.
            StoreError: If nothing can be written just now.
        """
        ...


class StoreTarget:
    """A store in this process; batch and cursor are one transaction.

    Arguments:
        store: The store.
    """

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._fetcher: MediaFetcher | None = None
        self._known: dict[str, KnownLetters] = {}

    def fetch_pictures(self, source: Source, guard: Guard, hosts: Collection[str] | None = None) -> None:
        """From now on fetches what posts of a source name, until `close`."""
        headers = source.headers_for if isinstance(source, OwnServer) else lambda _: {}
        self._fetcher = MediaFetcher(self._store, source.name, guard=guard, headers_for=headers, hosts=hosts)
        self._fetcher.start()

    def close(self) -> None:
        """Ends what runs beside."""
        if self._fetcher is not None:
            self._fetcher.stop()

    def _attached(self, batch: Batch) -> list[NewPost]:
        """The posts with the pictures that came with them, decoded and encoded anew."""
        posts = []
        for post in batch.posts:
            came = tuple(self._kept(data) for data in batch.pictures.get(post.external_id, ()))
            posts.append(post.model_copy(update={"photos": post.photos + came}) if came else post)
        return posts

    def _kept(self, data: Callable[[], bytes]) -> Photo:
        try:
            return self._store.blobs.keep(data())
        except ImageError as error:
            return Photo(state="refused", reason=f"the photo was not used: {error}"[:300])
        except OSError as error:
            # the place for temporary files may be full, and will not be for ever
            raise StoreError(f"a photo cannot be kept ({error.strerror or error})") from error

    def begin(self, source: Source, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `Target`."""
        row = self._store.sources.by_name(source.name)
        # what others keep with the source stays
        kept = {**(row.config if row is not None else {}), **(config or {})}
        place = checked_place(source, kept.get("place"))
        if place is not None:
            kept["place"] = place
        return self._store.sources.ensure(source.name, source.kind, kept).config

    def cursor(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        row = self._store.sources.by_name(source.name)
        return read_cursor(row.cursor if row else None)

    def config(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        row = self._store.sources.by_name(source.name)
        return row.config if row is not None and row.enabled else None

    def _new_letters(self, source: Source, batch: Batch) -> Sequence[Unread]:
        """The letters that are not there. Where posts may change, pages and feeds give the same ones at every
        look; elsewhere each comes once, and two that are alike are two.
        """
        if not source.edits or not batch.dead:
            return batch.dead
        known = self._known.get(source.name)
        if known is None:
            there = self._store.dead_letters.list(source=source.name, most=_MOST_LETTERS)
            letters = (Unread(raw=row.raw, reason=row.reason) for row in reversed(there))
            known = self._known[source.name] = KnownLetters(letters)
        return known.new(batch.dead)

    def take(self, source: Source, batch: Batch) -> Taken:
        """See `Target`. What was taken back is erased first: a crash between has it taken back once more."""
        gone = self._store.erasure.at_source(
            source.name, batch.gone, authors=batch.gone_authors, remember=batch.remember
        )
        dead = self._new_letters(source, batch)
        found = self._store.posts.accept(
            source.name,
            self._attached(batch),
            kind=source.kind,
            cursor=None if batch.cursor is None else json.dumps(batch.cursor, separators=(",", ":")),
            dead=dead,
            keep_conflicts=not source.edits,
        )
        if dead and source.name in self._known:
            self._known[source.name].add(dead)
        counts: Counter[str] = Counter(answer.outcome for answer in found)
        return Taken(**counts, gone=gone)


def checked_place(source: Source, known: object) -> str | None:
    """The place to keep with a source's name; None where it has none.

    Arguments:
        source: The source.
        known: The place that was kept with its name.

    Raises:
        InputError: If the name was made, and another source has it: both would share one place to go on
            from, one set of ids and one set of filters.
    """
    if not isinstance(source, Placed) or not source.place:
        return None
    if not source.named and isinstance(known, str) and known != source.place:
        raise InputError(
            f"the name {source.name!r:.100} is that of another source, which lies elsewhere; give this one a "
            "name of its own with --name, or that name where it is the same source and was moved"
        )
    return source.place


def read_cursor(text: str | None) -> dict[str, Any] | None:
    """A cursor as it was kept; None where none was, or somebody spoiled it."""
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
