"""What platforms and their tools export as JSON, made into rows: one object a post.

Most exports are read by column names alone (`data.columns`, with paths such as `record.text`). Here
is what names cannot say:

- **pages**: an answer of X's API v2 (as twarc2 writes them, one a line), of Bluesky or Mastodon
  holds many posts under one key; each becomes a row, and X's photos are joined to it by their keys,
  as is the whole post that a cut one passes on;
- **Telegram**: messages of a chat or of several; service messages
  ("joined the group") are no posts;
- **Bluesky**: the address of a post (`at://…`) is its id;
- **Mastodon's archive** (`outbox.json`): a post stands within the act of writing it; acts of sharing
  are no posts.

Everything else comes back as it is. What is left out is a `LeftOut`, so that it can be counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeGuard

__all__ = ["ROW_KEYS", "LeftOut", "names_in", "rows_of", "value_at"]

ROW_KEYS = (
    "data",
    "messages",
    "statuses",
    "posts",
    "feed",
    "tweets",
    "results",
    "items",
    "records",
    "orderedItems",
)
"""Keys under which an object holds a list of posts, not the one post that it is."""
_DEPTH = 3
_MOST_NAMES = 2_000
# entries of a list that are looked at to tell a page from a post
_SEVERAL = 2

Object = Mapping[str, object]


@dataclass(frozen=True)
class LeftOut:
    """A row that is no post and nothing went wrong with; `what` names its kind in the plural."""

    what: str


def rows_of(value: Object) -> Iterator[Object | LeftOut]:
    """The rows that an object of JSON holds: itself, or those of the page that it is."""
    key = next((key for key in ROW_KEYS if _is_page(value, key)), None)
    if key is None:
        yield _row(value)
        return
    media, others = _included(value, "media", "media_key"), _included(value, "tweets", "id")
    items = value[key]
    for item in items if isinstance(items, list) else ():
        if _is_object(item):
            yield _row(_with_passed_on(_with_media(item, media), others))
        else:
            yield LeftOut("entries of pages that are no objects")


def names_in(row: Object) -> Iterator[str]:
    """The names of an object's values; of objects within it
    with a point between (`record.text`).
    """
    yield from islice(_names(row, "", 0), _MOST_NAMES)


def value_at(row: Object, name: str) -> object:
    """The value that a name of `names_in` means, or None."""
    # a column may hold a point in its own name
    if name in row or "." not in name:
        return row.get(name)
    head, _, rest = name.partition(".")
    inner = row.get(head)
    return value_at(inner, rest) if _is_object(inner) else None


def _names(row: Object, before: str, depth: int) -> Iterator[str]:
    for key, value in row.items():
        name = f"{before}{key}"
        yield name
        if depth < _DEPTH and _is_object(value):
            yield from _names(value, f"{name}.", depth + 1)


def _is_object(value: object) -> TypeGuard[Object]:
    return isinstance(value, Mapping)


def _is_page(value: Object, key: str) -> bool:
    """A list of objects under the key, and nothing that makes the whole a post itself."""
    items = value.get(key)
    if not isinstance(items, list) or any(
        name in value for name in ("text", "full_text", "content", "message")
    ):
        return False
    return all(isinstance(item, Mapping) for item in items[:_SEVERAL])


def _row(value: Object) -> Object | LeftOut:
    if value.get("type") == "service" and "action" in value:
        return LeftOut("service messages")
    act = value.get("type")
    if act in ("Create", "Announce") and "actor" in value and "object" in value:
        written = value["object"]
        if act == "Announce" or not _is_object(written):
            return LeftOut("shared posts")
        # the summary of a post is its content warning
        warning = written.get("summary")
        return {**written, "media_attachments": written.get("attachment"), "spoiler_text": warning}
    post = value.get("post")
    # an entry of a feed holds the post beside why it is shown
    inner = post if _is_object(post) and _is_object(post.get("record")) else value
    address = inner.get("uri")
    if isinstance(address, str) and address.startswith("at://") and "id" not in inner:
        return {**inner, "id": address}
    return inner


def _included(page: Object, what: str, key: str) -> dict[object, Object]:
    """What stands once at the end of a page, by its key."""
    includes = page.get("includes")
    found = includes.get(what) if _is_object(includes) else None
    items = found if isinstance(found, list) else []
    return {item[key]: item for item in items if _is_object(item) and _is_key(item.get(key))}


def _is_key(value: object) -> bool:
    return isinstance(value, str | int)


def _with_media(row: Object, media: Mapping[object, Object]) -> Object:
    """X names photos by keys, and describes them at the end of the page."""
    attachments = row.get("attachments")
    keys = attachments.get("media_keys") if _is_object(attachments) else None
    if not isinstance(keys, list) or "media" in row:
        return row
    found = [media[key] for key in keys if _is_key(key) and key in media]
    return {**row, "media": found} if found else row


def _with_passed_on(row: Object, others: Mapping[object, Object]) -> Object:
    """X cuts the text of a post that is passed on, and gives the whole one at the end of the page."""
    references = row.get("referenced_tweets")
    for one in references if isinstance(references, list) else ():
        if _is_object(one) and one.get("type") == "retweeted" and _is_key(one.get("id")):
            whole = others.get(one["id"])
            return {**row, "retweeted_status": whole} if whole is not None else row
    return row
