"""How the benchmarks of named places count: spans with and without hashtags, places by distance and by
name, and shares with intervals over events.
"""

import math
from typing import Any

import gazetteer
import numpy as np
import places_on_crisis_posts as posts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.domain.place import Place
from crisislens.domain.post import Post

SPAN = st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda x: (x[0], x[0] + x[1]))


@given(SPAN, SPAN)
def test_spans_overlap_where_they_share_a_character(a: tuple[int, int], b: tuple[int, int]) -> None:
    shared = set(range(*a)) & set(range(*b))
    assert posts.overlap(a, b) is bool(shared)
    assert posts.overlap(a, b) is posts.overlap(b, a)


@pytest.mark.parametrize(
    ("span", "text", "inside"),
    [
        ((5, 10), "#PrayHouston", True),
        # all of a hashtag but its mark is a name
        ((1, 8), "#Houston", False),
        ((0, 8), "#Houston", False),
        ((0, 7), "Houston #Houston", False),
        ((9, 12), "Houston #Houston", True),
    ],
)
def test_a_part_of_a_hashtag_is_no_name(span: tuple[int, int], text: str, inside: bool) -> None:
    assert posts.in_hashtag(span, text) is inside


def marked(text: str, *spans: tuple[int, int], **more: Any) -> posts.Marked:
    given = {"event": "storm", "kinds": ["City"] * len(spans), "resolved": []} | more
    return posts.Marked(post=Post(id="1", text=text), spans=list(spans), **given)


def test_spans_are_counted_in_three_ways() -> None:
    text = "Houston and Ponce #PrayHouston"
    gold = marked(text, (0, 7), (12, 17), (23, 30))
    # one right, one too long, one that is nowhere
    counts = posts.span_counts(gold, [(0, 7), (8, 17), (18, 20)])
    exact, overlapping, outside = counts[:4], counts[4:8], counts[8:]
    assert exact == [1, 3, 1, 3]
    assert overlapping == [2, 3, 2, 3]
    # the mark inside the hashtag counts for nobody, nor does what was found there
    assert outside == [2, 2, 2, 2]
    assert posts.span_counts(marked("quiet"), []) == [0] * 12


@given(st.lists(SPAN, max_size=4, unique=True), st.lists(SPAN, max_size=4, unique=True))
def test_no_count_is_more_than_there_is(gold: list[tuple[int, int]], found: list[tuple[int, int]]) -> None:
    counts = posts.span_counts(marked("x" * 50, *gold), found)
    for right, ours, hit, theirs in (counts[:4], counts[4:8], counts[8:]):
        assert 0 <= right <= ours == len(found)
        assert 0 <= hit <= theirs == len(gold)
    exact, overlapping = counts[0], counts[4]
    assert exact <= overlapping


def place(**more: Any) -> Place:
    given: dict[str, Any] = {
        "id": "city:1",
        "name": "Houston",
        "kind": "city",
        "country": "US",
        "admin": "Texas",
        "lat": 29.76,
        "lon": -95.37,
    }
    return Place.model_validate(given | more)


@pytest.mark.parametrize(
    ("lat", "lon", "expected"),
    [(29.76, -95.37, 0.0), (30.76, -95.37, 111.2), (29.76, 84.63, 13_397), (-29.76, 84.63, 20_015)],
)
def test_distances_are_great_circles(lat: float, lon: float, expected: float) -> None:
    assert posts.km(place(), lat, lon) == pytest.approx(expected, rel=0.01, abs=0.01)


def test_a_place_without_a_point_is_nowhere_near() -> None:
    assert posts.km(place(lat=None, lon=None), 0, 0) == math.inf


def row(**more: str) -> dict[str, str]:
    given = {"mention": "Houston", "country": "us", "lat": "29.8", "lon": "-95.4", "type": "City"}
    return given | {"display_name": "Houston, Harris County, Texas, United States"} | more


def mention(found: Place, start: int = 0, end: int = 7) -> Any:
    from crisislens.domain.place import PlaceMention

    return PlaceMention.model_validate(
        {"text": "Houston", "start": start, "end": end, "place": found, "confidence": 0.9}
    )


