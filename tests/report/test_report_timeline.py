"""Posts over time: no post is lost, the bars fit, wild dates do not flatten a crisis."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.report.chart import draw_chart
from crisislens.report.timeline import TimeHistogram, Timeline

START = datetime(2017, 9, 20, 10, 15, tzinfo=UTC)


def timeline(times: list[datetime], most_bars: int = 72) -> Timeline:
    histogram = TimeHistogram()
    for i, when in enumerate(times):
        histogram.add(when, informative=i % 2 == 0)
    found = histogram.timeline(most_bars)
    assert found is not None
    return found


def test_without_times_there_is_no_chart() -> None:
    assert TimeHistogram().timeline() is None


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (timedelta(minutes=50), "1 minute"),
        (timedelta(hours=5), "5 minutes"),
        (timedelta(days=2), "1 hour"),
        (timedelta(days=30), "12 hours"),
        (timedelta(days=60), "1 day"),
        (timedelta(days=400), "1 week"),
    ],
)
def test_the_width_of_a_bar_follows_the_span(span: timedelta, width: str) -> None:
    found = timeline([START + span * i / 999 for i in range(1000)])
    assert found.width == width
    assert len(found.bars) <= 72
    assert found.outside == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.datetimes(
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-11))])
        ),
        min_size=1,
    )
)
def test_every_post_is_in_a_bar_or_said_to_be_outside(times: list[datetime]) -> None:
    found = timeline(times)
    assert sum(bar.total for bar in found.bars) + found.outside == len(times)
    assert 1 <= len(found.bars) <= 72
    assert all(a.end == b.start for a, b in zip(found.bars, found.bars[1:], strict=False))
    assert found.top >= max(bar.total for bar in found.bars)
    chart = draw_chart(found)
    assert all(
        0 <= bar.y <= 100 and abs(bar.y + bar.height - 100) < 0.02 and bar.informative <= bar.total
        for bar in chart.bars
    )


def test_joining_bins_is_exact_for_more_minutes_than_are_kept() -> None:
    times = [START + timedelta(minutes=7 * i) for i in range(9000)]
    found = timeline(times)
    expected = Counter(when.date() for when in times)
    assert found.width == "1 day"
    assert {bar.start.date(): bar.total for bar in found.bars} == expected


def test_two_wrong_clocks_do_not_flatten_a_crisis() -> None:
    times = [START + timedelta(minutes=3 * i) for i in range(1000)]
    found = timeline([datetime(1970, 1, 1, tzinfo=UTC), *times, datetime(2099, 1, 1, tzinfo=UTC)])
    assert found.width == "1 hour"
    # the middle 99% are drawn, so besides the two a few at the edges may stand outside
    assert 2 <= found.outside <= 12
    assert (found.first, found.last) == ("1970-01-01 00:00", "2099-01-01 00:00")


def test_two_posts_a_year_apart_are_both_drawn() -> None:
    assert timeline([START, START + timedelta(days=365)]).outside == 0


def test_weeks_begin_on_monday() -> None:
    found = timeline([START + timedelta(days=i) for i in range(200)])
    assert {bar.start.weekday() for bar in found.bars} == {0}
