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
from crisislens.report.model import ReportTask
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
