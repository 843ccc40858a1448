"""What the tasks' logits mean for one post: its answers, its place in the order of reading, its record.

Nothing here runs a model. An answer is calibrated by the kind of evidence that its logits rest on
(`pipeline.judgment`), and two that contradict each other are not both given (`pipeline.agreement`). A post
that no model could read takes the rate of calls of its lane, as the bundle says it, and not the urgency of
logits that are biases.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crisislens.domain.assessment import Assessment, Modality, Provenance, TaskAssessment
from crisislens.domain.calibration import NEVER_SURE
from crisislens.domain.post import Post
from crisislens.domain.tasks import Task
from crisislens.features.encode import PostFeatures
from crisislens.pipeline.agreement import agreed, contradicted
from crisislens.pipeline.bundle import BundleConfig
from crisislens.pipeline.deciding import Decided
from crisislens.pipeline.judgment import DIGITS, evidence_kind, judge, urgency
from crisislens.pipeline.photos import PhotoChoice
from crisislens.pipeline.readable import UNKNOWN, Readable

__all__ = ["Answering"]

# of two answers that contradict each other one is wrong
_EVEN = 0.5


class Answering:
    """Answers of one bundle's tasks.

    Arguments:
        config: The bundle's tasks with their calibration, and what it says of languages.
        given: By task the modalities that its model looks at.
    """

    def __init__(self, config: BundleConfig, given: Mapping[str, tuple[Modality, ...]]) -> None:
        self.config, self.given = config, dict(given)
        self.spaces = {name: task.space for name, task in config.tasks.items()}
        self.telling = self._spaces_of_photos()

    def of_post(
        self,
        features: PostFeatures,
        logits: Mapping[str, NDArray[np.float32]],
        *,
        unread: str | None = None,
        doubt: str | None = None,
        little: str | None = None,
    ) -> dict[str, TaskAssessment]:
        """Each task's answer for one post, from its evidence.

        Arguments:
            features: What could be read of the post.
            logits: By task one logit a class.
            unread: Why no model reads the text, or None where one does.
            doubt: Why the text may not be what was written, or None.
            little: Why no answer is sure that rests on the text alone, or None.
        """
        has_text, has_image = _readable(features)
        answers = {}
        for name, task in self.config.tasks.items():
            given = self.given[name]
            seen = evidence_kind(text=has_text and "text" in given, image=has_image and "image" in given)
            answers[name] = judge(
                logits[name],
                space=self.spaces[name],
                task=task,
                evidence=seen,
                unread=unread,
                doubt=doubt or (little if seen == "text" else None),
                only=given[0] if len(given) == 1 and (has_text or has_image) else None,
            )
        return agreed(answers, self.spaces)

    def of_evidence(
        self,
        decided: Decided,
        *,
        unread: str | None = None,
        doubt: str | None = None,
        little: str | None = None,
    ) -> dict[str, TaskAssessment]:
        """The one answer of a post whose rationales alone decide. Arguments: see `of_post`."""
        [(name, task)] = self.config.tasks.items()
        answer = judge(
            decided.logits,
            space=self.spaces[name],
            task=task,
            evidence=decided.kind,
            unread=unread,
            doubt=doubt or (little if decided.kind == "text" else None),
            nothing=decided.why,
        )
        return {name: answer}

    def urgency_of_text(self, logits: Mapping[str, NDArray[np.float32]]) -> float:
        """The urgency of a part of a text, as if it were all of the post."""
        seen = evidence_kind(text=True, image=False)
        answers = {
            name: judge(logits[name], space=self.spaces[name], task=task, evidence=seen)
            for name, task in self.config.tasks.items()
        }
        return urgency(answers, self.spaces)

    def urgency_with_photo(self, features: PostFeatures, logits: Mapping[str, NDArray[np.float32]]) -> float:
        """What the most telling of several photos is chosen by. Arguments: see `of_post`."""
        return urgency(self.of_post(features, logits), self.telling)

    def assessment(
        self,
        post: Post,
        chosen: PhotoChoice,
        readable: Readable,
        provenance: Provenance,
        *,
        notes: tuple[str, ...],
        doubt: str | None,
        little: str | None = None,
    ) -> Assessment:
        """The record of one post.

        Arguments:
            post: As it came.
            chosen: Its features and logits, beside the photo that they rest on.
            readable: In which language its text is, and whether a model reads it.
            provenance: What made the record.
            notes: What a reader must know of the post.
            doubt: Why the text may not be what was written, or None.
            little: Why no answer is sure that rests on the text alone, or None.
        """
        has_text, has_image = _readable(chosen.features)
        decided = chosen.decided
        if decided is None:
            tasks = self.of_post(
                chosen.features, chosen.logits, unread=readable.unread, doubt=doubt, little=little
            )
            evidence = has_text or has_image
        else:
            tasks = self.of_evidence(decided, unread=readable.unread, doubt=doubt, little=little)
            evidence = decided.kind is not None
        # what a photo shows that could not be opened is unknown, and not nothing
        # and beside a photo a text without letters is no more than none
        telling = has_text and (little is None or post.image is None)
        lost = not (telling or has_image) and post.image is not None and bool(self._weighed())
        ranked = not has_text or self._ranks(readable)
        ordered = not lost and ranked and (telling or self._orders(image=has_image))
        present: tuple[tuple[Modality, bool], ...] = (("text", has_text), ("image", has_image))
        return Assessment(
            post=post,
            modalities=tuple(name for name, there in present if there),
            notes=notes,
            language=readable.language,
            unread=readable.unread if has_text else None,
            photo=chosen.photo.path if chosen.photo else None,
            tasks=tasks,
            urgency=urgency(
                tasks,
                self.spaces,
                evidence=evidence or lost,
                unread=None if ordered else self.config.unread_urgency,
            ),
            provenance=provenance,
        )

    def uncertainty(self, record: Assessment) -> float:
        """How unsure the least sure answer to a post is, in [0, 1]: what a person is asked first.

        Only questions that the model could surely answer from what the post offers are looked at; another
        one is unsure by design, of every post, and would be all that the order is made of. 1 where there is
        no question left. An answer that another one contradicts is as unsure as a coin.

        Arguments:
            record: What is said of the post.
        """
        sure = [
            _EVEN if contradicted(answer) else answer.confidence
            for name, answer in record.tasks.items()
            if self._can_be_sure(name, record.modalities)
        ]
        return round(1.0 - min(sure, default=0.0), DIGITS)

    def _can_be_sure(self, name: str, modalities: Sequence[Modality]) -> bool:
        """Whether a task's answer would stand at some confidence."""
        there = set(modalities) & set(self.given[name])
        evidence = evidence_kind(text="text" in there, image="image" in there)
        calibration = self.config.tasks[name].calibration.get(evidence) if evidence else None
        return calibration is not None and calibration.abstain_below < NEVER_SURE

    def _orders(self, *, image: bool) -> bool:
        """Whether the tasks that make the order of reading could look at a post without a text: that one of
        them looks at the photo which is all there is. Logits of what nobody saw are biases.
        """
        weighed = self._weighed()
        return not image or not weighed or any("image" in self.given[name] for name in weighed)

    def _ranks(self, readable: Readable) -> bool:
        """Whether urgency is the models' own: they read the text, or were seen to order its language."""
        if readable.unread is None:
            return True
        return (readable.language or UNKNOWN) in self.config.ranked_languages

    def _weighed(self) -> list[str]:
        """The tasks that have a say in the order of reading."""
        return [
            name
            for name, space in self.spaces.items()
            if (space.gate or space.share > 0) and any(label.urgency for label in space.labels)
        ]

    def _spaces_of_photos(self) -> dict[str, Task]:
        """What the most telling of several photos is chosen by: the order of reading, or, where no
        photo has a part in that, the tasks that look at photos, each with the same share.
        """
        seeing = [name for name, given in self.given.items() if "image" in given]
        if not seeing or set(seeing) & set(self._weighed()):
            return self.spaces
        equal = {"gate": False, "share": 1 / len(seeing)}
        return {name: self.spaces[name].model_copy(update=equal) for name in seeing}


def _readable(features: PostFeatures) -> tuple[bool, bool]:
    """Whether there are a text and a photo that could be read."""
    return features.text_tokens is not None, features.image_pooled is not None
