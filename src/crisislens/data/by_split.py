"""Counts over the splits of a data set, which every reader's check reports."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

__all__ = ["count_by_split", "frequencies", "shared_between", "values_by_split"]

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def count_by_split(splits: Mapping[str, Sequence[T]], count: Callable[[T], int]) -> dict[str, int]:
    """For each split the sum of what `count` says of its posts; a yes counts as one.

    >>> count_by_split({"train": ["a", "bb"], "test": []}, len)
    {'train': 3, 'test': 0}
    """
    return {split: sum(map(count, posts)) for split, posts in splits.items()}


def values_by_split(splits: Mapping[str, Sequence[T]], value: Callable[[T], K]) -> dict[str, set[K]]:
    """For each split the different values of its posts.

    >>> values_by_split({"train": ["a", "A"], "test": []}, str.lower)
    {'train': {'a'}, 'test': set()}
    """
    return {split: set(map(value, posts)) for split, posts in splits.items()}


def shared_between(values: Mapping[str, set[K]]) -> dict[str, int]:
    """For each pair of splits, the earlier first, how many values both have.

    >>> shared_between({"train": {1, 2}, "dev": {2}, "test": {3}})
    {'train-dev': 1, 'train-test': 0, 'dev-test': 0}
    """
    return {f"{a}-{b}": len(values[a] & values[b]) for a, b in combinations(values, 2)}


def frequencies(values: Iterable[K]) -> dict[K, int]:
    """How often each value occurs, the most frequent first; of equals the one that came first.

    >>> frequencies("abb")
    {'b': 2, 'a': 1}
    """
    return dict(Counter(values).most_common())
