"""Drift and agreement: nothing where nothing changed, nothing said where there is too little."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_rows import review_row

from crisislens.serve.drift import agreement, drift, psi, wilson
from crisislens.store.records import DayRow

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def day(at: int, languages: dict[str, int]) -> DayRow:
    posts = sum(languages.values())
    return DayRow(
        day=DAY + timedelta(days=at),
        posts=posts,
        unread=posts // 10,
        photos=0,
        languages=languages,
        labels={"damage": {"severe_damage": posts}},
        confidence={"damage": (0, 0, 0, 0, 0, 0, 0, 0, 0, posts)},
    )


def test_the_index_is_that_of_the_formula() -> None:
    found = psi({"a": 70, "b": 30}, {"a": 50, "b": 50})
    assert found == pytest.approx(0.2 * math.log(0.7 / 0.5) - 0.2 * math.log(0.3 / 0.5), abs=1e-4)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(50, 500), min_size=1))
def test_equal_shares_are_no_drift(counts: dict[str, int]) -> None:
    assert psi(counts, {name: 3 * count for name, count in counts.items()}) == pytest.approx(0, abs=1e-6)


def test_an_empty_bin_is_drift_and_not_infinite() -> None:
    found = psi({"new": 100}, {"old": 100})
    assert found is not None
    assert 1 < found < 100


def test_few_posts_say_nothing() -> None:
    assert psi({"a": 49}, {"a": 1000}) is None
    assert psi({"a": 1000}, {}) is None


def test_a_day_is_held_against_those_before_it() -> None:
    rows = drift([day(0, {"en": 100}), day(1, {"en": 100}), day(2, {"es": 100})])
    assert [row.day.day for row in rows] == [3, 2, 1]
    newest, second, first = rows
    assert newest.languages is not None
    assert newest.languages > 0.25
    assert second.languages == 0
    assert first.languages is None
    assert second.labels == {"damage": 0}
    assert second.unread_share == pytest.approx(0.1)


def test_agreement_counts_what_people_said_of_answered_posts() -> None:
    said = [
        review_row(1, verdict="right", labels=("affected",), model_labels=("affected",)),
        review_row(2, labels=("affected",), model_labels=("affected",)),
        review_row(3, labels=("affected",), model_labels=("not_humanitarian",)),
        review_row(4, verdict="unsure", labels=()),
        review_row(5, model_labels=(), model_fingerprint=None),
    ]
    [found] = agreement(said)
    assert (found.task, found.reviews, found.right) == ("humanitarian", 3, 2)
    assert found.low < 2 / 3 < found.high


def test_a_model_that_said_none_is_wrong_where_a_person_found_something() -> None:
    said = [
        review_row(1, task="needs", labels=("rescue",), model_labels=()),
        review_row(2, task="needs", labels=(), model_labels=()),
        review_row(3, task="needs", labels=("water",), model_labels=("water",)),
        review_row(4, task="", verdict="right", labels=(), model_labels=(), answers={"needs": ()}),
        # nobody had asked a model
        review_row(5, task="needs", labels=("rescue",), model_labels=(), model_fingerprint=None),
    ]
    [found] = agreement(said)
    assert (found.task, found.reviews, found.right) == ("needs", 4, 3)


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
