"""What splits of posts share by their words: scores on such posts say little."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from crisislens.domain.extraction import AnnotatedPost

__all__ = ["shared_texts"]


def shared_texts(splits: Mapping[str, Sequence[AnnotatedPost]]) -> dict[str, int]:
    """For each pair of splits, the earlier first, how many posts of the second stand in the first, in the
    same words but for case.
    """
    folded = {
        split: [tuple(word.casefold() for word in post.words) for post in posts]
        for split, posts in splits.items()
    }
    known = {split: set(texts) for split, texts in folded.items()}
    return {f"{a}-{b}": sum(text in known[a] for text in folded[b]) for a, b in combinations(splits, 2)}
