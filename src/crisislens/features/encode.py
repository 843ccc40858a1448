r"""Posts into features: the one path, for training and for the product.

Text is cleaned, cut into tokens and encoded in groups of equal length; a text that occurs often
(retweets) is encoded once. Pictures: see `pictures`. What cannot be read is missing, with a
sentence that says why.

Equal length means no padding and no mask, which is fastest, and it makes a post independent of its
neighbors in fact and not only on paper: the same sums are made in the same order, whoever else is
in the group. Measured on 1,000 tweets with one thread the numbers alone and in groups of 32 are
equal bit for bit (padded to a common length they differ by up to 3e-6, and cost a tenth more); with
two threads matrix products are split by size, and up to 2e-6 differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.core.errors import ImageError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules, clean_ends, clean_text
from crisislens.domain.assessment import Modality
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair, TokenizedText, pad_ids
from crisislens.features.pictures import Picture, PictureEncoder
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths

__all__ = ["UNUSABLE_PHOTO", "EncodedPosts", "PostEncoder", "PostFeatures", "collate"]

# raised whenever equal encoders and rules make other features
_REVISION = 1
UNUSABLE_PHOTO = "photo could not be used: "
"""How the note begins that says why a photo was not looked at."""
Text = tuple[Float[Tensor, "t d"], Float[Tensor, " e"]]


@dataclass(frozen=True)
class PostFeatures:
    """One post's features, unpadded, on the CPU; a modality that is missing is None throughout.

    Tensors may be shared between posts with the same text or picture, so nobody may change them. A
    modality whose token states were not asked for is there with zero of them.

    Attributes:
        text_tokens: Token states, special tokens included.
        text_pooled: The text's pooled vector.
        image_tokens: Patch states.
        image_pooled: The picture's pooled vector.
        image_fingerprint: 16 hex digits over the picture file's bytes.
        image_hash: Perceptual hash of the picture, 64 bits; None also where it is nearly uniform.
    """

    text_tokens: Float[Tensor, "t dt"] | None = None
    text_pooled: Float[Tensor, " et"] | None = None
    image_tokens: Float[Tensor, "p di"] | None = None
    image_pooled: Float[Tensor, " ei"] | None = None
    image_fingerprint: str | None = None
    image_hash: int | None = None


@dataclass(frozen=True)
class EncodedPosts:
    """Features of posts, in their order.

    Attributes:
        features: Per post its features.
        notes: Per post what a reader must know, such as why a photo could not be used.
        texts: Per post its cleaned text, empty where it has none.
        encoders: Fingerprint by which models know the encoders that made the features.
    """

    features: list[PostFeatures]
    notes: list[tuple[str, ...]]
    texts: list[str]
    encoders: str = ""

    def only(self, i: int) -> "EncodedPosts":
        """The i-th post alone."""
        return EncodedPosts([self.features[i]], [self.notes[i]], [self.texts[i]], self.encoders)


class PostEncoder:
    """Encodes posts.

    >>> from crisislens.encoders.base import EncoderSpec, load_encoders
    >>> hashing = load_encoders(EncoderSpec(name="hashing"))
    >>> encoder = PostEncoder(hashing, rules=CleaningRules(), limits=ImageLimits(), image_root=None)
    >>> encoded = encoder.encode([Post(id="1", text="Bridge is down"), Post(id="2", text=" ")])
    >>> [None if f.text_tokens is None else tuple(f.text_tokens.shape) for f in encoded.features]
    [(4, 32), None]

    Arguments:
        encoders: The encoders; they run where their parameters are.
        rules: How text is cleaned.
        limits: Within which pictures are decoded.
        image_root: The folder of the pictures; without one, pictures are not read.
        batch_posts: How many texts (on an accelerator, also pictures)
            go through an encoder together.
        keep_tokens: The modalities whose token states are kept; pooled vectors always are. Patch
            states of one picture weigh 0.4 MB.
        remembered_bytes: What encoded pictures may take in memory that are remembered across calls;
            a pooled vector is 5 kB, so that the default holds 10,000 of them.
    """

    def __init__(
        self,
        encoders: EncoderPair,
        *,
        rules: CleaningRules,
        limits: ImageLimits,
        image_root: Path | None,
        batch_posts: int = 32,
        keep_tokens: Sequence[Modality] = ("text", "image"),
        remembered_bytes: int = 1 << 26,
    ) -> None:
        self.encoders, self.rules, self.limits = encoders, rules, limits
        self.image_root, self.batch_posts, self.keep_tokens = (
            image_root,
            batch_posts,
            tuple(sorted(set(keep_tokens))),
        )
        self._pictures = None
        if image_root is not None:
            self._pictures = PictureEncoder(
                encoders.image,
                limits=limits,
                root=image_root,
                batch=batch_posts,
                keep_tokens="image" in self.keep_tokens,
                remembered_bytes=remembered_bytes,
            )

    def fingerprint(self) -> str:
        """16 hex digits over encoders, cleaning rules and limits: equal ones make equal features of
        equal posts.
        """
        parts = {
            "encoders": self.encoders.fingerprint(),
            "rules": self.rules.fingerprint(),
            "limits": self.limits.fingerprint(),
        }
        return fingerprint({"revision": _REVISION, **parts})

    def clean(self, text: str) -> str:
        """A text as it is given to the text encoder, of one beyond the cap its two ends."""
        return self.clean_ends(text)[0]

    def clean_ends(self, text: str) -> tuple[str, int]:
        """The same, and how many characters of a text beyond the cap are left out between its ends."""
        return clean_ends(text, self.rules)

    def encode(self, posts: Sequence[Post]) -> EncodedPosts:
        """Encodes posts; memory grows with their number, so feed long sources in chunks."""
        with _evaluating(self.encoders.text, self.encoders.image):
            cleaned = [clean_text(post.text, self.rules) for post in posts]
            texts, text_notes = self._encode_texts(cleaned)
            pictures = (
                self._pictures.encode([p.image for p in posts if p.image is not None])
                if self._pictures
                else {}
            )
        features, notes = [], []
        for post, text, note in zip(posts, texts, text_notes, strict=True):
            picture, remarks = _picture_of(post, pictures)
            features.append(_features(text, picture))
            notes.append((*note, *remarks))
        return EncodedPosts(features, notes, cleaned, self.encoders.known_as())

    def _encode_texts(self, cleaned: Sequence[str]) -> tuple[list[Text | None], list[tuple[str, ...]]]:
        tokenized = self.encoders.text.tokenize(cleaned)
        # by token ids, not by text: what the encoder cannot tell apart is encoded once
        wanted = list(dict.fromkeys(x.ids for x in tokenized if x.has_words))
        by_ids = {x.ids: x for x in tokenized}
        encoded = dict(self._encode_tokens([by_ids[ids] for ids in wanted]))
        cut = f"the text is long; only its first {self.encoders.text.max_tokens} tokens were read"
        return [encoded.get(x.ids) for x in tokenized], [(cut,) if x.truncated else () for x in tokenized]

    def _encode_tokens(self, tokenized: Sequence[TokenizedText]) -> Iterator[tuple[tuple[int, ...], Text]]:
        """Encodes texts in groups of equal length."""
        device = next(self.encoders.text.parameters()).device
        for group in _groups(tokenized, self.batch_posts):
            ids, mask = pad_ids(group, self.encoders.text.pad_id)
            with torch.inference_mode():
                states, pooled = (
                    x.float().cpu() for x in self.encoders.text(ids.to(device), mask.to(device))
                )
            for x, one, mean in zip(group, states, pooled, strict=True):
                # clones, made outside of inference mode: they hold no batch in memory, and training
                # may use them
                yield x.ids, ((one if "text" in self.keep_tokens else one[:0]).clone(), mean.clone())


def collate(features: Sequence[PostFeatures], widths: FeatureWidths) -> FeatureBatch:
    """Pads the features of posts into one batch.

    Arguments:
        features: One entry a post.
        widths: The widths of the encoders, needed where no post has a modality.
    """
    return FeatureBatch(
        text=ModalityBatch.collate(
            [f.text_tokens for f in features],
            [f.text_pooled for f in features],
            width=widths.text,
            pooled_width=widths.text_pooled,
        ),
        image=ModalityBatch.collate(
            [f.image_tokens for f in features],
            [f.image_pooled for f in features],
            width=widths.image,
            pooled_width=widths.image_pooled,
        ),
    )


def _groups(tokenized: Sequence[TokenizedText], size: int) -> Iterator[list[TokenizedText]]:
    """Texts of equal length together, at most `size` of them."""
    by_length: dict[int, list[TokenizedText]] = {}
    for x in tokenized:
        by_length.setdefault(len(x.ids), []).append(x)
    for length in sorted(by_length):
        same = by_length[length]
        yield from (same[i : i + size] for i in range(0, len(same), size))


def _picture_of(
    post: Post, pictures: dict[str, Picture | ImageError]
) -> tuple[Picture | None, tuple[str, ...]]:
    if post.image is None:
        return None, ()
    found = pictures.get(post.image.path)
    if found is None:
        return None, ("photo was not read: no image folder was given",)
    if isinstance(found, ImageError):
        return None, (f"{UNUSABLE_PHOTO}{found}",)
    return found, found.notes


def _features(text: Text | None, picture: Picture | None) -> PostFeatures:
    tokens, pooled = text if text is not None else (None, None)
    if picture is None:
        return PostFeatures(tokens, pooled)
    return PostFeatures(tokens, pooled, picture.tokens, picture.pooled, picture.fingerprint, picture.hash)


@contextmanager
def _evaluating(*modules: nn.Module) -> Iterator[None]:
    """Evaluation mode (no dropout) for a while; afterwards as it was."""
    before = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training
