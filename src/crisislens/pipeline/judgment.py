r"""From logits to an answer: calibrated probabilities, abstention with its reason, and the urgency
that sorts a report.

Urgency orders posts for reading; it is not a probability and is never thresholded. Its formula and
its weights stand with the tasks (`domain.tasks`). A task that the model does not answer counts as
0.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crisislens.domain.assessment import Modality, TaskAssessment
from crisislens.domain.calibration import NEVER_SURE
from crisislens.domain.tasks import Task, readable
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.several import HOLDS, held_logits, set_confidence, several_probabilities
from crisislens.pipeline.bundle import Calibration, EvidenceKind, TaskConfig

__all__ = ["DIGITS", "evidence_kind", "judge", "urgency"]

DIGITS = 4
"""Digits of what is written: numerical noise between batch compositions is below 1e-6, and four are what a
reader can use.
"""
_NOTHING = "The post has no readable text or photo."
_WORDS: dict[Modality, str] = {"text": "text", "image": "photo"}
_EVIDENCE: dict[EvidenceKind, str] = {
    "text": "text alone",
    "image": "a photo alone",
    "both": "text and photo",
}


def evidence_kind(*, text: bool, image: bool) -> EvidenceKind | None:
    """The kind of evidence that a post offers, or None where nothing was readable."""
    if text and image:
        return "both"
    return "text" if text else "image" if image else None


def judge(
    logits: NDArray[np.float32],
    *,
    space: Task,
    task: TaskConfig,
    evidence: EvidenceKind | None,
    unread: str | None = None,
    doubt: str | None = None,
    only: Modality | None = None,
    nothing: str = _NOTHING,
) -> TaskAssessment:
    """One task's answer for one post.

    Arguments:
        logits: One logit a class, shape (c,).
        space: The label space whose order the logits follow.
        task: The task's calibration by evidence.
        evidence: What the logits rest on.
        unread: Why the model does not read the text (`pipeline.readable`), or None where it does.
        doubt: Why the text may not be what was written, or None.
        only: The one modality that the task is judged from, where the post has another one that is readable.
        nothing: What is said where there is no evidence.
    """
    calibration = task.calibration.get(evidence) if evidence else None
    # without a calibration the answer is "not sure" anyway; its probabilities are shown as they
    # are
    temperature = calibration.temperature if calibration else 1.0
    if space.several:
        p = several_probabilities(held_logits(logits, space.outer), temperature)
    else:
        p = softmax(logits.astype(np.float64)[None] / temperature)[0]
    # a label that was held to the one it lies within says more than that one
    best = max(range(len(p)), key=lambda i: (p[i], bool(space.labels[i].within)))
    if evidence is None:
        # logits of what nobody saw are biases: of empty posts they said "rescue" at 89 %
        p = np.zeros(len(space)) if space.several else np.full(len(space), 1 / len(space))
    # a set of labels of which nothing is known is not surely empty
    sure = float(p.max()) if not space.several or evidence is None else float(set_confidence(p))
    reason = _reason(
        sure,
        space=space,
        label=space.classes[best],
        calibration=calibration,
        evidence=evidence,
        unread=unread,
        doubt=doubt,
        only=only,
        nothing=nothing,
    )
    held = [i for i in range(len(p)) if p[i] >= HOLDS] if space.several else [best]
    return TaskAssessment(
        label=space.classes[best],
        labels=() if reason else tuple(space.classes[i] for i in held),
        confidence=round(sure, DIGITS),
        probabilities={name: round(float(x), DIGITS) for name, x in zip(space.classes, p, strict=True)},
        abstained=reason is not None,
        reason=reason,
    )


def _reason(
    confidence: float,
    *,
    space: Task,
    label: str,
    calibration: Calibration | None,
    evidence: EvidenceKind | None,
    unread: str | None,
    doubt: str | None,
    only: Modality | None,
    nothing: str,
) -> str | None:
    """Why the answer is "not sure", or None where it stands."""
    if evidence is None and only is not None:
        return f"This is judged from the {_WORDS[only]} alone, and the post has none that can be read."
    if evidence is None:
        return nothing
    if doubt is not None and evidence != "image":
        return doubt
    if unread is not None and evidence != "image":
        # a photo beside it says nothing of what the text asks for
        return unread if evidence == "text" else f"{unread} Its photo alone does not say what it asks for."
    if calibration is None:
        return f"This model was not calibrated to judge {space.question} from {_EVIDENCE[evidence]}."
    if calibration.abstain_below >= NEVER_SURE:
        what = readable(space.phrase or space.question)
        held = "sure answers did not hold when measured"
        return f"{what} is never surely told from {_EVIDENCE[evidence]}: {held}."
    if confidence < calibration.abstain_below:
        needed = f"below the {calibration.abstain_below:.0%} needed for this kind of post."
        if space.several:
            return f"Sure of the whole set of labels at {confidence:.0%} only, {needed}"
        return f"Leaning to “{space.title(label)}” at {confidence:.0%}, {needed}"
    return None


def urgency(
    answers: Mapping[str, TaskAssessment],
    tasks: Mapping[str, Task],
    *,
    evidence: bool = True,
    unread: float | None = None,
) -> float:
    """The sort key $u$ of a post, in [0, 1]; see `domain.tasks`.

    Arguments:
        answers: By question.
        tasks: The tasks that were asked, by question; their gates, shares and weights make the key.
        evidence: Whether the post offers anything; what is empty is not urgent.
        unread: For a post whose text no model reads: the urgency of an average crisis post, which
            it then has instead of what the model made of words it does not know. It neither hides
            at the end of the list nor stands before what was read and is urgent. None for posts
            that were read.
    """
    if not evidence:
        return 0.0
    if unread is not None:
        return round(unread, DIGITS)
    through, need = 1.0, 0.0
    # a gate lets the others through (nothing urgent is uninformative), a share adds
    for name, task in tasks.items():
        part = task.weight(answers[name].probabilities) if name in answers else 0.0
        if task.gate:
            through *= part
        else:
            need += task.share * part
    return round(min(1.0, through * need), DIGITS)
