"""Which column of a table is which field of a post: by name, unless the user says otherwise.

Names are compared without case, spaces, `_`, `-`, `.` and parentheses, so `tweetText`, `tweet_text`
and `Tweet Text` are one. Where a table has several columns for one field, the first in the order
below that is not empty in a row counts. A user names a column as it stands, or a path into objects
of JSON (`record.text`); an empty name says that the table has none for the field.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from crisislens.core.errors import InputError

__all__ = ["FIELDS", "WEAK_TEXT", "choose_columns", "is_known", "no_columns", "text_columns"]

FIELDS: dict[str, tuple[str, ...]] = {
    "id": ("id", "post_id", "tweet_id", "id_str", "status_id", "message_id"),
    # whole texts before those that platforms cut
    "text": (
        "full_text",
        "note_tweet.text",
        "extended_tweet.full_text",
        "raw_content",
        "text",
        "tweet_text",
        "post_text",
        "record.text",
        "commit.record.text",
        "message",
        "content",
        "reblog.content",
        "body",
        "selftext",
        # of a post that was passed on, whose own text is cut
        "retweeted_status.full_text",
        "retweeted_status.extended_tweet.full_text",
        "retweeted_status.note_tweet.text",
        "retweeted_status.text",
        # as people name columns in other languages
        "texto",
        "texte",
        "testo",
        "mensaje",
        "mensagem",
        "mesaj",
        "messaggio",
        "nachricht",
    ),
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
        "image_urls",
        "photo_url",
        "media_attachments",
        "reblog.media_attachments",
        "media",
        "media_urls",
        "attachments.media",
        "embed.images",
        "extended_entities.media",
        "entities.media",
        "full_picture",
        "more_images",
        "foto",
        "imagen",
        "imagem",
    ),
    "created_at": (
        "created_at",
        "timestamp",
        "date_unixtime",
        "date",
        "datetime",
        "time",
        "posted_at",
        "published_at",
        "record.created_at",
        "commit.record.created_at",
        "post_created",
        "created_utc",
        "created",
        "created_time",
        "creation_time",
        "create_time",
        "submission_time",
        "published",
        "taken_at",
        "received_at",
        "received",
        "when",
        "fecha",
        "tarih",
        "datum",
    ),
    "lang": ("lang", "language", "record.langs", "commit.record.langs"),
    "lat": (
        "lat",
        "latitude",
        "location.lat",
        "location.latitude",
        "coordinates.latitude",
        "location_information.latitude",
    ),
    "lon": (
        "lon",
        "lng",
        "long",
        "longitude",
        "location.lon",
        "location.lng",
        "location.longitude",
        "coordinates.longitude",
        "location_information.longitude",
    ),
    "event": ("event", "event_name"),
    "url": (
        "permalink",
        "permalink_url",
        "post_url",
        "tweet_url",
        "status_url",
        "message_url",
        "source_url",
        "url",
    ),
}
"""From each field of a post to the column names it is found by, the preferred first; a point leads
into an object of JSON.
"""
WEAK_TEXT = ("description", "details", "comment", "comments", "report", "title")
"""Columns that hold the text where no other does; elsewhere they may
speak of an author or a page.
"""
_HEADINGS = (
    ("selftext", "title"),
    ("content", "spoiler_text"),
    ("reblog.content", "reblog.spoiler_text"),
    ("description", "title"),
    ("details", "title"),
    ("report", "title"),
)
"""Columns of texts, each with the one that stands above it where it is read: people may ask for help in
either.
"""
_NUMBERED = re.compile(r" \(\d{1,3}\)$")
_FOLDED = re.compile(r"[\s_.()-]+")
# columns that may hold latitude and longitude together; a platform's own point before what people write
_POINTS = (
    "coordinates",
    "geo.coordinates",
    "lat_lon",
    "lat_lng",
    "lat_long",
    "latlon",
    "latlng",
    "latlong",
    "latitude_longitude",
    "coords",
    "gps",
    "gps_coordinates",
    "geopoint",
    "geo_point",
    "_geolocation",
    "geolocation",
    "point",
    "geometry",
    "geom",
    "location",
)
_FORM = ("_latitude", "_longitude")


def choose_columns(
    names: Iterable[str], explicit: Mapping[str, str] | None, *, where: str
) -> dict[str, tuple[str, ...]]:
    """The columns of each field, the preferred first; fields without a column are left out. Beside a
    text that was found by its name, `heading` are the columns that platforms show above it.

    >>> choose_columns(["tweetId", "Text", "lng"], {"event": "Text"}, where="a.csv")
    {'id': ('tweetId',), 'text': ('Text',), 'lon': ('lng',), 'event': ('Text',)}

    Arguments:
        names: The columns that there are.
        explicit: From a field to the column that the user names for it; this one alone then counts.
            Empty for a field that no column is to be taken for.
        where: What the table is called in errors.

    Raises:
        InputError: If `explicit` names a field or column that does not exist.
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
            if explicit[field]:
                chosen[field] = (_find(explicit[field], there, where),)
            continue
        found = _named(aliases, there) or (_named(WEAK_TEXT, there) if field == "text" else ())
        if found:
            chosen[field] = found
            if field == "text":
                chosen |= _above(found, there)
    if not {"lat", "lon"} & {*chosen, *(explicit or {})}:
        chosen |= _form_coordinates(there) or _one_column(there)
    return chosen


