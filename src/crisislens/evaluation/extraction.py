r"""Entities and relations against what people marked: micro precision, recall and F1, per type and
over all, with intervals.

Over posts $i$ with found sets $\hat E_i$ and marked sets $E_i$ of exact items (start, end, type),

$$P = \frac{\sum_i |E_i \cap \hat E_i|}{\sum_i |\hat E_i|}, \quad R = \frac{\sum_i |E_i \cap \hat E_i|}{\sum_i
|E_i|}, \quad
  F = \frac{2 \sum_i |E_i \cap \hat E_i|}{\sum_i |E_i| + \sum_i |\hat E_i|},$$

0 where nothing is found or marked. Items are entities (CoNLL's scoring, as seqeval computes it),
relations without `None` (MNRE's), or quintuples (head, its type, tail, its type, relation;
JMERE's). A score depends on a post through three counts only, so a bootstrap over posts resamples
counts; systems are compared on the same resamples (`evaluation.significance`). Where several rows
ask about one post, as MNRE's pairs do, the post is what is resampled, with all of its rows: they
share its words and its picture, so they are not independent.

Sources: Tjong Kim Sang and De Meulder, 2003, https://aclanthology.org/W03-0419 (exact spans); Zheng
et al., 2021 (MNRE), whose score leaves `None` out.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.domain.extraction import NO_RELATION, Link, Mention
from crisislens.evaluation.resampling import interval, resample_counts
from crisislens.evaluation.significance import PairedDifference, paired_difference

__all__ = [
    "ExtractionReport",
    "ExtractionScore",
    "as_items",
    "entity_report",
    "paired_f1",
    "post_counts",
    "quintuple_report",
    "quintuples",
    "relation_report",
]

PostItems = Sequence[Sequence[Hashable]]


class ExtractionScore(BaseModel):
    """One line of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: float
    recall: float
    f1: float
    marked: int
    """Items that people marked."""
    found: int
    """Items that the model found."""
    right: int
    """Items in both."""


