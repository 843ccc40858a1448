"""Which column of a table is which field of a post: by name, unless the user says otherwise.

Names are compared without case, spaces, `_`, `-` and `.`, so `tweetText`, `tweet_text` and `Tweet Text` are
one. Where a table has several columns for one field, the first in the order below that is not empty in a row
counts.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

from crisislens.core.errors import InputError

__all__ = ["FIELDS", "choose_columns"]

FIELDS: dict[str, tuple[str, ...]] = {
    "id": ("id", "post_id", "tweet_id", "id_str", "status_id", "message_id"),
    "text": ("text", "tweet_text", "full_text", "post_text", "message", "content", "body"),
    "image": (
        "image",
        "image_path",
        "image_file",
        "photo",
        "photo_path",
        "picture",
        "image_id",
        "image_id(s)",
        "images",
        "photos",
        "image_url",
    ),
    "created_at": ("created_at", "timestamp", "date", "datetime", "time", "posted_at", "published_at"),
    "lang": ("lang", "language"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "long", "longitude"),
    "event": ("event", "event_name"),
}
"""From each field of a post to the column names it is found by, the preferred first."""
_FOLDED = re.compile(r"[\s_.-]+")


def choose_columns(
    names: Iterable[str], explicit: Mapping[str, str] | None, *, where: str
) -> dict[str, tuple[str, ...]]:
    """The columns of each field, the preferred first; fields without a column are left out.

    >>> choose_columns(["tweetId", "Text", "lng"], {"event": "Text"}, where="a.csv")
    {'id': ('tweetId',), 'text': ('Text',), 'lon': ('lng',), 'event': ('Text',)}

    Arguments:
        names: The columns that there are.
        explicit: From a field to the column that the user names for it; this one alone then counts.
        where: What the table is called in errors.

    Raises:
        InputError: If `explicit` names a field or column that does not exist, or nothing serves as text or
            image.
    """
    there = list(dict.fromkeys(names))
    chosen: dict[str, tuple[str, ...]] = {}
    for field in explicit or {}:
        if field not in FIELDS:
            raise InputError(
                f"no field named {field!r}; a post has {', '.join(FIELDS)}{_nearest(field, FIELDS)}"
            )
    for field, aliases in FIELDS.items():
        if explicit and field in explicit:
            chosen[field] = (_find(explicit[field], there, where),)
            continue
        found = [name for alias in aliases for name in there if _fold(name) == _fold(alias)]
        if found:
            chosen[field] = tuple(found)
    if "text" not in chosen and "image" not in chosen:
        raise InputError(
            f"{where} has no column for text or image; name one with --map text=COLUMN; its columns are "
            f"{_listed(there)}"
        )
    return chosen


def _find(name: str, there: list[str], where: str) -> str:
    if name in there:
        return name
    alike = [column for column in there if _fold(column) == _fold(name)]
    if len(alike) == 1:
        return alike[0]
    raise InputError(
        f"{where} has no column {name!r}; its columns are {_listed(there)}{_nearest(name, there)}"
    )


def _fold(name: str) -> str:
    return _FOLDED.sub("", name).lower()


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _listed(names: list[str]) -> str:
    """The names in a sentence; the first forty of a table that has more."""
    shown = ", ".join(name[:60] for name in names[:40])
    return f"{shown} and {len(names) - 40} more" if len(names) > 40 else shown or "none"
