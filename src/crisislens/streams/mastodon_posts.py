"""From a status of Mastodon to a post."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from crisislens.data import cells
from crisislens.store.records import NewPost, Photo, Unread
from crisislens.streams.feed import seen_text

__all__ = ["status_id", "status_post"]

_MOST_TEXT = 10_000
_MOST_PHOTOS = 4
_PUBLIC = frozenset({"public", "unlisted"})


def status_id(status: object) -> str | None:
    """The id of a status, or None where it has none that could be one."""
    value = status.get("id") if isinstance(status, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= 100 and value.isalnum() else None


def status_post(status: Mapping[str, Any], host: str) -> NewPost | Unread | None:
    """The post of a status; None of what is not for everybody, and of a repost, whose post comes by itself.

    Arguments:
        status: As the API gives it.
        host: The server's, which authors of its own leave out of their names.
    """
    name = status_id(status)
    if name is None:
        return Unread(raw=str(status)[:2_000], reason="the status has no id")
    # a token sees what its owner sees; what was not said to everybody is not ours
    seen_by = status.get("visibility", "public")
    if not isinstance(seen_by, str) or seen_by not in _PUBLIC or status.get("reblog"):
        return None
    text = _text(status)
    pictures = _pictures(status)
    if not text and not pictures:
        return Unread(raw=f"{name}", reason="the status has neither a text nor a picture")
    url = _short(status.get("url"), 2_000) or _short(status.get("uri"), 2_000)
    try:
        return NewPost(
            external_id=name,
            text=text[:_MOST_TEXT],
            url=url if url and url.startswith("https://") else None,
            author=_author(status.get("account"), host),
            created_at=_moment(status.get("created_at")),
            edited_at=_moment(status.get("edited_at")),
            lang=cells.language(status.get("language")),
            photos=pictures,
        )
    except ValidationError as error:
        return Unread(raw=f"{name}\n{text}", reason=f"the status does not fit: {error.errors()[0]['msg']}")


def _text(status: Mapping[str, Any]) -> str:
    """The warning, the text and the choices of a poll, as one reads them."""
    poll = status.get("poll")
    options = poll.get("options") if isinstance(poll, dict) else None
    choices = options if isinstance(options, list) else []
    titles = [option.get("title") for option in choices if isinstance(option, dict)]
    parts = [seen_text(status.get("spoiler_text")), seen_text(status.get("content"))]
    parts += [seen_text(title) for title in titles]
    return cells.valid_unicode("\n".join(part for part in parts if part))


def _pictures(status: Mapping[str, Any]) -> tuple[Photo, ...]:
    attached = status.get("media_attachments")
    found = []
    for item in attached if isinstance(attached, list) else ():
        if isinstance(item, dict) and item.get("type") == "image":
            url = _short(item.get("url"), 2_000) or _short(item.get("remote_url"), 2_000)
            if url:
                found.append(Photo(url=url, state="pending"))
    return tuple(found[:_MOST_PHOTOS])


def _author(account: object, host: str) -> str | None:
    name = account.get("acct") if isinstance(account, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 400:
        return None
    name = cells.valid_unicode(name)
    return f"@{name}" if "@" in name else f"@{name}@{host}"


def _short(value: object, most: int) -> str | None:
    return cells.valid_unicode(value) if isinstance(value, str) and 0 < len(value) <= most else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        # a year that no time zone can be taken off
        return found if found.tzinfo is not None and 1900 < found.year < 9000 else None
    except ValueError:
        return None