class ExtractionReport(BaseModel):
    """Scores over all items and by type, with a 95 % interval of F1 over posts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    micro: ExtractionScore
    low: float
    """Lower end of the interval of micro F1."""
    high: float
    types: dict[str, ExtractionScore]
    posts: int
    """Posts; one with several pairs counts once."""


def entity_report(
    marked: Sequence[Sequence[Mention]],
    found: Sequence[Sequence[Mention]],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> ExtractionReport:
    """Exact entities: span and type.

    >>> found = [[Mention(0, 2, "PER"), Mention(3, 4, "LOC")]]
    >>> entity_report([[Mention(0, 2, "PER")]], found).micro.precision
    0.5

    Arguments:
        marked: What people marked in each post.
        found: What the model found in each.
        resamples: Of the interval.
        seed: Of the resamples.

    Raises:
        InputError: If there are no posts, or not as many of one as of the other.
    """
    return _report(
        marked, found, [m.type for row in (*marked, *found) for m in row], lambda m: m.type, resamples, seed
    )


def relation_report(
    marked: Sequence[str],
    found: Sequence[str],
    *,
    posts: Sequence[Hashable] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> ExtractionReport:
    """Relations of given pairs, `None` left out.

    >>> truth = ["/per/loc/place_of_birth", "None"]
    >>> relation_report(truth, ["/per/loc/place_of_birth"] * 2, posts=[7, 7]).posts
    1

    Arguments:
        marked: The relation of each pair.
        found: What the model says of each.
        posts: Which post each pair stands in; its pairs are resampled together. None takes every
            pair for a post of its own.
        resamples: Of the interval.
        seed: Of the resamples.

    Raises:
        InputError: If there are no pairs, or not as many of one as of the others.
    """
    a, b = as_items(marked), as_items(found)
    types = [name for name in (*marked, *found) if name != NO_RELATION]
    return _report(a, b, types, str, resamples, seed, posts)


def as_items(relations: Sequence[str]) -> list[list[str]]:
    """One row a pair, which holds its relation if it has one.

    >>> as_items(["/per/loc/place_of_birth", "None"])
    [['/per/loc/place_of_birth'], []]
    """
    return [[] if name == NO_RELATION else [name] for name in relations]


def quintuples(mentions: Sequence[Mention], links: Sequence[Link]) -> list[tuple[Mention, Mention, str]]:
    """The quintuples of a post: head and tail with their types, and the relation by its own name,
    `None` left out.
    """
    return [
        (mentions[link.head], mentions[link.tail], link.type.rpartition("/")[2])
        for link in links
        if link.type != NO_RELATION
    ]


def quintuple_report(
    marked: Sequence[Sequence[tuple[Mention, Mention, str]]],
    found: Sequence[Sequence[tuple[Mention, Mention, str]]],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> ExtractionReport:
    """Exact quintuples. Arguments and errors: see `entity_report`."""
    return _report(
        marked, found, [q[2] for row in (*marked, *found) for q in row], lambda q: q[2], resamples, seed
    )


def post_counts(
    marked: PostItems, found: PostItems, posts: Sequence[Hashable] | None = None
) -> Int[np.ndarray, "s 3"]:
    """For each post how many items are in both, marked, and found; an item counts once however
    often its row lists it.

    >>> post_counts([["a"], [], ["b"]], [["a"], ["c"], ["d"]], ["x", "x", "y"]).tolist()
    [[1, 1, 2], [0, 1, 1]]

    Arguments:
        marked: What people marked in each row.
        found: What the model found in each.
        posts: Which post each row is about; the counts of its rows are added up, posts in the order
            of their first rows. None takes every row for a post of its own.

    Raises:
        InputError: If there are no rows, or not as many of one as of the others.
    """
    if len(marked) != len(found):
        raise InputError(
            f"{len(found)} predictions were given for {len(marked)} posts; give one a post, in their order"
        )
    if not marked:
        raise InputError("there are no posts to evaluate; give at least one")
    sets = [(set(a), set(b)) for a, b in zip(marked, found, strict=True)]
    rows = np.array([(len(a & b), len(a), len(b)) for a, b in sets])
    if posts is None:
        return rows
    if len(posts) != len(rows):
        raise InputError(
            f"{len(posts)} posts were named for {len(rows)} rows; name the post of each row, in their order"
        )
    # in the order of first rows, so that two systems over one file have the same posts in the same
    # places
    places = {post: i for i, post in enumerate(dict.fromkeys(posts))}
    counts = np.zeros((len(places), 3), dtype=rows.dtype)
    # not `counts[...] += rows`, which keeps the last row of a post only
    np.add.at(counts, [places[post] for post in posts], rows)
    return counts


def paired_f1(
    counts_a: Sequence[Int[np.ndarray, "_ 3"]],
    counts_b: Sequence[Int[np.ndarray, "_ 3"]],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    same_seeds: bool = False,
) -> PairedDifference:
    """Compares two systems on the same posts by micro F1; several seeds of a system count by their
    mean.

    Arguments:
        counts_a: `post_counts` of the first system, for each of its seeds.
        counts_b: Of the second.
        resamples: How many resamples of posts.
        seed: Of the resamples.
        same_seeds: Whether both were trained with the same seeds, in one order: then seeds are drawn as
            well as posts, and the interval holds what other trainings would change
            (`evaluation.two_way`). Of a single seed nothing can be drawn.

    Raises:
        InputError: If a system has no counts, or of another number of posts, or of other seeds.
    """
    if not counts_a or not counts_b or len({len(c) for c in (*counts_a, *counts_b)}) != 1:
        raise InputError("both systems need counts of the same posts; score them on one file")
    if same_seeds and len(counts_a) != len(counts_b):
        raise InputError(
            f"{len(counts_a)} seeds of one system and {len(counts_b)} of the other are not the same; give "
            f"those that both have"
        )
    # the same seeds are drawn for both, as the same posts are: that pairs the systems
    shares = _drawn_seeds(len(counts_a), resamples, seed) if same_seeds else None
    first, second = (_mean_f1(counts, resamples, seed, shares) for counts in (counts_a, counts_b))
    return paired_difference("micro_f1", first, second)


def _drawn_seeds(seeds: int, resamples: int, seed: int) -> Float[np.ndarray, "r k"]:
    """The share of each of k seeds in each resample."""
    # apart from the draws of posts, which take the seed as it is
    drawn = np.random.default_rng([seed, 1]).multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    return drawn / seeds


def _mean_f1(
    counts: Sequence[Int[np.ndarray, "s 3"]],
    resamples: int,
    seed: int,
    shares: Float[np.ndarray, "r k"] | None,
) -> tuple[float, Float[np.ndarray, " r"]]:
    whole = [float(_f1(c.sum(0).astype(np.float64))) for c in counts]
    # equal seeds draw equal posts
    drawn = [_f1(resample_counts(c.astype(np.float64), resamples=resamples, seed=seed)) for c in counts]
    by_seed = np.stack(drawn, axis=1)
    mean = by_seed.mean(axis=1) if shares is None else (by_seed * shares).sum(axis=1)
    return float(np.mean(whole)), mean


def _f1(counts: Float[np.ndarray, "*r 3"]) -> Float[np.ndarray, "*r"]:
    both = counts[..., 1] + counts[..., 2]
    return np.asarray(2 * counts[..., 0] / np.where(both > 0, both, 1))


def _report(
    marked: PostItems,
    found: PostItems,
    types: Sequence[str],
    type_of: Callable[[Any], str],
    resamples: int,
    seed: int,
    posts: Sequence[Hashable] | None = None,
) -> ExtractionReport:
    counts = post_counts(marked, found, posts)
    low, high = interval(_f1(resample_counts(counts.astype(np.float64), resamples=resamples, seed=seed)))

    # without intervals: many types have too few items for a bootstrap to say anything
    by_type: dict[str, ExtractionScore] = {}
    for kind in sorted(set(types)):
        theirs, ours = _of_type(marked, kind, type_of), _of_type(found, kind, type_of)
        by_type[kind] = _score(post_counts(theirs, ours).sum(0))
    return ExtractionReport(micro=_score(counts.sum(0)), low=low, high=high, types=by_type, posts=len(counts))


def _of_type(rows: PostItems, kind: str, type_of: Callable[[Any], str]) -> list[list[Hashable]]:
    """The items of one type in each row."""
    kept: list[list[Hashable]] = []
    for row in rows:
        kept.append([item for item in row if type_of(item) == kind])
    return kept


def _score(counts: Int[np.ndarray, " 3"]) -> ExtractionScore:
    right, marked, found = (int(x) for x in counts)
    return ExtractionScore(
        precision=right / found if found else 0.0,
        recall=right / marked if marked else 0.0,
        f1=float(_f1(counts.astype(np.float64))),
        marked=marked,
        found=found,
        right=right,
    )
