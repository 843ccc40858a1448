"""What is counted for each answer, the lanes, the table of needs, and what is new."""

from datetime import UTC, datetime, timedelta

import pytest
from counted_run import PLAIN, at_ponce, counted
from hypothesis import given
from hypothesis import strategies as st
from made_up_posts import START, assessment, crisis, meta

from crisislens.domain.post import Post
from crisislens.report.changes import Changes, Earlier
from crisislens.report.groups import Groups
from crisislens.report.labels import LabelTallies, trend_of
from crisislens.report.lines import Best, line_of
from crisislens.report.model import ReportCluster
from crisislens.report.needs import needs_table
from crisislens.report.now import lanes, unread_rows
from crisislens.report.timeline import TimeHistogram


def test_lanes_are_the_gravest_first_and_hold_each_post_once() -> None:
    found, _, clusters = crisis(300)
    run = counted(found, clusters)
    grave, warm = lanes(run.labels)
    assert (grave.key, warm.key) == ("grave", "warm")
    urgencies = [line.urgency for line in grave.lines]
    assert urgencies == sorted(urgencies, reverse=True)
    assert len({line.position for line in grave.lines}) == len(grave.lines) == 8
    # severe damage and affected people are grave; what is only relevant has no lane
    assert {link.title for link in grave.links} == {"Affected, injured or missing people", "Severe damage"}
    affected = sum(
        "affected" in a.tasks["humanitarian"].label for a in found if not a.tasks["humanitarian"].abstained
    )
    assert grave.links[0].count == str(affected)
    assert grave.links[0].link == "#humanitarian=affected"


def test_a_message_stands_once_in_a_list_by_its_most_urgent_post() -> None:
    groups = Groups([ReportCluster("a", 3, ("a", "b", "c"), "text")])
    best = Best(PLAIN, groups, size=2)
    for position, (name, urgency) in enumerate(
        (("a", 0.2), ("b", 0.9), ("c", 0.5), ("d", 0.3), ("e", 0.1)), 1
    ):
        best.add(assessment(Post(id=name, text=name), urgency=urgency), position)
    assert [(line.id, line.copies, line.position) for line in best.lines()] == [("b", 3, 2), ("d", 1, 4)]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), max_size=30), st.integers(1, 5))
def test_the_best_are_those_that_sorting_finds(posts: list[tuple[int, float]], size: int) -> None:
    members = {g: tuple(f"{i}" for i, (group, _) in enumerate(posts) if group == g) for g in (1, 2)}
    groups = Groups([ReportCluster(m[0], len(m), m, "text") for m in members.values() if len(m) > 1])
    best = Best([], groups, size=size)
    for i, (_, urgency) in enumerate(posts):
        best.add(assessment(Post(id=str(i)), urgency=urgency), i + 1)
    order = sorted(range(len(posts)), key=lambda i: (-posts[i][1], i))
    expected, seen = [], set()
    for i in order:
        message = groups.messages.get(str(i))
        if message is None or message not in seen:
            expected.append(str(i))
            seen.add(message)
    assert [line.id for line in best.lines()] == expected[:size]


def test_a_line_says_when_where_and_what() -> None:
    post = Post(id="7", text=r"Help!\nWe are on the roof " + "word " * 60, created_at=START)
    line = line_of(at_ponce(assessment(post, damage="little_or_no_damage")), 4, PLAIN, Groups())
    assert line.text.startswith("Help! We are on the roof word")
    assert line.text.endswith(" …")
    assert (line.when, line.place, line.copies) == ("2017-09-20 10:15", "Ponce, PR", 1)
    assert [(chip.title, chip.tone) for chip in line.chips] == [
        ("Affected, injured or missing people", "grave")
    ]


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ([5, 5, 5, 5, 5, 5, 5, 5], "steady"),
        ([0, 0, 0, 0, 0, 0, 10, 10], "rising"),
        ([0, 0, 0, 0, 20, 20, 1, 1], "falling"),
        ([0, 0, 0, 0, 0, 0, 3, 3], ""),
        ([50], ""),
        ([], ""),
    ],
)
def test_a_trend_needs_a_difference_that_chance_does_not_make(counts: list[int], word: str) -> None:
    assert trend_of(counts).word == word


