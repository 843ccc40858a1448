r"""Grouping by length: sequences of similar length share a batch, so that a batch holds little
padding.

Let $\pi$ be a random order of s sequences, b the size of a batch and w = 50. The order is cut into
windows of $w b$ sequences, each window is sorted by length (stable, so that equal lengths keep
their random order), and the windows are cut into batches. Windows keep batches random: sorting
everything would put the same sequences together in every epoch. The caller draws the order, and
permutes the batches afterwards.
"""

import numpy as np
from jaxtyping import Int

__all__ = ["WINDOW_BATCHES", "group_by_length"]

WINDOW_BATCHES = 50
"""Batches w of a window, inside of which sequences are sorted."""


def group_by_length(
    lengths: Int[np.ndarray, " s"],
    order: Int[np.ndarray, " s"],
    size: int,
    *,
    join_single: bool = False,
) -> list[Int[np.ndarray, " b"]]:
    """Batches of sequences of similar length.

    Arguments:
        lengths: Length of each sequence, in tokens.
        order: All positions in a random order.
        size: Sequences a batch; the last batch may be smaller.
        join_single: Whether a single sequence left over joins the batch before it. BatchNorm cannot
            learn from one.

    Returns:
        The positions of each batch, window by window and from short to long inside a window.
    """
    batches: list[np.ndarray] = []
    for start in range(0, len(order), WINDOW_BATCHES * size):
        window = order[start : start + WINDOW_BATCHES * size]
        by_length = window[np.argsort(lengths[window], kind="stable")]
        batches += [by_length[i : i + size] for i in range(0, len(by_length), size)]
    if join_single and size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches
