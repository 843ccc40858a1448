"""What splits of posts share by their words: scores on such posts say little."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from crisislens.domain.extraction import AnnotatedPost

__all__ = ["shared_texts"]


def shared_texts(splits: Mapping[str, Sequence[AnnotatedPost]]) -> dict[str, int]:
    """For each pair of splits, the earlier first, how many posts of the second stand in the first,
    in the same words but for case.
    """
    folded = {split: list(map(_folded, posts)) for split, posts in splits.items()}
    known = {split: set(texts) for split, texts in folded.items()}
    # posts are counted, not texts: one that stands twice in the second split counts twice
    return {f"{a}-{b}": sum(map(known[a].__contains__, folded[b])) for a, b in combinations(splits, 2)}


def _folded(post: AnnotatedPost) -> tuple[str, ...]:
    return tuple(word.casefold() for word in post.words)
