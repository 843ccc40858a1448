"""What a report may show once: every two members of a group are alike, whatever the order; a photo folds no
texts.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.alike import Alike, alike
from crisislens.data.clusters import cluster
from crisislens.data.duplicates import SIGNATURE_LENGTH, numbers_said, text_signature

Posts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def posts_of(said: Sequence[tuple[str, int | None]]) -> Posts:
    """Signatures and hashes of posts given as a text and the hash of a photo."""
    marks = [text_signature(text) for text, _ in said]
    blank = np.zeros(SIGNATURE_LENGTH, np.uint32)
    return (
        np.stack([blank if mark is None else mark for mark in marks]),
        np.array([mark is not None for mark in marks]),
        np.array([photo or 0 for _, photo in said], np.uint64),
        np.array([photo is not None for _, photo in said]),
    )


def crowd(seed: int, n: int = 150) -> Posts:
    """Posts around a few originals, with entries and bits changed at random."""
    rng = np.random.default_rng(seed)
    signatures = rng.integers(0, 2**32, (10, SIGNATURE_LENGTH), dtype=np.uint32)[rng.integers(0, 10, n)]
    hashes = rng.integers(0, 2**64, 10, dtype=np.uint64)[rng.integers(0, 10, n)]
    for i in range(n):
        where = rng.choice(SIGNATURE_LENGTH, rng.integers(0, 17), replace=False)
        signatures[i, where] = rng.integers(0, 2**32, len(where), dtype=np.uint32)
        for bit in rng.choice(64, rng.integers(0, 5), replace=False):
            hashes[i] ^= np.uint64(1) << np.uint64(bit)
    return signatures, rng.random(n) < 0.8, hashes, rng.random(n) < 0.7


DAM = "The dam has broken above Kestrel Hill"
A, B = 0x0F0F_0F0F_0F0F_0F0F, 0xF00D_F00D_1234_5678


def test_six_posts_with_five_messages_and_two_photos_are_five_messages() -> None:
    said = [
        ("Trapped on the roof of the school in Lower Quay, water is rising", A),
        ("Trapped on the roof of the school in Lower Quay, water is rising!!", A),
        ("Lovely light over the harbour this morning", A),
        ("The bridge on Mill Road is gone, take the north route", B),
        ("Anyone seen my brother Tom? Last seen near the market", B),
        ("Volunteers meet at the gym at eight", B),
    ]
    found = alike(*posts_of(said))
    folded = [group for group in found if group.kind != "photo"]
    assert folded == [Alike((0, 1), "both")]
    messages = len(said) - sum(len(group.members) - 1 for group in folded)
    assert messages == 5
    assert [group for group in found if group.kind == "photo"] == [
        Alike((0, 1, 2), "photo"),
        Alike((3, 4, 5), "photo"),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # the same words under other photos, and under one photo and none
        ([(DAM, A), (DAM.lower(), B)], "text"),
        ([(DAM, A), (DAM.lower(), None)], "text"),
        # no words: the photo is the message
        ([("", A), ("https://t.co/x", A ^ 1)], "both"),
        # no words and no photo are alike in nothing
        ([("", None), ("…", None)], None),
        # a post without words shows what another one speaks of
        ([(DAM, A), ("", A)], "photo"),
        ([(DAM, A), ("My cat sits in the sun", B)], None),
    ],
)  # fmt: skip
def test_kinds_are_told_apart(said: list[tuple[str, int | None]], expected: str | None) -> None:
    found = alike(*posts_of(said))
    assert [(group.members, group.kind) for group in found] == ([((0, 1), expected)] if expected else [])


def test_a_chain_is_not_a_group() -> None:
    rng = np.random.default_rng(0)
    steps = [rng.integers(0, 2**32, 64, dtype=np.uint32)]
    for k in range(9):
        following = steps[-1].copy()
        following[6 * k : 6 * k + 6] += 1
        steps.append(following)
    signatures, every = np.stack(steps), np.ones(10, bool)
    nothing = np.zeros(10, np.uint64)
    [chain] = cluster(signatures, every, nothing, ~every)
    assert len(chain.members) == 10
    groups = [group.members for group in alike(signatures, every, nothing, ~every)]
    # 12 changed entries of 64 are alike, 18 are not: three neighbors at most
    assert groups
    assert max(map(len, groups)) == 3


def check(found: list[Alike], posts: Posts) -> None:
    """Every two members are alike in what joins them, and no post is in two groups of a kind."""
    signatures, has_text, hashes, has_photo = posts
    seen: dict[bool, set[int]] = {True: set(), False: set()}
    for group in found:
        members = np.array(group.members)
        taken = seen[group.kind == "photo"]
        assert taken.isdisjoint(group.members)
        taken.update(group.members)
        apart = (signatures[members][:, None] != signatures[members][None]).mean(axis=2)
        bits = np.bitwise_count(hashes[members][:, None] ^ hashes[members][None])
        if group.kind != "photo" and has_text[members].any():
            assert has_text[members].all()
            assert apart.max() <= 0.2
        if group.kind != "text":
            assert has_photo[members].all()
            assert bits.max() <= 4


@pytest.mark.parametrize("seed", range(5))
def test_every_two_members_are_alike(seed: int) -> None:
    posts = crowd(seed)
    found = alike(*posts)
    assert {group.kind for group in found} == {"text", "photo", "both"}
    check(found, posts)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_the_posts_changes_nothing(seed: int, random: object) -> None:
    posts = crowd(seed, 60)
    order = np.random.default_rng(seed).permutation(60)
    plain = {(frozenset(group.members), group.kind) for group in alike(*posts)}
    mixed = alike(*(part[order] for part in posts))
    assert {(frozenset(order[list(group.members)].tolist()), group.kind) for group in mixed} == plain


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("Storm floods Sardinia in one night, 16 dead", "Storm floods Sardinia in one night, 17 dead", False),
        ("Flood update as of 4:33 pm: all roads open", "Flood update as of 5:02 pm: all roads open", False),
        ("Toll of the Guatemala quake rises to 48", "Toll of the Guatemala quake rises to", False),
        ("3,200 homes without water in Lower Quay", "3200 homes without water in lower quay!", True),
        ("٣ بيوت تحت الماء في الحي القديم", "3 بيوت تحت الماء في الحي القديم", True),
        # what stands in links and mentions is no number of the message
        ("Boats to the school in Lower Quay http://t.co/7", "Boats to the school in Lower Quay @ann99", True),
    ],
)
def test_texts_with_other_numbers_are_other_messages(one: str, other: str, is_one: bool) -> None:
    numbers = np.array([numbers_said(one), numbers_said(other)], np.uint64)
    posts = posts_of([(one, None), (other, None)])
    assert bool(alike(*posts, numbers=numbers)) is is_one
    # they are near enough to be one, were it not for the numbers
    assert alike(*posts, jaccard=0.6)


def test_equal_signatures_with_other_numbers_fall_into_a_group_each() -> None:
    signatures = np.repeat(np.random.default_rng(0).integers(0, 2**32, (1, 64), dtype=np.uint32), 5, 0)
    every, nothing = np.ones(5, bool), np.zeros(5, np.uint64)
    numbers = np.array([7, 2**40 + 7, 7, 2**40 + 7, 0], np.uint64)
    found = alike(signatures, every, nothing, ~every, numbers=numbers)
    assert found == [Alike((0, 2), "text"), Alike((1, 3), "text")]


def test_a_chain_of_thousands_is_grouped_in_parts() -> None:
    rng, n = np.random.default_rng(0), 3_000
    signatures = np.repeat(rng.integers(0, 2**32, (1, 64), dtype=np.uint32), n, 0)
    changed = rng.random((n, 64)) < 0.05
    signatures[changed] = rng.integers(0, 2**32, changed.sum(), dtype=np.uint32)
    every, nothing = np.ones(n, bool), np.zeros(n, np.uint64)
    posts = (signatures, every, nothing, ~every)
    found = alike(*posts)
    check(found, posts)
    assert sum(len(group.members) for group in found) > 0.9 * n


def test_thresholds_are_inclusive_and_checked() -> None:
    base = np.random.default_rng(0).integers(0, 2**32, 64, dtype=np.uint32)
    other = base.copy()
    other[:16] += 1
    every, hashes = np.ones(2, bool), np.array([0b1111, 0], np.uint64)
    texts = np.stack([base, other])
    assert alike(texts, every, hashes, ~every, jaccard=0.75)
    assert not alike(texts, every, hashes, ~every, jaccard=0.76)
    assert alike(texts, ~every, hashes, every, max_distance=4)
    assert not alike(texts, ~every, hashes, every, max_distance=3)
    assert alike(texts[:0], every[:0], hashes[:0], every[:0]) == []
    for wrong in ({"jaccard": 0.0}, {"max_distance": 17}):
        with pytest.raises(ValueError, match="jaccard must be in"):
            alike(texts, every, hashes, every, **wrong)
