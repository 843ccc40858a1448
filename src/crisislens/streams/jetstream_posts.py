"""From an event of Jetstream to a post, or to what was taken back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import ValidationError

from crisislens.data import cells
from crisislens.store.records import NewPost, Photo, Unread

__all__ = ["COLLECTION", "GONE_ACCOUNTS", "address_of", "event_moment", "record_post"]

COLLECTION: Final = "app.bsky.feed.post"
GONE_ACCOUNTS: Final = frozenset({"deleted", "takendown"})
"""States of an account of which everything is to go; one that is put away for a while may come back."""
_MOST_TEXT = 10_000
_MOST_PHOTOS = 4
_PICTURES = "https://cdn.bsky.app/img/feed_fullsize/plain"


def address_of(event: Mapping[str, Any]) -> str | None:
    """The address of the record that an event is about, which is the id of its post."""
    parts = [event.get(name) for name in ("did", "collection", "rkey")]
    # the network's names are ASCII; others could not be written into an address
    if not all(isinstance(part, str) and part and part.isascii() and "/" not in part for part in parts):
        return None
    name = "at://" + "/".join(str(part) for part in parts)
    return name if len(name) <= 500 else None


def event_moment(event: Mapping[str, Any]) -> datetime | None:
    """When the server saw the event."""
    return _moment(event.get("witnessedAt")) or _moment(event.get("time"))


def record_post(event: Mapping[str, Any]) -> NewPost | Unread:
    """The post of a created or changed record."""
    name, record = address_of(event), event.get("record")
    if name is None or not isinstance(record, dict):
        return Unread(raw=str(event)[:2_000], reason="the event names no record, or holds none")
    text = record.get("text")
    text = cells.valid_unicode(text) if isinstance(text, str) else ""
    did = str(event["did"])
    pictures = _pictures(record.get("embed"), did)
    if not text.strip() and not pictures:
        return Unread(raw=name, reason="the post has neither a text nor a picture")
    languages = record.get("langs")
    language = languages[0] if isinstance(languages, list) and len(languages) == 1 else None
    try:
        return NewPost(
            external_id=name,
            text=text[:_MOST_TEXT],
            url=f"https://bsky.app/profile/{quote(did, safe=':')}/post/{quote(str(event['rkey']), safe='')}",
            author=did,
            created_at=_moment(record.get("createdAt")),
            edited_at=event_moment(event) if event.get("operation") == "update" else None,
            lang=cells.language(language),
            photos=pictures,
        )
    except ValidationError as error:
        return Unread(raw=f"{name}\n{text}", reason=f"the post does not fit: {error.errors()[0]['msg']}")


def _pictures(embed: object, did: str) -> tuple[Photo, ...]:
    """The addresses of a post's pictures; they stand beside a quoted post one step deeper."""
    if isinstance(embed, dict) and isinstance(embed.get("media"), dict):
        embed = embed["media"]
    images = embed.get("images") if isinstance(embed, dict) else None
    found = []
    for item in images if isinstance(images, list) else ():
        blob = item.get("image") if isinstance(item, dict) else None
        reference = blob.get("ref") if isinstance(blob, dict) else None
        link = reference.get("$link") if isinstance(reference, dict) else None
        if isinstance(link, str) and link.isalnum() and len(link) <= 200:
            found.append(Photo(url=f"{_PICTURES}/{quote(did, safe=':')}/{link}@jpeg", state="pending"))
    return tuple(found[:_MOST_PHOTOS])


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    # people write any year into a record
    if not 1900 < found.year < 9000:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
