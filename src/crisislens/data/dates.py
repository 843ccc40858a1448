"""From a cell to a time in UTC, or None where it cannot be read for certain.

A responder is better served by a post without a time than by one with a wrong time. `2/6/2023` is
the second of June or the sixth of February, and no cell can say which; a column can. `DateOrder`
looks at a whole column: a `2/13/2023` in it proves that the month stands first everywhere. Where
nothing proves it, or rows contradict each other, such times are left out, and the source says so.

Names of zones are those of RFC 5322 (EST is five hours behind UTC) and some more that mean one
thing; IST, BST and AST mean several and are not read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Literal

__all__ = ["DateOrder", "Order", "when", "with_clock"]

Order = Literal["month first", "day first"]

_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
_CLOCK = (
    r"(?:[\s,T·-]+(?:at\s+)?(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"(?:\s*(?P<half>[AaPp])\.?(?:[Mm]|\s[Mm]\b)\.?)?)?"
)
_ZONE = r"(?:\s*(?P<zone>Z|[A-Za-z]{2,5}|(?:UTC|GMT)?\s?[+-]\d{1,2}(?::?\d\d)?))?"
_WEEKDAY = r"(?:[A-Za-z]{3,9}\.?,?\s+)?"
_TAIL = rf"{_CLOCK}{_ZONE}"
_TWITTER = re.compile(
    rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})\s+(?P<hour>\d{{1,2}}):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?P<half>)\s+(?P<zone>[+-]\d{4}|[A-Za-z]{2,5})\s+(?P<year>\d{4})"
)
_NAMED_LAST = re.compile(
    rf"{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+{_MONTH},?[\s-]+(?P<year>\d{{4}}){_TAIL}"
)
_NAMED_FIRST = re.compile(
    rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}}){_TAIL}"
)
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})[/.-](?P<month>\d{{1,2}})[/.-](?P<day>\d{{1,2}}){_TAIL}")
_YEAR_LAST = re.compile(
    rf"(?P<first>\d{{1,2}})(?P<sign>[/.-])(?P<other>\d{{1,2}})(?P=sign)(?P<year>\d{{4}}|\d\d){_TAIL}"
)
_BARE_CLOCK = re.compile(rf"\d{{1,2}}:\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?(?:\s?[AaPp]\.?\s?[Mm]\.?)?{_ZONE}")
_NUMBER = re.compile(r"\d{9,19}(?:\.\d+)?")
_OFFSET = re.compile(r"(?:UTC|GMT)?\s?([+-])(\d{1,2})(?::?(\d\d))?", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = frozenset(
    ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november")
) | {"december", "sept"}
_HOURS: dict[str, float] = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), 0),
    **{"nst": -3.5, "ndt": -2.5, "adt": -3, "edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7},
    **{"pdt": -7, "pst": -8, "akdt": -8, "akst": -9, "hst": -10, "brt": -3, "art": -3, "clt": -4, "pet": -5},
    **{
        "west": 1,
        "wat": 1,
        "cet": 1,
        "mez": 1,
        "cest": 2,
        "mesz": 2,
        "cat": 2,
        "sast": 2,
        "eet": 2,
        "eest": 3,
    },
    **{"eat": 3, "msk": 3, "trt": 3, "pkt": 5, "npt": 5.75, "wib": 7, "wita": 8, "wit": 9, "ict": 7},
    **{"hkt": 8, "sgt": 8, "pht": 8, "awst": 8, "jst": 9, "kst": 9, "acst": 9.5, "aest": 10, "aedt": 11},
    **{"nzst": 12, "nzdt": 13},
}
# no post is older than the web; what is beyond comes of numbers that are no times
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_CHARACTERS = 64


@dataclass
class DateOrder:
    """Whether month or day stands first in a column of dates such as `2/13/2023`.

    >>> column = DateOrder()
    >>> for cell in ("2/1/2023 16:05", "2/13/2023 16:05"):
    ...     column.see(cell)
    >>> column.order
    'month first'

    Attributes:
        month_first: Cells that only a month at the first place explains.
        day_first: Cells that only a day at the first place explains.
        open: Cells that say nothing of it.
    """

    month_first: int = 0
    day_first: int = 0
    open: int = 0

    @classmethod
    def is_open(cls, value: object) -> bool:
        """Whether a cell alone does not say which of the two stands first."""
        one = cls()
        one.see(value)
        return one.open > 0

    def see(self, value: object) -> None:
        """Takes a cell into account."""
        if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
            return
        found = _YEAR_LAST.fullmatch(" ".join(value.split()))
        # points stand between day, month and year wherever they are written so
        if found is None or found["sign"] == ".":
            return
        first, other = int(found["first"]), int(found["other"])
        if first > 12 >= other > 0:
            self.day_first += 1
        elif other > 12 >= first > 0:
            self.month_first += 1
        elif first != other:
            self.open += 1

    @property
    def order(self) -> Order | None:
        """What the column says; None where it says nothing, or two things."""
        if bool(self.month_first) == bool(self.day_first):
            return None
        return "month first" if self.month_first else "day first"

    @property
    def seen(self) -> int:
        """Cells of this form."""
        return self.month_first + self.day_first + self.open

    def note(self) -> str | None:
        """What a reader must know, one sentence; None where no cell is of this form."""
        if self.order is not None:
            return f"dates such as 2/3/2023 are read with the {self.order}, as other rows prove"
        if not self.open:
            return None
        why = (
            "rows contradict each other" if self.month_first else "no row tells whether month or day is first"
        )
        return f"{self.open} times such as 2/3/2023 are left out, since {why}; write them as 2023-02-03"


def when(value: object, order: Order | None = None) -> datetime | None:
    """A time in UTC, or None where the value is none or can be read in two ways.

    Read are: datetimes and dates, ISO 8601, Twitter's `Fri Mar 20 09:45:43 +0000 2015`, mail's
    `20 Mar 2015 09:45:43 +0000`, `Feb 6, 2023 4:17 PM EST`, `2015/03/20 09:45`, `20.3.2015`,
    `20/3/2015` and `3/20/2015` where only one reading exists or the order is known, and seconds,
    milli-, micro- or nanoseconds since 1970. Without a zone it is UTC. Times outside 1990 to 2100
    are taken for errors.

    >>> when("Fri Mar 20 09:45:43 +0000 2015") == when(1426844743) == when("2015-03-20T10:45:43+01:00")
    True
    >>> when("3/4/2015") is None, when("3/4/2015", "day first") == when("3 Apr 2015 12:00 AM")
    (True, True)

    Arguments:
        value: The cell.
        order: What `DateOrder` found in its column.
    """
    try:
        moment = _moment(value, order)
        moment = moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
        moment = moment.astimezone(UTC) if moment else None
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment and _FIRST <= moment < _LAST else None


def with_clock(day: object, clock: object) -> str | None:
    """A day and a clock, which a table holds in two cells, as one cell for `when`; None where the second is
    no clock alone, or the first surely no day alone.

    >>> with_clock("2/13/2023", "4:05 PM"), with_clock("2/13/2023", "2023-02-13 16:05")
    ('2/13/2023 4:05 PM', None)

    Arguments:
        day: The cell of the day.
        clock: The cell of the clock.
    """
    if isinstance(clock, time):
        clock = clock.isoformat()
    if not isinstance(clock, str) or not _BARE_CLOCK.fullmatch(" ".join(clock.split())):
        return None
    if isinstance(day, datetime):
        # a workbook's days are midnights
        day = day.date() if day == datetime(day.year, day.month, day.day) else None
    if isinstance(day, date):
        day = day.isoformat()
    return f"{day} {clock}" if isinstance(day, str) else None


def _moment(value: object, order: Order | None) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_epoch(float(value))
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        return None
    text = " ".join(value.split())
    if _NUMBER.fullmatch(text):
        return _since_epoch(float(text))
    try:
        # keeps fractions of a second
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern, read in _FORMS:
        if found := pattern.fullmatch(text):
            return read(found, order)
    return None


def _since_epoch(number: float) -> datetime:
    """Seconds since 1970, or a finer unit where seconds would lie beyond the year 5000."""
    # seconds first: 1e11 seconds are the year 5138
    for unit in (1, 1e3, 1e6, 1e9):
        if abs(number) / unit < 1e11:
            return _EPOCH + timedelta(seconds=number / unit)
    raise ValueError("beyond all units")


def _named(found: re.Match[str], order: Order | None) -> datetime | None:
    name = found["month"].lower()
    if name not in _MONTHS and name not in _LONG_MONTHS:
        raise ValueError("no month")
    return _at(found, found["year"], _MONTHS.index(name[:3]) + 1, int(found["day"]))


def _year_first(found: re.Match[str], order: Order | None) -> datetime | None:
    return _at(found, found["year"], int(found["month"]), int(found["day"]))


def _year_last(found: re.Match[str], order: Order | None) -> datetime | None:
    """`20.3.2015` is day first wherever it is written;
    others have one reading, or that of their column.
    """
    first, other = int(found["first"]), int(found["other"])
    if found["sign"] != ".":
        if first <= 12 and other <= 12 and first != other and order is None:
            return None
        month_first = other > 12 or (order == "month first" and first <= 12)
        first, other = (other, first) if month_first else (first, other)
    year = found["year"] if len(found["year"]) == 4 else f"20{found['year']}"
    return _at(found, year, other, first)


def _at(found: re.Match[str], year: str, month: int, day: int) -> datetime:
    hour, half = int(found["hour"] or 0), (found["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of half a day")
        # 12 AM is midnight, 12 PM noon
        hour = hour % 12 + (12 if half == "p" else 0)
    moment = datetime(int(year), month, day, hour, int(found["minute"] or 0), int(found["second"] or 0))
    return moment.replace(tzinfo=_zone(found["zone"]))


def _zone(name: str | None) -> timezone:
    if not name:
        return UTC
    if name.lower() in _HOURS:
        return timezone(timedelta(hours=_HOURS[name.lower()]))
    found = _OFFSET.fullmatch(name)
    if found is None:
        raise ValueError("no zone that means one thing")
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-offset if found[1] == "-" else offset)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Order | None], datetime | None]], ...] = (
    (_TWITTER, _named),
    (_NAMED_LAST, _named),
    (_NAMED_FIRST, _named),
    (_YEAR_FIRST, _year_first),
    (_YEAR_LAST, _year_last),
)
