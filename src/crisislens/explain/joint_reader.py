"""Posts to their evidence and to a decision on it alone, with one joint rationale model.

Every window of a text is read by itself, with the post's photo: a batch of one rounds as it does for
every other post, so no neighbor changes a bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from crisislens.data.words import word_spans
from crisislens.domain.calibration import EvidenceKind
from crisislens.explain.rationalizer import PostRationale
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows
from crisislens.models.joint_artifact import LoadedJointRationalizer, load_joint_rationalizer
from crisislens.models.joint_tower import Photos

__all__ = ["EvidenceReader", "WindowDecision"]


@dataclass(frozen=True)
class WindowDecision:
    """What is said of one window of a post.

    Attributes:
        evidence: Over all words of the text; only those of this window are ever chosen. Heat is 0 outside
            of the patches that are evidence.
        logits: Of stage 2; without evidence they are those of an empty post, and answer nothing.
        kind: What stage 2 was shown; None for no evidence.
    """

    evidence: PostRationale
    logits: Float[np.ndarray, " c"]
    kind: EvidenceKind | None


class EvidenceReader:
    """Reads posts with one joint rationale model; safe to ask from several threads.

    Arguments:
        loaded: The model.
    """

    def __init__(self, loaded: LoadedJointRationalizer) -> None:
        self.loaded = loaded
        self._cutter = WordCutter(loaded.model.tower)

    @classmethod
    def load(cls, folder: Path) -> "EvidenceReader":
        """A model by its folder.

        Raises:
            ModelError: If it is damaged, or its encoders cannot be had.
        """
        return cls(load_joint_rationalizer(folder))

    @torch.inference_mode()
    def read(self, text: str, pixels: UInt8[np.ndarray, "h w 3"] | None = None) -> list[WindowDecision]:
        """What is said of each window of a post; nothing of a text without words.

        Arguments:
            text: The text as posted.
            pixels: The decoded photo (RGB), None for none.
        """
        tower = self.loaded.model.tower
        image = None if pixels is None else tower.preprocess(pixels)
        photos = tower.photos([image])
        return [self._decide(text, window, photos) for window in self._cutter.cut(text)]

    def _decide(self, text: str, window: WordWindow, photos: Photos) -> WindowDecision:
        model = self.loaded.model
        words = collate_windows([window], model.tower.pad_id)
        found = model.evidence(model(words, photos), words)
        left = model.reduced(words, photos, found)
        some, seen = bool(found.chosen.any()), bool(left[1].seen.any())
        kind: EvidenceKind | None = None if not some else "both" if seen else "text"
        heat = None
        if found.patches.any():
            grid = (model.tower.grid, model.tower.grid)
            heat = (found.heat * found.patches)[0].reshape(grid).double().numpy()
        evidence = _over_text(text, window, found.chosen[0].tolist(), found.probability[0].tolist(), heat)
        return WindowDecision(evidence, model.decide(*left)[0].float().numpy(), kind)


def _over_text(
    text: str,
    window: WordWindow,
    chosen: Sequence[bool],
    probability: Sequence[float],
    heat: Float[np.ndarray, "r c"] | None,
) -> PostRationale:
    """A window's evidence, told over all words of its text."""
    spans = tuple(word_spans(text))
    said = dict(zip(window.spans, zip(chosen, probability, strict=True), strict=True))
    rows = [said.get(span, (False, 0.0)) for span in spans]
    return PostRationale(spans, tuple(c for c, _ in rows), tuple(p for _, p in rows), heat)
