"""The lanes of what to read now: a lane shows its own posts, however many graver ones there are, the best of
each answer, one of a photo, and what denies danger behind the others.
"""

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
from crisislens.report.now import Lane, lanes
from crisislens.report.unread import Unread


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


def made_of(found: list[Assessment], clusters: list[ReportCluster] | None = None) -> tuple[Lane, Lane]:
    """Both lanes."""
    groups = Groups(clusters or [])
    tallies = LabelTallies([ReportTask(space) for space in SPACES.values()], groups)
    unread = Unread(list(SPACES.values()), groups)
    for position, one in enumerate(found, start=1):
        tallies.add(one, position)
        unread.add(one, position)
    grave, warm = lanes(tallies, unread)
    return grave, warm


def one(
    name: str, humanitarian: str, urgency: float, *, text: str = "x", damage: str = "little_or_no_damage"
) -> Assessment:
    post = Post(id=name, text=text)
    return assessment(post, humanitarian=humanitarian, damage=damage, urgency=urgency)


def ids(lane: Lane) -> list[str]:
    return [line.id for line in lane.lines]


DAMAGE = "infrastructure_and_utility_damage"


def test_each_answer_of_a_lane_has_its_best_post_among_the_lines() -> None:
    # ten posts of one answer are more urgent than the only ones of another
    affected = [one(f"a{i}", "affected", 0.9 - i / 100) for i in range(10)]
    severe = [one(f"s{i}", "not_humanitarian", 0.2 - i / 100, damage="severe_damage") for i in range(3)]
    grave, _ = made_of([*severe, *affected])
    assert ids(grave) == ["a0", "s0", "a1", "a2", "a3", "a4", "a5", "a6"]


def test_a_post_that_is_the_best_of_two_answers_stands_once() -> None:
    both = one("both", "affected", 0.9, damage="severe_damage")
    others = [one(f"a{i}", "affected", 0.8 - i / 100) for i in range(9)]
    late = one("late", "not_humanitarian", 0.1, damage="severe_damage")
    grave, _ = made_of([*others, late, both])
    assert ids(grave) == ["both", *(f"a{i}" for i in range(7))]


def test_of_one_photo_one_post_stands_in_a_lane() -> None:
    shared = [one(f"p{i}", "affected", 0.9 - i / 100) for i in range(20)]
    others = [one(f"a{i}", "affected", 0.3 - i / 100) for i in range(3)]
    # of the same photo too, and the most urgent of another answer
    severe = one("severe", "not_humanitarian", 0.85, damage="severe_damage")
    next_one = one("next", "not_humanitarian", 0.1, damage="severe_damage")
    names = (*(f"p{i}" for i in range(20)), "severe")
    photo = ReportCluster("p0", len(names), names, "photo")
    grave, _ = made_of([*others, *shared, severe, next_one], [photo])
    assert ids(grave) == ["p0", "next", "a0", "a1", "a2"]
    assert (grave.lines[0].shows, grave.lines[0].picture) == (21, 0)
    assert (grave.lines[1].shows, grave.lines[1].picture) == (1, -1)
    counts = {link.title: (link.count, link.of_one_photo) for link in grave.links}
    assert counts == {
        "Affected, injured or missing people": ("23", "20"),
        "Severe damage": ("2", ""),
    }


@pytest.mark.parametrize(
    ("shown", "others", "said"), [(10, 10, "10"), (10, 11, ""), (9, 0, ""), (39, 13, "39")]
)
def test_one_photo_is_told_where_half_of_ten_or_more_posts_show_it(
    shown: int, others: int, said: str
) -> None:
    found = [one(str(i), "affected", 0.5) for i in range(shown + others)]
    photo = ReportCluster("0", shown, tuple(map(str, range(shown))), "photo")
    grave, _ = made_of(found, [photo])
    assert grave.links[0].of_one_photo == said


