r"""Temperature and thresholds of a bundle, chosen anew on posts that people reviewed.

No model is run. What it said of a reviewed post is kept, and logits are in it up to a constant that
changes no probability: $\ell = \tau \log p$. So for each task and kind of evidence τ and θ are
chosen as in training (`evaluation.judged`), now on people's answers, and held out by folds: near-
duplicates stay in one fold, and each fold is judged with what the others chose. A change is taken
only where held-out posts were less surprising with it (mean $-\log p$ of the true class), and no
more of the answers given were wrong than were accepted, or than before.

Probabilities are kept with four digits, so a class below 0.00005 counts as that. Answers that are
"not sure" for another reason than θ (a language that no model reads) are left out, and so are tasks
where several labels may hold, since a person names one of them by a key.

Posts that people chose to review are no sample of all posts, which is the one assumption of all of
this: those that were reviewed in order of time come nearest to one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from crisislens.core.errors import InputError
from crisislens.domain.assessment import Assessment, Modality, TaskAssessment
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.domain.task import Task
from crisislens.evaluation.abstention import risk_upper_bound
from crisislens.evaluation.judged import Judged, judged, read_off
from crisislens.pipeline.agreement import outvoted
from crisislens.pipeline.bundle import BundleConfig
from crisislens.pipeline.judgment import evidence_kind

__all__ = ["HeldOut", "Recalibrated", "Reviewed", "fewest_posts", "recalibrate"]

FOLDS = 5
_DELTA = 0.05
_LEVELS = 20
_DEFAULT_RISK = 0.1
_LEAST = 5e-5
_NEAR = 0.005
_TINY = 1e-12
# both sentences that bundles carry: "aim: at most 20% errors …", "at most 20% of the answers given …"
_AIM = re.compile(r"at most (\d+(?:\.\d+)?)\s?%")


@dataclass(frozen=True)
class Reviewed:
    """A post that people judged beside what the model says of it.

    Attributes:
        group: Near-duplicates share it; they are never in two folds.
        said: By task the labels that people gave.
        assessment: What the model says.
    """

    group: int
    said: Mapping[str, Sequence[str]]
    assessment: Assessment


@dataclass(frozen=True)
class HeldOut:
    """What answers to held-out posts were like.

    Attributes:
        surprise: Mean −log p of the class that people named, in nats.
        coverage: Share of posts that were answered.
        risk: Share of wrong answers among them; None where none was answered.
    """

    surprise: float
    coverage: float
    risk: float | None


@dataclass(frozen=True)
class Recalibrated:
    """One task and kind of evidence.

    Attributes:
        task: The question.
        kind: What the answers rest on.
        posts: Reviewed posts of it.
        right: Of how many the most probable class is the one that people named.
        target: The risk that is accepted.
        before: What the bundle has.
        after: What it should have; the same where nothing is changed.
        held_out: How the two fared on posts that had no part in choosing; None where there were too few.
        why: Why nothing is changed; empty where something is.
    """

    task: str
    kind: EvidenceKind
    posts: int
    right: int
    target: float
    before: Calibration
    after: Calibration
    held_out: tuple[HeldOut, HeldOut] | None
    why: str

    @property
    def changed(self) -> bool:
        """Whether there is a change."""
        return not self.why


@dataclass(frozen=True)
class _Answers:
    """Answers of one task and kind: the labels, logits up to a constant, the true classes, groups."""

    space: Task
    logits: Float[np.ndarray, "s c"]
    y: Int[np.ndarray, " s"]
    groups: Int[np.ndarray, " s"]


def fewest_posts(target: float) -> int:
    """How many reviewed posts are needed to promise a risk, all of them right: with fewer no threshold
    could be promised.

    >>> fewest_posts(0.1), fewest_posts(0.3)
    (57, 30)

    Arguments:
        target: The risk that is accepted.
    """
    least = 30
    while risk_upper_bound(0, least, _DELTA / _LEVELS) > target:
        least += 1
    return least


def recalibrate(
    config: BundleConfig,
    given: Mapping[str, Sequence[Modality]],
    reviewed: Iterable[Reviewed],
    *,
    risk: float | None = None,
) -> list[Recalibrated]:
    """What reviewed posts ask for, by task and kind of evidence.

    Arguments:
        config: The bundle that answered.
        given: By task what its model looks at.
        reviewed: The posts, with the answers of this bundle.
        risk: The share of wrong answers that is accepted; None takes what each calibration was made for.

    Raises:
        InputError: If there are too few for every task and kind.
    """
    found = list(reviewed)
    rows = []
    for name, task in config.tasks.items():
        # a person names one label by a key, which says nothing of the others
        if task.space.several:
            continue
        for kind, before in task.calibration.items():
            target = risk if risk is not None else _aim(before.basis)
            here = [post for post in found if _kind(post.assessment, given[name]) == kind]
            answers = _answers(here, name, task.space, before)
            rows.append(_row(name, kind, answers, before, target))
    if not any(row.held_out for row in rows):
        most = max(rows, key=lambda row: row.posts, default=None)
        told = f"; most were there of {most.task} from {most.kind}: {most.posts}" if most else ""
        needed = min((fewest_posts(row.target) for row in rows), default=0)
        raise InputError(
            f"{len(found)} reviewed posts that this model answered are too few: {needed} different "
            f"ones are needed of one task and kind of evidence{told}"
        )
    return rows


def _aim(basis: str) -> float:
    found = _AIM.search(basis)
    return float(found[1]) / 100 if found and 0 < float(found[1]) < 100 else _DEFAULT_RISK


def _answers(reviewed: Sequence[Reviewed], task: str, space: Task, before: Calibration) -> _Answers:
    classes = space.classes
    logits, y, groups = [], [], []
    for post in reviewed:
        answer = post.assessment.tasks.get(task)
        said = tuple(post.said.get(task, ()))
        if answer is None or len(said) != 1 or said[0] not in classes:
            continue
        if _unsure_otherwise(answer, before):
            continue
        p = np.array([answer.probabilities.get(name, 0.0) for name in classes])
        logits.append(before.temperature * np.log(np.maximum(p, _LEAST)))
        y.append(classes.index(said[0]))
        groups.append(post.group)
    shape = (len(y), len(classes))
    return _Answers(
        space,
        np.array(logits, np.float64).reshape(shape),
        np.array(y, np.int64),
        np.array(groups, np.int64),
    )


def _kind(assessment: Assessment, given: Sequence[Modality]) -> EvidenceKind | None:
    """What a model's answer to a post rests on."""
    there = set(assessment.modalities) & set(given)
    return evidence_kind(text="text" in there, image="image" in there)


