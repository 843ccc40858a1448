"""The one path from posts to features."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from feature_cases import make_encoder, write_picture
from PIL import Image
from torch import Tensor, nn

from crisislens.core.fingerprint import fingerprint_file
from crisislens.data.duplicates import image_hash
from crisislens.data.images import ImageLimits, decode_image
from crisislens.data.text import CleaningRules, clean_text
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders, pad_ids
from crisislens.features.encode import PostEncoder, PostFeatures, collate

PARTS = ("text_tokens", "text_pooled", "image_tokens", "image_pooled")


def difference(a: PostFeatures, b: PostFeatures) -> float:
    """The largest difference between two posts' features; infinite where one has what the other lacks."""
    worst = 0.0
    for part in PARTS:
        x, y = getattr(a, part), getattr(b, part)
        if (x is None) != (y is None) or (x is not None and x.shape != y.shape):
            return float("inf")
        if x is not None and x.numel():
            worst = max(worst, float((x - y).abs().max()))
    return worst


def test_a_post_gets_what_the_encoders_make_of_it(
    encoder: PostEncoder, posts: list[Post], root: Path
) -> None:
    encoded = encoder.encode(posts)
    text, image = encoder.encoders.text, encoder.encoders.image
    for i in (1, 5, 8):
        [tokens] = text.tokenize([clean_text(posts[i].text)])
        states, pooled = text(*pad_ids([tokens], text.pad_id))
        found = encoded.features[i]
        torch.testing.assert_close(found.text_tokens, states[0], atol=0, rtol=0)
        torch.testing.assert_close(found.text_pooled, pooled[0], atol=0, rtol=0)
    pixels = decode_image(root / "2.png").pixels
    patches, whole = image(image.preprocess(pixels)[None])
    found = encoded.features[5]
    torch.testing.assert_close(found.image_tokens, patches[0], atol=0, rtol=0)
    torch.testing.assert_close(found.image_pooled, whole[0], atol=0, rtol=0)
    assert found.image_fingerprint == fingerprint_file(root / "2.png")
    assert found.image_hash == image_hash(pixels) is not None


def test_neighbors_and_group_size_change_nothing(
    encoder: PostEncoder, posts: list[Post], hashing: EncoderPair, root: Path
) -> None:
    together = encoder.encode(posts).features
    small = make_encoder(hashing, root, batch_posts=3).encode(posts).features
    for i, post in enumerate(posts):
        [alone] = make_encoder(hashing, root).encode([post]).features
        # groups have equal lengths, so a post's sums are made in the same order: a bit in the last place at
        # most
        assert difference(alone, together[i]) <= 1e-5
        assert difference(alone, small[i]) <= 1e-5


def test_the_embedded_encoders_keep_posts_apart(posts: list[Post], root: Path) -> None:
    pair = load_encoders(EncoderSpec())
    encoder = make_encoder(pair, root)
    together = encoder.encode(posts[:12]).features
    for i in (0, 1, 2, 5, 8):
        [alone] = make_encoder(pair, root).encode([posts[i]]).features
        assert difference(alone, together[i]) <= 1e-5
        # a picture goes through the processor alone in either case
        if alone.image_pooled is not None:
            assert torch.equal(alone.image_pooled, together[i].image_pooled)


def test_missing_and_broken_pictures_leave_a_sentence(encoder: PostEncoder, posts: list[Post]) -> None:
    encoded = encoder.encode(posts)
    assert encoded.features[4].image_tokens is None
    assert encoded.features[4].text_tokens is not None
    assert encoded.notes[4][0].startswith("photo could not be used: ")
    assert "cut off" in encoded.notes[4][0]
    assert "no picture at 'missing.png'" in encoded.notes[6][0]
    assert encoded.notes[5] == ()


def test_texts_without_a_word_are_missing(encoder: PostEncoder) -> None:
    texts = ["", "  ", "https://t.co/only", "\u200b\u200b", "RT #", "x"]
    found = encoder.encode([Post(id=str(i), text=text) for i, text in enumerate(texts)]).features
    assert [f.text_pooled is None for f in found] == [True, True, True, True, True, False]
    assert [f.text_tokens is None for f in found] == [True, True, True, True, True, False]


