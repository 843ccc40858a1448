"""The analyst: posts in, assessments out, the same way for one post and for a hundred thousand.

Each post is judged from its own text and photo alone. Texts are encoded in groups of one length and heads see
batches of one size, so with one thread within an operation (as `pipeline.batch` runs it) the numbers of
models on pooled features are equal bit for bit, whoever else is there; otherwise their last bits may differ,
which the rounding of the output (four digits) nearly always hides. Pictures are decoded by `data.images`
only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crisislens.core.errors import ModelError
from crisislens.core.version import __version__
from crisislens.data.duplicates import numbers_said, text_signature
from crisislens.data.images import ImageLimits
from crisislens.data.incoming import Posts, as_posts
from crisislens.domain.assessment import Assessment, Modality, Provenance
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale
from crisislens.encoders.base import load_encoders
from crisislens.encoders.precision import asked_precision
from crisislens.explain.joint_reader import EvidenceReader
from crisislens.features.encode import EncodedPosts, PostEncoder, PostFeatures
from crisislens.models.artifact import LoadedModel, load_artifact
from crisislens.pipeline.annotators import Annotator, NeedsAnalyst, annotate, load_annotators
from crisislens.pipeline.answering import Answering
from crisislens.pipeline.bundle import Bundle
from crisislens.pipeline.deciding import Decider
from crisislens.pipeline.default import DEFAULT_BUNDLE
from crisislens.pipeline.heads import head_logits
from crisislens.pipeline.heard import hashtags_only, heard_of, too_little, without_gaps
from crisislens.pipeline.joining import find_bundle
from crisislens.pipeline.photos import PhotoChoice, choose_photos, without_choice
from crisislens.pipeline.readable import Readable, language_of
from crisislens.pipeline.windows import Windows, windows_of

__all__ = ["DEFAULT_BUNDLE", "Analyst", "Finding"]


@dataclass(frozen=True)
class Finding:
    """An assessment with what the search for duplicates and the queue of reviews need.

    Attributes:
        assessment: What is said of the post.
        signature: MinHash signature of the text, or None where there is too little text.
        image_hash: Perceptual hash of the photo, 64 bits, or None.
        numbers: Which numbers the text says, 64 bits; 0 for none.
        uncertainty: How unsure the least sure answer is, of those that could be sure; in [0, 1].
    """

    assessment: Assessment
    signature: NDArray[np.uint32] | None
    image_hash: int | None
    numbers: int = 0
    uncertainty: float = 1.0


class Analyst:
    """Assesses posts with one bundle of models.

    >>> analyst = Analyst.default()
    >>> post = Post(id="1", text="Flood destroyed homes and the bridge in Ponce, families need rescue")
    >>> [found] = analyst.assess([post])
    >>> found.tasks["informativeness"].label
    'informative'

    Arguments:
        bundle: The models, their encoder and their calibration.
        image_root: The folder that pictures are read from; without one, pictures are not read.
        batch_posts: How many posts are encoded together; changes speed and memory, never a result.
        annotators: What is added beside the tasks, see `pipeline.annotators`.

    Raises:
        ModelError: If the models and the encoder do not fit together.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        image_root: Path | None = None,
        batch_posts: int = 32,
        annotators: Sequence[Annotator] = (),
    ) -> None:
        config = bundle.config
        self.bundle, self.annotators = bundle, tuple(annotators)
        if bundle.evidence_alone and any(annotator.name == "rationale" for annotator in self.annotators):
            raise ModelError(
                f"{config.name} writes the evidence that it decides on; leave out --explain and --with "
                "rationale"
            )
        encoders = load_encoders(bundle.encoder).computing_in(asked_precision())
        self._decider = self._load_decider(image_root) if bundle.evidence_alone else None
        self.models: dict[str, LoadedModel] = {
            name: load_artifact(bundle.artifact(name)) for name in config.tasks if self._decider is None
        }
        self.encoder = PostEncoder(
            encoders,
            rules=config.rules,
            limits=config.limits,
            image_root=image_root,
            batch_posts=batch_posts,
            keep_tokens=self._tokens(),
        )
        self._widths = encoders.widths()
        for name, loaded in self.models.items():
            self._check(name, loaded, encoders.known_as())
            loaded.model.eval()
        given = {name: loaded.meta.modalities for name, loaded in self.models.items()}
        if self._decider is not None:
            given = dict.fromkeys(config.tasks, self._decider.given)
        self._answering = Answering(config, given)
        self.fingerprint = bundle.fingerprint()
        self.encoder_fingerprint = encoders.fingerprint()
        for annotator in self.annotators:
            if isinstance(annotator, NeedsAnalyst):
                annotator.attach(self)
        self._added_by = {annotator.name: annotator.fingerprint() for annotator in self.annotators}

    @classmethod
    def default(cls, *, image_root: Path | None = None) -> "Analyst":
        """The analyst that the package ships, with all its default annotators; needs no network."""
        return cls.load(DEFAULT_BUNDLE, image_root=image_root, annotators=load_annotators())

    @classmethod
    def load(
        cls,
        name_or_folder: str | Path | Sequence[str | Path],
        *,
        image_root: Path | None = None,
        batch_posts: int = 32,
        annotators: Sequence[Annotator] = (),
    ) -> "Analyst":
        """An analyst from a packaged bundle's name, a bundle's folder, or the folders of trained runs. Other
        arguments: see the class.

        Raises:
            NotRegisteredError: If there is no such bundle.
            ModelError: If the bundle is damaged.
        """
        return cls(
            find_bundle(name_or_folder), image_root=image_root, batch_posts=batch_posts, annotators=annotators
        )

    def _load_decider(self, image_root: Path | None) -> Decider:
        [folder] = self.bundle.artifacts.values()
        reader = EvidenceReader.load(folder)
        return Decider(reader, limits=self.bundle.config.limits, image_root=image_root)

    def _tokens(self) -> tuple[Modality, ...]:
        """The modalities whose token states somebody reads; pooled vectors weigh a hundredth of them."""
        if any(loaded.model.reads_tokens for loaded in self.models.values()):
            return ("text", "image")
        return tuple({modality for annotator in self.annotators for modality in annotator.tokens})

    def _check(self, name: str, loaded: LoadedModel, encoder_fingerprint: str) -> None:
        space = self.bundle.config.tasks[name].space
        if tuple(loaded.meta.classes) != space.classes:
            raise ModelError(
                f"the model of {name} answers {list(loaded.meta.classes)}, its label space is "
                f"{list(space.classes)}; train it again"
            )
        if loaded.meta.encoder_fingerprint != encoder_fingerprint:
            raise ModelError(
                f"the model of {name} was trained on encoder {loaded.meta.encoder_fingerprint}, here is "
                f"{encoder_fingerprint}; "
                "use the encoder that the bundle names, in its version"
            )

    def __repr__(self) -> str:
        asked = ", ".join(f"{name} ({len(space)} classes)" for name, space in self._answering.spaces.items())
        return f"Analyst({self.bundle.config.name}: {asked}; encoder {self.bundle.encoder.name})"

    @property
    def limits(self) -> ImageLimits:
        """The limits within which pictures are decoded."""
        return self.bundle.config.limits

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that the models learned; empty where nobody says."""
        return self.bundle.config.languages

    def assess(self, posts: Posts) -> list[Assessment]:
        """Assesses posts, in their order.

        Arguments:
            posts: `Post`s, dicts, plain strings, or a table of pandas, polars or pyarrow; see
                `data.incoming`.

        Raises:
            InputError: If they are none of these, or rows cannot become posts.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return [finding.assessment for finding in self.find(as_posts(posts), analyzed_at=now)]

    def find(self, posts: Sequence[Post], *, analyzed_at: str) -> list[Finding]:
        """Assesses posts and keeps what the search for duplicates needs.

        Arguments:
            posts: Any number; memory grows with it, so feed long sources in chunks (`pipeline.batch` does).
            analyzed_at: The time that the records carry, ISO 8601 in UTC.
        """
        heard = [heard_of(post) for post in posts]
        # what stands beside the answers is told with its place in the text as posted
        placed = [one.in_place(post) for one, post in zip(heard, posts, strict=True)]
        if self._decider is None:
            encoded, chosen = self._look([one.post for one in heard])
        else:
            encoded, chosen = self._decide(self._decider, [one.post for one in heard], placed)
        provenance = Provenance(
            model=self.bundle.config.name,
            model_version=self.bundle.config.version,
            model_fingerprint=self.fingerprint,
            encoder_fingerprint=self.encoder_fingerprint,
            crisislens_version=__version__,
            analyzed_at=analyzed_at,
            annotators=self._added_by,
        )
        shown = [
            post.model_copy(update={"image": choice.photo, "more_images": ()}) if choice.photo else post
            for post, choice in zip(placed, chosen, strict=True)
        ]
        extras = annotate(self.annotators, shown, encoded)
        # in a crisis half of the posts repeat another one
        texts = {text: text_signature(text) for text in dict.fromkeys(encoded.texts)}
        languages = {
            key: self._language(*key)
            for key in dict.fromkeys(zip(encoded.texts, (post.lang for post in posts), strict=True))
        }
        found = []
        for i, post in enumerate(posts):
            signature = texts[encoded.texts[i]]
            fields, remarks = extras[i]
            if (decided := chosen[i].decided) is not None:
                fields = {**fields, "rationale": decided.rationale}
            if isinstance(why := fields.get("rationale"), Rationale):
                fields["rationale"] = without_gaps(why, placed[i].text, heard[i].gaps)
            assessment = self._answering.assessment(
                post,
                chosen[i],
                _of_hashtags(languages[encoded.texts[i], post.lang], heard[i].post.text),
                provenance,
                notes=(*post.remarks, *heard[i].notes, *encoded.notes[i], *remarks),
                doubt=heard[i].post.doubt,
                little=too_little(heard[i].post.text),
            )
            found.append(
                Finding(
                    assessment.model_copy(update=fields) if fields else assessment,
                    signature,
                    encoded.features[i].image_hash,
                    numbers_said(encoded.texts[i]),
                    self._answering.uncertainty(assessment),
                )
            )
        return found

    def part_read(self, post: Post) -> str:
        """What of a text its answers rest on: all of it, or of a long one the most urgent window.

        Arguments:
            post: As the models get it (`pipeline.heard`).

        Returns:
            The cleaned text or a part of it.
        """
        whole = self.encoder.clean(post.text)
        parts = windows_of(whole, self.encoder.encoders.text).parts
        if len(parts) == 1:
            return whole
        plain = without_choice(post)
        encoded = self.encoder.encode([plain.model_copy(update={"text": part}) for part in parts])
        [row] = self._most_urgent([0] * len(parts), self._logits(encoded.features))
        return parts[row]

    def _read(self, posts: Sequence[Post]) -> tuple[EncodedPosts, dict[str, NDArray[np.float32]]]:
        """Features and logits of posts, of a long text those of its most urgent window."""
        ends = {text: self.encoder.clean_ends(text) for text in dict.fromkeys(post.text for post in posts)}
        whole = [ends[post.text][0] for post in posts]
        reader = self.encoder.encoders.text
        cut = {text: windows_of(kept, reader, left_out) for text, (kept, left_out) in ends.items()}
        parts: list[Post] = []
        owner: list[int] = []
        for i, post in enumerate(posts):
            windows = cut[post.text]
            # what is whole is left as it came: cleaning twice is not cleaning once
            same = len(windows.parts) == 1 and not windows.rest
            for part in windows.parts:
                parts.append(post if same else post.model_copy(update={"text": part}))
                owner.append(i)
        encoded = self.encoder.encode(parts)
        logits = self._logits(encoded.features)
        if len(parts) == len(posts) and not any(windows.rest for windows in cut.values()):
            return encoded, logits
        rows = self._most_urgent(owner, logits)
        notes = []
        for i, row in enumerate(rows):
            windows = cut[posts[i].text]
            notes.append((*encoded.notes[row], *_window_note(windows)))
        chosen = EncodedPosts([encoded.features[r] for r in rows], notes, whole, encoded.encoders)
        return chosen, {name: answers[rows] for name, answers in logits.items()}

    def _most_urgent(self, owner: Sequence[int], logits: dict[str, NDArray[np.float32]]) -> list[int]:
        """Of each post the row of its most urgent window; the first of equals."""
        best: dict[int, tuple[float, int]] = {}
        for row, i in enumerate(owner):
            u = self._answering.urgency_of_text({name: rows[row] for name, rows in logits.items()})
            if i not in best or u > best[i][0]:
                best[i] = (u, row)
        return [best[i][1] for i in range(len(best))]

    def _look(self, posts: Sequence[Post]) -> tuple[EncodedPosts, list[PhotoChoice]]:
        """Features and answers of posts, of several photos with the most telling one."""
        encoded, logits = self._read([without_choice(post) for post in posts])
        chosen = choose_photos(
            posts,
            encoded,
            _by_post(logits, len(posts)),
            encoder=self.encoder,
            answer=lambda features: _by_post(self._logits(features), len(features)),
            urgency=self._answering.urgency_with_photo,
        )
        notes = [(*said, *choice.notes) for said, choice in zip(encoded.notes, chosen, strict=True)]
        features = [choice.features for choice in chosen]
        return EncodedPosts(features, notes, encoded.texts, encoded.encoders), chosen

    def _decide(
        self, decider: Decider, posts: Sequence[Post], placed: Sequence[Post]
    ) -> tuple[EncodedPosts, list[PhotoChoice]]:
        """Features for all that stands beside the answers, and the answers, which rest on evidence alone.

        Arguments:
            decider: Decides.
            posts: As the models get them.
            placed: The same with each word where it stands in the post, since evidence is told by its place.
        """
        encoded = self.encoder.encode(posts)
        languages = [self._language(text, post.lang) for text, post in zip(encoded.texts, posts, strict=True)]
        decisions = decider.decide(placed, [language.unread for language in languages])
        [question] = self._answering.spaces
        chosen = [
            PhotoChoice(None, features, {question: decided.logits}, decided=decided)
            for features, decided in zip(encoded.features, decisions, strict=True)
        ]
        return encoded, chosen

    def _language(self, text: str, given: str | None) -> Readable:
        """The language of a cleaned text, and whether the models read it."""
        return language_of(text, given, self.languages, self.encoder.encoders.text)

    def _logits(self, features: Sequence[PostFeatures]) -> dict[str, NDArray[np.float32]]:
        models = {name: loaded.model for name, loaded in self.models.items()}
        return head_logits(models, features, self._widths, given=self._answering.given)


def _by_post(logits: Mapping[str, NDArray[np.float32]], count: int) -> list[dict[str, NDArray[np.float32]]]:
    """Rows of logits, one a post."""
    return [{name: rows[i] for name, rows in logits.items()} for i in range(count)]


def _of_hashtags(readable: Readable, text: str) -> Readable:
    """The same; of a text of hashtags alone with the reason why its language is not known."""
    if readable.unread is None or readable.language is not None:
        return readable
    return replace(readable, unread=hashtags_only(text) or readable.unread)


def _window_note(windows: Windows) -> tuple[str, ...]:
    """What a reader must know of a text that was not read at once."""
    if len(windows.parts) == 1 and not windows.rest:
        return ()
    if len(windows.parts) == 1:
        return (f"the text is long; {windows.rest:,} characters in its middle were not read",)
    rest = f"; {windows.rest:,} characters in its middle were not read" if windows.rest else ""
    parts = f"the text is long and was read in {len(windows.parts)} parts"
    return (f"{parts}; the answers are those of the most urgent{rest}",)
