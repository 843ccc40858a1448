"""The lanes of what to read now: a lane shows its own posts, however many graver ones there are."""

from pathlib import Path

import pytest
from made_up_posts import SPACES, assessment, meta
from page import Page

from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.report.build import write_report
from crisislens.report.groups import Groups
from crisislens.report.labels import LabelTallies
from crisislens.report.model import ReportCluster, ReportTask
from crisislens.report.now import lanes


def posts(number: int, first: int, humanitarian: str, urgency: float) -> list[Assessment]:
    return [
        assessment(
            Post(id=str(i), text="The roof is gone"),
            humanitarian=humanitarian,
            damage="mild_damage",
            urgency=urgency,
        )
        for i in range(first, first + number)
    ]


# calls for help that also tell of damage, more urgent than the damage alone
BOTH = posts(40, 0, "affected", 0.9)
MILD = posts(50, 40, "not_humanitarian", 0.5)


def warm_lane(found: list[Assessment]) -> list[str]:
    """The ids of the second lane."""
    tallies = LabelTallies([ReportTask(space) for space in SPACES.values()], Groups())
    for position, one in enumerate(found, start=1):
        tallies.add(one, position)
    grave, warm = lanes(tallies)
    assert [line.id for line in grave.lines] == [one.post.id for one in found if one in BOTH][:8]
    return [line.id for line in warm.lines]


@pytest.mark.parametrize("found", [BOTH + MILD, MILD + BOTH, BOTH[:5] + MILD, MILD])
def test_graver_posts_do_not_push_others_out_of_their_lane(found: list[Assessment]) -> None:
    assert warm_lane(found) == [one.post.id for one in MILD[:8]]


def test_each_answer_of_a_lane_is_shown() -> None:
    # more urgent calls than a lane has lines, and one post of another answer of the same lane
    calls = [
        assessment(Post(id=str(i), text="Help us"), damage="little_or_no_damage", urgency=0.9)
        for i in range(20)
    ]
    ruin = assessment(Post(id="ruin", text="Gone"), humanitarian="not_humanitarian", urgency=0.1)
    tallies = LabelTallies([ReportTask(space) for space in SPACES.values()], Groups())
    for position, one in enumerate([*calls, ruin], start=1):
        tallies.add(one, position)
    # the most urgent stand first all the same
    assert [line.id for line in lanes(tallies)[0].lines] == [*(str(i) for i in range(7)), "ruin"]


@pytest.mark.parametrize(("sharing", "lines"), [(9, 8), (10, 3)])
def test_a_photo_that_is_passed_on_takes_one_line(sharing: int, lines: int) -> None:
    found = posts(sharing + 2, 0, "affected", 0.9)
    ids = tuple(one.post.id for one in found[:sharing])
    groups = Groups([ReportCluster(ids[0], sharing, ids, "photo")])
    tallies = LabelTallies([ReportTask(space) for space in SPACES.values()], groups)
    for position, one in enumerate(found, start=1):
        tallies.add(one, position)
    shown = lanes(tallies)[0].lines
    assert len(shown) == lines
    assert shown[0].id == "0"
    assert shown[0].same_photo == sharing
    # those with another photo are all there
    if sharing == 10:
        assert {line.id for line in shown} == {"0", "10", "11"}
        assert shown[-1].same_photo == 1


@pytest.mark.parametrize(
    ("found", "lines", "said"),
    [
        (BOTH + MILD, 8, None),
        (BOTH, 0, "Each of these posts also stands among the graver ones."),
        (posts(3, 0, "not_humanitarian", 0.1)[:0], 0, "No post was surely read so."),
    ],
)
def test_a_lane_links_to_its_answers_wherever_they_stand(
    tmp_path: Path, found: list[Assessment], lines: int, said: str | None
) -> None:
    path = write_report(
        tmp_path / "r.html",
        assessments=found,
        failed=[],
        clusters=[],
        thumbnails=lambda post: None,
        meta=meta(),
    )
    lane = path.read_text(encoding="utf-8").split('id="lane-warm"')[1].split("</section>")[0]
    assert lane.count('class="said-text"') == lines
    assert ("#damage=mild_damage" in lane) == bool(found)
    assert said is None or said in lane
    assert Page.at(path).open_at_end == []
