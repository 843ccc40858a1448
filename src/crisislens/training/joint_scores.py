"""A joint rationale model against people: its words, and its decisions on them alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.data.marked_rationales import AnnotatedText
from crisislens.domain.calibration import EvidenceKind
from crisislens.domain.task import Task
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.classification import Estimate, evaluate
from crisislens.evaluation.rationale_scores import agreement
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows
from crisislens.models.rationale_joint import JointRationalizer

__all__ = ["DecidedText", "decide_texts", "score_joint"]

_BATCH = 32
ImageOf = Callable[[AnnotatedText], Float[Tensor, "3 s s"] | None]


@dataclass(frozen=True)
class DecidedText:
    """What a model says of a text.

    Attributes:
        chosen: Over all words of the text, which are evidence.
        probability: Of each word to be evidence.
        logits: Of stage 2, from the most urgent window that holds evidence, which is the one that the
            product answers by.
        auxiliary: Of stage 1, which saw that whole window.
        kind: What stage 2 rested on; None for nothing.
    """

    chosen: list[bool]
    probability: list[float]
    logits: Float[np.ndarray, " c"]
    auxiliary: Float[np.ndarray, " c"]
    kind: EvidenceKind | None


def decide_texts(
    model: JointRationalizer, texts: Sequence[AnnotatedText], image_of: ImageOf, task: Task
) -> list[DecidedText]:
    """What a model says of texts, in their order.

    Arguments:
        model: In evaluation mode.
        texts: The texts.
        image_of: From a text to its preprocessed photo.
        task: Of a long text it says which window is the most urgent.
    """
    cutter = WordCutter(model.tower)
    found = [_undecided(text, model.classifier.out_features) for text in texts]
    windows = [(i, w) for i, text in enumerate(texts) for w in cutter.cut(text.text)]
    rows: list[DecidedText | None] = [None] * len(windows)
    # similar lengths together; they are joined below in the order of the text
    order = sorted(range(len(windows)), key=lambda k: len(windows[k][1].ids))
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        images = [image_of(texts[windows[k][0]]) for k in places]
        for k, row in zip(places, _decide(model, [windows[k][1] for k in places], images), strict=True):
            rows[k] = row
    for (i, window), said in zip(windows, rows, strict=True):
        assert said is not None
        found[i] = _joined(texts[i], found[i], window, said, task)
    return found


def _undecided(text: AnnotatedText, classes: int) -> DecidedText:
    words = len(text.words())
    nothing = np.zeros(classes, dtype=np.float32)
    return DecidedText([False] * words, [0.0] * words, nothing, nothing, None)


@torch.inference_mode()
def _decide(
    model: JointRationalizer, windows: Sequence[WordWindow], images: Sequence[Tensor | None]
) -> list[DecidedText]:
    words = collate_windows(windows, model.tower.pad_id)
    photos = model.tower.photos(images)
    first = model(words, photos)
    evidence = model.evidence(first, words)
    left = model.reduced(words, photos, evidence)
    logits = model.decide(*left)
    seen = left[1].seen.tolist()
    kinds: list[EvidenceKind | None] = [
        None if not some else "both" if photo else "text"
        for some, photo in zip(evidence.chosen.any(1).tolist(), seen, strict=True)
    ]
    return [
        DecidedText(*row)
        for row in zip(
            evidence.chosen.tolist(),
            evidence.probability.tolist(),
            logits.numpy(),
            first.classes.numpy(),
            kinds,
            strict=True,
        )
    ]


def _joined(
    text: AnnotatedText, before: DecidedText, window: WordWindow, row: DecidedText, task: Task
) -> DecidedText:
    """A text with what one more of its windows says."""
    place = {span: k for k, span in enumerate(text.words())}
    chosen, probability = [*before.chosen], [*before.probability]
    for j, span in enumerate(window.spans):
        chosen[place[span]], probability[place[span]] = row.chosen[j], row.probability[j]
    decided = row if _goes_before(row, before, task) else before
    return DecidedText(chosen, probability, decided.logits, decided.auxiliary, decided.kind)


def _goes_before(row: DecidedText, before: DecidedText, task: Task) -> bool:
    """Whether a window decides in place of those before it, as in `pipeline.deciding`: of equals the first
    one stays.
    """
    if before.kind is None:
        return True
    return row.kind is not None and _weight(row, task) > _weight(before, task)


def _weight(row: DecidedText, task: Task) -> float:
    p = softmax(row.logits[None].astype(np.float64))[0]
    return task.weight(dict(zip(task.classes, p.tolist(), strict=True)))


def score_joint(
    model: JointRationalizer,
    texts: Sequence[AnnotatedText],
    task: Task,
    class_of: Callable[[AnnotatedText], int],
    image_of: ImageOf,
) -> dict[str, dict[str, float]]:
    """Words against people (token F1, IoU F1, AUPRC), and the accuracy and macro-F1 of decisions on
    rationales alone and of the auxiliary classifier, which saw the whole post; with bootstrap
    intervals over texts.
    """
    decided = decide_texts(model, texts, image_of, task)
    marked = [np.array(t.word_labels(), dtype=bool) for t in texts]
    words = agreement(
        marked,
        [np.array(d.chosen, dtype=bool) for d in decided],
        [np.array(d.probability) for d in decided],
    )
    found = {"words": _rounded(words._asdict())}
    y = np.array([class_of(text) for text in texts])
    rows = y >= 0
    if not rows.any():
        return found
    for name in ("logits", "auxiliary"):
        p = softmax(np.stack([getattr(d, name) for d in decided])[rows].astype(np.float64))
        report = evaluate(y[rows], p, task.classes)
        scores = {"accuracy": report.accuracy, "macro_f1": report.macro_f1}
        found["rationales alone" if name == "logits" else "auxiliary, whole post"] = _rounded(scores)
    return found


def _rounded(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    ends = (("", "value"), ("_low", "low"), ("_high", "high"))
    return {
        f"{name}{end}": round(float(getattr(e, of)), 4) for name, e in estimates.items() for end, of in ends
    }
