"""How many posts of the made-up crisis were judged as their author marked them.

Each post that says anything carries two answers: whether it calls for help (a person missing, or found and
whose family is looked for, counts), and which of the ten humanitarian classes a careful reader would accept,
often more than one. The posts and the answers are one author's: a demonstration and a floor for a test, no
estimate of anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from crisislens.demo.stories import Story, stories
from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.tasks import TASKS

__all__ = ["DemoScore", "score_demo"]

_CATEGORY = "humanitarian"


@dataclass(frozen=True)
class DemoScore:
    """Counts over the posts that carry answers.

    Attributes:
        posts: How many there are.
        calls: How many of them call for help.
        calls_first: How many calls are among as many first posts by urgency.
        right: Posts whose category is said surely and is one that was marked.
        unsure: Posts whose category is "not sure".
        wrong: Texts of the others, as posted.
        languages: The languages of the calls that are among the first, sorted.
    """

    posts: int
    calls: int
    calls_first: int
    right: int
    unsure: int
    wrong: tuple[str, ...]
    languages: tuple[str, ...]

    def sentences(self) -> list[str]:
        """What a person reads of it.

        >>> DemoScore(60, 12, 11, 45, 9, ("a",) * 6, ("en", "es")).sentences()[0]
        '11 of 12 calls for help are among the 12 most urgent posts (languages: en, es).'
        """
        first = (
            f"{self.calls_first} of {self.calls} calls for help are among the {self.calls} most urgent posts"
        )
        category = f"The category is right for {self.right} of {self.posts} posts"
        return [
            f"{first} (languages: {', '.join(self.languages) or 'none'}).",
            f"{category}, “not sure” for {self.unsure}, wrong for {len(self.wrong)}.",
        ]


def score_demo(assessments: Iterable[Assessment]) -> DemoScore:
    """Holds the assessments of a made-up crisis against what its author marked.

    Arguments:
        assessments: Of posts that `write_synthetic_crisis` wrote, in any order.
    """
    marked = [(a, story) for a in assessments if (story := _story(a.post.id)).call is not None]
    calls = [a for a, story in marked if story.call]
    by_urgency = sorted((a for a, _ in marked), key=lambda a: (-a.urgency, a.post.id))
    asking = {a.post.id for a in calls}
    first = [a for a in by_urgency[: len(calls)] if a.post.id in asking]
    right, unsure, wrong = 0, 0, []
    for a, story in marked:
        answer = a.tasks.get(_CATEGORY)
        if answer is None or answer.abstained:
            unsure += 1
        elif answer.label in _accepted(story, answer):
            right += 1
        else:
            wrong.append(a.post.text)
    languages = tuple(sorted({a.post.lang for a in first if a.post.lang}))
    return DemoScore(len(marked), len(calls), len(first), right, unsure, tuple(wrong), languages)


def _story(post_id: str) -> Story:
    """The story that a post tells: a long feed comes back to them in their order."""
    told = stories()
    return told[(int(post_id.rpartition("-")[2]) - 1) % len(told)]


def _accepted(story: Story, answer: TaskAssessment) -> set[str]:
    """The classes that count as right, in the classes that the model answers with."""
    if set(story.classes) <= set(answer.probabilities):
        return set(story.classes)
    return {TASKS["humanitarian_b2"].resolve(story.humanitarian) or ""}
