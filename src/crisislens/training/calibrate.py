"""Temperature and threshold of a trained network, for each kind of evidence that a post may offer.

A photo alone deserves another trust than a text alone, which one threshold for all posts cannot
say. For each kind (`text`, `image`, `both`) the development posts that offer it are shown to the
network with nothing else: for `text` the photos are taken away, for `image` the texts. So a network
that was trained on posts with both is judged on what it does with one, and a kind that too few
posts offer is left out: the product says "not sure" there (`pipeline.judgment`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq
from torch import nn

from crisislens.domain.assessment import Modality
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.evaluation.abstention import RiskThreshold, threshold_for_risk
from crisislens.evaluation.calibration import TEMPERATURES, fit_temperature, softmax
from crisislens.evaluation.several import (
    HOLDS,
    fit_several_temperature,
    set_confidence,
    several_probabilities,
)
from crisislens.nn.batch import FeatureBatch
from crisislens.training.config import RunConfig
from crisislens.training.inputs import Batch, GraphBatch, Inputs, TokenBatch
from crisislens.training.predict import predict

__all__ = ["FEWEST_POSTS", "Judged", "calibrations", "chosen", "judged"]

FEWEST_POSTS = 30
"""Development posts of a kind below which nothing is promised for it."""
_CHUNK = 256


@dataclass(frozen=True)
class Judged:
    """Logits read as answers.

    Attributes:
        probabilities: For each post the calibrated probability of each class.
        confidence: How sure each answer is.
        right: Whether it is right.
    """

    probabilities: Float[np.ndarray, "s c"]
    confidence: Float[np.ndarray, " s"]
    right: Bool[np.ndarray, " s"]


def judged(
    logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s ..."], *, several: bool, temperature: float
) -> Judged:
    """Answers with how sure they are, against the labels.

    Arguments:
        logits: For each post the logit of each class.
        y: The class of each post, or a row of zeros and ones where several may hold.
        several: Which of the two.
        temperature: Divides the logits.
    """
    if several:
        p = several_probabilities(logits, temperature)
        right = ((p >= HOLDS) == (y == 1)).all(1)
        return Judged(p, set_confidence(p), right)
    p = softmax(logits, temperature)
    return Judged(p, p.max(1), p.argmax(1) == y)


def chosen(
    logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s ..."], run: RunConfig, *, several: bool
) -> tuple[float, RiskThreshold]:
    """The temperature and the threshold that development posts ask for.

    Arguments:
        logits: For each development post the logit of each class.
        y: Its class, or a row of zeros and ones where several may hold.
        run: With the risk that is accepted.
        several: Whether several classes may hold.
    """
    temperature = _temperature(logits, y, several=several)
    found = judged(logits, y, several=several, temperature=temperature)
    # on probabilities after the temperature, as the product compares them with the threshold
    risk = run.abstention
    return temperature, threshold_for_risk(found.confidence, found.right, risk.target_risk, delta=risk.delta)


def _temperature(logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s ..."], *, several: bool) -> float:
    r"""The temperature of development posts, also where every one of them is told apart.

    Then the likelihood has no maximum, and a few dozen posts would make every answer certain. As
    Platt's targets do (Probabilistic Outputs for Support Vector Machines, 1999, sec. 2.2), one post
    more is thought of that the logits say nothing of: n answers are right to n / (n + 1), and the
    rest is spread evenly.
    """
    fitted = fit_several_temperature(logits, y) if several else fit_temperature(logits, y)
    coldest, hottest = TEMPERATURES
    # the fit ran into its bound only where every post is right
    if fitted > coldest:
        return fitted
    z = logits.astype(np.float64)
    held = y.astype(np.float64) if several else np.eye(z.shape[1])[y]
    # the one post more, spread over all
    doubt = 1 / (len(z) + 1)
    target = (1 - doubt) * held + doubt * (0.5 if several else 1 / z.shape[1])

    def slope(beta: float) -> float:
        p = several_probabilities(z, 1 / beta) if several else softmax(z, 1 / beta)
        return float(((p - target) * z).mean())

    if slope(1 / hottest) >= 0 or slope(1 / coldest) <= 0:
        return fitted
    return float(1 / brentq(slope, 1 / hottest, 1 / coldest, xtol=1e-12))


def calibrations(
    network: nn.Module, inputs: Inputs, y: Int[np.ndarray, "s ..."], run: RunConfig, *, several: bool
) -> dict[EvidenceKind, Calibration]:
    """Temperature and threshold for each kind of evidence of which there are enough development
    posts.

    Arguments:
        network: The trained network.
        inputs: The development posts.
        y: Their classes.
        run: What the network was given, and the risk that is accepted.
        several: Whether several classes may hold.
    """
    there = _presence(inputs)
    # posts with a text are judged from it alone, whatever else they have: so there are enough of
    # them
    kinds: dict[EvidenceKind, tuple[Bool[np.ndarray, " s"], Modality | None]] = {
        "text": (there["text"], "image"),
        "image": (there["image"], "text"),
        "both": (there["text"] & there["image"], None),
    }
    found: dict[EvidenceKind, Calibration] = {}
    for kind, (rows, hide) in kinds.items():
        if rows.sum() < FEWEST_POSTS or not _varied(y[rows]):
            continue
        shown = inputs if hide is None else _Hidden(inputs, hide)
        # of all posts, since inputs cannot be cut; those with this evidence are taken below
        logits = predict(network, shown, run)
        temperature, threshold = chosen(logits[rows], y[rows], run, several=several)
        found[kind] = Calibration(
            temperature=temperature,
            abstain_below=threshold.threshold,
            basis=_basis(kind, int(rows.sum()), threshold, run.abstention.delta),
        )
    return found


def _basis(kind: EvidenceKind, posts: int, threshold: RiskThreshold, delta: float) -> str:
    what = {"text": "the text alone", "image": "the photo alone", "both": "text and photo"}[kind]
    kept = (
        f"kept with {1 - delta:.0%} probability"
        if threshold.met
        else "which could not be promised for so few posts"
    )
    wrong = f"at most {threshold.target:.0%} of the answers given are to be wrong, {kept}"
    return f"{posts} development posts, judged from {what}; {wrong}"


def _varied(y: Int[np.ndarray, "s ..."]) -> bool:
    """Whether labels differ: with one class there is nothing to choose by."""
    return bool((y != y[:1]).any())


def _presence(inputs: Inputs) -> Mapping[Modality, Bool[np.ndarray, " s"]]:
    """Which posts have a text and which a photo, as the network is given them."""
    text, image = [], []
    for start in range(0, len(inputs.lengths), _CHUNK):
        batch = inputs.batch(np.arange(start, min(start + _CHUNK, len(inputs.lengths))))
        if isinstance(batch, FeatureBatch):
            text.append(batch.text.present)
            image.append(batch.image.present)
        elif isinstance(batch, TokenBatch):
            text.append(batch.present)
            image.append(batch.image.present)
        else:
            text.append(batch.text.present if batch.worded is None else batch.worded)
            image.append(batch.seen)
    return {"text": torch.cat(text).numpy(), "image": torch.cat(image).numpy()}


class _Hidden:
    """Posts without their texts, or without their photos.

    Arguments:
        inputs: The posts.
        modality: What is taken away.
    """

    def __init__(self, inputs: Inputs, modality: Modality) -> None:
        self.inputs, self.modality = inputs, modality
        self.lengths = inputs.lengths

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """The posts at these positions, without what is hidden."""
        batch = self.inputs.batch(rows)
        gone = torch.ones(len(rows), dtype=torch.bool)
        if isinstance(batch, FeatureBatch):
            return batch.map(**{self.modality: batch.modalities()[self.modality].without(gone)})
        if self.modality == "image":
            if isinstance(batch, TokenBatch):
                return replace(batch, image=batch.image.without(gone))
            # pixels as well, since the image encoder in the graph sees them before the mask is
            # looked at
            return replace(batch, seen=~gone, pixels=torch.zeros_like(batch.pixels))
        if isinstance(batch, TokenBatch):
            return replace(batch, present=~gone)
        return _speechless(batch, gone)


def _speechless(batch: GraphBatch, gone: Bool[torch.Tensor, " b"]) -> GraphBatch:
    worded = None if batch.worded is None else ~gone
    return replace(batch, text=batch.text.without(gone), worded=worded)
