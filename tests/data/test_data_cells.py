"""Cells: every reading of a time, a place or a name that the docstrings promise, and None for all others."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.cells import coordinates, first_image, identifier, language, when

NOON = datetime(2015, 3, 20, 9, 45, 43, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Fri Mar 20 09:45:43 +0000 2015",
        "Fri, 20 Mar 2015 09:45:43 +0000",
        "20 Mar 2015 10:45:43 +0100",
        "Fri, 20 Mar 2015 09:45:43 GMT",
        "2015-03-20T09:45:43Z",
        "2015-03-20T09:45:43+00:00",
        "2015-03-20 09:45:43",
        "2015-03-20 09:45:43 UTC",
        "2015/03/20 09:45:43",
        " 2015-03-20T11:45:43+0200 ",
        "20.3.2015 09:45:43",
        "20/3/2015 9:45:43",
        "3/20/2015, 09:45:43",
        1426844743,
        1426844743.0,
        1426844743000,
        1426844743000000,
        1426844743000000000,
        "1426844743",
        "1426844743000",
        "1426844743.0",
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-5))),
    ],
)
def test_times(value: object) -> None:
    assert when(value) == NOON
    assert when(value).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["2015-03-20", "20150320", "2015/03/20", "20.03.2015", "20/03/2015", "3/20/2015", date(2015, 3, 20)],
)
def test_days(value: object) -> None:
    assert when(value) == datetime(2015, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "nan",
        "yesterday",
        "3/4/2015",
        "2015-13-40",
        "Fri Foo 20 09:45:43 +0000 2015",
        "99:99",
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        1e300,
        -1e300,
        "0001-01-01",
        "9999-12-31T23:59:59-12:00",
        12,
        "12",
        "31.2.2015",
        "x" * 10_000,
        "2015-03-20T25:00",
        "32/13/2015",
        b"2015",
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert when(value) is None


@given(
    st.one_of(
        st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.binary(), st.lists(st.text())
    )
)
@settings(deadline=None)
def test_no_value_is_too_odd(value: object) -> None:
    moment = when(value)
    assert moment is None or (1990 <= moment.year < 2100 and moment.tzinfo is UTC)
    lat, lon = coordinates(value, value)
    assert (lat is None) == (lon is None)
    assert lat is None or abs(lat) <= 90
    for found in (identifier(value), language(value), first_image(value)):
        assert found is None or found


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a.jpg", "a.jpg"),
        (" eclipse_01  ", "eclipse_01"),
        ("samurai_01,samurai_02", "samurai_01"),
        ("a.jpg;b.jpg", "a.jpg"),
        ("a.jpg | b.jpg", "a.jpg"),
        ("flood, main street.jpg", "flood, main street.jpg"),
        ("a b.jpg", "a b.jpg"),
        ("['a.jpg', 'b.jpg']", "a.jpg"),
        ('["a.jpg"]', "a.jpg"),
        (",a.jpg", "a.jpg"),
        (["", None, "b.jpg"], "b.jpg"),
        ({"path": "a.jpg"}, "a.jpg"),
        ([{"url": "a.jpg"}], "a.jpg"),
        (17, "17"),
        ("", None),
        ("NaN", None),
        ("[]", None),
        ([], None),
        ({}, None),
        (None, None),
        (False, None),
        (1.5, None),
    ],
)
def test_the_first_image_of_a_cell(value: object, name: str | None) -> None:
    assert first_image(value) == name


@pytest.mark.parametrize(
    ("lat", "lon", "place"),
    [
        (18.2, -66.5, (18.2, -66.5)),
        ("18.2", "-66,5", (18.2, -66.5)),
        (90, -180, (90, -180)),
        (0, 5, (0, 5)),
        (0, 0, (None, None)),
        (91, 0, (None, None)),
        (1, 181, (None, None)),
        (None, 3, (None, None)),
        ("1,000.5", 3, (None, None)),
        (True, False, (None, None)),
        ("", "", (None, None)),
        (10**400, 3, (None, None)),
    ],
)
def test_coordinates_are_both_or_none(
    lat: object, lon: object, place: tuple[float | None, float | None]
) -> None:
    assert coordinates(lat, lon) == place