def text_columns(names: Iterable[str], *, weak: bool) -> tuple[str, ...]:
    """The names that are taken for the text by themselves, the preferred first.

    >>> text_columns(["Body", "title"], weak=False), text_columns(["Body", "title"], weak=True)
    (('Body',), ('title',))

    Arguments:
        names: The columns that there are.
        weak: Whether those are asked for that hold the text where no other does.
    """
    return _named(WEAK_TEXT if weak else FIELDS["text"], list(names))


def is_known(name: str) -> bool:
    """Whether a column of this name is taken for a field by itself."""
    return bool(name) and _fold(name) in _known()


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    every = (*WEAK_TEXT, *_POINTS, *(alias for aliases in FIELDS.values() for alias in aliases))
    return frozenset(_fold(alias) for alias in every)


def no_columns(names: Iterable[str], where: str) -> InputError:
    """The error for a table in which nothing serves as text or image."""
    return InputError(
        f"{where} has no column for text or image; name one with --map text=COLUMN; its columns are "
        f"{_listed([*names])}"
    )


def _named(aliases: Iterable[str], there: list[str]) -> tuple[str, ...]:
    return tuple(name for alias in aliases for name in there if _fold(_once(name)) == _fold(alias))


def _above(texts: tuple[str, ...], there: list[str]) -> dict[str, tuple[str, ...]]:
    """The columns that are shown above those of the text, as `heading`, if there are any."""
    folded = {_fold(name) for name in texts}
    names = [heading for text, heading in _HEADINGS if _fold(text) in folded]
    found = _named(dict.fromkeys(names), there)
    # a title that has no text below it is the text
    return {"heading": found} if found and found != texts else {}


def _form_coordinates(there: list[str]) -> dict[str, tuple[str, ...]]:
    """The pair `_Where are you?_latitude` and `…_longitude`, as survey tools write it,
    if there is one.
    """
    starts = [name.removesuffix(_FORM[0]) for name in there if name.endswith(_FORM[0])]
    both = [start for start in starts if start + _FORM[1] in there]
    return {"lat": (both[0] + _FORM[0],), "lon": (both[0] + _FORM[1],)} if len(both) == 1 else {}


def _one_column(there: list[str]) -> dict[str, tuple[str, ...]]:
    """Columns with both in a cell, as those of latitude and of longitude."""
    found = _named(_POINTS, there)
    return {"lat": found, "lon": found} if found else {}


def _find(name: str, there: list[str], where: str) -> str:
    if name in there:
        return name
    alike = [column for column in there if _fold(column) == _fold(name)]
    if len(alike) == 1:
        return alike[0]
    raise InputError(
        f"{where} has no column {name!r}; its columns are {_listed(there)}{_nearest(name, there)}"
    )


@lru_cache(maxsize=10_000)
def _fold(name: str) -> str:
    return _FOLDED.sub("", name).lower()


def _once(name: str) -> str:
    """A name without the number that it got because it stands several times (`headings.told_apart`)."""
    return _NUMBERED.sub("", name)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _listed(names: list[str]) -> str:
    """The names in a sentence; the first forty of a table that has more."""
    # a sheet's empty columns have no name that could be mapped
    named = [name for name in names if name]
    shown = ", ".join(name[:60] for name in named[:40])
    return f"{shown} and {len(named) - 40} more" if len(named) > 40 else shown or "none"
