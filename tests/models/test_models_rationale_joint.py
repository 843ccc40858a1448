"""Both stages over one joint transformer: nothing but rationales reaches the decision, and what is
saved comes back equal.
"""

import json
from pathlib import Path

import pytest
import torch

from crisislens.core.errors import ModelError, NotRegisteredError
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.joint_artifact import load_joint_rationalizer, read_joint_config
from crisislens.models.joint_tower import Photos, TowerSpec, build_tower, painted
from crisislens.models.rationale_joint import Evidence, JointRationalizer, hottest, only_chosen_words
from crisislens.models.saved import kind_of
from crisislens.nn.word_owners import WindowBatch
from tiny_checkpoints import write_tiny_vilt
from tiny_joint import COMPACT, tiny_joint, vilt_spec, write_joint

CHOSEN = [False, True, True, False]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, JointRationalizer]:
    checkpoint = write_tiny_vilt(tmp_path_factory.mktemp("vilt"))
    return {"compact": tiny_joint(), "vilt": tiny_joint(vilt_spec(checkpoint))}


def windows(model: JointRationalizer, *texts: str) -> WindowBatch:
    cutter = WordCutter(model.tower)
    return collate_windows([cutter.cut(text)[0] for text in texts], model.tower.pad_id)


def photo(model: JointRationalizer, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.randn(3, model.tower.side_px, model.tower.side_px)


def decided(
    model: JointRationalizer, words: WindowBatch, image: torch.Tensor | None, keep: list[int]
) -> torch.Tensor:
    """Logits where the choice is fixed, whatever stage 1 would choose."""
    patches = torch.zeros(1, model.tower.grid**2, dtype=torch.bool)
    patches[0, keep] = True
    chosen = torch.tensor([CHOSEN])
    found = Evidence(chosen, chosen.float(), patches.float(), patches)
    with torch.no_grad():
        return model.decide(*model.reduced(words, model.tower.photos([image]), found))


@pytest.mark.parametrize("name", ["compact", "vilt"])
def test_nothing_but_the_rationale_reaches_the_decision(
    models: dict[str, JointRationalizer], name: str
) -> None:
    model = models[name]
    image, other, keep = photo(model), photo(model, 1), [0, 5]
    reference = decided(model, windows(model, "a bridge flood is"), image, keep)
    # other words, of other lengths in tokens, in the places that were not chosen
    assert torch.equal(decided(model, windows(model, "downed bridge flood flooded"), image, keep), reference)
    mask = painted(
        torch.ones(1, 1, *image.shape[1:]).expand(-1, 3, -1, -1), _keep(model, keep), model.tower.grid
    )
    changed = torch.where(mask[0] > 0, image, other)
    assert not torch.equal(changed, image)
    assert torch.equal(decided(model, windows(model, "a bridge flood is"), changed, keep), reference)
    # and what was chosen does reach it
    assert not torch.equal(decided(model, windows(model, "a flood flood is"), image, keep), reference)
    assert not torch.equal(decided(model, windows(model, "a bridge flood is"), other, keep), reference)
    # with no patch chosen the photo is as good as not there
    words = windows(model, "a bridge flood is")
    assert torch.equal(decided(model, words, image, []), decided(model, words, None, []))


def _keep(model: JointRationalizer, places: list[int]) -> torch.Tensor:
    keep = torch.zeros(1, model.tower.grid**2, dtype=torch.bool)
    keep[0, places] = True
    return keep


@pytest.mark.parametrize("name", ["compact", "vilt"])
def test_stage_one_gives_words_and_patches_of_each_post_alone(
    models: dict[str, JointRationalizer], name: str
) -> None:
    model, texts = models[name], ("a bridge is down", "flood")
    images = [photo(model), None]
    words, photos = windows(model, *texts), model.tower.photos(images)
    with torch.no_grad():
        found = model.evidence(model(words, photos), words)
    assert found.chosen.any(1).all()
    assert found.heat[0].max() == 1
    assert found.heat[1].sum() == 0
    # a quarter of the patches at most, and none of a photo that is not there
    assert 1 <= int(found.patches[0].sum()) <= model.tower.grid**2 // 4
    assert not found.patches[1].any()
    for i, text in enumerate(texts):
        alone = windows(model, text)
        with torch.no_grad():
            one = model.evidence(model(alone, model.tower.photos([images[i]])), alone)
        assert torch.equal(one.chosen[0], found.chosen[i, : one.chosen.shape[1]])
        # padding adds in another order
        assert torch.allclose(one.heat[0], found.heat[i], atol=1e-3)


def test_a_model_that_never_saw_photos_is_not_shown_any() -> None:
    model = tiny_joint(looks=False)
    words = windows(model, "a bridge flood is")
    assert torch.equal(decided(model, words, photo(model), [0]), decided(model, words, None, []))


def test_gradients_reach_both_stages() -> None:
    model = tiny_joint().train()
    words, photos = windows(model, "a bridge is down"), model.tower.photos([photo(tiny_joint())])
    first = model(words, photos)
    second = model.decide(*model.reduced(words, photos, model.evidence(first, words)))
    (first.scores.words.sum() + first.classes.square().sum() + second.square().sum()).backward()
    for name, parameter in model.named_parameters():
        if name.startswith(("head.word", "auxiliary", "classifier", "tower.joint.blocks")):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert name.endswith("k.bias") or parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("heat", "share", "expected"),
    [
        ([0.0, 0.0, 0.0, 0.0], 0.5, []),
        ([0.1, 0.9, 0.5, 0.5], 0.5, [1, 2]),
        ([0.0, 0.9, 0.0, 0.0], 0.75, [1]),
        ([0.1, 0.2, 0.3, 0.4], 0.01, [3]),
        ([0.1, 0.2, 0.3, 0.4], 1.0, [0, 1, 2, 3]),
    ],
)
def test_the_hottest_patches(heat: list[float], share: float, expected: list[int]) -> None:
    assert hottest(torch.tensor([heat]), share)[0].nonzero()[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("filler", "ids", "owner"),
    [(9, [1, 9, 5, 6, 9, 2], [-1, 0, 1, 1, 2, -1]), (None, [1, 5, 6, 2], [-1, 1, 1, -1])],
)
def test_words_that_were_not_chosen_are_one_token_each(
    filler: int | None, ids: list[int], owner: list[int]
) -> None:
    words = WindowBatch(
        torch.tensor([[1, 3, 4, 5, 6, 7, 2, 0]]),
        torch.tensor([[True] * 7 + [False]]),
        torch.tensor([[-1, 0, 0, 1, 1, 2, -1, -1]]),
        torch.ones(1, 3, dtype=torch.bool),
    )
    left = only_chosen_words(words, torch.tensor([[False, True, False]]), filler, 0)
    assert left.ids.tolist() == [ids]
    assert left.owner.tolist() == [owner]
    assert bool(left.mask.all())
    assert torch.equal(left.words, words.words)


