"""When a window is full: different texts by different people, whatever the order they come in."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.alerts.rules import EXAMPLES, minutes, rule_in_words
from crisislens.alerts.windows import different, episodes
from crisislens.store.records import Hit, RuleSpec

START = datetime(2026, 3, 6, 12, tzinfo=UTC)
RESCUE = RuleSpec(task="needs", label="rescue", least=3, window_min=30)


def hit(number: int, minute: float, **more: object) -> Hit:
    """A post so many minutes after the start."""
    values = {"place": "city:1", "place_name": "Velmora", "cluster_id": None, "author": None}
    values |= {"answered_at": None, **more}
    return Hit(post_id=number, at=START + timedelta(minutes=minute), **values)


CASES = [
    ("three posts", [{}, {}, {}], 3),
    ("near-duplicates are one", [{"cluster_id": 7}, {"cluster_id": 7}, {}], 2),
    ("one author is one", [{"author": "a"}, {"author": "a"}, {"author": "b"}], 2),
    ("nobody known is each another", [{}, {}, {"author": "a"}], 3),
    ("an empty author is unknown", [{"author": ""}, {"author": ""}], 2),
    ("the fewer of the two", [{"cluster_id": 1, "author": "a"}, {"cluster_id": 1, "author": "b"}], 1),
    ("nothing", [], 0),
]


@pytest.mark.parametrize(("posts", "count"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_different_posts(posts: list[dict[str, object]], count: int) -> None:
    assert different(hit(i, i, **more) for i, more in enumerate(posts)) == count


WALKS = [
    ("too few", [0, 10], []),
    ("just enough, ends included", [0, 15, 30], [(0, 30, 3)]),
    ("a minute too late", [0, 15, 30.1], []),
    ("one episode while windows follow", [0, 5, 10, 35, 38, 40], [(0, 40, 4)]),
    ("two, when a window's length lies between", [0, 5, 10, 100, 101, 102], [(0, 10, 3), (100, 102, 3)]),
    ("a trickle does not prolong", [0, 1, 2, 25, 50, 75, 100, 101, 102], [(0, 25, 4), (75, 102, 4)]),
]


@pytest.mark.parametrize(("at", "said"), [walk[1:] for walk in WALKS], ids=[walk[0] for walk in WALKS])
def test_windows_that_are_full(at: list[float], said: list[tuple[float, float, int]]) -> None:
    found = episodes([hit(i, minute) for i, minute in enumerate(at)], RESCUE)
    as_minutes = [
        ((e.began_at - START).total_seconds() / 60, (e.full_at - START).total_seconds() / 60, e.most)
        for e in found
    ]
    assert as_minutes == said


def test_what_somebody_judged_counts_no_more() -> None:
    judged = START + timedelta(minutes=12)
    posts = [hit(0, 0, answered_at=judged), hit(1, 5), hit(2, 10), hit(3, 15), hit(4, 16)]
    assert [set(e.hits) for e in episodes(posts, RESCUE)] == [{1, 2, 3, 4}]
    # over the past it counted until it was judged: the window was full at the third post
    [past] = episodes(posts, RESCUE, as_it_was=True)
    assert (past.began_at, set(past.hits), past.most) == (START, {0, 1, 2, 3, 4}, 4)
    counted = RESCUE.model_copy(update={"unanswered": False})
    assert [len(e.hits) for e in episodes(posts, counted)] == [5]


POSTS = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([None, 1, 2]), st.sampled_from([None, "a", "b", "c"])),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(POSTS, st.integers(1, 5), st.integers(1, 60))
def test_episodes_are_what_looking_at_each_window_finds(
    rows: list[tuple[int, int | None, str | None]], least: int, length: int
) -> None:
    """Against the plain definition: each window that ends at a post, counted from nothing."""
    spec = RuleSpec(task="needs", label="water", least=least, window_min=length)
    posts = [
        hit(i, minute, cluster_id=cluster, author=author)
        for i, (minute, cluster, author) in enumerate(sorted(rows, key=lambda row: row[0]))
    ]
    full, resting = [], set()
    for i, last in enumerate(posts):
        window = [one for one in posts[: i + 1] if one.at >= last.at - spec.window]
        if different(window) >= least:
            full.append(last.at)
            resting |= {one.post_id for one in window}
    found = episodes(posts, spec)
    assert {post for e in found for post in e.hits} == resting
    breaks = sum(b - a > spec.window for a, b in pairwise(full))
    assert len(found) == (breaks + 1 if full else 0)
    assert all(e.most >= least and e.began_at <= e.full_at for e in found)


SENTENCES = [
    (
        RESCUE,
        "Calls and needs: Rescue needed – at least 3 different posts at one place within 30 minutes, "
        "none answered",
    ),
    (
        RuleSpec(
            task="odd",
            label="x_y",
            least=1,
            window_min=120,
            place="city:1",
            unanswered=False,
            min_confidence=0.8,
            sources=("radio", "sms"),
        ),
        "odd: X y – a post at city:1 within 2 hours, the model at least 80% sure, from radio or sms",
    ),
]


@pytest.mark.parametrize(("spec", "words"), SENTENCES)
def test_rules_in_words(spec: RuleSpec, words: str) -> None:
    assert rule_in_words(spec) == words


def test_examples_are_rules_and_spans_are_words() -> None:
    assert all(rule_in_words(spec) for spec in EXAMPLES.values())
    assert [minutes(n) for n in (1, 45, 60, 1440)] == ["1 minute", "45 minutes", "1 hour", "24 hours"]


BAD = [
    {"least": 0},
    {"least": 1001},
    {"window_min": 0},
    {"window_min": 10_081},
    {"label": " "},
    {"late_h": 0},
]


@pytest.mark.parametrize("bad", BAD)
def test_rules_that_cannot_be(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        RuleSpec(**{"task": "needs", "label": "rescue", "least": 3, "window_min": 30, **bad})
