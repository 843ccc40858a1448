"""From what a user writes as SOURCE to the source."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from crisislens.core.errors import InputError
from crisislens.core.guarded import Guard
from crisislens.streams.batch import Source
from crisislens.streams.feed import FeedSource, check_feed
from crisislens.streams.folder import FolderSource
from crisislens.streams.jetstream import DEFAULT_HOST, JetstreamSource
from crisislens.streams.mastodon import MastodonSource, Timeline
from crisislens.streams.pipe import PipeSource
from crisislens.streams.rows import RowMaker
from crisislens.streams.tail import FileSource
from crisislens.streams.tokens import Token

__all__ = ["KINDS", "StreamOptions", "open_source"]

_LINES = frozenset({".jsonl", ".ndjson", ".log", ".json", ".txt", ""})
_MOST_NAME = 80
KINDS = "-, FILE, DIR/, rss:URL, mastodon:HOST/#tag and jetstream:"
"""What a source may be, for people."""


@dataclass(frozen=True)
class StreamOptions:
    """How a source is read.

    Attributes:
        name: By which the service knows it; None makes one of what it is.
        columns: As of `--map`.
        every_s: How often a feed is asked, and a timeline paged, in seconds.
        once: Whether to end when all that is there was taken.
        batch: Posts that are taken in together, at most.
        guard: What may be fetched.
        token: Of an account at the source, where it needs one.
    """

    name: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    every_s: float = 300.0
    once: bool = False
    batch: int = 200
    guard: Guard = field(default_factory=Guard)
    token: Token | None = None


def open_source(given: str, options: StreamOptions) -> Source:
    """The source of `-`, FILE, DIR/ or one of those that `KINDS` names.

    Raises:
        InputError: If it is none of these.
        MissingExtraError: If a package is missing.
    """
    kind, colon, rest = given.partition(":")
    if given == "-":
        name = options.name or "pipe"
        return PipeSource(sys.stdin.buffer.readline, name, RowMaker(options.columns), batch=options.batch)
    if colon and kind in _BY_KIND:
        return _BY_KIND[kind](rest, options)
    if "://" in given:
        raise InputError(f"{given!r:.80} is an address; say what it is, as in rss:{given:.60}")
    path = Path(given)
    if colon and not path.exists() and kind.isalpha() and len(kind) > 1:
        raise InputError(f"no source is called {kind!r:.40}; there are {KINDS}")
    if given.endswith(("/", "\\")) or path.is_dir():
        return _folder(path, options)
    return _file(path, options)


def _folder(path: Path, options: StreamOptions) -> Source:
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; make it, or give another one")
    name = options.name or f"folder {_safe(path.resolve().name)}"
    columns = dict(options.columns) or None
    return FolderSource(path, name[:_MOST_NAME], columns, batch=options.batch, once=options.once)


def _file(path: Path, options: StreamOptions) -> Source:
    if path.suffix.lower() not in _LINES:
        raise InputError(
            f"{path.name} is not followed line by line: only JSON lines are; put it into a folder and give "
            "DIR/, or use crisislens analyze"
        )
    if not path.parent.is_dir() or (options.once and not path.is_file()):
        raise InputError(f"there is no file {path}; check the path")
    name = options.name or f"file {_safe(path.name)}"
    rows = RowMaker(options.columns)
    return FileSource(path, name[:_MOST_NAME], rows, batch=options.batch, once=options.once)


def _feed(url: str, options: StreamOptions) -> Source:
    parts = urlsplit(check_feed(url))
    name = options.name or "rss " + _safe(f"{parts.hostname}{parts.path}")
    return FeedSource(url, name[:_MOST_NAME], guard=options.guard, every_s=options.every_s, once=options.once)


def _mastodon(given: str, options: StreamOptions) -> Source:
    timeline = Timeline.read(given)
    what = f"#{timeline.tag}" if timeline.tag else "local" if timeline.local else "public"
    return MastodonSource(
        timeline,
        (options.name or f"mastodon {_safe(timeline.host)}/{what}")[:_MOST_NAME],
        guard=options.guard,
        token=options.token,
        every_s=options.every_s,
        once=options.once,
        batch=options.batch,
    )


def _jetstream(host: str, options: StreamOptions) -> Source:
    if options.once:
        raise InputError("jetstream: never ends, so --once does not go with it")
    # without a host in it: another server goes on where the last one was
    name = options.name or "jetstream"
    return JetstreamSource(host or DEFAULT_HOST, name, guard=options.guard, batch=options.batch)


def _safe(text: str) -> str:
    """A name as the service takes them."""
    return "".join(c if c.isalnum() or c in "._/-" else "_" for c in text)


_BY_KIND: dict[str, Callable[[str, StreamOptions], Source]] = {
    "rss": _feed,
    "mastodon": _mastodon,
    "jetstream": _jetstream,
}