def test_painting_leaves_what_is_kept_and_nothing_else() -> None:
    images = torch.ones(1, 3, 6, 6)
    left = painted(images, torch.tensor([[True, False, False, False]]), 2)
    assert left.sum() == 3 * 9
    assert bool((left[:, :, :3, :3] == 1).all())


def test_what_is_saved_comes_back_equal(tmp_path: Path) -> None:
    folder = write_joint(tmp_path)
    assert kind_of(folder) == "joint_rationales"
    loaded, again = load_joint_rationalizer(folder), load_joint_rationalizer(folder)
    assert loaded.fingerprint == again.fingerprint
    assert loaded.config == read_joint_config(folder)
    model = tiny_joint()
    words, photos = windows(model, "a bridge is down"), model.tower.photos([photo(model)])
    with torch.no_grad():
        ours, theirs = model(words, photos), loaded.model(words, photos)
    # weights are stored in half precision
    assert torch.allclose(ours.classes, theirs.classes, atol=2e-2)
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tower_fingerprint": "0" * 16}, "was trained on compact 0000000000000000"),
        ({"hidden": 7}, "do not fit its configuration"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_joint_rationalizer(write_joint(tmp_path, **changes))


def test_a_missing_adapter_is_refused(tmp_path: Path) -> None:
    folder = write_joint(tmp_path)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"adapter": "adapter.safetensors"}))
    with pytest.raises(ModelError, match="adapter"):
        load_joint_rationalizer(folder)


def test_an_unknown_tower_names_those_that_exist() -> None:
    with pytest.raises(NotRegisteredError, match=r"compact, vilt"):
        build_tower(TowerSpec(name="vit"))
    assert build_tower(COMPACT).grid == 4


def test_no_photos_are_photos_of_nobody() -> None:
    tower = tiny_joint().tower
    none: Photos = tower.no_photos(2)
    assert none.images.shape[0] == 0
    assert not none.seen.any()
    assert not none.keep.any()
