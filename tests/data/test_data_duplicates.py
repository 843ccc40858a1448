"""Near-duplicates: signatures estimate Jaccard; clusters are those of all pairs, in any order, and an
avalanche costs little.
"""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crisislens.data.clusters import Cluster
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster, image_hash, text_signature
from crisislens.demo.pictures import SCENES, draw_scene

TWEET = (
    "Flood water is rising near the old bridge in Lower Quay, people are on the roofs, send boats now please"
)


def jaccard(a: str, b: str) -> float:
    sets = [
        {text[i : i + 5] for i in range(len(text) - 4)}
        for text in (a.lower().replace(",", ""), b.lower().replace(",", ""))
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_the_share_of_equal_entries_estimates_jaccard() -> None:
    words = TWEET.split()
    for cut in (1, 3, 6, 10, 14):
        other = " ".join(words[:-cut])
        estimate = float((text_signature(TWEET) == text_signature(other)).mean())
        # three standard errors of a share of 64 draws
        assert abs(estimate - jaccard(TWEET, other)) < 3 / 16


@pytest.mark.parametrize(
    "same",
    [
        TWEET.upper(),
        f"RT @someone: {TWEET}",
        f"{TWEET} https://t.co/abc",
        f"@a @b {TWEET}!!!",
        TWEET.replace(",", " ... "),
        TWEET.replace(" ", "   "),
        f"#{TWEET}",
    ],
)
def test_what_does_not_count_changes_nothing(same: str) -> None:
    np.testing.assert_array_equal(text_signature(same), text_signature(TWEET))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Bridge on Mill Road is gone!", [297858735, 130522605, 110273863, 150013290, 72691817, 129162247]),
        ("a", [3273519401, 2608831637, 2607779605]),
    ],
)
def test_signatures_are_those_of_datasketch(text: str, first: list[int]) -> None:
    # as datasketch 2.0.0 gave them: what services have stored stays comparable
    signature = text_signature(text)
    assert signature is not None
    assert signature.dtype == np.uint32
    assert signature[: len(first)].tolist() == first


@pytest.mark.parametrize(
    "text", ["", " ", "…", "👍👍", "@someone", "https://t.co/abc", "RT @a: https://t.co/x", "___", "\ud800"]
)
def test_a_text_without_words_has_no_signature(text: str) -> None:
    assert text_signature(text) is None


def test_short_texts_have_one() -> None:
    np.testing.assert_array_equal(text_signature("Help"), text_signature("help!"))
    assert (text_signature("help") != text_signature("hell")).any()


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_has_a_signature_or_none(text: str) -> None:
    signature = text_signature(text)
    assert signature is None or (signature.shape == (SIGNATURE_LENGTH,) and signature.dtype == np.uint32)


def test_a_photo_saved_again_keeps_its_hash() -> None:
    import io

    for scene in list(SCENES)[::3]:
        picture = draw_scene(scene, 5)
        buffer = io.BytesIO()
        picture.resize((300, 225)).save(buffer, "JPEG", quality=60)
        found = image_hash(np.array(picture)), image_hash(np.array(Image.open(buffer)))
        assert (found[0] ^ found[1]).bit_count() <= 4, scene


def test_different_scenes_have_different_hashes() -> None:
    hashes = [
        image_hash(np.array(draw_scene(scene, seed)))
        for scene in SCENES
        for seed in (1, 2)
        if scene in ("cat", "map", "food", "sunset", "flood_aerial")
    ]
    distances = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 4