@pytest.mark.parametrize(
    ("said", "found", "counts"),
    [
        ({}, None, [0, 0, 0, 0]),
        ({}, {}, [1, 1, 1, 1]),
        # another city of the country, far away
        ({}, {"lat": 45.0}, [1, 1, 0, 0]),
        ({"country": "ca"}, {}, [1, 0, 1, 1]),
        ({"type": "Country"}, {}, [1, 1, 0, 1]),
        ({"type": "Country"}, {"kind": "country", "lat": 39.8, "lon": -98.5}, [1, 1, 1, 0]),
        # a state is right by its name, wherever its middle is
        ({"type": "State"}, {"kind": "state", "name": "Texas", "lat": 40.0}, [1, 1, 1, 0]),
        ({"type": "State"}, {"kind": "state", "name": "Ohio"}, [1, 1, 0, 1]),
    ],
)
def test_a_place_is_right_by_its_kind(
    said: dict[str, str], found: dict[str, Any] | None, counts: list[int]
) -> None:
    answer = None if found is None else mention(place(**found))
    assert posts.place_counts(row(**said), answer) == counts


def test_the_answer_is_the_found_place_at_the_mention() -> None:
    text = "from Ponce to #Houston and Houston"
    first, second = mention(place(), 14, 22), mention(place(), 27, 34)
    assert posts.answer(row(mention="#Houston"), text, [first, second]) == first
    assert posts.answer(row(), text, [second]) == second
    assert posts.answer(row(mention="Ponce"), text, [first, second]) is None
    assert posts.answer(row(mention="(nowhere"), text, [first]) is None


def test_a_share_has_an_interval_over_events() -> None:
    tables = {"a": np.array([[1, 2], [1, 2]]), "b": np.array([[1, 1]])}
    assert posts.interval(tables, posts._share(0, 1)) == "60.0 [50.0, 100.0]"
    # precision 1/2 and recall 1/4 of one event alone
    alone = {"a": np.array([[1, 2, 1, 4]])}
    assert posts.interval(alone, posts._f1(0)) == "33.3 [33.3, 33.3]"
    assert posts.interval({"a": np.zeros((2, 2))}, posts._share(0, 1)) == "0.0 [0.0, 0.0]"


@pytest.mark.parametrize(
    ("asked", "found", "counts"),
    [
        ("", set(), (0, 0, 0, 0, 0)),
        ("city:1", {"city:1"}, (1, 0, 1, 1, 1)),
        ("city:1", {"city:2"}, (0, 1, 0, 0, 1)),
        # either of two is right
        ("city:1|city:2", {"city:2"}, (1, 0, 1, 1, 1)),
        # what may be found but is not asked for is neither right nor wrong
        ("?city:1", {"city:1"}, (0, 0, 0, 0, 0)),
        ("?city:1", set(), (0, 0, 0, 0, 0)),
        # a place that the gazetteer does not have
        ("other:bridge city:1", {"city:1"}, (1, 0, 1, 1, 1)),
        ("city:1 city:2", {"city:1", "city:3"}, (1, 1, 1, 1, 2)),
    ],
)
def test_places_of_a_post_are_counted(asked: str, found: set[str], counts: tuple[int, ...]) -> None:
    assert gazetteer.counts(asked, found) == counts


def test_shares_over_posts_have_intervals() -> None:
    rows = [(1, 0, 1, 1, 1, 1)] * 10
    assert gazetteer.summary(rows) == {
        "precision": "100.0 [100.0, 100.0]",
        "recall": "100.0 [100.0, 100.0]",
        "recall of covered": "100.0 [100.0, 100.0]",
    }
    mixed = gazetteer.summary([*rows, (0, 10, 0, 0, 0, 10)])
    assert mixed["precision"].startswith("50.0 [")
    assert mixed["recall of covered"] == "100.0 [100.0, 100.0]"
    # the same draws each time
    assert gazetteer.summary([*rows, (0, 10, 0, 0, 0, 10)]) == mixed
