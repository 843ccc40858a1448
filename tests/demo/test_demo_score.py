"""The made-up crisis held against its marked answers; tests of the packages hold the bundle to a floor."""

import pytest

from crisislens.demo import DemoScore, score_demo
from crisislens.demo.stories import stories
from crisislens.domain.assessment import Assessment, Provenance, TaskAssessment
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS

MADE = Provenance(
    model="m",
    model_version="1",
    model_fingerprint="0" * 16,
    encoder_fingerprint="0" * 16,
    crisislens_version="1",
    analyzed_at="2026-01-01T00:00:00Z",
)


def said(
    number: int, label: str, *, urgency: float, sure: bool = True, task: str = "humanitarian_10"
) -> Assessment:
    """An assessment of the story of a number, counted from one."""
    probabilities = {name: float(name == label) for name in TASKS[task].classes}
    answer = TaskAssessment(
        label=label,
        labels=(label,) if sure else (),
        confidence=1.0,
        probabilities=probabilities,
        abstained=not sure,
    )
    story = stories()[(number - 1) % len(stories())]
    post = Post(id=f"velmora-{number:03d}", text=story.text, lang=story.lang)
    return Assessment(
        post=post, modalities=("text",), tasks={"humanitarian": answer}, urgency=urgency, provenance=MADE
    )


def test_every_text_that_says_anything_is_marked_and_nothing_else_is() -> None:
    for story in stories():
        says = len(story.text) > 3
        assert (story.call is not None) == says, story.text
        assert bool(story.classes) == says, story.text
        assert set(story.classes) <= set(TASKS["humanitarian_10"].classes)
        assert len(set(story.classes)) == len(story.classes)
    asked = [story for story in stories() if story.call]
    assert len(asked) == 12
    assert {story.lang for story in asked} == {"en", "es", "ar", "hi"}


@pytest.mark.parametrize(
    ("label", "sure", "right", "unsure", "wrong"),
    [
        ("requests_or_urgent_needs", True, 1, 0, 0),
        ("requests_or_urgent_needs", False, 0, 1, 0),
        ("not_humanitarian", True, 0, 0, 1),
    ],
)
def test_a_category_is_right_not_sure_or_wrong(
    label: str, sure: bool, right: int, unsure: int, wrong: int
) -> None:
    found = score_demo([said(1, label, urgency=0.9, sure=sure)])
    assert (found.right, found.unsure, len(found.wrong)) == (right, unsure, wrong)


def test_any_class_that_a_careful_reader_accepts_is_right() -> None:
    for label in ("infrastructure_and_utility_damage", "caution_and_advice"):
        assert score_demo([said(2, label, urgency=0.1)]).right == 1


def test_models_of_five_classes_are_held_to_theirs() -> None:
    found = score_demo([said(1, "affected", urgency=0.9, task="humanitarian_b2")])
    assert found.right == 1


def test_calls_are_counted_among_as_many_first_posts() -> None:
    call, later, joke = (
        said(1, "requests_or_urgent_needs", urgency=0.9),
        said(8, "requests_or_urgent_needs", urgency=0.2),
        said(3, "not_humanitarian", urgency=0.5),
    )
    found = score_demo([joke, later, call])
    assert (found.posts, found.calls, found.calls_first, found.languages) == (3, 2, 1, ("en",))
    assert score_demo([call, later]).languages == ("en", "es")


def test_a_long_feed_is_scored_by_the_story_that_it_comes_back_to() -> None:
    again = said(len(stories()) + 1, "requests_or_urgent_needs", urgency=0.9)
    assert score_demo([again]).right == 1


def test_posts_without_answers_are_not_counted() -> None:
    photo_alone = said(4, "not_humanitarian", urgency=0.0)
    assert score_demo([photo_alone]) == DemoScore(0, 0, 0, 0, 0, (), ())
