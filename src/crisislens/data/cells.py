"""From the value of one cell to a value of a post. Wrong text or a wrong id fail the row; a wrong time, place
or language is left out.

A responder is better served by a post without a time than by one with a wrong time, and by a post without
coordinates than by no post. So what cannot be read for certain becomes None: 3/4/2017 (March or April?), a
latitude of 91, a place at exactly (0, 0), which is what missing coordinates become in many exports.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePath

from crisislens.data.images import EXTENSIONS

__all__ = [
    "coordinates",
    "first_image",
    "identifier",
    "language",
    "short_text",
    "text_of",
    "valid_unicode",
    "when",
]

_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a", "nat", "[]"})
_SEPARATORS = re.compile(r"\s*[,;|]\s*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_TWITTER_TIME = re.compile(
    r"[A-Za-z]{3},? +([A-Za-z]{3}) +(\d{1,2}) +(\d{1,2}:\d\d:\d\d) +([+-]\d{4}) +(\d{4})"
)
_MAIL_TIME = re.compile(
    r"(?:[A-Za-z]{3}, *)?(\d{1,2}) +([A-Za-z]{3}) +(\d{4}) +(\d{1,2}:\d\d(?::\d\d)?) *([+-]\d{4}|GMT|UTC)?"
)
_DAY_TIME = re.compile(r"(\d{1,2})([/.])(\d{1,2})[/.](\d{4})(?:[ ,T]+(\d{1,2}:\d\d(?::\d\d)?))?")
_MONTHS = {
    name: i + 1
    for i, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    )
}
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def valid_unicode(text: str) -> str:
    """The text without NUL; halves of surrogate pairs are joined, lone ones become U+FFFD."""
    text = text.replace("\0", "")
    return (
        text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if _SURROGATE.search(text)
        else text
    )


def _is_nothing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and value.strip().lower() in _NOTHING)
    )


def identifier(value: object) -> str | None:
    """An id as text, or None where there is none. A number that a float cannot hold exactly is none: its last
    digits are lost.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, str | int):
        name = valid_unicode(str(value)).strip()
        return None if name.lower() in _NOTHING else name
    return None


def text_of(value: object) -> str | None:
    """A text as it stands, "" where there is none, or None where the value is no text (a list, an object)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return valid_unicode(str(value))
    return None


def short_text(value: object) -> str | None:
    """A name of at most 200 characters, or None."""
    text = None if _is_nothing(value) else text_of(value)
    return text.strip()[:200] or None if text else None


def language(value: object) -> str | None:
    """A BCP 47 tag as given, or None; `und` (undetermined) is none."""
    tag = value.strip() if isinstance(value, str) else ""
    return tag if _LANGUAGE.fullmatch(tag) and tag.lower() not in ("und", "na", "nan") else None


def coordinates(lat: object, lon: object) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, or both None where either is missing or out of range, or both are
    exactly 0.
    """
    y, x = _degrees(lat, 90), _degrees(lon, 180)
    return (None, None) if y is None or x is None or y == x == 0 else (y, x)


def _degrees(value: object, limit: int) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        value = text.replace(",", ".") if "." not in text else text
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= limit else None


def first_image(value: object) -> str | None:
    """The path of the first image that a cell names, or None.

    Lists and objects as JSON has them (`["a.jpg", "b.jpg"]`, `{"path": "a.jpg"}`), lists written as text, and
    names separated by a comma, semicolon or bar. A comma inside one name (`flood, main street.jpg`) is kept:
    a name is only cut where the first part has an extension or none has.

    >>> cells = ["samurai_01,samurai_02 ", "flood, main street.jpg", "['a.jpg', 'b.jpg']"]
    >>> tuple(first_image(cell) for cell in cells)
    ('samurai_01', 'flood, main street.jpg', 'a.jpg')
    """
    if isinstance(value, list | tuple):
        return next((found for item in value if (found := first_image(item))), None)
    if isinstance(value, Mapping):
        return next(
            (found for key in ("path", "file", "url") if (found := first_image(value.get(key)))), None
        )
    if _is_nothing(value) or isinstance(value, bool) or not isinstance(value, str | int):
        return None
    name = valid_unicode(str(value)).strip()
    if name.startswith("[") and name.endswith("]"):
        name = ",".join(part.strip(" '\"") for part in name[1:-1].split(","))
    parts = [part for part in _SEPARATORS.split(name) if part]
    known = [PurePath(part).suffix.lower() in EXTENSIONS for part in parts]
    if parts and (known[0] or not any(known)):
        return parts[0]
    return name or None


def when(value: object) -> datetime | None:
    """A time in UTC, or None where the value is none or can be read in two ways.

    Read are: datetimes and dates, ISO 8601, Twitter's `Fri Mar 20 09:45:43 +0000 2015`, mail's
    `20 Mar 2015 09:45:43 +0000`, `2015/03/20 09:45`, `20.3.2015`, `20/3/2015` and `3/20/2015` where only one
    reading exists, and seconds, milli-, micro- or nanoseconds since
    1970. Without a zone it is UTC. Times outside 1990 to 2100 are taken for errors.

    >>> when("Fri Mar 20 09:45:43 +0000 2015") == when(1426844743) == when("2015-03-20T10:45:43+01:00")
    True
    >>> when("3/4/2015") is None
    True
    """
    try:
        moment = _moment(value)
        moment = moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
        moment = moment.astimezone(UTC) if moment else None
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment and _FIRST <= moment < _LAST else None


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_epoch(float(value))
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.strip()
    if re.fullmatch(r"\d{9,19}(?:\.\d+)?", text):
        return _since_epoch(float(text))
    if match := _TWITTER_TIME.fullmatch(text):
        month, day, time, zone, year = match.groups()
        return datetime.fromisoformat(f"{_day(year, month, day)}T{time.zfill(8)}{zone}")
    if match := _MAIL_TIME.fullmatch(text):
        day, month, year, time, zone = match.groups()
        return datetime.fromisoformat(
            f"{_day(year, month, day)}T{_time(time)}{'' if zone in (None, 'GMT', 'UTC') else zone}"
        )
    if match := _DAY_TIME.fullmatch(text):
        return _day_first_or_last(*match.groups())
    return datetime.fromisoformat(
        re.sub(r"\s*(?:UTC|GMT)$", "", re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", text))
    )


def _since_epoch(number: float) -> datetime:
    """Seconds since 1970, or a finer unit where seconds would lie beyond the year 5000."""
    for unit in (1, 1e3, 1e6, 1e9):
        if abs(number) / unit < 1e11:
            return _EPOCH + timedelta(seconds=number / unit)
    raise ValueError("beyond all units")


def _day(year: str, month: str, day: str) -> str:
    if month.lower() not in _MONTHS:
        raise ValueError("no month")
    return f"{year}-{_MONTHS[month.lower()]:02d}-{int(day):02d}"


def _time(text: str) -> str:
    return text if text[1] != ":" else "0" + text


def _day_first_or_last(first: str, sign: str, second: str, year: str, time: str | None) -> datetime | None:
    """`20.3.2015` is day first wherever it is written; with slashes only where one reading exists."""
    a, b = int(first), int(second)
    if sign == "/" and a <= 12 and b <= 12 and a != b:
        return None
    day, month = (b, a) if sign == "/" and b > 12 else (a, b)
    return datetime.fromisoformat(f"{year}-{month:02d}-{day:02d}T{_time(time or '00:00')}")
