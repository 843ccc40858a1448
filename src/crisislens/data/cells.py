"""From the value of one cell to a value of a post. Wrong text or a wrong id fail the row; a wrong
time, place or language is left out.

A responder is better served by a post without a time than by one with a wrong time, and by a post
without coordinates than by no post. So what cannot be read for certain becomes None: a latitude of
91, a place at exactly (0, 0), which is what missing coordinates become in many exports; times are
read by `data.dates`.

Values of JSON may be nested as deep as its parser allows; nothing here walks further than `_DEPTH`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath

from crisislens.data.dates import when, with_clock
from crisislens.data.images import EXTENSIONS
from crisislens.data.positions import position_of

__all__ = [
    "MOST_IMAGES",
    "coordinates",
    "first_image",
    "identifier",
    "images_of",
    "is_nothing",
    "is_rounded_id",
    "language",
    "short_text",
    "text_of",
    "valid_unicode",
    "when",
    "with_clock",
]

_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a", "nat", "[]"})
# deeper than exports nest photos; a file may nest as deep as its parser allows
_DEPTH = 6
MOST_IMAGES = 100
"""Photos of one post that are read."""
_SEPARATORS = re.compile(r"\s*[,;|]\s*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ADDRESS = re.compile(r"(?:https?|ftp)://\S+?(?=[,;|]+\s*(?:https?|ftp)://|[,;|]?\s|[,;|]?$)", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d{1,3}")
_FIFTEEN_DIGITS = re.compile(r"\d{13,15}0{2,}")
_IMAGE_KEYS = (
    "path",
    "file",
    "fullUrl",
    "fullsize",
    "media_url_https",
    "media_url",
    "url",
    "preview_image_url",
    "previewUrl",
)
# what Telegram writes where a photo was left out of an export
_NOT_INCLUDED = "(File not included"
_NOBODYS_WORDS = frozenset(
    {"#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "[deleted]", "[removed]"}
)
"""What a spreadsheet shows where a formula failed, and Reddit where a text is gone."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")


def valid_unicode(text: str) -> str:
    """The text without NUL; halves of surrogate pairs are joined, lone ones become U+FFFD."""
    text = text.replace("\0", "")
    return (
        text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if _SURROGATE.search(text)
        else text
    )


def is_nothing(value: object) -> bool:
    """Whether a cell holds nothing: empty, not a number, or a word for none."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and value.strip().lower() in _NOTHING)
    )


def identifier(value: object) -> str | None:
    """An id as text, or None where there is none. A number that a float cannot hold exactly is
    none: its last digits are lost.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        # pandas makes floats of ids where one cell is empty
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, str | int):
        name = valid_unicode(str(value)).strip()
        return None if name.lower() in _NOTHING else name
    return None


def is_rounded_id(value: object) -> bool:
    """Whether an id is what a spreadsheet made of one: its last digits are lost.

    >>> [is_rounded_id(x) for x in ("9.19946E+17", 9.19946e17, "919946322177802000", "919946322177802241")]
    [True, True, True, False]
    """
    if isinstance(value, float):
        return value.is_integer() and abs(value) >= 2**53
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value).strip() if isinstance(value, str) or abs(value) < 10**30 else ""
    if _SCIENTIFIC.fullmatch(text):
        return True
    return len(text) >= 16 and _FIFTEEN_DIGITS.fullmatch(text) is not None


def text_of(value: object) -> str | None:
    """A text as it stands, "" where there is none, or None where the value is no text (an object,
    numbers in a list).

    A list of strings and of objects with a `text` is one text in parts, as Telegram exports it.

    >>> text_of(["near ", {"type": "hashtag", "text": "#Ponce"}, "!"])
    'near #Ponce!'
    """
    # not `is_nothing`: a post may well say "none"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str) and value.strip() in _NOBODYS_WORDS:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return valid_unicode(_number(value) if not isinstance(value, str) else value)
    if not isinstance(value, list | tuple):
        return None
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in value]
    strings = [part for part in parts if isinstance(part, str)]
    return valid_unicode("".join(strings)) if len(strings) == len(parts) else None


def _number(value: int | float) -> str:
    # Python writes no integer beyond 4,300 digits
    return str(value) if isinstance(value, float) or abs(value) < 10**1000 else "a number without end"


def short_text(value: object) -> str | None:
    """A name of at most 200 characters, or None."""
    text = None if is_nothing(value) else text_of(value)
    return text.strip()[:200] or None if text else None


def web_address(values: Iterable[object]) -> str | None:
    """The first of some values that is a web address, or None; a post takes no other.

    >>> web_address(["/r/flood/1", "https://example.org/1"])
    'https://example.org/1'
    """
    texts = (valid_unicode(value).strip() for value in values if isinstance(value, str))
    return next((text for text in texts if text.lower().startswith(("http://", "https://"))), None)


def language(value: object) -> str | None:
    """A BCP 47 tag as given, the first of a list, or None; `und` (undetermined) is none."""
    if isinstance(value, list | tuple) and value:
        value = value[0]
    tag = value.strip() if isinstance(value, str) else ""
    return tag if _LANGUAGE.fullmatch(tag) and tag.lower() not in ("und", "na", "nan") else None


def coordinates(lat: object, lon: object) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, or both None where either is missing or out of range, or
    both are exactly 0.
    """
    found = position_of(lat, lon)
    return found.lat, found.lon


def first_image(value: object) -> str | None:
    """The first of `images_of`, or None."""
    return next(iter(images_of(value)), None)


def images_of(value: object) -> tuple[str, ...]:
    """The paths (or addresses) of the images that a cell names, each once, at most a hundred.

    Lists and objects as JSON has them (`["a.jpg", "b.jpg"]`, `{"path": "a.jpg"}`), lists written as
    text, and names separated by a comma, semicolon or bar. A comma inside one name
    (`flood, main street.jpg`) is kept: a name is only cut where the first part has an extension or
    none has, an address only before the next one.

    >>> [images_of(cell) for cell in ("one_01,one_02 ", "flood, main street.jpg", "['a.jpg', 'b.jpg']")]
    [('one_01', 'one_02'), ('flood, main street.jpg',), ('a.jpg', 'b.jpg')]
    """
    found: dict[str, None] = {}
    for item in _leaves(value):
        found.update(dict.fromkeys(_names(item)))
        if len(found) >= MOST_IMAGES:
            break
    return tuple(found)[:MOST_IMAGES]


def _leaves(value: object, depth: int = 0) -> Iterator[object]:
    """The values in lists, and of objects the one that says where a picture is."""
    if depth > _DEPTH:
        return
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, depth + 1)
    elif isinstance(value, Mapping):
        there = [value[key] for key in _IMAGE_KEYS if not is_nothing(value.get(key))]
        if there:
            yield from _leaves(there[0], depth + 1)
    else:
        yield value


def _names(value: object) -> list[str]:
    if is_nothing(value) or isinstance(value, bool) or not isinstance(value, str | int):
        return []
    name = valid_unicode(value if isinstance(value, str) else _number(value)).strip()
    if name.startswith(_NOT_INCLUDED):
        return []
    if name.startswith("[") and name.endswith("]"):
        name = ",".join(part.strip(" '\"") for part in name[1:-1].split(","))
    # commas belong to addresses, so they are looked for before names are cut
    if addresses := _ADDRESS.findall(name):
        return [str(address) for address in addresses]
    parts = [part for part in _SEPARATORS.split(name) if part]
    known = [PurePath(part).suffix.lower() in EXTENSIONS for part in parts]
    if parts and (known[0] or not any(known)):
        return parts
    return [name] if name else []
