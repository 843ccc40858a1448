"""Where a post is: the places that its text names, its point on the map, and the kind of place that it was
probably made at.

Both annotators judge each post by itself. The kind of place comes from a small model on the pooled features
of the bundle that is used. One ships for the encoder of each packaged bundle; with features of another
encoder the kind is left out, because they mean something else.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from crisislens.core import assets
from crisislens.core.fingerprint import fingerprint
from crisislens.data.language import detect_language
from crisislens.data.language_tags import primary_language
from crisislens.domain.assessment import Modality, TaskAssessment
from crisislens.domain.place_types import PLACE_ANSWERS, UNCLEAR
from crisislens.domain.place_types import TASK as PLACE_QUESTION
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts, PostFeatures
from crisislens.knowledge.coordinates import point_notes
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.knowledge.geonames import data_version
from crisislens.knowledge.mentions import find_places, locate
from crisislens.models.artifact import load_artifact, read_meta
from crisislens.pipeline.annotator import Answers
from crisislens.pipeline.bundle import BUNDLE, Bundle
from crisislens.pipeline.heads import head_logits
from crisislens.pipeline.heard import too_little
from crisislens.pipeline.judgment import evidence_kind, judge
from crisislens.pipeline.readable import FEWEST_LETTERS, language_of, not_read

__all__ = ["PlaceTypes", "Places", "place_bundle"]

_REVISION = 2
_PLACES_REVISION = 5
_TASK = "place_type"
_UNCLEAR = "Nothing in the post says at what kind of place it was made."


class Places:
    """Named places (`places`) and the post's point on the map (`location`), from text and the post's own
    coordinates.
    """

    name = "places"
    tokens: tuple[Modality, ...] = ()

    def __init__(self) -> None:
        self._gazetteer = load_gazetteer()

    def fingerprint(self) -> str:
        """16 hex digits over the gazetteer's data and the rules'."""
        return fingerprint({"annotator": self.name, "revision": _PLACES_REVISION, "geonames": data_version()})

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        """For each post `places` and `location`."""
        # in a crisis half of the posts repeat another one
        known: dict[tuple[object, ...], Mapping[str, object]] = {}
        found = []
        for post in posts:
            key = (post.text, post.lang, post.lat, post.lon, post.event)
            if key not in known:
                mentions = find_places(post, self._gazetteer)
                fields = {"places": tuple(mentions), "location": locate(post, mentions)}
                notes = point_notes(post, mentions)
                known[key] = fields | ({"notes": notes} if notes else {})
            found.append(known[key])
        return found


def place_bundle(name: str = "place-compact") -> Bundle:
    """A place-type model that the package ships.

    Arguments:
        name: Its name.

    Raises:
        NotRegisteredError: If there is none of that name.
    """
    return Bundle.read(assets.find(name, kind="places", marker=BUNDLE, what="model of places"))


class PlaceTypes:
    """The kind of place (`place_type`), with calibrated probabilities and abstention.

    Arguments:
        bundle: The model with its calibration; without one, the one that ships for the analyst's encoder.

    Raises:
        ModelError: If the bundle is damaged.
    """

    name = "place_types"
    tokens: tuple[Modality, ...] = ()

    def __init__(self, bundle: Bundle | None = None) -> None:
        self._given = bundle is not None
        self._answers: Answers | None = None
        self._take(bundle or place_bundle())

    def _take(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._loaded = load_artifact(bundle.artifact(PLACE_QUESTION))
        self._loaded.model.eval()
        self.tokens = ("text", "image") if self._loaded.model.reads_tokens else ()

    def attach(self, answers: Answers) -> None:
        """Takes the model that was trained on the features which the analyst makes, if one ships."""
        self._answers = answers
        if self._given:
            return
        encoder = answers.encoder.encoders.known_as()
        for name in assets.shipped("places", BUNDLE):
            bundle = place_bundle(name)
            _, meta = read_meta(bundle.artifact(PLACE_QUESTION))
            if meta.encoder_fingerprint == encoder:
                self._take(bundle)
                return

    def fingerprint(self) -> str:
        """16 hex digits over the model, its calibration and the rules."""
        return fingerprint(
            {"annotator": self.name, "revision": _REVISION, "bundle": self.bundle.fingerprint()}
        )

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        """For each post `place_type`; nothing where the features are another encoder's."""
        # the same numbers of another encoder mean something else
        if encoded.encoders != self._loaded.meta.encoder_fingerprint:
            return [{} for _ in posts]
        logits = head_logits(
            {PLACE_QUESTION: self._loaded.model}, encoded.features, self._loaded.meta.widths
        )[PLACE_QUESTION]
        # in a crisis half of the posts repeat another one
        keys = [(text, post.lang) for text, post in zip(encoded.texts, posts, strict=True)]
        unread = {key: self._unread(*key) for key in dict.fromkeys(keys)}
        rows = zip(posts, encoded.features, logits, keys, strict=True)
        return [
            {"place_type": self._judge(post, features, one, unread[key])} for post, features, one, key in rows
        ]

    def _unread(self, text: str, given: str | None) -> str | None:
        """Why a text is not read: the models of the tasks do not, or the model of places does not. Only of
        the former is known how they tell the language of a text that the detector leaves undecided.
        """
        known = self.bundle.config.languages
        if self._answers is None:
            return not_read(detect_language(text), known)
        answers = self._answers
        found = language_of(text, given, answers.languages, answers.encoder.encoders.text)
        # "!!" beside a photo says nothing in any language
        if found.unread is not None or sum(c.isalpha() for c in text) < FEWEST_LETTERS:
            return found.unread
        return not_read(found.language, known, marked=primary_language(given) is not None)

    def _judge(
        self,
        post: Post,
        features: PostFeatures,
        logits: Float[np.ndarray, " c"],
        unread: str | None,
    ) -> TaskAssessment:
        config = self.bundle.config
        evidence = evidence_kind(
            text=features.text_pooled is not None, image=features.image_pooled is not None
        )
        found = judge(
            logits,
            space=PLACE_ANSWERS,
            task=config.tasks[PLACE_QUESTION],
            evidence=evidence,
            unread=unread,
            doubt=post.doubt or (too_little(post.text) if evidence == "text" else None),
        )
        if found.label == UNCLEAR and not found.abstained:
            return found.model_copy(update={"abstained": True, "reason": _UNCLEAR})
        return found
