r"""From logits to an answer: calibrated probabilities, abstention with its reason, and the urgency that sorts
a report.

Urgency of a post, our own heuristic (no paper), from calibrated probabilities:

$$u = P(\text{informative}) \cdot \big(0.7 \textstyle\sum_c w_c\, P(c) + 0.3\,(P(\text{severe}) +
0.5\,P(\text{mild}))\big)$$

with $w$ = 1 for affected people, 0.8 for damaged infrastructure, 0.5 for rescue and donation, 0.2 for other
information, 0 otherwise. It orders posts for reading; it is not a probability and is never thresholded. A
task that the model does not answer counts as 0.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.labels import LabelSpace
from crisislens.pipeline.bundle import Calibration, Evidence, TaskConfig

__all__ = ["evidence_of", "judge", "urgency"]

_NEED = {
    "affected": 1.0,
    "affected_individuals": 1.0,
    "injured_or_dead_people": 1.0,
    "missing_or_found_people": 1.0,
    "infrastructure_and_utility_damage": 0.8,
    "vehicle_damage": 0.6,
    "rescue_volunteering_or_donation_effort": 0.5,
    "other_relevant_information": 0.2,
}
# numerical noise between batch compositions is below 1e-6; four digits are what a reader can use
_DIGITS = 4


def evidence_of(*, text: bool, image: bool) -> Evidence | None:
    """The kind of evidence that a post offers, or None where nothing was readable."""
    if text and image:
        return "both"
    return "text" if text else "image" if image else None


def judge(
    logits: NDArray[np.float32],
    *,
    space: LabelSpace,
    task: TaskConfig,
    evidence: Evidence | None,
    foreign: str | None,
    doubt: str | None = None,
) -> TaskAssessment:
    """One task's answer for one post.

    Arguments:
        logits: One logit a class, shape (c,).
        space: The label space whose order the logits follow.
        task: The task's calibration by evidence.
        evidence: What the logits rest on.
        foreign: A language outside the model's training that the text is written in, or None.
        doubt: Why the text may not be what was written, or None.
    """
    calibration = task.calibration.get(evidence) if evidence else None
    scaled = logits.astype(np.float64) / (calibration.temperature if calibration else 1.0)
    p = np.exp(scaled - scaled.max())
    p /= p.sum()
    best = int(p.argmax())
    reason = _reason(
        float(p[best]),
        space=space,
        label=space.classes[best],
        calibration=calibration,
        evidence=evidence,
        foreign=foreign,
        doubt=doubt,
    )
    return TaskAssessment(
        label=space.classes[best],
        confidence=round(float(p[best]), _DIGITS),
        probabilities={name: round(float(x), _DIGITS) for name, x in zip(space.classes, p, strict=True)},
        abstained=reason is not None,
        reason=reason,
    )


def _reason(
    confidence: float,
    *,
    space: LabelSpace,
    label: str,
    calibration: Calibration | None,
    evidence: Evidence | None,
    foreign: str | None,
    doubt: str | None,
) -> str | None:
    """Why the answer is "not sure", or None where it stands."""
    if evidence is None:
        return "The post has no readable text or photo."
    if doubt is not None and evidence != "image":
        return doubt
    if foreign is not None and evidence == "text":
        return (
            f"The text seems to be in another language ({foreign}) than the model was trained on, and there "
            f"is no photo."
        )
    if calibration is None:
        what = {"text": "text alone", "image": "a photo alone", "both": "text and photo"}[evidence]
        return f"This model was not calibrated to judge {space.task} from {what}."
    if confidence < calibration.abstain_below:
        title = space.title(label)
        return (
            f"Leaning to “{title}” at {confidence:.0%}, below the {calibration.abstain_below:.0%} needed for "
            f"this kind of post."
        )
    return None


def urgency(tasks: Mapping[str, TaskAssessment]) -> float:
    """The sort key $u$ of the module's head, in [0, 1]."""
    informative = (
        tasks["informativeness"].probabilities.get("informative", 0.0) if "informativeness" in tasks else 0.0
    )
    need = (
        sum(_NEED.get(name, 0.0) * p for name, p in tasks["humanitarian"].probabilities.items())
        if "humanitarian" in tasks
        else 0.0
    )
    damage = tasks["damage"].probabilities if "damage" in tasks else {}
    harm = damage.get("severe_damage", 0.0) + 0.5 * damage.get("mild_damage", 0.0)
    return round(min(1.0, informative * (0.7 * need + 0.3 * harm)), _DIGITS)
