"""Temperature and threshold of a trained network, for each kind of evidence that a post may offer.

A photo alone deserves another trust than a text alone, which one threshold for all posts cannot
say. For each kind (`text`, `image`, `both`) the development posts that offer it are shown to the
network with nothing else: for `text` the photos are taken away, for `image` the texts. So a network
that was trained on posts with both is judged on what it does with one, and a kind that too few
posts offer is left out: the product says "not sure" there (`pipeline.judgment`).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from crisislens.domain.assessment import Modality
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.domain.task import Task
from crisislens.evaluation.abstention import RiskThreshold
from crisislens.evaluation.judged import read_off
from crisislens.nn.batch import FeatureBatch
from crisislens.training.config import RunConfig
from crisislens.training.inputs import Batch, GraphBatch, Inputs, TokenBatch
from crisislens.training.predict import predict

__all__ = ["FEWEST_POSTS", "calibrations", "chosen"]

FEWEST_POSTS = 30
"""Development posts of a kind below which nothing is promised for it."""
_CHUNK = 256


def chosen(
    logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s ..."], run: RunConfig, *, space: Task
) -> tuple[float, RiskThreshold]:
    """The temperature and the threshold that development posts ask for.

    Arguments:
        logits: For each development post the logit of each class.
        y: Its class, or a row of zeros and ones where several may hold.
        run: With the risk that is accepted.
        space: The labels: whether several may hold, and which lie within others.
    """
    risk = run.abstention
    return read_off(logits, y, risk.target_risk, delta=risk.delta, space=space)


def calibrations(
    network: nn.Module, inputs: Inputs, y: Int[np.ndarray, "s ..."], run: RunConfig, *, space: Task
) -> dict[EvidenceKind, Calibration]:
    """Temperature and threshold for each kind of evidence of which there are enough development
    posts.

    Arguments:
        network: The trained network.
        inputs: The development posts.
        y: Their classes.
        run: What the network was given, and the risk that is accepted.
        space: The labels: whether several may hold, and which lie within others.
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
        temperature, threshold = chosen(logits[rows], y[rows], run, space=space)
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
