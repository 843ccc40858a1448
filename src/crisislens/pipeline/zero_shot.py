"""Kinds of places without training: any encoder with one space for texts and pictures, and a
sentence or more for each class.

The probabilities are a softmax of scaled cosines and not calibrated on anything; below one half the
answer is "not sure". That half is a choice of ours.
"""

from collections.abc import Sequence

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.place_types import PLACE_CRISIS, place_prompts
from crisislens.domain.post import Post
from crisislens.encoders.zero_shot import PromptClassifier
from crisislens.features.encode import PostEncoder
from crisislens.pipeline.bundle import Calibration, TaskConfig
from crisislens.pipeline.judgment import evidence_kind, judge

__all__ = ["ZeroShotPlaces"]

_BASIS = "nothing: zero-shot probabilities are not calibrated"
_SURE = 0.5


class ZeroShotPlaces:
    """Answers `place_crisis` for posts.

    Arguments:
        encoder: What encodes posts; its encoders must share a space.
        scale: See `encoders.zero_shot.PromptClassifier`.

    Raises:
        ModelError: If the encoders do not share a space.
    """

    def __init__(self, encoder: PostEncoder, *, scale: float = 100.0) -> None:
        self.encoder = encoder
        self.classifier = PromptClassifier(encoder.encoders, place_prompts(), scale=scale)
        calibration = Calibration(temperature=1.0, abstain_below=_SURE, basis=_BASIS)
        self._task = TaskConfig(
            artifact="",
            label_space=PLACE_CRISIS.name,
            calibration={"text": calibration, "image": calibration, "both": calibration},
        )

    def assess(self, posts: Sequence[Post]) -> list[TaskAssessment]:
        """The kind of place of each post, each from itself alone."""
        encoded, found = self.encoder.encode(posts), []
        # one by one: the prompts are few, and a product of another size may round otherwise
        for features in encoded.features:
            logits = self.classifier.logits(features.text_pooled, features.image_pooled).numpy()
            evidence = evidence_kind(
                text=features.text_pooled is not None, image=features.image_pooled is not None
            )
            found.append(judge(logits, space=PLACE_CRISIS, task=self._task, evidence=evidence))
        return found
