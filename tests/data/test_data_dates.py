"""Times in cells: read for certain or not at all, and what a whole column proves."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.data.dates import DateOrder, when

NOON = datetime(2015, 3, 20, 12, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-5))),
        NOON.timestamp(),
        int(NOON.timestamp()),
        str(int(NOON.timestamp())),
        str(int(NOON.timestamp() * 1e3)),
        int(NOON.timestamp() * 1e6),
        int(NOON.timestamp()) * 10**9,
        "2015-03-20T12:30:05Z",
        "2015-03-20 12:30:05",
        "  2015-03-20\t12:30:05 ",
        "2015-03-20T13:30:05+01:00",
        "2015/03/20 12:30:05",
        "2015.3.20 12:30:05",
        "Fri Mar 20 12:30:05 +0000 2015",
        "Fri Mar 20 08:30:05 EDT 2015",
        "20 Mar 2015 12:30:05 +0000",
        "Fri, 20 Mar 2015 12:30:05 GMT",
        "20-Mar-2015 12:30:05",
        "20th March 2015, 12:30:05 PM",
        "March 20, 2015 at 12:30:05 pm",
        "Mar 20 2015 7:30:05 AM EST",
        "20.3.2015 12:30:05",
        "20.03.15 12:30:05",
        "20/3/2015 12:30:05",
        "3/20/2015 12:30:05 PM",
        "3/20/15, 12:30:05 p.m.",
        "20/3/2015 18:15:05 NPT",
        "20/3/2015 14:30:05 UTC+2",
        "20/3/2015 14:30:05 GMT +02:00",
    ],
    ids=repr,
)
def test_one_moment_in_many_spellings(cell: object) -> None:
    assert when(cell) == NOON


@pytest.mark.parametrize(
    "cell",
    [
        None,
        "",
        "yesterday",
        True,
        [],
        float("nan"),
        float("inf"),
        # one of two readings
        "3/4/2015",
        "03-04-15 10:00",
        # no such day, month, hour or zone
        "31/2/2015",
        "2015-13-01",
        "20 Foo 2015",
        "20 Mays 2015",
        "20/3/2015 25:00",
        "20/3/2015 13:00 PM",
        "20/3/2015 0:30 AM",
        "20/3/2015 10:00 IST",
        "20/3/2015 10:00 BST",
        "20/3/2015 10:00 +99:00",
        # taken for an error: long ago, far ahead
        "1989-12-31",
        "2100-01-01",
        0,
        10**25,
        -1,
        "123",
        "2015-03-20 " + "x" * 100,
    ],
    ids=repr,
)
def test_what_cannot_be_read_for_certain_is_left_out(cell: object) -> None:
    assert when(cell) is None


def test_a_day_alone_is_its_beginning() -> None:
    start = datetime(2015, 3, 20, tzinfo=UTC)
    assert when(date(2015, 3, 20)) == when("2015-03-20") == when("20 March 2015") == start
    assert when("Mar 20 2015 12:00 AM") == start


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31)).map(lambda t: t.replace(microsecond=0))


@given(MOMENTS, st.integers(-12 * 4, 14 * 4))
def test_any_moment_of_any_zone_comes_back(moment: datetime, quarters: int) -> None:
    zone = timezone(timedelta(minutes=15 * quarters))
    there = moment.replace(tzinfo=UTC).astimezone(zone)
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y"):
        assert when(there.strftime(form)) == moment.replace(tzinfo=UTC), form


@given(MOMENTS)
def test_the_order_of_a_column_decides_between_two_readings(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    assert when(moment.strftime("%d/%m/%Y %H:%M:%S"), "day first") == moment
    assert when(moment.strftime("%m/%d/%Y %H:%M:%S"), "month first") == moment
    # a point says day first, whatever the column
    assert when(moment.strftime("%d.%m.%Y %H:%M:%S"), "month first") == moment


def test_a_wrong_order_loses_no_date_that_has_one_reading() -> None:
    assert when("20/3/2015", "month first") == when("3/20/2015", "day first") == when("2015-03-20")


def order_of(*cells: object) -> DateOrder:
    column = DateOrder()
    for cell in cells:
        column.see(cell)
    return column


@pytest.mark.parametrize(
    ("cells", "order", "counts", "note"),
    [
        ((), None, (0, 0, 0), None),
        (("2/13/2023", "2/3/2023"), "month first", (1, 0, 1), "read with the month first"),
        (("13-2-23", "2-3-23"), "day first", (0, 1, 1), "read with the day first"),
        (("2/3/2023", "4/5/2023"), None, (0, 0, 2), "2 times .* no row tells"),
        (("2/13/2023", "13/2/2023", "2/3/2023"), None, (1, 1, 1), "1 times .* rows contradict"),
        # both contradict, and nothing is left out for it
        (("2/13/2023", "13/2/2023"), None, (1, 1, 0), None),
        # one reading whatever the order; a point; no date; too long
        (("3/3/2023", "3.4.2023", "soon", 7, None, "2/3/2023" + " " * 80 + "x"), None, (0, 0, 0), None),
        # no month has the number 0 or 13: they prove nothing and are left out
        (("0/13/2023", "13/0/2023", "13/14/2023"), None, (0, 0, 3), "3 times"),
    ],
)
def test_what_a_column_proves(
    cells: tuple[object, ...], order: str | None, counts: tuple[int, int, int], note: str | None
) -> None:
    column = order_of(*cells)
    assert column.order == order
    assert (column.month_first, column.day_first, column.open) == counts
    assert column.seen == sum(counts)
    if note is None:
        assert column.note() is None
    else:
        assert re.search(note, column.note() or "")


def test_one_cell_may_be_open() -> None:
    assert DateOrder.is_open("2/3/2023")
    assert not DateOrder.is_open("2/13/2023")
    assert not DateOrder.is_open(20230203)
