"""Word-pair labels: a post's entities and relations survive the grid, and odd grids are decoded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.domain.extraction import NO_RELATION, Link, Mention
from crisislens.domain.pairs import PairScheme

SCHEME = PairScheme(("PER", "LOC"), ("/per/loc/in", "/per/per/kin"))


def certain(grid: np.ndarray, labels: int) -> np.ndarray:
    """Log-probabilities that are sure of a grid."""
    odds = np.full((*grid.shape, labels), 1e-6)
    odds[np.arange(len(grid))[:, None], np.arange(len(grid))[None, :], grid] = 1.0
    logs: np.ndarray = np.log(odds / odds.sum(-1, keepdims=True))
    return logs


@st.composite
def marked(draw: st.DrawFn) -> tuple[int, list[Mention], list[Link]]:
    """Words, mentions with a free word between them, and at most one link a pair."""
    mentions, at = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = at + draw(st.integers(0, 2))
        end = start + draw(st.integers(1, 3))
        mentions.append(Mention(start, end, draw(st.sampled_from(SCHEME.types))))
        at = end + 1
    links = []
    for a in range(len(mentions)):
        for b in range(len(mentions)):
            if a != b and draw(st.booleans()):
                links.append(Link(a, b, draw(st.sampled_from(SCHEME.relations))))
    return max(1, at), mentions, links


@given(marked())
def test_mentions_and_links_survive_the_grid(post: tuple[int, list[Mention], list[Link]]) -> None:
    words, mentions, links = post
    grid = SCHEME.encode(mentions, links, words=words)
    assert grid.shape == (words, words)
    found = SCHEME.decode(certain(grid, len(SCHEME.labels)))
    assert found == (mentions, links)


def test_labels_are_numbered_nothing_types_relations() -> None:
    assert SCHEME.labels == (NO_RELATION, "PER", "LOC", "/per/loc/in", "/per/per/kin")
    grid = SCHEME.encode([Mention(0, 2, "PER"), Mention(2, 3, "LOC")], [Link(0, 1, "/per/loc/in")], words=4)
    # a mention fills the triangle over the diagonal, a relation the block between its ends
    assert grid.tolist() == [[1, 1, 3, 0], [0, 1, 3, 0], [0, 0, 2, 0], [0, 0, 0, 0]]


def test_a_link_that_says_no_leaves_nothing() -> None:
    mentions = [Mention(0, 1, "PER"), Mention(2, 3, "LOC")]
    without = SCHEME.encode(mentions, [], words=3)
    assert (SCHEME.encode(mentions, [Link(0, 1, NO_RELATION)], words=3) == without).all()


def test_later_mentions_write_over_earlier_ones() -> None:
    grid = SCHEME.encode([Mention(0, 3, "PER"), Mention(1, 2, "LOC")], [], words=3)
    assert np.diag(grid).tolist() == [1, 2, 1]


@pytest.mark.parametrize("words", [0, 1, 3])
def test_a_grid_of_nothing_holds_nothing(words: int) -> None:
    assert SCHEME.decode(certain(np.zeros((words, words), np.int64), 5)) == ([], [])


def test_a_scheme_without_relations_finds_none() -> None:
    plain = PairScheme(("PER",), ())
    grid = plain.encode([Mention(0, 1, "PER"), Mention(1, 2, "PER")], [], words=2)
    # neighbors whose pair says nothing are two mentions
    assert plain.decode(certain(grid, 2)) == ([Mention(0, 1, "PER"), Mention(1, 2, "PER")], [])


def test_a_runs_type_is_the_best_of_its_block() -> None:
    grid = SCHEME.encode([Mention(0, 2, "LOC")], [], words=2)
    odds = certain(grid, 5)
    # one pair of the three leans to a person, the mean does not
    odds[0, 0] = np.log([0.01, 0.5, 0.47, 0.01, 0.01])
    assert SCHEME.decode(odds)[0] == [Mention(0, 2, "LOC")]


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        SCHEME.encode([Mention(0, 1, "ORG")], [], words=1)
