"""From what a user writes as SOURCE to the source."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.guarded import Guard
from crisislens.core.guarded_rules import parsed_address
from crisislens.streams.batch import Placed, Source
from crisislens.streams.feed import FeedSource, check_feed
from crisislens.streams.folder import FolderSource
from crisislens.streams.forms import KoboSource, OdkSource
from crisislens.streams.jetstream import DEFAULT_HOST, JetstreamSource
from crisislens.streams.kafka_topic import DEFAULT_BROKERS, KafkaSource
from crisislens.streams.maildir import MaildirSource, is_maildir
from crisislens.streams.mastodon import MastodonSource, Timeline
from crisislens.streams.pipe import PipeSource
from crisislens.streams.redis_stream import DEFAULT_SERVER, RedisSource
from crisislens.streams.rows import RowMaker
from crisislens.streams.tail import FileSource
from crisislens.streams.tokens import Token

__all__ = ["KINDS", "StreamOptions", "open_source"]

_LINES = frozenset({".jsonl", ".ndjson", ".log", ".json", ".txt", ""})
_MOST_NAME = 80
_Source = TypeVar("_Source", bound=Placed)
KINDS = (
    "-, FILE, DIR/, maildir:DIR, rss:URL, mastodon:HOST/#tag, jetstream:, redis:STREAM, kafka:TOPIC, "
    "kobo:HOST/FORM and odk:HOST/PROJECT/FORM"
)
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
        server: Of Redis or Kafka.
        properties: More of librdkafka's, for Kafka.
    """

    name: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    every_s: float = 300.0
    once: bool = False
    batch: int = 200
    guard: Guard = field(default_factory=Guard)
    token: Token | None = None
    server: str | None = None
    properties: dict[str, str] = field(default_factory=dict)


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
    source = FolderSource(path, name[:_MOST_NAME], columns, batch=options.batch, once=options.once)
    return _placed(source, options, _written_out(path))


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
    source = FileSource(path, name[:_MOST_NAME], rows, batch=options.batch, once=options.once)
    return _placed(source, options, _written_out(path))


def _feed(url: str, options: StreamOptions) -> Source:
    parts = urlsplit(check_feed(url))
    name = options.name or "rss " + _safe(f"{parts.hostname}{parts.path}")
    more: dict[str, Any] = {"guard": options.guard, "every_s": options.every_s, "once": options.once}
    # a feed that moves from http to https is the same one
    return _placed(FeedSource(url, name[:_MOST_NAME], **more), options, url.partition("://")[2])


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


def _redis(stream: str, options: StreamOptions) -> Source:
    if not stream:
        raise InputError("redis: names no stream; give redis:STREAM")
    return RedisSource(
        stream,
        (options.name or f"redis {_safe(stream)}")[:_MOST_NAME],
        RowMaker(options.columns),
        server=options.server or DEFAULT_SERVER,
        password=options.token,
        batch=options.batch,
        once=options.once,
    )


def _kafka(topic: str, options: StreamOptions) -> Source:
    if not topic:
        raise InputError("kafka: names no topic; give kafka:TOPIC")
    return KafkaSource(
        topic,
        (options.name or f"kafka {_safe(topic)}")[:_MOST_NAME],
        RowMaker(options.columns),
        brokers=options.server or DEFAULT_BROKERS,
        properties=options.properties,
        batch=options.batch,
        once=options.once,
    )


def _maildir(given: str, options: StreamOptions) -> Source:
    folder = Path(given)
    if not is_maildir(folder):
        raise InputError(f"{folder} is no Maildir: that has the folders new, cur and tmp in it")
    name = options.name or f"mail {_safe(folder.resolve().name)}"
    source = MaildirSource(folder, name[:_MOST_NAME], batch=options.batch, once=options.once)
    return _placed(source, options, _written_out(folder))


def _kobo(given: str, options: StreamOptions) -> Source:
    origin, parts = _form(given, 1, "kobo:HOST/FORM")
    name = options.name or _safe(f"kobo {parts[0]}")
    source = KoboSource(origin, parts[0], name[:_MOST_NAME], **_form_options(options))
    return _placed(source, options, origin.partition("://")[2], *parts)


def _odk(given: str, options: StreamOptions) -> Source:
    origin, parts = _form(given, 2, "odk:HOST/PROJECT/FORM")
    name = options.name or _safe(f"odk {parts[-1]}")
    source = OdkSource(origin, parts[0], parts[1], name, **_form_options(options))
    return _placed(source, options, origin.partition("://")[2], *parts)


def _form(given: str, count: int, shown: str) -> tuple[str, list[str]]:
    """A server's origin and the parts of its address behind it."""
    scheme, _, rest = given.partition("://") if "://" in given else ("https", "", given)
    host, *parts = rest.rstrip("/").split("/")
    if scheme not in ("http", "https") or not host or len(parts) != count:
        raise InputError(f"{given!r:.80} is no form; give {shown}")
    parsed_address(f"{scheme}://{host}")
    return f"{scheme}://{host}", parts


def _placed(source: _Source, options: StreamOptions, *where: str) -> _Source:
    """The source with a digest of where it lies: an address may hold a key, and is not kept."""
    source.place, source.named = fingerprint(where), options.name is not None
    return source


def _written_out(path: Path) -> str:
    """A path from the root on; links in it stay, since one that is turned to a newer folder is one place."""
    return os.path.abspath(path)  # noqa: PTH100


def _form_options(options: StreamOptions) -> dict[str, Any]:
    return {
        "columns": options.columns,
        "guard": options.guard,
        "token": options.token,
        "every_s": options.every_s,
        "once": options.once,
    }


def _safe(text: str) -> str:
    """A name as the service takes them."""
    return "".join(c if c.isalnum() or c in "._/-" else "_" for c in text)


_BY_KIND: dict[str, Callable[[str, StreamOptions], Source]] = {
    "rss": _feed,
    "mastodon": _mastodon,
    "jetstream": _jetstream,
    "redis": _redis,
    "kafka": _kafka,
    "maildir": _maildir,
    "kobo": _kobo,
    "odk": _odk,
}
