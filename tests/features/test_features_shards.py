"""Shards, batches and words of features: what is packed is read back, whatever is missing."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from crisislens.core.errors import CacheError
from crisislens.features.encode import EncodedPosts, PostFeatures, collate
from crisislens.features.shards import pack_shard, read_shard
from crisislens.features.words import EncodedWords, collate_words, word_shape
from crisislens.nn.widths import FeatureWidths

WIDTHS = FeatureWidths(text=3, text_pooled=2, image=4, image_pooled=5)


def numbers(*shape: int) -> Tensor:
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape) / 8


def post(text: int | None = None, image: str | None = None, patches: int = 2) -> PostFeatures:
    """A post with so many tokens and the picture of a fingerprint, or without."""
    return PostFeatures(
        None if text is None else numbers(text, 3) + text,
        None if text is None else numbers(2) + text,
        None if image is None else numbers(patches, 4) + int(image, 16) % 7,
        None if image is None else numbers(5) + int(image, 16) % 7,
        image,
    )


def encoded(*posts: PostFeatures) -> EncodedPosts:
    return EncodedPosts([*posts], [(f"note {i}",) for i in range(len(posts))], [""] * len(posts))


def packed(path: Path, *posts: PostFeatures, elsewhere: frozenset[int] = frozenset()) -> frozenset[int]:
    ids = [f"id {i}" for i in range(len(posts))]
    data, stored = pack_shard(ids, encoded(*posts), widths=WIDTHS, dtype="float32", elsewhere=elsewhere)
    path.write_bytes(data)
    return stored


A, B = "00000000000000a1", "ffffffffffffffb2"
POSTS = st.lists(
    st.builds(post, st.none() | st.integers(1, 4), st.none() | st.sampled_from([A, B])), max_size=6
)


@settings(max_examples=40)
@given(POSTS)
def test_what_is_packed_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, posts: list[PostFeatures]
) -> None:
    path = tmp_path_factory.mktemp("shard") / "shard.safetensors"
    stored = packed(path, *posts)
    shard = read_shard(path)
    assert len(shard) == len(posts)
    assert shard.notes == tuple((f"note {i}",) for i in range(len(posts)))
    assert frozenset(shard.stored_keys.tolist()) == stored
    assert len(stored) == len({f.image_fingerprint for f in posts} - {None}), "each picture once"
    at = 0
    for i, features in enumerate(posts):
        length = int(shard.text_lengths[i])
        if features.text_tokens is None:
            assert length == -1
            assert not shard.text_pooled[i].any()
        else:
            assert torch.equal(shard.text_tokens[at : at + length], features.text_tokens)
            assert features.text_pooled is not None
            assert torch.equal(shard.text_pooled[i], features.text_pooled)
            at += length
        assert bool(shard.image_present[i]) == (features.image_fingerprint is not None)
        if features.image_tokens is not None:
            place = shard.stored_keys.tolist().index(int(shard.image_keys[i]))
            assert torch.equal(shard.image_tokens[place], features.image_tokens)
    assert at == len(shard.text_tokens)


def test_pictures_that_another_shard_holds_are_named_not_stored(tmp_path: Path) -> None:
    first = packed(tmp_path / "1", post(1, A), post(None, B))
    second = packed(tmp_path / "2", post(2, B), elsewhere=first)
    shard = read_shard(tmp_path / "2")
    assert second == frozenset()
    assert len(shard.stored_keys) == len(shard.image_tokens) == 0
    assert int(shard.image_keys[0]) in first
    # 64 bits with the highest set are a negative number, and still their own key
    assert len(first) == 2
    assert min(first) < 0 < max(first)


def test_a_picture_whose_patches_were_not_kept_is_there(tmp_path: Path) -> None:
    packed(tmp_path / "1", post(None, A, patches=0))
    shard = read_shard(tmp_path / "1")
    assert shard.image_tokens.shape == (1, 0, 4)
    assert shard.image_pooled.any()


@pytest.mark.parametrize("value", [1e5, float("inf"), float("nan")])
@pytest.mark.parametrize("field", ["text_tokens", "image_tokens"])
def test_what_half_precision_cannot_hold_is_refused(field: str, value: float) -> None:
    features = post(1, A)
    tensor = getattr(features, field)
    tensor[0, 0] = value
    whose = re.escape(f"{field} of 1 of 2 posts (the first: b) hold values that float16 cannot; extract with")
    with pytest.raises(CacheError, match=whose):
        pack_shard(["a", "b"], encoded(post(1), features), widths=WIDTHS, dtype="float16", elsewhere=())


def test_nothing_wider_than_float32_is_advised() -> None:
    features = post(1)
    assert features.text_tokens is not None
    features.text_tokens[0, 0] = float("nan")
    for dtype, advice in (
        ("float16", 'float32 (in Python: `extract(…, token_dtype="float32")`), or check the encoder'),
        (
            "float32",
            "text_tokens of 1 of 1 posts (the first: a) hold values that float32 cannot; check the encoder",
        ),
    ):
        with pytest.raises(CacheError, match=re.escape(advice)):
            pack_shard(["a"], encoded(features), widths=WIDTHS, dtype=dtype, elsewhere=())  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "foreign", "no notes"])
def test_what_is_no_shard_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.safetensors"
    packed(path, post(2, A))
    data = path.read_bytes()
    if damage == "foreign":
        save_file({"other": torch.zeros(1)}, path)
    elif damage == "no notes":
        shard = read_shard(path)
        names = [n for n in shard.__dataclass_fields__ if n not in ("ids", "notes")]
        save_file({n: getattr(shard, n).clone() for n in names}, path, metadata={"ids": json.dumps(["a"])})
    else:
        path.write_bytes({"empty": b"", "cut": data[:-9], "text": b"not a shard"}[damage])
    with pytest.raises(CacheError, match=r"shard-00000\.safetensors cannot be read as a shard of features"):
        read_shard(path)
    with pytest.raises(CacheError, match="cannot be read"):
        read_shard(tmp_path / "absent")


def test_a_batch_of_nothing_has_its_widths() -> None:
    batch = collate([post(), post()], WIDTHS)
    assert not batch.text.present.any()
    assert not batch.image.mask.any()
    assert (batch.text.tokens.shape[0], batch.text.tokens.shape[-1]) == (2, 3)
    assert batch.image.pooled.shape == (2, 5)


@given(
    st.lists(st.builds(post, st.none() | st.integers(1, 4), st.none() | st.just(A)), min_size=1, max_size=5)
)
def test_padding_changes_no_post(posts: list[PostFeatures]) -> None:
    batch = collate(posts, WIDTHS)
    for i, features in enumerate(posts):
        alone = collate([features], WIDTHS)
        length = alone.text.mask.sum()
        assert batch.text.mask[i].sum() == length
        assert torch.equal(batch.text.tokens[i, :length], alone.text.tokens[0, :length])
        assert torch.equal(batch.text.pooled[i], alone.text.pooled[0])
        assert torch.equal(batch.image.pooled[i], alone.image.pooled[0])
        assert batch.image.present[i] == alone.image.present[0]


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("https://t.co/x", 1),
        ("HTTP:", 1),
        ("http…", 1),
        ("httpd", 10),
        ("@", 2),
        ("#1", 3),
        ("12", 4),
        ("1,200", 5),
        ("!?", 5),
        ("", 5),
        ("UN", 6),
        ("U2", 6),
        ("É", 7),
        ("Łódź", 8),
        ("O'Neill", 9),
        ("größe", 10),
        ("eBay", 11),
        ("東京", 11),
    ],
)
def test_spellings(word: str, shape: int) -> None:
    assert word_shape(word) == shape


@given(st.text(max_size=12))
def test_every_word_has_one_of_eleven_spellings(word: str) -> None:
    assert 1 <= word_shape(word) <= 11


def test_words_of_several_posts_are_padded_apart() -> None:
    short = EncodedWords((7, 8), (0, 1), (1,), context_start=2)
    long = EncodedWords((7, 5, 6, 8, 9), (0, 1, 2, 0, 0), (1, 2), (7, 8), (1, 2), context_start=4)
    batch = collate_words([short, long], pad_id=3, images=[None, torch.ones(2, 4)], image_width=4)
    assert batch.ids.tolist() == [[7, 8, 3, 3, 3], [7, 5, 6, 8, 9]]
    assert batch.mask.sum(1).tolist() == [2, 5]
    # the context behind the text is read, and is no text
    assert batch.text_mask.sum(1).tolist() == [2, 4]
    assert batch.word_mask.sum(1).tolist() == [1, 2]
    assert batch.context_mask.sum(1).tolist() == [0, 2]
    assert batch.image_mask.tolist() == [[False, False], [True, True]]
    assert not batch.image[0].any()


def test_a_batch_without_pictures_or_pairs_has_a_place_for_them() -> None:
    batch = collate_words([EncodedWords((7, 8), (0, 0), (), context_start=2)], pad_id=0)
    assert batch.image.shape == (1, 1, 1)
    assert not batch.image_mask.any()
    assert batch.ends.shape == (1, 0)
    assert not batch.word_mask.any()