def test_a_flat_picture_has_no_hash() -> None:
    for level in (0, 128, 255):
        assert image_hash(np.full((60, 80, 3), level, np.uint8)) is None
    noise = np.random.default_rng(0).normal(128, 2, (60, 80, 3)).clip(0, 255).astype(np.uint8)
    assert image_hash(noise) is None
    gradient = np.repeat(np.linspace(0, 255, 80, dtype=np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    assert image_hash(gradient) is not None


def brute(
    signatures: np.ndarray, hashes: np.ndarray, has_text: np.ndarray, has_photo: np.ndarray
) -> list[Cluster]:
    """All pairs, as the definition says."""
    n = len(signatures)
    parents = {"text": list(range(n)), "photo": list(range(n)), "any": list(range(n))}

    def root(kind: str, i: int) -> int:
        while parents[kind][i] != i:
            i = parents[kind][i]
        return i

    for i in range(n):
        for j in range(i):
            text = has_text[i] and has_text[j] and (signatures[i] == signatures[j]).mean() >= 0.8
            photo = has_photo[i] and has_photo[j] and (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 4
            for kind, alike in (("text", text), ("photo", photo), ("any", text or photo)):
                if alike:
                    parents[kind][root(kind, i)] = root(kind, j)
    groups: dict[int, list[int]] = {}
    for i in range(n):
        groups.setdefault(root("any", i), []).append(i)
    found = []
    for members in groups.values():
        if len(members) > 1:
            by = {kind: len({root(kind, i) for i in members}) < len(members) for kind in ("text", "photo")}
            found.append(
                Cluster(tuple(members), "both" if all(by.values()) else "text" if by["text"] else "photo")
            )
    return sorted(found, key=lambda c: (-len(c.members), c.members))


def crowd(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Posts around a few originals: signatures with up to 16 changed entries, hashes with up to 5 changed
    bits.
    """
    rng = np.random.default_rng(seed)
    originals = rng.integers(0, 2**32, (12, SIGNATURE_LENGTH), dtype=np.uint32)
    hashes = rng.integers(0, 2**64, 12, dtype=np.uint64)
    signatures = originals[rng.integers(0, 12, n)].copy()
    photos = hashes[rng.integers(0, 12, n)].copy()
    for i in range(n):
        where = rng.choice(SIGNATURE_LENGTH, rng.integers(0, 17), replace=False)
        signatures[i, where] = rng.integers(0, 2**32, len(where), dtype=np.uint32)
        for bit in rng.choice(64, rng.integers(0, 6), replace=False):
            photos[i] ^= np.uint64(1) << np.uint64(bit)
    # half of the texts and photos stand alone, so that clusters of every kind come up
    alone = rng.random((2, n)) < 0.6
    signatures[alone[0]] = rng.integers(0, 2**32, (alone[0].sum(), SIGNATURE_LENGTH), dtype=np.uint32)
    photos[alone[1]] = rng.integers(0, 2**64, alone[1].sum(), dtype=np.uint64)
    return signatures, rng.random(n) < 0.8, photos, rng.random(n) < 0.7


@pytest.mark.parametrize("seed", range(6))
def test_clusters_are_those_of_all_pairs(seed: int) -> None:
    signatures, has_text, hashes, has_photo = crowd(seed)
    found = cluster(signatures, has_text, hashes, has_photo)
    assert found == brute(signatures, hashes, has_text, has_photo)
    assert {c.kind for c in found} >= {"text", "photo"}


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_posts_changes_nothing(seed: int) -> None:
    signatures, has_text, hashes, has_photo = crowd(seed)
    order = np.random.default_rng(seed).permutation(len(signatures))
    plain = {frozenset(c.members): c.kind for c in cluster(signatures, has_text, hashes, has_photo)}
    mixed = cluster(signatures[order], has_text[order], hashes[order], has_photo[order])
    assert {frozenset(order[list(c.members)].tolist()): c.kind for c in mixed} == plain
    assert [len(c.members) for c in mixed] == sorted((len(c.members) for c in mixed), reverse=True)


def test_text_and_photo_join_posts_into_one_cluster() -> None:
    a, b = text_signature("the bridge on mill road is gone"), text_signature("my cat sits in the sun all day")
    signatures = np.stack([a, b, a, np.zeros(64, np.uint32)])
    hashes = np.array([0x00FF00FF00FF00FF, 2**63, 2**63, 2**63 + 1], np.uint64)
    every = np.ones(4, bool)
    text = np.array([True, True, True, False])
    assert cluster(signatures, text, hashes, every) == [Cluster((0, 1, 2, 3), "both")]
    assert cluster(signatures, text, hashes, ~every) == [Cluster((0, 2), "text")]
    assert cluster(signatures, ~every, hashes, every) == [Cluster((1, 2, 3), "photo")]
    assert cluster(signatures, ~every, hashes, ~every) == []
    assert cluster(signatures[:0], text[:0], hashes[:0], every[:0]) == []
    assert cluster(signatures[:1], text[:1], hashes[:1], every[:1]) == []


def test_thresholds_are_inclusive_and_checked() -> None:
    base = np.random.default_rng(0).integers(0, 2**32, 64, dtype=np.uint32)
    other, none = base.copy(), np.zeros(2, bool)
    other[:16] += 1  # 48 of 64 entries stay equal: 0.75
    both, hashes = np.stack([base, other]), np.array([0b1111, 0], np.uint64)
    assert cluster(both, ~none, hashes, none, jaccard=0.75)
    assert not cluster(both, ~none, hashes, none, jaccard=0.76)
    assert cluster(both, none, hashes, ~none, max_distance=4)
    assert not cluster(both, none, hashes, ~none, max_distance=3)
    assert cluster(both, none, np.array([7, 7], np.uint64), ~none, max_distance=0)
    for wrong in ({"jaccard": 0.0}, {"jaccard": 1.5}, {"max_distance": -1}, {"max_distance": 17}):
        with pytest.raises(ValueError, match="jaccard must be in"):
            cluster(both, none, hashes, none, **wrong)


def test_an_avalanche_is_one_cluster_and_look_alikes_cost_little() -> None:
    rng, n = np.random.default_rng(0), 4_000
    base = rng.integers(0, 2**32, 64, dtype=np.uint32)
    avalanche = np.repeat(base[None], n, 0)
    change = rng.random((n, 64)) < 0.1
    avalanche[change] = rng.integers(0, 2**32, change.sum(), dtype=np.uint32)
    every, zeros = np.ones(n, bool), np.zeros(n, np.uint64)
    (found,) = cluster(avalanche, every, zeros, ~every)
    # all pairs would join 3,957; those it misses are alike to one or two others only, just above the
    # threshold
    assert 3_900 <= len(found.members) <= 3_957
    assert found.kind == "text"
    # signatures that share a band and nothing else: one huge bucket without a single match
    alike = rng.integers(0, 2**32, (n, 64), dtype=np.uint32)
    alike[:, :4] = 7
    hashes = rng.integers(0, 2**50, n, dtype=np.uint64) << np.uint64(13)
    start = time.process_time()
    assert cluster(alike, every, hashes, every) == brute_free(hashes)
    assert time.process_time() - start < 10  # all pairs would be 8 million signature comparisons


def brute_free(hashes: np.ndarray) -> list[Cluster]:
    """The clusters of hashes by all pairs at once; texts have none."""
    near = np.argwhere(np.triu(np.bitwise_count(hashes[:, None] ^ hashes[None]) <= 4, 1))
    assert len(near) == 0, "the seed was chosen so that no two hashes are near"
    return []


@pytest.mark.real
def test_real_tweets_of_one_text_are_found(shared_data) -> None:  # type: ignore[no-untyped-def]
    from crisislens.data.crisismmd import CrisisMMD
    from crisislens.data.splits import tweet_id
    from crisislens.data.text import clean_text

    posts = [p.post for p in CrisisMMD(shared_data / "crisismmd", setting="A3").load("test")]
    signatures = np.stack([text_signature(clean_text(post.text)) for post in posts])
    every = np.ones(len(posts), bool)
    found = cluster(signatures, every, np.zeros(len(posts), np.uint64), ~every)
    together = {frozenset(c.members) for c in found}
    by_tweet: dict[str, set[int]] = {}
    for i, post in enumerate(posts):
        by_tweet.setdefault(tweet_id(post), set()).add(i)
    for members in by_tweet.values():
        assert len(members) == 1 or any(members <= c for c in together)
