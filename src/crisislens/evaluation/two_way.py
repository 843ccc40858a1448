r"""Differences that hold for other seeds *and* other posts: both are drawn.

Of systems $a$ and $b$ that were trained with the same $s$ seeds and tested on the same $n$ posts, let
$A_{ij}$ be 1 where seed $i$ of $a$ is right on post $j$. A resample draws $s$ seeds and $n$ posts with
replacement,

$$A^* = \frac{1}{s\,n} \sum_{i,j} u_i\, w_j\, A_{ij}, \qquad u \sim \operatorname{Multinomial}(s, 1/s),\;
  w \sim \operatorname{Multinomial}(n, 1/n),$$

with the same $u$ and $w$ for $b$, which pairs them. The bootstrap over posts alone (`significance`)
asks what other posts would show of *these* trained models; this one also asks what other trainings
would. With five seeds its intervals are still a little short: a draw of seeds varies $(s - 1) / s$ as
much as seeds do.

Source: Owen 2007, https://doi.org/10.1214/07-AOAS122 (the pigeonhole bootstrap of two crossed factors,
which errs on the wide side for the posts' share).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from crisislens.core.errors import InputError
from crisislens.evaluation.power import MARGIN
from crisislens.evaluation.significance import PairedDifference, paired_difference

__all__ = ["two_way_difference", "two_way_differences"]

# multiplicities held at once: 32 MB of them
_CHUNK = 4_000_000


def two_way_difference(
    what: str,
    a: Float[np.ndarray, "s n"],
    b: Float[np.ndarray, "s n"],
    *,
    resamples: int = 20_000,
    seed: int = 0,
    margin: float = MARGIN,
) -> PairedDifference:
    """The difference of two systems' mean outcomes with an interval over seeds and posts.

    >>> right, wrong = np.ones((5, 40)), np.zeros((5, 40))
    >>> two_way_difference("accuracy", right, wrong, resamples=99).difference
    1.0

    Arguments:
        what: What the outcomes are of.
        a: Outcomes of the first system, a row a seed: 1 and 0, or any score of a post.
        b: Those of the second, with the same seeds and posts in the same order.
        resamples: How many resamples.
        seed: Of the resamples.
        margin: The smallest difference that matters, see `power`.

    Raises:
        InputError: If there are no outcomes, or the two do not belong together.
    """
    if a.shape != b.shape or not a.size or resamples < 1:
        raise InputError(
            f"outcomes of shapes {a.shape} and {b.shape} with {resamples} resamples were given; a comparison "
            f"needs the same seeds and posts of both, at least one of each, and at least 1 resample"
        )
    return two_way_differences(
        what, np.stack([a, b]), [(0, 1)], resamples=resamples, seed=seed, margin=margin
    )[0]


def two_way_differences(
    what: str,
    x: Float[np.ndarray, "c s n"],
    pairs: Sequence[tuple[int, int]],
    *,
    resamples: int = 20_000,
    seed: int = 0,
    margin: float = MARGIN,
) -> list[PairedDifference]:
    """The same of several pairs of systems over one set of draws, which is what takes the time.

    Arguments:
        what: What the outcomes are of.
        x: Outcomes of each system, as of `two_way_difference`; all with the same seeds and posts.
        pairs: Which systems are compared: first minus second.
        resamples: How many resamples.
        seed: Of the resamples.
        margin: The smallest difference that matters, see `power`.
    """
    drawn = _drawn(x, resamples, seed)
    scores = [(float(one.mean()), drawn[:, i]) for i, one in enumerate(x)]
    return [paired_difference(what, scores[a], scores[b], margin=margin) for a, b in pairs]


def _drawn(x: Float[np.ndarray, "c s n"], resamples: int, seed: int) -> Float[np.ndarray, "r c"]:
    """Means of all systems over the same draws of seeds and posts."""
    random = np.random.default_rng(seed)
    _, s, n = x.shape
    rows = max(1, _CHUNK // n)
    parts = []
    for start in range(0, resamples, rows):
        r = min(rows, resamples - start)
        posts = _multiplicities(random, r, n)
        seeds = _multiplicities(random, r, s)
        # first over posts, which are many: what is left is one number a seed
        by_seed = np.einsum("rn,csn->rcs", posts, x, optimize=True)
        parts.append((by_seed * seeds[:, None, :]).sum(-1) / (s * n))
    return np.concatenate(parts)


def _multiplicities(random: np.random.Generator, r: int, n: int) -> Float[np.ndarray, "r n"]:
    """How often each of n things is drawn in n draws, r times."""
    drawn = random.integers(n, size=(r, n)) + np.arange(r)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float64)
