"""Posts that two questions speak of, as in the default bundle: what they are, and what they ask for."""

from collections.abc import Mapping

from made_up_posts import PROVENANCE

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.post import Post
from crisislens.domain.tasks import CATEGORY, Label, Task
from crisislens.report.model import ReportMeta, ReportTask

CALL, ADVICE, OTHER = "requests_or_urgent_needs", "caution_and_advice", "not_humanitarian"
MISSING = "missing_or_found_people"
NEEDS = Task(
    name="calls",
    question="needs",
    topic="Calls and needs",
    several=True,
    labels=(
        Label(name="request", title="Asks for help", tone="grave", urgency=1.0),
        Label(name="warning", title="Warns", tone="warm", urgency=0.3),
        Label(name="medical", title="Medical help needed", tone="grave", urgency=1.0),
        Label(name="water", title="Water needed", urgency=1.0),
        Label(name="missing_people", title="People missing or found", tone="grave", urgency=0.5),
    ),
)
TASKS = (ReportTask(CATEGORY), ReportTask(NEEDS))
META = ReportMeta(
    title="Two questions",
    source_name="made up",
    model="m",
    model_version="1",
    model_fingerprint="0" * 16,
    encoder_fingerprint="0" * 16,
    crisislens_version="0",
    analyzed_at="2026-05-01T00:00:00+00:00",
    tasks=TASKS,
)


def told(
    name: str,
    category: str = OTHER,
    needs: Mapping[str, float] | None = None,
    *,
    sure: float = 0.9,
    urgency: float = 0.5,
    post: Post | None = None,
) -> Assessment:
    """What is said of a post.

    Arguments:
        name: The post's id.
        category: What the post is.
        needs: What it asks for: the labels that hold, each with its probability.
        sure: The category's probability; below one half it is "not sure".
        urgency: Its urgency.
        post: The post, where it is not one of a few words.
    """
    rest = (1 - sure) / (len(CATEGORY) - 1)
    one = TaskAssessment(
        label=category,
        labels=() if sure < 0.5 else (category,),
        confidence=sure,
        probabilities={label: sure if label == category else rest for label in CATEGORY.classes},
        abstained=sure < 0.5,
        reason="Too low." if sure < 0.5 else None,
    )
    held = dict(needs or {})
    each = {label: held.get(label, 0.05) for label in NEEDS.classes}
    several = TaskAssessment(
        label=max(each, key=lambda label: each[label]),
        labels=tuple(held),
        confidence=0.6,
        probabilities=each,
        abstained=False,
    )
    return Assessment(
        post=post or Post(id=name, text=f"words of {name}"),
        modalities=("text",),
        language="en",
        tasks={CATEGORY.question: one, NEEDS.question: several},
        urgency=urgency,
        provenance=PROVENANCE,
    )
