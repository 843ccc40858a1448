r"""What stage 2 sees of a post: its rationales, or what is left without them.

| switch | text | photo |
|---|---|---|
| `none` | whole | whole |
| `both` | words that are no evidence become `*` | blurred where it is cold, or only its hottest patches |
| `text` | as `both` | left out |
| `image` | left out | as `both` |
| `complement` | words that are evidence become `*` | blurred where it is hot, or without its hottest |

A post without a photo, or whose photo got no heat, goes on with its text alone, and the other way
round. Sources: the `*` and two separate encoders are the predecessors' code; blur or the hottest
quarter are two readings of arXiv 2603.18611, whose own choice is not known.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from crisislens.data.words import Span
from crisislens.explain.heat import keep_patches, soft_blur

__all__ = ["Switch", "reduce_pixels", "reduce_text"]

Switch = Literal["both", "text", "image", "none", "complement"]
_FILLER = "*"


def reduce_text(text: str, words: Sequence[Span], chosen: Sequence[bool], switch: Switch) -> str:
    """The text as a switch shows it.

    >>> reduce_text("Bridge is down!", [(0, 6), (7, 9), (10, 15)], [True, False, True], "both")
    'Bridge * down!'
    >>> reduce_text("Bridge is down!", [(0, 6), (7, 9), (10, 15)], [True, False, True], "complement")
    '* is *'

    Arguments:
        text: The text.
        words: Its words.
        chosen: Which of them are evidence.
        switch: See the module.
    """
    if switch == "none":
        return text
    if switch == "image":
        return ""
    # chosen words, or all others for the complement
    keep = [c != (switch == "complement") for c in chosen]
    return " ".join(text[start:end] if k else _FILLER for (start, end), k in zip(words, keep, strict=True))


def reduce_pixels(
    pixels: UInt8[np.ndarray, "h w 3"],
    heat: Float[np.ndarray, "r c"] | None,
    switch: Switch,
    *,
    hard_share: float | None = None,
) -> UInt8[np.ndarray, "h w 3"] | None:
    """The photo as a switch shows it; None where it is left out.

    Arguments:
        pixels: RGB.
        heat: Heat of the patches in [0, 1]; None where there is none.
        switch: See the module.
        hard_share: Which share of the patches counts as evidence, for dropping; None blurs softly.
    """
    if switch == "none":
        return pixels
    if switch == "text" or heat is None or not heat.any():
        return None
    if hard_share is None:
        return soft_blur(pixels, 1 - heat if switch == "complement" else heat)
    if switch == "complement":
        return keep_patches(pixels, -heat, 1 - hard_share)
    return keep_patches(pixels, heat, hard_share)
