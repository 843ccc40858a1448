"""Tag and pair schemes: there and back, and what they forbid."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import DataError
from crisislens.domain.extraction import Link, Mention
from crisislens.domain.pairs import PairScheme
from crisislens.domain.tags import SchemeName, TagScheme, repair_bio, spans_of_bio

TYPES = ("PER", "LOC")


@st.composite
def marked(draw: st.DrawFn) -> tuple[int, list[Mention]]:
    words, at, mentions = draw(st.integers(1, 9)), 0, []
    while at < words:
        size = draw(st.integers(1, words - at))
        if draw(st.booleans()):
            mentions.append(Mention(at, at + size, draw(st.sampled_from(TYPES))))
        at += size
    return words, mentions


@given(marked(), st.sampled_from(["bio", "bioes"]))
def test_mentions_survive_the_tags_and_the_tags_are_allowed(
    post: tuple[int, list[Mention]], name: SchemeName
) -> None:
    words, mentions = post
    scheme = TagScheme(name, TYPES)
    tags = scheme.encode(mentions, words=words)
    numbers = [scheme.numbers[tag] for tag in tags]
    assert scheme.decode(numbers) == mentions
    assert scheme.may_start()[numbers[0]]
    assert scheme.may_end()[numbers[-1]]
    follow = scheme.may_follow()
    assert all(follow[a][b] for a, b in pairwise(numbers))


def test_what_bioes_forbids() -> None:
    scheme = TagScheme("bioes", ("PER",))
    n, follow = scheme.numbers, scheme.may_follow()
    allowed = {(a, b) for a in n for b in n if follow[n[a]][n[b]]}
    inside = {("B-PER", "I-PER"), ("B-PER", "E-PER"), ("I-PER", "I-PER"), ("I-PER", "E-PER")}
    outside = {(a, b) for a in ("O", "E-PER", "S-PER") for b in ("O", "B-PER", "S-PER")}
    assert allowed == inside | outside
    assert [tag for tag, ok in zip(scheme.tags, scheme.may_start(), strict=True) if ok] == [
        "O",
        "B-PER",
        "S-PER",
    ]
    assert [tag for tag, ok in zip(scheme.tags, scheme.may_end(), strict=True) if ok] == [
        "O",
        "E-PER",
        "S-PER",
    ]


def test_bio_keeps_types_together() -> None:
    scheme = TagScheme("bio", TYPES)
    n, follow = scheme.numbers, scheme.may_follow()
    assert follow[n["B-PER"]][n["I-PER"]]
    assert not follow[n["B-PER"]][n["I-LOC"]]
    assert not follow[n["O"]][n["I-PER"]]


@pytest.mark.parametrize(
    "wrong",
    [
        [Mention(0, 0, "PER")],
        [Mention(0, 9, "PER")],
        [Mention(0, 1, "ORG")],
        [Mention(0, 2, "PER"), Mention(1, 3, "LOC")],
    ],
)
def test_what_does_not_fit_is_refused(wrong: list[Mention]) -> None:
    with pytest.raises(DataError):
        TagScheme("bio", TYPES).encode(wrong, words=4)


@given(st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), max_size=8))
def test_mending_keeps_the_mentions(tags: list[str]) -> None:
    mended, count = repair_bio(tags)
    assert spans_of_bio(mended) == spans_of_bio(tags)
    assert count == sum(a != b for a, b in zip(tags, mended, strict=True))
    assert repair_bio(mended) == (mended, 0)


def one_hot(grid: np.ndarray, labels: int) -> np.ndarray:
    return np.where(np.eye(labels, dtype=bool)[grid], -0.01, -5.0)


@given(marked(), st.data())
def test_pairs_there_and_back(post: tuple[int, list[Mention]], data: st.DataObject) -> None:
    words, mentions = post
    scheme = PairScheme(TYPES, ("/per/loc/place_of_birth", "/loc/loc/contain"))
    ends = [(a, b) for a in range(len(mentions)) for b in range(len(mentions)) if a != b]
    chosen = data.draw(st.lists(st.sampled_from(ends), unique=True, max_size=3)) if ends else []
    links = [Link(a, b, data.draw(st.sampled_from(scheme.relations))) for a, b in sorted(chosen)]
    grid = scheme.encode(mentions, links, words=words)
    assert scheme.decode(one_hot(grid, len(scheme.labels))) == (mentions, links)


def test_direction_of_a_relation_is_kept() -> None:
    scheme = PairScheme(("PER",), ("/per/per/parent",))
    mentions = [Mention(0, 1, "PER"), Mention(2, 3, "PER")]
    one, other = (
        scheme.encode(mentions, [Link(a, b, "/per/per/parent")], words=3) for a, b in ((0, 1), (1, 0))
    )
    assert one[0, 2] == other[2, 0] == 2
    assert one[2, 0] == other[0, 2] == 0
