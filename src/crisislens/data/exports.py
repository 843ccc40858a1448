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

from crisislens.data.columns import choose_columns, text_columns

__all__ = ["DESCRIPTION", "ROW_KEYS", "LeftOut", "is_post_with_lists", "names_in", "rows_of", "value_at"]

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
# a value of so many words is a text; "bottled water" is a thing
_FEWEST_WORDS = 3

Object = Mapping[str, object]


@dataclass(frozen=True)
class LeftOut:
    """A row that is no post and nothing went wrong with; `what` names its kind in the plural."""

    what: str


DESCRIPTION = LeftOut("descriptions of pages")
"""What a page says of itself, which may be a post's own words all the same."""


def rows_of(value: Object, text: str = "") -> Iterator[Object | LeftOut]:
    """The rows that an object of JSON holds: itself, or those of the page that it is.

    Arguments:
        value: The object.
        text: The column that the user names for the text; empty for none.
    """
    key = next((key for key in ROW_KEYS if _is_page(value, key, text)), None)
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
    if _descriptions(value, [*names_in(value)]):
        yield DESCRIPTION


def is_post_with_lists(value: Object, text: str = "") -> bool:
    """Whether an object has lists under `ROW_KEYS` and is a post all the same: it has a text, and their
    entries have none.

    >>> is_post_with_lists({"items": [{"name": "water"}], "text": "We need this"})
    True

    Arguments:
        value: The object.
        text: The column that the user names for the text; empty for none.
    """
    lists = [items for key in ROW_KEYS if isinstance(items := value.get(key), list)]
    if not lists or any(_is_page(value, key, text) for key in ROW_KEYS):
        return False
    entries = [_row(item) for items in lists for item in items[:_SEVERAL] if _is_object(item)]
    names = [*names_in(value)]
    if text and text in names:
        return not any(_has_column(entry, text) for entry in entries)
    if not text_columns(names, weak=False) and not _descriptions(value, names):
        return False
    return not any(_has_text(entry) for entry in entries)


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


def _is_page(value: Object, key: str, text: str) -> bool:
    """A list of objects under the key, and nothing that makes the whole a post itself."""
    items = value.get(key)
    if not isinstance(items, list) or not all(_is_object(item) for item in items[:_SEVERAL]):
        return False
    names = [*names_in(value)]
    if text_columns(names, weak=False):
        return False
    entries = [_row(item) for item in items[:_SEVERAL]]
    # what the user names goes before what such a column may be
    if text and text in names:
        return any(_has_column(entry, text) for entry in entries)
    if not _descriptions(value, names):
        return True
    if not entries:
        # an answer without posts may be described; a post has an id or a time of its own
        return not {"id", "created_at"} & choose_columns(names, None, where="the object").keys()
    # a description may also be the page's, and then the texts stand in its entries
    return any(_has_text(entry) or _has_words(entry) for entry in entries)


def _descriptions(value: Object, names: list[str]) -> list[str]:
    """The filled columns that hold the text where no other does; a title is none where there is more than
    it.
    """
    weak = (name for name in text_columns(names, weak=True) if name.lower() != "title")
    return [name for name in weak if isinstance(said := value_at(value, name), str) and said.strip()]


def _has_column(row: Object | LeftOut, name: str) -> bool:
    return not isinstance(row, LeftOut) and name in names_in(row)


def _has_text(row: Object | LeftOut) -> bool:
    """Whether an entry of a list has a column for a text; one that is known to be no post has none, and is
    still an entry of a page.
    """
    if isinstance(row, LeftOut):
        return True
    names = [*names_in(row)]
    return bool(text_columns(names, weak=False) or text_columns(names, weak=True))


def _has_words(row: Object | LeftOut) -> bool:
    """Whether an entry says something under any name (`content_text` of a JSON Feed)."""
    values = () if isinstance(row, LeftOut) else (value_at(row, name) for name in names_in(row))
    return any(isinstance(value, str) and len(value.split()) >= _FEWEST_WORDS for value in values)


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
