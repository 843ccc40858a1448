r"""What a model says of parts of a post: the inputs of comprehensiveness, sufficiency and of
deletion and insertion curves.

A post is *shown* as a text and pixels, of which parts were taken away (`explain.reduce`). Words are
taken away as in stage 2 (they become `*`, so that the rest keeps its place), patches are painted in
the picture's mean color. Deletion takes the most important share of words or patches away,
insertion gives the most important share into nothing; the scores are in
`evaluation.rationale_scores`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from crisislens.data.words import Span
from crisislens.domain.post import Post
from crisislens.explain.heat import keep_patches
from crisislens.explain.reduce import reduce_text
from crisislens.features.encode import PostEncoder, PostFeatures, collate
from crisislens.models.base import FusionModel

__all__ = ["Shown", "encode_shown", "most_important", "probabilities", "shown_patches", "shown_words"]

_BATCH = 64


@dataclass(frozen=True)
class Shown:
    """What is shown of a post: a text (empty for none) and decoded pixels (None for none)."""

    text: str
    pixels: UInt8[np.ndarray, "h w 3"] | None = None


def most_important(importance: Sequence[float] | Float[np.ndarray, " n"], share: float) -> list[bool]:
    """The most important share, rounded to the nearest number; of equals the first.

    >>> most_important([0.1, 0.9, 0.5, 0.5], 0.5)
    [False, True, True, False]
    """
    values = np.asarray(importance, dtype=np.float64)
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(-values, kind="stable")[: round(share * len(values))]] = True
    return [bool(x) for x in chosen]


def shown_words(
    text: str, words: Sequence[Span], importance: Sequence[float], share: float, *, insert: bool
) -> str:
    """A text without its most important share of words, or with nothing else."""
    return reduce_text(text, words, most_important(importance, share), "both" if insert else "complement")


def shown_patches(
    pixels: UInt8[np.ndarray, "h w 3"], heat: Float[np.ndarray, "r c"], share: float, *, insert: bool
) -> UInt8[np.ndarray, "h w 3"]:
    """A picture without its most important share of patches, or with nothing else."""
    # deleting the hottest share is keeping the coldest rest
    return keep_patches(pixels, heat, share) if insert else keep_patches(pixels, -heat, 1 - share)


def encode_shown(encoder: PostEncoder, shown: Sequence[Shown]) -> list[PostFeatures]:
    """Features of what is shown, each post by itself."""
    texts = encoder.encode([Post(id=str(i), text=s.text) for i, s in enumerate(shown)]).features
    found = []
    for features, s in zip(texts, shown, strict=True):
        if s.pixels is None:
            found.append(features)
            continue
        # past the encoder of posts, which reads files: these pixels were painted and stand in none
        image = encoder.encoders.image
        with torch.inference_mode():
            patches, pooled = image(image.preprocess(s.pixels)[None])
        kept = patches[0] if "image" in encoder.keep_tokens else patches[0, :0]
        found.append(
            PostFeatures(features.text_tokens, features.text_pooled, kept.clone(), pooled[0].clone())
        )
    return found


@torch.inference_mode()
def probabilities(
    encoder: PostEncoder, model: FusionModel, shown: Sequence[Shown], *, temperature: float = 1.0
) -> Float[np.ndarray, "s c"]:
    """A model's probabilities for what is shown.

    Arguments:
        encoder: Encodes posts for the model.
        model: In evaluation mode.
        shown: What is shown of s posts.
        temperature: Divides the logits.
    """
    features, widths = encode_shown(encoder, shown), encoder.encoders.widths()
    parts = []
    for start in range(0, len(features), _BATCH):
        batch = collate(features[start : start + _BATCH], widths)
        logits = model(batch).float() / temperature
        parts.append(logits.softmax(1).numpy())
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, 0))