def test_a_copy_in_another_answer_is_the_same_message() -> None:
    found = [
        one("call", "affected", 0.9),
        one("copy", "not_humanitarian", 0.8, damage="severe_damage"),
        one("other", "not_humanitarian", 0.2, damage="severe_damage"),
    ]
    grave, _ = made_of(found, [ReportCluster("call", 2, ("call", "copy"), "text")])
    assert ids(grave) == ["call", "other"]


def test_what_denies_danger_stands_behind_the_others_of_its_lane() -> None:
    clear = [one(f"c{i}", DAMAGE, 0.9 - i / 100, text="No tsunami warning issued") for i in range(20)]
    warnings = [one(f"w{i}", DAMAGE, 0.3 - i / 100, text="Flood warning issued") for i in range(3)]
    _, warm = made_of([*clear, *warnings])
    assert ids(warm) == ["w0", "w1", "w2", "c0", "c1", "c2", "c3", "c4"]
    assert [line.note for line in warm.lines] == [""] * 3 + ["may say that there is no danger"] * 5
    # the only post of an answer is not lost, and stays behind
    mild = one("mild", "not_humanitarian", 0.99, text="Tsunami warning lifted", damage="mild_damage")
    many = [one(f"w{i}", DAMAGE, 0.3 - i / 100, text="Flood warning issued") for i in range(12)]
    _, warm = made_of([mild, *many])
    assert ids(warm) == [*(f"w{i}" for i in range(7)), "mild"]


def test_a_call_for_help_is_not_put_behind() -> None:
    comfort = one("call", "affected", 0.9, text="No tsunami warning issued")
    grave, _ = made_of([one("other", "affected", 0.8), comfort])
    assert ids(grave) == ["call", "other"]
    assert not any(line.note for line in grave.lines)


def unread(name: str, urgency: float) -> Assessment:
    found = assessment(Post(id=name, text="x"), confidence=0.1, urgency=urgency, language="ar")
    return found.model_copy(update={"unread": "No model reads it."})


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # as urgent as the last line of the lane
        ([0.9, 0.8], 2),
        ([0.9] * 8 + [0.8], 1),
        # a lane that ends with what is hardly urgent makes no calls of all
        ([0.9, 0.1], 3),
        ([], 3),
    ],
)
def test_posts_that_no_model_read_are_counted_where_they_look_like_calls(
    calls: list[float], expected: int
) -> None:
    found = [one(str(i), "affected", urgency) for i, urgency in enumerate(calls)]
    found += [unread(f"u{urgency}", urgency) for urgency in (0.95, 0.8, 0.5, 0.49, 0.3)]
    grave, warm = made_of(found)
    assert (grave.look_alikes, warm.look_alikes) == (expected, 0)
    assert not any(line.id.startswith("u") for line in grave.lines)


def test_the_page_links_to_the_other_posts_of_a_photo_and_to_the_unread(tmp_path: Path) -> None:
    found = [one(str(i), "affected", 0.9 - i / 100) for i in range(12)]
    found += [one("clear", DAMAGE, 0.3, text="No tsunami warning issued"), unread("u", 0.95)]
    names = tuple(map(str, range(12)))
    path = write_report(
        tmp_path / "r.html",
        assessments=found,
        failed=[],
        clusters=[ReportCluster("0", 12, names, "photo")],
        thumbnails=lambda post: None,
        meta=meta(),
    )
    page = path.read_text(encoding="utf-8")
    grave, warm = (page.split(f'id="lane-{key}"')[1].split("</section>")[0] for key in ("grave", "warm"))
    assert "people 12 (12 with one photo)</a>" in grave
    assert '<a class="more" href="#picture=0">same photo as 11 other posts</a>' in grave
    assert grave.count('class="said-text"') == 1
    said = "1 post in a language that no model here reads</a> looks like a call too: not checked."
    assert f'<a href="#unsure=unread">{said}' in grave
    assert '<em class="note">may say that there is no danger</em>' in warm
    assert "not checked" not in warm
    assert Page.at(path).open_at_end == []
