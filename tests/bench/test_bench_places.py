"""Similarity guidance on a shared space: noise, pairs, and systems on drawn posts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crisislens.bench.place_posts import PlacePosts, kept_groups, noised
from crisislens.bench.place_space import SpaceRecipe
from crisislens.bench.places import Places
from crisislens.bench.study import Trial
from crisislens.core.errors import DataError
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec
from crisislens.models.parts import Inlet
from crisislens.nn.batch import ModalityBatch

SPACE = SpaceRecipe(width=8, steps=3, batch=4, fold_count=2, fewest=2)
SMALL = Places(epochs=1, batch=16, space=SPACE, encoder=EncoderSpec(name="hashing"))


def modality(n: int, tokens: int, seed: int) -> ModalityBatch:
    x = torch.randn(n, tokens, 8, generator=torch.Generator().manual_seed(seed))
    return ModalityBatch(
        x, torch.ones(n, tokens, dtype=torch.bool), x.mean(1), torch.ones(n, dtype=torch.bool)
    )


def drawn(n: int = 48) -> PlacePosts:
    """Texts that say what their photo shows, each once beside its own photo and once beside the next."""
    photos = modality(n, 9, seed=1)
    tokens = photos.pooled[:, None] * 3 + 0.1 * torch.randn(
        n, 4, 8, generator=torch.Generator().manual_seed(2)
    )
    whole = torch.ones(n, 4, dtype=torch.bool)
    texts = ModalityBatch(tokens, whole, tokens.mean(1), photos.present)
    rows = np.arange(n)
    pairs = np.concatenate([np.stack([rows, rows], 1), np.stack([rows, np.roll(rows, 1)], 1)])
    y = np.repeat([1, 0], n)
    test = np.concatenate([np.arange(16), n + np.arange(16)])
    train = np.setdiff1d(np.arange(2 * n), test)
    return PlacePosts(texts, photos, pairs, y, 2, train, test, (1.0, 1.0))


POSTS = drawn()


@settings(max_examples=20)
@given(share=st.sampled_from([0.0, 0.2, 0.4, 0.8, 1.0]), seed=st.integers(0, 9))
def test_a_share_of_the_regions_is_of_other_photos(share: float, seed: int) -> None:
    photos, among = modality(6, 9, seed=0), np.array([0, 2, 3, 5])
    found = noised(photos, share, among, [seed])
    changed = (found.tokens != photos.tokens).any(2)
    assert changed[among].sum(1).tolist() == [round(9 * share)] * 4
    assert not changed[[1, 4]].any()
    # at the same place of a photo among those
    for row, at in changed.nonzero().tolist():
        donors = [r for r in among.tolist() if (photos.tokens[r, at] == found.tokens[row, at]).all()]
        assert donors
        assert row not in donors
    assert torch.allclose(found.pooled, found.tokens.mean(1))
    again = noised(photos, share, among, [seed])
    assert (again.tokens == found.tokens).all()


def texts(lengths: tuple[int, ...] = (5, 2, 7, 1, 4, 0)) -> ModalityBatch:
    """Texts of these lengths; zeros on padding, and the last one is not there."""
    x = modality(len(lengths), max(lengths), seed=3)
    counts = torch.tensor(lengths)
    mask = torch.arange(max(lengths)) < counts[:, None]
    tokens = x.tokens * mask[..., None]
    return ModalityBatch(tokens, mask, tokens.sum(1) / counts.clamp(min=1)[:, None], counts > 0)


@settings(max_examples=20)
@given(share=st.sampled_from([0.0, 0.2, 0.4, 0.8, 1.0]), seed=st.integers(0, 9))
def test_a_share_of_a_texts_own_tokens_is_of_other_texts(share: float, seed: int) -> None:
    whole, among = texts(), np.array([0, 1, 2, 3, 5])
    found = noised(whole, share, among, [seed])
    counts = whole.mask.sum(1).tolist()
    changed = (found.tokens != whole.tokens).any(2)
    assert changed.sum(1).tolist() == [
        round(share * n) if row in (0, 1, 2, 3) else 0 for row, n in enumerate(counts)
    ]
    for row, at in changed.nonzero().tolist():
        # at the same place, or where it lies when a shorter text is read round again; never padding
        others = [r for r in (0, 1, 2, 3) if r != row]
        assert any((whole.tokens[r, at % counts[r]] == found.tokens[row, at]).all() for r in others)
    assert not found.tokens[~found.mask].any()
    assert torch.equal(found.mask, whole.mask)
    assert torch.equal(found.present, whole.present)
    assert torch.equal(noised(whole, share, among, [seed]).tokens, found.tokens)


def test_no_noise_is_the_text_itself() -> None:
    whole = texts()
    found = noised(whole, 0.0, np.arange(6), [0])
    assert torch.equal(found.tokens, whole.tokens)
    assert torch.equal(found.pooled, whole.pooled)


@pytest.mark.parametrize("share", [0.4, 0.8, 1.0])
def test_what_is_gone_from_a_text_does_not_come_back_through_its_mean(share: float) -> None:
    whole, row = texts(), 2
    found = noised(whole, share, np.arange(5), [0])
    gone = (found.tokens[row] != whole.tokens[row]).any(1)
    # another text, of which exactly the tokens that are gone differ
    tokens = whole.tokens.clone()
    tokens[row, gone] += 10
    pooled = tokens.sum(1) / whole.mask.sum(1, keepdim=True).clamp(min=1)
    other = noised(ModalityBatch(tokens, whole.mask, pooled, whole.present), share, np.arange(5), [0])
    assert gone.any()
    assert torch.equal(other.tokens[row], found.tokens[row])
    assert torch.equal(other.pooled[row], found.pooled[row])
    assert torch.allclose(found.pooled[row], found.tokens[row, : whole.mask[row].sum()].mean(0), atol=1e-6)


def test_the_mean_of_photos_is_what_it_was_before_texts_were_noised() -> None:
    # results of earlier states of the code stay comparable to the last bit
    found = noised(modality(6, 9, seed=0), 0.4, np.arange(6), [0])
    assert torch.equal(found.pooled, found.tokens.mean(1))


def test_one_modality_is_noised_and_the_other_left() -> None:
    photo = POSTS.noised(0.4, POSTS.test, [0])
    assert photo.texts is POSTS.texts
    changed = (photo.photos.tokens != POSTS.photos.tokens).any(2).any(1)
    assert changed.nonzero()[:, 0].tolist() == sorted(set(POSTS.pairs[POSTS.test, 1].tolist()))
    text = replace(POSTS, noisy="text").noised(0.4, POSTS.test, [0])
    assert text.photos is POSTS.photos
    changed = (text.texts.tokens != POSTS.texts.tokens).any(2).any(1)
    assert changed.nonzero()[:, 0].tolist() == sorted(set(POSTS.pairs[POSTS.test, 0].tolist()))
    # what the models are given
    batch = text.batch(POSTS.test).text
    rows = torch.from_numpy(POSTS.pairs[POSTS.test, 0])
    assert torch.equal(batch.tokens, text.texts.tokens[rows])
    assert torch.equal(batch.pooled, text.texts.pooled[rows])


def test_what_is_given_is_left_as_it_was() -> None:
    photos = modality(3, 9, seed=0)
    before = photos.tokens.clone()
    noised(photos, 1.0, np.arange(3), [0])
    assert (photos.tokens == before).all()


@pytest.mark.parametrize("system", list(Places.systems))
def test_every_system_trains_and_answers_each_post(system: str) -> None:
    first = SMALL.run(POSTS, Trial("belongs", system, 0.4, 1))
    assert len(first.hits["accuracy"]) == len(POSTS.test)
    assert first.facts["largest class"] == 0.5


def test_a_trial_is_a_function_of_its_seed() -> None:
    trials = [SMALL.run(POSTS, Trial("belongs", "no_sim", 0.4, seed)) for seed in (1, 1, 2)]
    first, again, other = (trial.hits["accuracy"].tolist() for trial in trials)
    assert first == again
    assert first != other


def test_the_product_tells_what_belongs_together_and_noise_hides_it() -> None:
    longer = replace(SMALL, epochs=30, learning_rate=2e-2)
    whole = longer.run(POSTS, Trial("belongs", "product", 0.0, 0)).hits["accuracy"].mean()
    hidden = longer.run(POSTS, Trial("belongs", "product", 1.0, 0)).hits["accuracy"].mean()
    assert whole > 0.8
    # all regions are those of other photos: nothing is left to tell by
    assert hidden < whole - 0.15


def test_noise_in_the_text_hides_it_too() -> None:
    longer, noisy = replace(SMALL, epochs=30, learning_rate=2e-2), replace(POSTS, noisy="text")
    whole = longer.run(noisy, Trial("belongs_text", "product", 0.0, 0)).hits["accuracy"].mean()
    hidden = longer.run(noisy, Trial("belongs_text", "product", 1.0, 0)).hits["accuracy"].mean()
    assert whole > 0.8
    assert hidden < whole - 0.15


def test_without_noise_it_does_not_matter_which_modality_would_be_noised() -> None:
    photo = SMALL.run(POSTS, Trial("belongs", "sg_mft", 0.0, 1)).hits["accuracy"]
    text = SMALL.run(replace(POSTS, noisy="text"), Trial("belongs_text", "sg_mft", 0.0, 1)).hits["accuracy"]
    assert photo.tolist() == text.tolist()


def test_every_system_gets_the_same_noise_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[PlacePosts] = []
    draw = PlacePosts.noised

    def kept(posts: PlacePosts, *asked: Any) -> PlacePosts:
        made.append(draw(posts, *asked))
        return made[-1]

    monkeypatch.setattr(PlacePosts, "noised", kept)
    noisy = replace(POSTS, noisy="text")
    for seed in (1, 2):
        for system in ("sg_mft", "late_fusion", "product"):
            SMALL.run(noisy, Trial("belongs_text", system, 0.4, seed))
    learned, tested = ([one.texts.tokens for one in made[part::2]] for part in (0, 1))
    assert all(torch.equal(one, tested[0]) for one in tested)
    for group in (learned[:3], learned[3:]):
        assert all(torch.equal(one, group[0]) for one in group)
    assert not torch.equal(learned[0], learned[3])


def test_entrances_keep_the_space() -> None:
    model = SMALL._built("sg_mft", 2)
    square = [part.map[1] for part in model.modules() if isinstance(part, Inlet)]
    assert len(square) == 2
    for linear in square:
        assert isinstance(linear, torch.nn.Linear)
        assert torch.equal(linear.weight, torch.eye(8))
        assert not linear.bias.any()


def test_another_recipe_is_another_experiment() -> None:
    changes = ({"epochs": 2}, {"batch": 8}, {"learning_rate": 1e-4}, {"space": replace(SPACE, steps=4)})
    terms = [SMALL.terms(), *(replace(SMALL, **change).terms() for change in changes)]  # type: ignore[arg-type]
    assert len({str(one) for one in terms}) == 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Captioned photos of kitchens and beaches, and of nothing that is a place."""
    (tmp_path / "photos").mkdir()
    rows = ["file\tset\tlabel\ttext"]
    random = np.random.default_rng(0)
    for i in range(18):
        # noise, so that no photo is a near-duplicate of another
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i:02}.png")
        words = ("kitchen", "beach", "dog")[i % 3]
        names = random.permutation(["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"])[:4]
        captions = [f"{' '.join(names)} {k * i} near a {words} {k}" for k in range(5)]
        rows.append(f"{i:02}.png\tcaptioned\tx\t{' || '.join(captions)}")
    (tmp_path / "photos" / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_texts_are_once_right_and_once_wrong_and_stay_on_their_side(data: Path, tmp_path: Path) -> None:
    posts, mark = SMALL.prepare("belongs", data, tmp_path / "cache")
    assert (posts.classes, posts.texts.tokens.shape[2], posts.photos.tokens.shape[1:]) == (2, 8, (9, 8))
    assert posts.pairs.shape == (24, 2)
    own = posts.pairs[:, 0] == posts.pairs[:, 1]
    assert (own == (posts.y == 1)).all()
    for side in (0, 1):
        for label in (0, 1):
            assert sorted(posts.pairs[posts.y == label, side].tolist()) == list(range(12))
        train, test = (set(posts.pairs[rows, side].tolist()) for rows in (posts.train, posts.test))
        assert not train & test
    assert SMALL.prepare("belongs", data, tmp_path / "cache")[1] == mark


def test_kinds_of_places_are_masked_in_the_text(data: Path, tmp_path: Path) -> None:
    posts, _ = SMALL.prepare("place_types", data, tmp_path / "cache")
    assert (len(posts.y), posts.classes) == (12, 2)
    assert sorted([*posts.train, *posts.test]) == list(range(12))
    # means of tokens are what the models are told is the text
    rows = posts.texts.mask.sum(1, keepdim=True)
    assert torch.allclose(posts.texts.pooled, posts.texts.tokens.sum(1) / rows, atol=1e-6)


def test_settings_with_noisy_texts_ask_the_same_of_the_same_posts(data: Path, tmp_path: Path) -> None:
    marks = []
    for asked in ("belongs", "place_types"):
        photo, text = (SMALL.prepare(name, data, tmp_path / "cache") for name in (asked, f"{asked}_text"))
        marks += [photo[1], text[1]]
        assert (photo[0].noisy, text[0].noisy) == ("photo", "text")
        assert torch.equal(photo[0].texts.tokens, text[0].texts.tokens)
        assert torch.equal(photo[0].photos.tokens, text[0].photos.tokens)
        for name in ("pairs", "y", "train", "test"):
            assert getattr(photo[0], name).tolist() == getattr(text[0], name).tolist()
    # but they are other experiments
    assert len(set(marks)) == 4


def test_photos_are_compared_once_and_again_when_one_is_another(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def groups(posts: list[Post], root: Path) -> list[int]:
        compared.append(len(posts))
        return list(range(len(posts)))

    monkeypatch.setattr("crisislens.bench.place_posts.near_duplicate_groups", groups)
    posts = [Post(id=f"{i}", text="a beach", image=ImageRef(path=f"{i:02}.png")) for i in range(3)]
    for _ in range(2):
        assert kept_groups(posts, data / "photos", tmp_path / "cache") == [0, 1, 2]
    assert compared == [3]
    # under the same name another photo
    (data / "photos" / "02.png").write_bytes((data / "photos" / "05.png").read_bytes())
    kept_groups(posts, data / "photos", tmp_path / "cache")
    kept_groups(posts[:2], data / "photos", tmp_path / "cache")
    assert compared == [3, 3, 2]


def test_too_few_photos_are_told(data: Path, tmp_path: Path) -> None:
    manifest = data / "photos" / "manifest.tsv"
    lines = manifest.read_text().split("\n")
    # nothing is left to learn the space from
    manifest.write_text("\n".join([line for line in lines if "dog" not in line]))
    with pytest.raises(DataError, match="too few captioned photos"):
        SMALL.prepare("belongs", data, tmp_path / "cache")
