r"""Posts over time, counted in one pass with bounded memory.

Times are counted in bins of the narrowest width $w$ of a fixed list in which every width divides the next (1
minute to 1,000 years); when more than a few thousand bins are in use, the list is climbed and the bins are
joined, which is exact because $w_k \mid w_{k+1}$. For drawing, the list is climbed until the span fits into a
given number of bars. A few posts with wild dates (a clock at 1970) would flatten a crisis into one bar, so
where the middle 99% of the posts span less than a tenth of the whole, only that middle is drawn and the rest
is said in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crisislens.report.display import moment, utc

__all__ = ["Bar", "TimeHistogram", "Timeline"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WIDTHS_S = (
    _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    _HOUR,
    3 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
    7 * _DAY,
    28 * _DAY,
    364 * _DAY,
    3640 * _DAY,
    364_000 * _DAY,
)
_WORDS = (
    "1 minute", "5 minutes", "15 minutes", "1 hour", "3 hours", "6 hours", "12 hours", "1 day", "1 week",
    "4 weeks", "52 weeks",
    "520 weeks", "52,000 weeks",
)  # fmt: skip
_ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that weeks begin on one
_MOST_BINS = 4096
_TRIMMED_SHARE = 0.005
_FLATTENED = 10
_ROUND_TENTHS = (10, 12, 16, 20, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True)
class Bar:
    """The posts of one bin.

    Attributes:
        start: Where the bin begins, inclusive, UTC.
        end: Where it ends, exclusive.
        total: All its posts.
        informative: Those that were called informative, not "not sure".
    """

    start: datetime
    end: datetime
    total: int
    informative: int


@dataclass(frozen=True)
class Timeline:
    """What is drawn.

    Attributes:
        bars: One after another without gaps, empty ones included.
        width: The width of a bar in words.
        outside: Dated posts before the first or after the last bar.
        first: The earliest time of all, in words.
        last: The latest time of all, in words.
        covered: The share of each bar that lies between the first post and the last.
    """

    bars: tuple[Bar, ...]
    width: str
    outside: int
    first: str
    last: str
    covered: tuple[float, ...] = ()

    @property
    def top(self) -> int:
        """A round number at or above the highest bar, for the axis.

        >>> Timeline((Bar(_ORIGIN, _ORIGIN, 143, 20),), "1 day", 0, "", "").top
        160
        """
        highest = max(bar.total for bar in self.bars)
        if highest < 10:
            return max(highest, 2)
        scale: int = 10 ** (len(str(highest)) - 1)
        return next(step * scale // 10 for step in _ROUND_TENTHS if step * scale >= highest * 10)


class TimeHistogram:
    """Counts posts by time.

    >>> times = TimeHistogram()
    >>> for minute in (0, 1, 61):
    ...     times.add(datetime(2017, 9, 20, 14, 0) + timedelta(minutes=minute), informative=minute == 0)
    >>> [(bar.total, bar.informative) for bar in times.timeline(most_bars=2).bars]
    [(2, 1), (1, 0)]
    """

    def __init__(self) -> None:
        self._level = 0
        self._bins: dict[int, list[int]] = {}
        self._first: datetime | None = None
        self._last: datetime | None = None

    def add(self, when: datetime, *, informative: bool) -> None:
        """Counts one post."""
        when = utc(when)
        self._first = when if self._first is None else min(self._first, when)
        self._last = when if self._last is None else max(self._last, when)
        _count(
            self._bins,
            int((when - _ORIGIN) // timedelta(seconds=_WIDTHS_S[self._level])),
            1,
            int(informative),
        )
        while len(self._bins) > _MOST_BINS and self._level + 1 < len(_WIDTHS_S):
            self._bins = _joined(self._bins, self._level, self._level + 1)
            self._level += 1

    def timeline(self, most_bars: int = 72) -> Timeline | None:
        """The bars to draw, at most `most_bars`; None where no post had a time."""
        if self._first is None or self._last is None:
            return None
        low, high = _middle(self._bins)
        level = self._level
        while level + 1 < len(_WIDTHS_S):
            step = _WIDTHS_S[level] // _WIDTHS_S[self._level]
            if high // step - low // step < most_bars:
                break
            level += 1
        step = _WIDTHS_S[level] // _WIDTHS_S[self._level]
        bins = _joined(self._bins, self._level, level)
        bars = tuple(
            _bar(index, level, bins.get(index, [0, 0])) for index in range(low // step, high // step + 1)
        )
        outside = sum(total for total, _ in bins.values()) - sum(bar.total for bar in bars)
        covered = tuple(_covered(bar, self._first, self._last) for bar in bars)
        return Timeline(bars, _WORDS[level], outside, moment(self._first), moment(self._last), covered)

    def counts(self, bars: Sequence[Bar]) -> list[int]:
        """The posts in each bar of a timeline of another, larger histogram; bars have one width.

        Its bins are at least as wide as those counted here, and every width divides the next, so each bin
        lies in one bar.
        """
        width = _WIDTHS_S[self._level]
        span = (bars[0].end - bars[0].start) // timedelta(seconds=width) or 1
        first = (bars[0].start - _ORIGIN) // timedelta(seconds=width)
        found = [0] * len(bars)
        for index, (total, _) in self._bins.items():
            bar = (index - first) // span
            if 0 <= bar < len(bars):
                found[bar] += total
        return found


def _count(bins: dict[int, list[int]], index: int, total: int, informative: int) -> None:
    counts = bins.setdefault(index, [0, 0])
    counts[0] += total
    counts[1] += informative


def _joined(bins: dict[int, list[int]], level: int, wider: int) -> dict[int, list[int]]:
    step = _WIDTHS_S[wider] // _WIDTHS_S[level]
    joined: dict[int, list[int]] = {}
    for index, (total, informative) in bins.items():
        _count(joined, index // step, total, informative)
    return joined


def _middle(bins: dict[int, list[int]]) -> tuple[int, int]:
    """The first and last bin to draw: all of them, or the middle 99% of the posts where outliers would
    flatten the rest.
    """
    order = sorted(bins)
    spare = int(_TRIMMED_SHARE * sum(total for total, _ in bins.values()))
    low, high = _after(bins, order, spare), _after(bins, order[::-1], spare)
    return (low, high) if order[-1] - order[0] + 1 > _FLATTENED * (high - low + 1) else (order[0], order[-1])


def _after(bins: dict[int, list[int]], order: list[int], spare: int) -> int:
    """The first bin in an order that is reached after passing over at most `spare` posts."""
    for index in order:
        spare -= bins[index][0]
        if spare < 0:
            break
    return index


def _covered(bar: Bar, first: datetime, last: datetime) -> float:
    inside = min(bar.end, last) - max(bar.start, first)
    # bars beyond the years that a datetime can hold have no width
    return inside / width if (width := bar.end - bar.start) else 1.0


def _bar(index: int, level: int, counts: list[int]) -> Bar:
    return Bar(_time(index, level), _time(index + 1, level), counts[0], counts[1])


def _time(index: int, level: int) -> datetime:
    try:
        return _ORIGIN + timedelta(seconds=index * _WIDTHS_S[level])
    except OverflowError:  # the bin reaches beyond the years that a datetime can hold
        return datetime.min.replace(tzinfo=UTC) if index < 0 else datetime.max.replace(tzinfo=UTC)
