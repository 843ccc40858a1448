"""RSS and Atom, fetched through the guarded client and read by feedparser.

feedparser cleans descriptions and leaves titles as they are, scripts included; here every text is read as
HTML and its markup taken out. It is given bytes in a file object: what it is given as a string it may
open as an address or a file.
"""

import calendar
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.guarded import Fetched, Guard, fetch
from crisislens.core.guarded_rules import parsed_address
from crisislens.core.http_answers import RequestError, shown_address
from crisislens.core.optional import require
from crisislens.data import cells
from crisislens.data.markup import without_markup
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch, Placed
from crisislens.streams.strange import read_one

__all__ = ["FEED_TYPES", "FeedSource", "check_feed", "seen_text"]

FEED_TYPES = (
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
    "application/xml",
    "text/xml",
)
_MOST_TEXT = 10_000
_MOST_ENTRIES = 500
_MOST_ID = 500


class FeedSource(Placed):
    """Polls a feed.

    Arguments:
        url: Its address.
        name: Of the source.
        guard: What may be fetched.
        every_s: How often to look, in seconds.
        once: Whether to look once.
    """

    kind = "rss"
    edits = True

    def __init__(
        self, url: str, name: str, *, guard: Guard | None = None, every_s: float = 300.0, once: bool = False
    ) -> None:
        self.name, self.every_s = name, every_s
        self._url, self._guard, self._once, self._looked = url, guard, once, False
        self._parse = require("feedparser", extra="streams").parse

    def ended(self) -> bool:
        """Once, after a look."""
        return self._once and self._looked

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """The feed's entries, the oldest first; those that are there already, the store knows."""
        asked = {}
        for header, name in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")):
            value = (cursor or {}).get(name)
            if isinstance(value, str) and value:
                asked[header] = value
        found = fetch(self._url, types=FEED_TYPES, headers=asked, guard=self._guard)
        self._looked = True
        if found.status == 304:
            return
        new = {"etag": found.headers.get("etag"), "modified": found.headers.get("last-modified")}
        posts, dead = self._entries(found)
        yield Batch(tuple(posts), tuple(dead), {name: value and value[:500] for name, value in new.items()})

    def _entries(self, found: Fetched) -> tuple[list[NewPost], list[Unread]]:
        # ids are resolved against it, so it is the address that stays, not the one behind a redirect
        headers = {"content-type": found.headers.get("content-type", ""), "content-location": self._url}
        parsed = self._parse(io.BytesIO(found.body), response_headers=headers)
        if not parsed.get("version") and not parsed.entries:
            raise RequestError(f"{shown_address(self._url)} sends no feed of RSS or Atom", transient=True)
        language = cells.language(parsed.feed.get("language"))
        posts: list[NewPost] = []
        dead: list[Unread] = []
        for entry in reversed(parsed.entries[:_MOST_ENTRIES]):
            made = read_one(entry, partial(_post, entry, language))
            posts.append(made) if isinstance(made, NewPost) else dead.append(made)
        return posts, dead


def seen_text(markup: object) -> str:
    """What a reader of HTML sees.

    >>> seen_text("<script>alert(1)</script>Flood &amp; <b>fire</b>, a < b")
    'Flood & fire, a < b'
    """
    return without_markup(f"<p>{markup}</p>").strip() if isinstance(markup, str) else ""


def _post(entry: Any, language: str | None) -> NewPost | Unread:
    title = seen_text(entry.get("title"))
    body = seen_text(entry.get("summary")) or next(
        (text for part in entry.get("content", ()) if (text := seen_text(part.get("value")))), ""
    )
    # many feeds repeat the title at the start of the body
    text = body if body.startswith(title) else "\n".join(part for part in (title, body) if part)
    link = entry.get("link")
    address = link[:2_000] if isinstance(link, str) and link.startswith(("http://", "https://")) else None
    name = str(entry.get("id") or address or fingerprint([title, body]))
    raw = f"{name}\n{address}\n{text}"
    if not text:
        return Unread(raw=raw, reason="the entry has neither a title nor a text")
    lat, lon = _where(entry)
    author = entry.get("author")
    try:
        return NewPost(
            external_id=name if len(name) <= _MOST_ID else f"entry-{fingerprint(name)}",
            text=text[:_MOST_TEXT],
            url=address,
            author=seen_text(author)[:500] or None,
            created_at=_when(entry.get("published_parsed") or entry.get("updated_parsed")),
            lang=language,
            lat=lat,
            lon=lon,
        )
    except ValidationError as error:
        return Unread(raw=raw, reason=f"the entry does not fit a post: {error.errors()[0]['msg']}")


def _when(parsed: Any) -> datetime | None:
    try:
        return None if parsed is None else datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _where(entry: Any) -> tuple[float | None, float | None]:
    """A point of GeoRSS or of the W3C's vocabulary."""
    shape = entry.get("where")
    if isinstance(shape, dict) and shape.get("type") == "Point":
        given = shape.get("coordinates")
        lon, lat = (*(given if isinstance(given, list | tuple) else ()), None, None)[:2]
        return cells.coordinates(lat, lon)
    return cells.coordinates(entry.get("geo_lat"), entry.get("geo_long"))


def check_feed(url: str) -> str:
    """The address of a feed.

    Raises:
        InputError: If it is none.
        RefusedError: If it is one that is not asked.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"rss:{url!r:.80} is no feed; give rss: and an address that starts with https://")
    parsed_address(url)
    return url
