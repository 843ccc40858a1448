r"""The bootstrap over counts: what a resample of posts does to a confusion matrix, without touching
a post.

A score depends on posts only through the counts $k$ of the cells that they fall into. Drawing $n$
posts with replacement is then drawing

$$k^* \sim \operatorname{Multinomial}(n,\, k / n),$$

and drawing $g$ clusters (tweets with several photos, events) with replacement is
$k^* = \sum_j w_j k_j$ with $w \sim \operatorname{Multinomial}(g,\, 1/g)$ over the clusters' own
counts $k_j$. Intervals are percentiles of the score over resamples.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 (percentiles); Davison
and Hinkley, Bootstrap Methods and their Application, 1997, sec. 3.8 (clusters). Percentile
intervals are a little short where there are few posts or clusters; with fewer than about twenty
clusters (CrisisMMD has seven events) they are not to be relied on.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

__all__ = ["cluster_counts", "gather_counts", "interval", "resample_cells", "resample_counts"]

# multiplicities held at once: 32 MB of them
_CHUNK = 4_000_000


def cluster_counts(
    cells: Int[np.ndarray, " s"], size: int, clusters: Shaped[np.ndarray, " s"]
) -> Float[np.ndarray, "g k"]:
    """How many posts of each cluster fall into each cell.

    Arguments:
        cells: The cell of each post, 0 to `size` − 1.
        size: The number of cells.
        clusters: The cluster of each post, anything that can be sorted.
    """
    names, which = np.unique(clusters, return_inverse=True)
    return (
        np.bincount(which * size + cells, minlength=len(names) * size)
        .reshape(len(names), size)
        .astype(np.float64)
    )


def gather_counts(
    counts: Float[np.ndarray, "s k"], clusters: Shaped[np.ndarray, " s"]
) -> Float[np.ndarray, "g k"]:
    """Counts of posts summed over what is drawn together, clusters in sorted order.

    >>> gather_counts(np.array([[1.0], [2.0], [4.0]]), np.array(["b", "a", "b"])).tolist()
    [[2.0], [5.0]]
    """
    names, which = np.unique(clusters, return_inverse=True)
    summed = np.zeros((len(names), counts.shape[1]))
    # not `summed[which] += counts`, which keeps only the last post of each cluster
    np.add.at(summed, which, counts)
    return summed


def resample_counts(
    counts: Float[np.ndarray, "g k"], *, resamples: int, seed: int
) -> Float[np.ndarray, "r k"]:
    """Counts after drawing clusters with replacement, as often as there are clusters.

    Equal seeds and equal numbers of clusters draw equal clusters, so counts of several systems over
    the same posts stay paired.
    """
    random, g = np.random.default_rng(seed), len(counts)
    rows = max(1, _CHUNK // g)
    parts = []
    for start in range(0, resamples, rows):
        r = min(rows, resamples - start)
        # every resample counts in g cells of its own, so that one bincount does them all
        drawn = random.integers(g, size=(r, g)) + np.arange(r)[:, None] * g
        parts.append(np.bincount(drawn.ravel(), minlength=r * g).reshape(r, g) @ counts)
    return np.concatenate(parts)


def resample_cells(
    cells: Int[np.ndarray, " s"],
    size: int,
    *,
    clusters: Shaped[np.ndarray, " s"] | None,
    resamples: int,
    seed: int,
) -> Float[np.ndarray, "r k"]:
    """Counts of cells over resamples of posts, or of clusters where they are given."""
    if clusters is not None:
        return resample_counts(cluster_counts(cells, size, clusters), resamples=resamples, seed=seed)
    counts = np.bincount(cells, minlength=size)
    return (
        np.random.default_rng(seed)
        .multinomial(len(cells), counts / len(cells), size=resamples)
        .astype(np.float64)
    )


def interval(values: Float[np.ndarray, " r"], level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of a score over resamples."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