def _unsure_otherwise(answer: TaskAssessment, before: Calibration) -> bool:
    """Whether an answer is "not sure" for another reason than its confidence. What another answer stands
    against counts as it was meant: these are mistakes that the model was sure of.
    """
    sure = answer.confidence >= before.abstain_below + 1e-4
    return answer.abstained and sure and not outvoted(answer)


def _row(
    task: str, kind: EvidenceKind, answers: _Answers, before: Calibration, target: float
) -> Recalibrated:
    y, z = answers.y, answers.logits
    right = int((z.argmax(1) == y).sum()) if len(y) else 0

    def row(
        after: Calibration, held_out: tuple[HeldOut, HeldOut] | None = None, why: str = ""
    ) -> Recalibrated:
        return Recalibrated(task, kind, len(y), right, target, before, after, held_out, why)

    fewest, different = fewest_posts(target), len(np.unique(answers.groups))
    if different < fewest:
        return row(before, why=f"too few: {different} different posts, {fewest} are needed")
    if len(np.unique(y)) < 2:
        return row(before, why="people gave all of them one label, so there is nothing to choose by")
    held_out = _held_out(answers, before, target)
    temperature, threshold = read_off(z, y, target, delta=_DELTA, space=answers.space)
    promise = f"kept with {1 - _DELTA:.0%} probability" if threshold.met else "which could not be promised"
    basis = (
        f"{len(y)} posts that people reviewed; at most {target:.0%} of the answers given are to be wrong, "
        f"{promise} for posts like these"
    )
    after = Calibration(
        temperature=round(temperature, 4), abstain_below=round(threshold.threshold, 4), basis=basis
    )
    if _same(before, after):
        return row(before, held_out, "it fits as it is")
    why = _against(*held_out, target)
    return row(before if why else after, held_out, why)


def _same(before: Calibration, after: Calibration) -> bool:
    near = abs(np.log(after.temperature / before.temperature)) < 2 * _NEAR
    return bool(near and abs(after.abstain_below - before.abstain_below) < _NEAR)


def _against(before: HeldOut, after: HeldOut, target: float) -> str:
    """What speaks against a change; empty where nothing does."""
    if after.surprise > before.surprise:
        return "held-out posts were more surprising with it"
    allowed = max(target, before.risk if before.risk is not None else 0.0)
    if after.risk is not None and after.risk > allowed + _TINY:
        return f"{after.risk:.0%} of the answers to held-out posts would be wrong"
    return ""


def _held_out(answers: _Answers, before: Calibration, target: float) -> tuple[HeldOut, HeldOut]:
    """How the present calibration and new ones fare, each fold judged with what the others chose."""
    space, y, z = answers.space, answers.y, answers.logits
    fold = _folds(answers.groups)
    old = judged(z, y, space=space, temperature=before.temperature)
    p = np.zeros_like(old.probabilities)
    kept = np.zeros(len(y), bool)
    for number in range(FOLDS):
        rows = fold == number
        temperature, threshold = read_off(z[~rows], y[~rows], target, delta=_DELTA, space=space)
        new = judged(z[rows], y[rows], space=space, temperature=temperature)
        p[rows], kept[rows] = new.probabilities, new.confidence >= threshold.threshold
    new = Judged(p, p.max(1), p.argmax(1) == y)
    return _scored(old, old.confidence >= before.abstain_below, y), _scored(new, kept, y)


def _folds(groups: Int[np.ndarray, " s"]) -> Int[np.ndarray, " s"]:
    """The fold of each post: near-duplicates together, folds of about one size, the same every time."""
    names, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(names))
    load = np.zeros(FOLDS, np.int64)
    fold = np.zeros(len(names), np.int64)
    for name in sorted(order, key=lambda i: -sizes[i]):
        fold[name] = int(load.argmin())
        load[fold[name]] += sizes[name]
    return np.asarray(fold[which])


def _scored(answers: Judged, kept: np.ndarray, y: Int[np.ndarray, " s"]) -> HeldOut:
    true = np.maximum(answers.probabilities[np.arange(len(y)), y], _TINY)
    risk = float((~answers.right[kept]).mean()) if kept.any() else None
    return HeldOut(float(-np.log(true).mean()), float(kept.mean()), risk)
