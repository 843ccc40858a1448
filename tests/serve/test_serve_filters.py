"""The query of an address: read once for API, pages and exports, and refused in a sentence."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.serve.filters import FilterQuery, filter_query, query_of
from crisislens.serve.problems import ProblemError


def test_a_whole_query_becomes_a_filter() -> None:
    found = FilterQuery(
        {
            "q": " flood bridge ",
            "label": ["damage:severe_damage", "needs:water"],
            "bbox": "-73,18,-72,19",
            "since": "2026-03-06T14:00",
            "until": "2026-03-06T16:00+02:00",
            "min_urgency": "0.5",
            "unread": "false",
            "order": "urgency",
            "limit": "20",
        }
    ).filter
    assert found.words == "flood bridge"
    assert found.labels == (("damage", "severe_damage"), ("needs", "water"))
    assert found.box is not None
    assert (found.box.west, found.box.north) == (-73, 19)
    assert found.since == datetime(2026, 3, 6, 14, tzinfo=UTC)
    assert found.until == datetime(2026, 3, 6, 14, tzinfo=UTC)
    assert found.unread is False
    assert (found.order, found.limit) == ("urgency", 20)


def test_a_label_may_name_its_task_apart() -> None:
    assert FilterQuery({"label": ["water"], "task": "needs"}).filter.labels == (("needs", "water"),)


def test_what_several_labels_mean_is_any_of_them() -> None:
    found = FilterQuery({"meaning": "calls_for_help", "label": ["needs:water"]}).filter
    assert found.any_label == (("humanitarian", "requests_or_urgent_needs"), ("needs", "request"))
    assert found.labels == (("needs", "water"),)


def test_empty_fields_are_no_fields() -> None:
    """A form sends all of its fields."""
    found = filter_query(q="", source="", label=[""], since="", order="time")
    assert found.values == {"label": [""], "order": "time"}
    assert found.filter.labels == ()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("meaning", "calls", "expected one of calls_for_help, missing_people, warnings"),
        ("min_urgency", "high", "number"),
        ("min_urgency", "2", "less than or equal to 1"),
        ("min_urgency", "nan", "less than or equal to 1"),
        ("bbox", "1,2,3", "west,south,east,north"),
        ("bbox", "1,2,3,400", "less than or equal to 90"),
        ("since", "yesterday", "a time such as"),
        ("since", "0001-01-01T00:00+14:00", "a time such as"),
        ("unread", "perhaps", "true or false"),
        ("cluster", "-1", "whole number"),
        ("cluster", "99999999999999999999", "whole number"),
        ("limit", "0", "greater than or equal to 1"),
        ("limit", "201", "less than or equal to 200"),
        ("order", "best", "urgency"),
        ("state", "lost", "queued"),
        ("label", ["water"], "TASK:LABEL"),
        ("place", "Ponce", "city:4568127"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(name: str, value: Any, told: str) -> None:
    with pytest.raises(ProblemError) as refused:
        FilterQuery({name: value})
    assert refused.value.status_code == 422
    assert told in str(refused.value.detail)


FIELDS = (
    "min_urgency",
    "bbox",
    "since",
    "until",
    "unread",
    "cluster",
    "limit",
    "order",
    "state",
    "after",
    "q",
)


@given(st.sampled_from(FIELDS), st.text(max_size=200))
def test_any_text_is_a_filter_or_a_problem(name: str, value: str) -> None:
    problem = None
    try:
        FilterQuery({name: value} if value else {})
    except ProblemError as refused:
        problem = refused.status_code
    assert problem in (None, 422)


def test_a_changed_query_keeps_the_rest() -> None:
    query = FilterQuery({"q": "a&b=c", "label": ["x:y", "z:w"], "after": "20"})
    assert query.but(after=None) == "q=a%26b%3Dc&label=x%3Ay&label=z%3Aw"
    assert query.set == 2


def test_nothing_is_left_of_empty_values() -> None:
    assert query_of({"a": None, "b": "", "c": [], "d": 0}) == "d=0"
