"""Answers that rest on rationales alone: what stands in for the tasks' models where a bundle is a joint
rationale model.

Of a long text every window is decided by itself, and the most urgent decision is the post's; only that
window's evidence is told, since nothing else had a part in the answer. Of several photos the first that
can be read is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from crisislens.core.errors import ImageError
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.assessment import Modality
from crisislens.domain.calibration import EvidenceKind
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale
from crisislens.domain.tasks import Task
from crisislens.evaluation.calibration import softmax
from crisislens.explain.joint_reader import EvidenceReader, WindowDecision
from crisislens.pipeline.rationale_annotator import as_clause, patch_heat, text_spans

__all__ = ["Decided", "Decider"]

_NOTHING = "nothing in the post reads as evidence, and this model answers from evidence alone"
_ALONE = {
    ("text",): "the answer rests on these words alone",
    ("image",): "the answer rests on these parts of the photo alone",
    ("text", "image"): "the answer rests on these words and parts of the photo alone",
}


@dataclass(frozen=True)
class Decided:
    """What is said of one post.

    Attributes:
        logits: By class.
        kind: What they rest on; None where nothing is evidence.
        rationale: The evidence, as the record holds it.
    """

    logits: Float[np.ndarray, " c"]
    kind: EvidenceKind | None
    rationale: Rationale

    @property
    def why(self) -> str:
        """What is said of the answer, as a sentence."""
        note = self.rationale.note or _NOTHING
        return f"{note[0].upper()}{note[1:]}."


class Decider:
    """Decides on rationales alone.

    Arguments:
        reader: The model.
        limits: Within which photos are decoded.
        image_root: The folder of the photos; without one, photos are not read.
    """

    def __init__(self, reader: EvidenceReader, *, limits: ImageLimits, image_root: Path | None) -> None:
        self.reader, self.limits, self.image_root = reader, limits, image_root
        self.task: Task = reader.loaded.config.space

    @property
    def given(self) -> tuple[Modality, ...]:
        """The modalities whose evidence decides."""
        return ("text", "image") if self.reader.loaded.config.looks else ("text",)

    def decide(self, posts: Sequence[Post], unread: Sequence[str | None]) -> list[Decided]:
        """What is said of posts, in their order, each from its own text and photo.

        Arguments:
            posts: b posts.
            unread: Of each one why the model does not read its text, or None where it does.
        """
        return [self._of(*row) for row in zip(posts, unread, strict=True)]

    def _of(self, post: Post, unread: str | None) -> Decided:
        # in a language that it never learned the model would choose words at random
        windows = [] if unread else self.reader.read(post.text, self._pixels(post))
        best = max((w for w in windows if w.kind is not None), key=self._weight, default=None)
        if best is None:
            note = as_clause(unread) if unread else _NOTHING
            return Decided(np.zeros(len(self.task), np.float32), None, self._record(None, (), note))
        decides: tuple[Modality, ...] = ("text", "image") if best.kind == "both" else ("text",)
        note = _ALONE[decides]
        if len(windows) > 1:
            note += f"; the text is long, and this is the most urgent of its {len(windows)} parts"
        return Decided(best.logits, best.kind, self._record(best, decides, note))

    def _pixels(self, post: Post) -> np.ndarray | None:
        """The first photo of a post that can be read; why one cannot is told beside the features."""
        if self.image_root is None:
            return None
        for ref in post.images:
            try:
                return decode_image(resolve_image(ref, self.image_root), self.limits).pixels
            except ImageError:
                continue
        return None

    def _weight(self, window: WindowDecision) -> float:
        """How urgent a window is; the first of equals is taken."""
        p = softmax(window.logits[None].astype(np.float64))[0]
        return self.task.weight(dict(zip(self.task.classes, p.tolist(), strict=True)))

    def _record(self, best: WindowDecision | None, decides: tuple[Modality, ...], note: str) -> Rationale:
        config = self.reader.loaded.config
        return Rationale(
            method="rationales",
            model=f"{config.name} {config.version} ({self.reader.loaded.fingerprint})",
            decides=decides,
            text=() if best is None else text_spans(best.evidence),
            image=None if best is None else patch_heat(best.evidence.heat),
            note=note,
        )
