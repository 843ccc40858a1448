"""What every evaluation refuses, in one sentence each."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from crisislens.core.errors import InputError

__all__ = ["check_clusters", "check_labels", "check_logits", "check_probabilities"]

# probabilities computed in float32 over some dozen classes are off 1 by less than 1e-5; a thousandth leaves
# room for rounded files
_SUM_TOLERANCE = 1e-3


def check_labels(y: Int[np.ndarray, " s"], *, posts: int, classes: int) -> None:
    """Refuses labels that do not belong to the predictions.

    Raises:
        InputError: If there are none, not one a post, or one outside of the classes.
    """
    if len(y) != posts:
        raise InputError(
            f"{len(y)} labels were given for {posts} posts; give one label a post, in their order"
        )
    if posts == 0:
        raise InputError("there are no posts to evaluate; give at least one")
    # numpy would count a negative label from the end
    if y.min() < 0 or y.max() >= classes:
        raise InputError(
            f"labels go from {y.min()} to {y.max()}, expected 0 to {classes - 1}; map them by the label space"
        )


def check_probabilities(p: Float[np.ndarray, "s c"]) -> None:
    """Refuses what is not a row of probabilities for each post.

    Raises:
        InputError: If a value is negative or not a number, or a row does not add up to 1.
    """
    if not np.isfinite(p).all() or (p < 0).any() or (np.abs(p.sum(1) - 1) > _SUM_TOLERANCE).any():
        raise InputError("every row must hold probabilities that add up to 1; apply softmax to logits first")


def check_logits(logits: Float[np.ndarray, "s c"]) -> None:
    """Refuses logits that are not finite.

    Raises:
        InputError: If one is infinite or not a number.
    """
    if not np.isfinite(logits).all():
        raise InputError(
            f"{(~np.isfinite(logits)).sum()} logits are not finite; the model diverged, train it with a "
            f"lower learning rate"
        )


def check_clusters(clusters: Shaped[np.ndarray, " s"] | None, *, posts: int) -> None:
    """Refuses clusters (or groups) that do not belong to the posts.

    Raises:
        InputError: If there is not one a post.
    """
    if clusters is not None and len(clusters) != posts:
        raise InputError(
            f"{len(clusters)} cluster names were given for {posts} posts; give one name a post, in their "
            f"order"
        )