def test_without_a_folder_pictures_are_not_read(hashing: EncoderPair, posts: list[Post]) -> None:
    encoded = make_encoder(hashing, None).encode(posts[:2])
    assert encoded.notes == [("photo was not read: no image folder was given",), ()]
    assert encoded.features[0].image_pooled is None


def test_a_long_text_says_that_it_was_cut(encoder: PostEncoder) -> None:
    encoded = encoder.encode([Post(id="1", text="water " * 200)])
    assert encoded.notes == [("the text is long; only its first 64 tokens were read",)]
    assert encoded.features[0].text_tokens.shape == (64, 32)


def test_an_animation_is_used_with_a_note(encoder: PostEncoder, root: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    frames[0].save(root / "moving.gif", save_all=True, append_images=frames[1:])
    encoded = encoder.encode([Post(id="1", image=ImageRef(path="moving.gif"))])
    assert "animated" in encoded.notes[0][0]
    assert encoded.features[0].image_pooled is not None
    assert encoded.features[0].image_hash is None  # uniform


def test_no_posts_is_no_features(encoder: PostEncoder) -> None:
    encoded = encoder.encode([])
    assert (encoded.features, encoded.notes) == ([], [])
    assert len(collate([], encoder.encoders.widths())) == 0


def test_pooled_vectors_alone_leave_the_modality_there(
    hashing: EncoderPair, root: Path, posts: list[Post]
) -> None:
    full = make_encoder(hashing, root).encode(posts).features
    for keep in ((), ("text",), ("image",)):
        found = make_encoder(hashing, root, keep_tokens=keep).encode(posts).features
        for a, b in zip(full, found, strict=True):
            assert (a.text_tokens is None) == (b.text_tokens is None)
            if b.text_tokens is not None:
                assert torch.equal(a.text_pooled, b.text_pooled)
                assert len(b.text_tokens) == (len(a.text_tokens) if "text" in keep else 0)
            if b.image_tokens is not None:
                assert len(b.image_tokens) == (16 if "image" in keep else 0)
    batch = collate(make_encoder(hashing, root, keep_tokens=()).encode(posts).features, hashing.widths())
    assert batch.text.present.any()
    assert not batch.text.mask.any()
    assert batch.image.pooled[batch.image.present].abs().max() > 0


def test_collate_pads_and_marks(encoder: PostEncoder, posts: list[Post]) -> None:
    features = encoder.encode(posts[:8]).features
    batch = collate(features, encoder.encoders.widths())
    assert batch.text.present.tolist() == [f.text_tokens is not None for f in features]
    assert batch.image.present.tolist() == [f.image_tokens is not None for f in features]
    for i, f in enumerate(features):
        n = 0 if f.text_tokens is None else len(f.text_tokens)
        assert batch.text.mask[i].tolist() == [True] * n + [False] * (batch.text.mask.shape[1] - n)
        if f.text_tokens is not None:
            assert torch.equal(batch.text.tokens[i, :n], f.text_tokens)


def test_features_can_be_trained_on(encoder: PostEncoder, posts: list[Post]) -> None:
    features = encoder.encode(posts[:6]).features
    head = nn.Linear(32, 2)
    head(collate(features, encoder.encoders.widths()).text.tokens).sum().backward()
    head(features[0].text_tokens).sum().backward()
    assert head.weight.grad is not None


def test_encoders_in_training_mode_are_left_so_but_do_not_drop(posts: list[Post]) -> None:
    pair = load_encoders(EncoderSpec())
    encoder = make_encoder(pair, None)
    expected = encoder.encode(posts[:2]).features
    pair.text.train()
    pair.text.bert.encoder.layer[0].eval()
    found = encoder.encode(posts[:2]).features
    assert difference(expected[0], found[0]) == 0.0
    assert pair.text.training
    assert not pair.text.bert.encoder.layer[0].training
    assert pair.text.bert.encoder.layer[1].training


def test_the_fingerprint_follows_encoders_rules_and_limits(
    encoder: PostEncoder, hashing: EncoderPair, root: Path
) -> None:
    def made(
        pair: EncoderPair = hashing,
        rules: CleaningRules = CleaningRules(),
        limits: ImageLimits = ImageLimits(),
    ) -> str:
        return PostEncoder(pair, rules=rules, limits=limits, image_root=None).fingerprint()

    assert made() == encoder.fingerprint()
    other = load_encoders(EncoderSpec(name="hashing", options={"seed": 3}))
    prints = {
        made(),
        made(other),
        made(rules=CleaningRules(urls="keep")),
        made(limits=ImageLimits(decode_px=200)),
    }
    assert len(prints) == 4


@pytest.fixture
def counted(hashing: EncoderPair, root: Path) -> tuple[PostEncoder, dict[str, int]]:
    """An encoder whose forwards are counted by hooks."""
    pair = copy.deepcopy(hashing)
    rows = {"text": 0, "image": 0}
    for name, module in (("text", pair.text), ("image", pair.image)):

        def count(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
            rows[name] += len(inputs[0])

        module.register_forward_pre_hook(count)
    # room for three pictures: 16 patches of 24 numbers, a pooled vector of 40, and what is around them
    one = 4 * (pair.image.patches * pair.image.width + pair.image.pooled_width) + 1_024
    return make_encoder(pair, root, remembered_bytes=3 * one), rows


def test_equal_texts_and_bytes_are_encoded_once(
    counted: tuple[PostEncoder, dict[str, int]], posts: list[Post]
) -> None:
    encoder, rows = counted
    same = [posts[0].model_copy(update={"id": str(i)}) for i in range(9)] + [
        posts[3].model_copy(update={"text": posts[0].text})
    ]
    features = encoder.encode(same).features
    assert rows == {"text": 1, "image": 1}
    assert features[9].image_fingerprint == features[0].image_fingerprint
    assert features[9].image_pooled is features[0].image_pooled


def test_pictures_are_remembered_across_calls_and_forgotten_by_their_bytes(
    counted: tuple[PostEncoder, dict[str, int]], posts: list[Post]
) -> None:
    encoder, rows = counted

    def show(*names: str) -> int:
        before = rows["image"]
        encoder.encode([Post(id=name, image=ImageRef(path=name)) for name in names])
        return rows["image"] - before

    assert show("0.png", "1.png", "2.png") == 3
    assert show("2.png", "0.png", "5.png") == 0
    assert show("3.png") == 1  # pushes out 1.png, which was used longest ago
    assert show("0.png", "2.png", "3.png") == 0
    assert show("1.png") == 1


def test_files_of_equal_pixels_are_encoded_once_and_keep_their_own_fingerprints(
    counted: tuple[PostEncoder, dict[str, int]], posts: list[Post], root: Path
) -> None:
    encoder, rows = counted
    # the same pixels in other bytes, as where a platform takes the metadata out, also under two names
    Image.open(root / "0.png").save(root / "slow.png", compress_level=0)
    (root / "again.png").write_bytes((root / "slow.png").read_bytes())
    Image.open(root / "0.png").save(root / "0.webp", lossless=True)
    names = ["again.png", "0.png", "slow.png", "0.webp"]

    def show(names: list[str]) -> list[PostFeatures]:
        return encoder.encode([Post(id=name, image=ImageRef(path=name)) for name in names]).features

    found = show(names)
    assert rows["image"] == 1
    # across calls too, where another file of the pixels was seen before
    found += show(["0.webp"])
    assert rows["image"] == 1
    assert all(features.image_pooled is found[0].image_pooled for features in found)
    prints = [features.image_fingerprint for features in found]
    assert prints == [fingerprint_file(root / name) for name in [*names, "0.webp"]]
    assert len({features.image_hash for features in found}) == 1


def test_pictures_that_only_look_alike_are_encoded_each_by_itself(
    counted: tuple[PostEncoder, dict[str, int]], posts: list[Post], root: Path
) -> None:
    encoder, rows = counted
    changed = np.asarray(Image.open(root / "0.png")).copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save(root / "near.png")
    near = Post(id="2", image=ImageRef(path="near.png"))
    _, beside = encoder.encode([Post(id="1", image=ImageRef(path="0.png")), near]).features
    assert rows["image"] == 2
    [alone] = make_encoder(encoder.encoders, root).encode([near]).features
    assert torch.equal(alone.image_pooled, beside.image_pooled)


def test_a_picture_that_changed_is_read_again(
    counted: tuple[PostEncoder, dict[str, int]], posts: list[Post], root: Path
) -> None:
    encoder, rows = counted
    post = Post(id="1", image=ImageRef(path="0.png"))
    [before] = encoder.encode([post]).features
    write_picture(root / "0.png", seed=77)
    [after] = encoder.encode([post]).features
    assert rows["image"] == 2
    assert not torch.equal(before.image_pooled, after.image_pooled)


def test_an_encoder_that_was_trained_further_forgets(
    counted: tuple[PostEncoder, dict[str, int]], posts: list[Post]
) -> None:
    encoder, _ = counted
    post = Post(id="1", image=ImageRef(path="0.png"))
    [before] = encoder.encode([post]).features
    with torch.no_grad():
        encoder.encoders.image.whole.weight.mul_(2.0)
    [after] = encoder.encode([post]).features
    torch.testing.assert_close(after.image_pooled, 2 * before.image_pooled, atol=1e-5, rtol=0)


def test_equal_broken_bytes_fail_under_their_own_names(
    encoder: PostEncoder, root: Path, posts: list[Post]
) -> None:
    (root / "big.png").write_bytes(b"")
    names = ["broken.png", "copy.png", "big.png", "../out.png"]
    (root / "copy.png").write_bytes((root / "broken.png").read_bytes())
    encoded = encoder.encode([Post(id=name, image=ImageRef(path=name)) for name in names])
    assert all(len(note) == 1 and note[0].startswith("photo could not be used: ") for note in encoded.notes)
    assert encoded.notes[0] == encoded.notes[1]
    assert "empty" in encoded.notes[2][0]
    assert "'../out.png'" in encoded.notes[3][0]


def test_a_file_over_the_limit_is_not_even_read(hashing: EncoderPair, posts: list[Post], root: Path) -> None:
    encoder = PostEncoder(hashing, rules=CleaningRules(), limits=ImageLimits(max_bytes=100), image_root=root)
    encoded = encoder.encode([posts[0]])
    assert "more than the 100 allowed" in encoded.notes[0][0]


def test_many_pictures_keep_their_order(encoder: PostEncoder, root: Path) -> None:
    for seed in range(60):
        write_picture(root / f"n{seed}.png", seed + 100)
    wanted = [Post(id=str(i), image=ImageRef(path=f"n{(i * 7) % 60}.png")) for i in range(60)]
    for post, found in zip(wanted, encoder.encode(wanted).features, strict=True):
        assert found.image_fingerprint == fingerprint_file(root / post.image.path)


@pytest.mark.real
def test_real_tweets_keep_apart(shared_data: Path) -> None:
    folder = shared_data / "verification"
    rows = [
        line.split("\t") for line in (folder / "tweets.tsv").read_text(encoding="utf-8").splitlines()[1::150]
    ]
    tweets = [Post(id=row[0], text=row[1], image=ImageRef(path=row[2].split(",")[0].strip())) for row in rows]
    pair = load_encoders(EncoderSpec())
    together = make_encoder(pair, folder / "images").encode(tweets)
    assert sum(f.image_pooled is not None for f in together.features) >= len(tweets) // 2
    for i in range(0, len(tweets), 5):
        alone = make_encoder(pair, folder / "images").encode([tweets[i]])
        assert difference(alone.features[0], together.features[i]) <= 1e-5
        assert alone.notes[0] == together.notes[i]
