"""The annotator `rationale`: evidence in the words and the photo of each post, and what text and
photo contributed to each answer.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from crisislens.data.language_tags import primary_language
from crisislens.data.romanized import romanized
from crisislens.data.words import merge_spans
from crisislens.domain.assessment import Modality
from crisislens.domain.language_names import language_name
from crisislens.domain.post import Post
from crisislens.domain.rationale import Contribution, PatchHeat, Rationale, TextSpan
from crisislens.explain.contribution import coalition_logits, modality_shapley
from crisislens.explain.heat import describe_heat
from crisislens.explain.rationalizer import PostRationale, Rationalizer
from crisislens.features.encode import EncodedPosts, collate
from crisislens.nn.batch import FeatureBatch
from crisislens.pipeline.annotator import Answers
from crisislens.pipeline.readable import language_of

__all__ = ["RationaleAnnotator", "as_clause", "build", "patch_heat", "text_spans"]

_DIGITS = 4
_HEAT_DIGITS = 3


class RationaleAnnotator:
    """Adds `Assessment.rationale`.

    Arguments:
        rationalizer: The rationale model.
    """

    name = "rationale"

    def __init__(self, rationalizer: Rationalizer) -> None:
        self.rationalizer = rationalizer
        self.tokens: tuple[Modality, ...] = ("image",) if rationalizer.loaded.joint is not None else ()
        self._answers: Answers | None = None
        self._sees_photos = False

    def attach(self, answers: Answers) -> None:
        """Learns whose answers are explained; heat needs the image encoder that the rationale model
        was trained on.
        """
        self._answers = answers
        self._sees_photos = (
            answers.encoder.encoders.image.fingerprint() == self.rationalizer.loaded.config.image_encoder
        )

    def fingerprint(self) -> str:
        """16 hex digits over the rationale model."""
        return self.rationalizer.loaded.fingerprint

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        """The rationale of each post."""
        unread = [self._unread(*row) for row in zip(posts, encoded.texts, strict=True)]
        photos = [f.image_tokens if self._sees_photos else None for f in encoded.features]
        # in a language that it never learned the model would mark words at random
        texts = ["" if why else post.text for post, why in zip(posts, unread, strict=True)]
        found = self.rationalizer.find(texts, photos)
        contributions = self._contributions(encoded)
        return [{"rationale": self._record(*row)} for row in zip(found, unread, contributions, strict=True)]

    def _unread(self, post: Post, cleaned: str) -> str | None:
        """Why no words of a text are marked, in a clause; None where the rationale model reads it.

        It knows other languages than the models that answer, so the clause names whose reason this is.
        """
        loaded = self.rationalizer.loaded
        known = loaded.config.languages
        found = language_of(cleaned, post.lang, known, loaded.text.encoder)
        if found.unread is None:
            return None
        reads = f"the model that marks words reads {_names(known)} only"
        if found.language is None and (name := romanized(cleaned)) is not None:
            return f"{reads}, and this text seems to be {name} in Latin letters: no words are marked"
        if found.language is None:
            return f"{reads} and cannot tell that this text is {_names(known, 'or')}: no words are marked"
        verb = "is marked as being" if primary_language(post.lang) else "seems to be"
        return f"{reads}, and this text {verb} {language_name(found.language)}: no words are marked"

    def _record(
        self, found: PostRationale, unread: str | None, contributions: dict[str, Contribution]
    ) -> Rationale:
        config = self.rationalizer.loaded.config
        note = None
        if unread:
            note = unread
        elif not found.words:
            note = "there is no text to read; no words are marked"
        elif not any(found.chosen):
            note = "nothing in the text reads as evidence of a crisis; no words are marked"
        return Rationale(
            method="rationales",
            model=f"{config.name} {config.version} ({self.rationalizer.loaded.fingerprint})",
            text=text_spans(found),
            image=patch_heat(found.heat),
            contributions=contributions,
            note=note,
        )

    def _contributions(self, encoded: EncodedPosts) -> list[dict[str, Contribution]]:
        """Per post and task the exact Shapley values of its modalities."""
        out: list[dict[str, Contribution]] = [{} for _ in encoded.features]
        if self._answers is None or not encoded.features:
            return out
        batch = collate(encoded.features, self._answers.encoder.encoders.widths())
        everything = frozenset(batch.modalities())
        for task, loaded in self._answers.models.items():
            # what is kept from a model moves no answer of it
            shown = batch.only(loaded.meta.modalities)
            logits = coalition_logits(loaded.model, shown)
            for i, names in enumerate(_there(shown)):
                best = int(logits[everything][i].argmax())
                worth = {coalition: float(rows[i, best]) for coalition, rows in logits.items()}
                values = modality_shapley(names, worth.__getitem__)
                out[i][task] = Contribution(
                    label=loaded.meta.classes[best],
                    base=round(float(logits[frozenset()][i, best]), _DIGITS),
                    values={name: round(v, _DIGITS) for name, v in values.items()},
                )
        return out


def _there(batch: FeatureBatch) -> list[list[str]]:
    """For each post the modalities that it has: only those can have contributed."""
    there: list[list[str]] = [[] for _ in range(len(batch))]
    for name, modality in batch.modalities().items():
        for i in modality.present.nonzero()[:, 0].tolist():
            there[i].append(name)
    return there


def _names(codes: Sequence[str], link: str = "and") -> str:
    """Languages in words.

    >>> _names(("en",)), _names(("en", "es", "ht"), "or")
    ('English', 'English, Spanish or Haitian Creole')
    """
    *others, last = map(language_name, codes)
    return f"{', '.join(others)} {link} {last}" if others else last


def as_clause(sentence: str) -> str:
    """A sentence as a part of another one.

    >>> as_clause("The text is in another language.")
    'the text is in another language'
    """
    return f"{sentence[0].lower()}{sentence[1:].rstrip('.')}"


def text_spans(found: PostRationale) -> tuple[TextSpan, ...]:
    """The evidence in a text as a record holds it."""
    spans = []
    for start, end in merge_spans(found.words, found.chosen):
        inside = [
            p for (a, b), p in zip(found.words, found.probability, strict=True) if start <= a and b <= end
        ]
        spans.append(TextSpan(start=start, end=end, score=round(float(np.mean(inside)), _DIGITS)))
    return tuple(spans)


def patch_heat(heat: Float[np.ndarray, "r c"] | None) -> PatchHeat | None:
    """Heat of a photo as a record holds it; None where there is none."""
    if heat is None or not heat.any():
        return None
    rows, columns = heat.shape
    values = tuple(np.round(heat.ravel(), _HEAT_DIGITS).tolist())
    return PatchHeat(rows=rows, columns=columns, heat=values, description=describe_heat(heat))


def build() -> RationaleAnnotator:
    """With the rationale model that ships."""
    return RationaleAnnotator(Rationalizer.load())