@pytest.mark.parametrize(
    ("counts", "covered", "word"),
    [
        # the last of three days is an hour old
        ([100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 4], [1.0] * 11 + [0.04], "steady"),
        ([100, 100, 100, 100, 100, 100, 100, 100, 100, 20, 20, 4], [1.0] * 11 + [0.04], "falling"),
        ([100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 90], [1.0] * 11 + [0.04], "rising"),
        # of hardly anything nothing is said
        ([100, 4], [1.0, 0.04], ""),
        ([4, 100], [0.04, 1.0], ""),
    ],
)
def test_a_bar_that_has_just_begun_makes_no_trend(counts: list[int], covered: list[float], word: str) -> None:
    assert trend_of(counts, covered).word == word


def test_a_timeline_tells_how_much_of_its_bars_is_covered() -> None:
    times = TimeHistogram()
    for hours in (6, 30, 49):
        times.add(datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=hours), informative=False)
    found = times.timeline(most_bars=3)
    assert found is not None
    assert found.width == "1 day"
    assert found.covered == pytest.approx((18 / 24, 1.0, 1 / 24))


def test_the_table_of_needs_counts_every_post_of_a_row_once() -> None:
    found = [at_ponce(a) if i % 3 == 0 else a for i, a in enumerate(crisis(300)[0])]
    run = counted(found)
    table = needs_table(run.labels, run.tally.times.timeline(24))
    assert table is not None
    assert table.columns == ("Ponce, PR", "Other places", "No place")
    for group in table.groups:
        for row in group.rows:
            assert sum(cell.count for cell in row.cells) == row.whole.count
            assert (
                sum(int(spark.says.rpartition(": ")[2].split()[0]) for spark in row.sparks) <= row.whole.count
            )
            assert all(
                f"{name}=" in row.whole.link for name in ["humanitarian"] if group.title.startswith("Hum")
            )
    affected = next(row for group in table.groups for row in group.rows if row.title.startswith("Affected"))
    assert affected.cells[0].link == "#humanitarian=affected&place=%22Ponce%2C+PR%22"
    assert needs_table(LabelTallies(meta().tasks, Groups()), None) is None


def test_what_no_model_reads_is_listed_by_language() -> None:
    found = [
        assessment(Post(id=str(i), text="x"), language=code).model_copy(
            update={"unread": "No model reads it."}
        )
        for i, code in enumerate(("ar", "ar", None, "ar"))
    ]
    rows = unread_rows(counted([*found, assessment(Post(id="read"))]).unread)
    assert [(row.name, row.count) for row in rows] == [("Arabic", "3"), ("Not detected", "1")]
    assert [line.id for line in rows[0].lines] == ["0", "1", "3"]
    assert rows[1].link == "#unsure=unread&language=unknown"


def test_new_posts_are_those_after_a_time_with_a_zone_or_without() -> None:
    found = [assessment(Post(id=str(h), created_at=START + timedelta(hours=h))) for h in range(5)]
    found.append(assessment(Post(id="undated")))
    new = counted(found, since=(START + timedelta(hours=3)).replace(tzinfo=None)).changes
    assert (new.fresh, new.undated) == (2, 1)
    assert [line.id for line in new.best.lines()] == ["3", "4"]
    assert new.against == "since 2017-09-20 13:15 UTC"
    moved = {m.label: (m.then, m.now, m.change) for m in new.moved()}
    assert moved["affected"] == (4, 6, "+2")


def test_two_runs_are_compared_post_by_post() -> None:
    before = [assessment(Post(id=name)) for name in ("a", "b", "gone")]
    earlier = Earlier.of("monday", before, PLAIN)
    now = Changes(meta().tasks, Groups(), None, earlier)
    changed = assessment(Post(id="b"), humanitarian="not_humanitarian")
    for position, a in enumerate((before[0], changed, assessment(Post(id="new"))), start=1):
        now.add(a, position, fresh=now.is_fresh(a))
    assert (now.fresh, now.kept, now.judged_anew, now.gone) == (1, 2, 1, 1)
    assert {m.label: m.change for m in now.moved()} == {"affected": "−1"}
    assert now.against == "since the run monday (3 posts)"
    silent = Changes(meta().tasks, Groups())
    assert not silent.asked
    assert not silent.is_fresh(before[0])


def test_a_call_that_also_tells_of_damage_stands_among_the_calls_alone() -> None:
    found, _, clusters = crisis(300)
    grave, warm = lanes(counted(found, clusters).labels)
    assert warm.lines
    assert not [line for line in warm.lines if any(chip.tone == "grave" for chip in line.chips)]
    assert {line.position for line in grave.lines}.isdisjoint(line.position for line in warm.lines)
