"""What every registered model promises, one promise a test; the published forms' broken promises are stated,
not hidden.
"""

from pathlib import Path

import pytest
import torch
from cases import CLASSES, OPTIONS, PUBLISHED, WIDTHS, WITH_CAPTIONS, build, modality, padded, posts

from crisislens.core.errors import ConfigError, ModelError, NotRegisteredError
from crisislens.models import base
from crisislens.models.artifact import ArtifactMeta, Card, load_artifact, save_artifact
from crisislens.models.base import ModelSpec
from crisislens.nn.batch import FeatureBatch

DESIGNED = sorted(set(OPTIONS) - PUBLISHED)
# published: softmax over one key is 1 whatever query and key are, so they get no gradient (λ, which the norm
# cancels up to its ε, gets next to none: see the test below); in the cross-differential row the text's half
# is nothing but a query, so all that makes it is silent too
_ONE_KEY = {"attend.q.weight", "attend.k.weight"}
_ONE_KEY_BIASED = _ONE_KEY | {"attend.q.bias", "attend.k.bias"}
_TEXT_HALF = {
    f"fuse.{part}.{kind}" for part in ("value_text", "gate_image", "norm_text") for kind in ("weight", "bias")
}
SILENT: dict[str, set[str]] = {
    "guided_differential_published": _ONE_KEY,
    "vector_guided_differential_published": _ONE_KEY,
    "vector_cross_differential_published": _ONE_KEY | _TEXT_HALF,
    "vector_guided_self_published": _ONE_KEY_BIASED,
    "vector_cross_published": {
        f"{part}.{x}.{kind}" for part in ("to_image", "to_text") for x in "qk" for kind in ("weight", "bias")
    },
}
META = ArtifactMeta(
    label_space="damage_severity",
    classes=("a", "b", "c"),
    encoder={"name": "hashing", "options": {}},
    encoder_fingerprint="e",
    features_fingerprint="f",
    widths=WIDTHS,
    card=Card(
        summary="Made for a test.", data=("nothing, no license",), limits=("anything",), numbers=("A3 0.5",)
    ),
)
# fp64: sums of a few dozen terms in another order
TINY = 1e-10


def test_every_registered_model_is_tested() -> None:
    assert set(base.MODELS) == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_logits_have_one_column_a_class_and_are_finite_whatever_is_missing(name: str) -> None:
    logits = build(name).eval()(posts())
    assert logits.shape == (5, CLASSES)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", OPTIONS)
def test_every_parameter_learns(name: str) -> None:
    model = build(name)
    torch.manual_seed(3)
    weights = torch.randn(5, CLASSES, dtype=torch.float64)
    (model(posts()).tanh() * weights).sum().backward()
    silent = {
        n
        for n, p in model.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or p.grad.abs().max() == 0
    }
    assert silent == SILENT.get(name, set())


@pytest.mark.parametrize("name", sorted(name for name in PUBLISHED if "differential" in name))
def test_in_published_differential_attention_queries_and_keys_get_no_gradient_and_lambda_next_to_none(
    name: str,
) -> None:
    model = build(name)
    torch.manual_seed(3)
    (model(posts()).tanh() * torch.randn(5, CLASSES, dtype=torch.float64)).sum().backward()
    layer = model.attend
    assert layer.q.weight.grad.abs().max() == 0  # type: ignore[union-attr]
    assert layer.k.weight.grad.abs().max() == 0  # type: ignore[union-attr]
    # without its ε the norm would take away the scale (1 - λ) altogether
    layer.zero_grad()
    layer.norm.eps = 1e-14  # type: ignore[union-attr]
    (model(posts()).tanh() * torch.randn(5, CLASSES, dtype=torch.float64)).sum().backward()
    assert layer.lambda_terms.grad.abs().max() < 1e-9 * layer.v.weight.grad.abs().max()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", WITH_CAPTIONS)
def test_every_parameter_of_a_model_that_is_asked_to_read_captions_learns(name: str) -> None:
    model = build(name, options=WITH_CAPTIONS[name])
    torch.manual_seed(3)
    (model(posts()).tanh() * torch.randn(5, CLASSES, dtype=torch.float64)).sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in model.parameters()
    )


@pytest.mark.parametrize(
    "name",
    sorted(
        name for name in (*OPTIONS, *WITH_CAPTIONS) if name in WITH_CAPTIONS or build(name).reads_captions
    ),
)
def test_a_caption_counts_and_a_batch_without_any_is_one_in_which_no_post_has_one(name: str) -> None:
    model, batch = build(name, options=WITH_CAPTIONS.get(name)).eval(), posts()
    assert model.reads_captions
    assert batch.caption is not None
    none = batch.map(caption=batch.caption.without(torch.ones(5, dtype=torch.bool)))
    bare = FeatureBatch(text=batch.text, image=batch.image)
    torch.testing.assert_close(model(bare), model(none), atol=TINY, rtol=0)
    changed = (model(batch) - model(bare)).abs().amax(1) > 1e-6
    assert changed.tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("name", sorted(name for name in DESIGNED if not build(name).reads_captions))
def test_who_does_not_read_captions_is_not_moved_by_them(name: str) -> None:
    model, batch = build(name).eval(), posts()
    assert torch.equal(model(batch), model(FeatureBatch(text=batch.text, image=batch.image)))


def test_the_gates_of_late_fusion_share_out_one_among_the_sources_that_are_there() -> None:
    model, batch = build("gated_late_fusion").eval(), posts()
    gates, voices = model.voices(batch)  # type: ignore[operator]
    assert voices.shape == (5, 3, CLASSES)
    assert (gates > 0).tolist() == [
        [True, True, True],
        [True, False, False],
        [False, True, True],
        [True, True, False],
        [False] * 3,
    ]
    torch.testing.assert_close(gates.sum(1), torch.tensor([1.0, 1, 1, 1, 0], dtype=torch.float64))
    # hand-computed: alone, a source has the whole gate, and a post with nothing gets the prior
    torch.testing.assert_close(model(batch)[1], model.prior + voices[1, 0])  # type: ignore[arg-type, operator]
    torch.testing.assert_close(model(batch)[4], model.prior.detach())  # type: ignore[union-attr]


@pytest.mark.parametrize("name", OPTIONS)
def test_evaluation_is_deterministic(name: str) -> None:
    model = build(name).eval()
    assert torch.equal(model(posts()), model(posts()))


@pytest.mark.parametrize("name", DESIGNED)
def test_neighbors_change_nothing(name: str) -> None:
    model, batch = build(name).eval(), posts()
    together = model(batch)
    for i in range(5):
        torch.testing.assert_close(model(batch.select(torch.tensor([i])))[0], together[i], atol=TINY, rtol=0)
    torch.testing.assert_close(
        model(batch.select(torch.tensor([4, 1, 0])))[1], together[1], atol=TINY, rtol=0
    )


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_in_the_published_form_neighbors_do_change_a_result(name: str) -> None:
    model, batch = build(name).eval(), posts(text=(5, 3, 2, 1, 4), image=(4, 4, 4, 4, 4))
    assert (
        model(batch.select(torch.tensor([0])))[0] - model(batch)[0]
    ).abs().max() > 1e-9  # fp64 noise is a million times smaller


@pytest.mark.parametrize("name", DESIGNED)
def test_padding_changes_nothing(name: str) -> None:
    model, batch = build(name).eval(), posts()
    torch.testing.assert_close(model(padded(batch, 3, 1e3)), model(batch), atol=TINY, rtol=0)


@pytest.mark.parametrize("name", DESIGNED)
def test_a_missing_modality_is_the_same_however_it_went_missing(name: str) -> None:
    model, batch = build(name).eval(), posts(text=(5, 3), image=(4, 4))
    never = batch.map(image=modality([0, 0], WIDTHS.image, WIDTHS.image_pooled, 0))
    taken = batch.map(image=batch.image.without(torch.tensor([True, True])))
    torch.testing.assert_close(model(taken), model(never), atol=TINY, rtol=0)


@pytest.mark.parametrize("name", OPTIONS)
def test_saved_and_loaded_is_the_same(name: str, tmp_path: Path) -> None:
    model = build(name).float().eval()
    spec = ModelSpec(name=name, options=OPTIONS[name])  # type: ignore[arg-type]
    save_artifact(tmp_path, model, spec, META)
    loaded = load_artifact(tmp_path)
    batch = posts().to(dtype=torch.float32)
    assert torch.equal(loaded.model(batch), model(batch))
    assert (loaded.spec, loaded.meta) == (spec, META)
    assert not loaded.model.training
    assert "nothing, no license" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", OPTIONS)
def test_bfloat16_stays_near(name: str) -> None:
    model = build(name).eval()
    exact, coarse = model(posts()), model.bfloat16()(posts().to(dtype=torch.bfloat16))
    # bfloat16 has 8 significant bits; a few layers of sums of about 16 terms lose three of them
    assert (exact - coarse.double()).abs().max() < 0.05 * (1 + exact.abs().max())


def test_the_weights_in_float16_are_half_the_size_and_near(tmp_path: Path) -> None:
    model, spec = (
        build("late_fusion").float().eval(),
        ModelSpec(name="late_fusion", options=OPTIONS["late_fusion"]),
    )  # type: ignore[arg-type]
    save_artifact(tmp_path / "full", model, spec, META)
    save_artifact(tmp_path / "half", model, spec, META, dtype="float16")
    batch = posts().to(dtype=torch.float32)
    full, half = load_artifact(tmp_path / "full"), load_artifact(tmp_path / "half")
    # half precision has 11 significant bits
    torch.testing.assert_close(half.model(batch), full.model(batch), atol=5e-3, rtol=5e-3)
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("half", "full")]
    assert sizes[0] < 0.7 * sizes[1]
    assert full.fingerprint != half.fingerprint


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "garbage", "cut"])
def test_a_damaged_artifact_is_refused_in_one_sentence(tmp_path: Path, file: str, damage: str) -> None:
    model, spec = build("concat").float(), ModelSpec(name="concat", options=OPTIONS["concat"])  # type: ignore[arg-type]
    save_artifact(tmp_path, model, spec, META)
    path = tmp_path / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"\x80\x04garbage" if damage == "garbage" else path.read_bytes()[:-20])
    with pytest.raises(ModelError, match=r"train it again|another version|train the model again"):
        load_artifact(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    spec = ModelSpec(name="concat", options=OPTIONS["concat"])  # type: ignore[arg-type]
    save_artifact(tmp_path, build("concat").float(), spec, META)
    other = ModelSpec(name="concat", options={**OPTIONS["concat"], "width": 8})  # type: ignore[arg-type]
    config = (tmp_path / "config.json").read_text().replace('"width": 16', '"width": 8')
    assert other.options["width"] == 8
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match="do not fit its configuration"):
        load_artifact(tmp_path)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="model 'concat' has no option widht; it takes dropout, hidden"):
        ModelSpec(name="concat", options={"widht": 3}).build(WIDTHS, 2)
    with pytest.raises(ConfigError, match=r"multiple of 2 \* heads"):
        ModelSpec(name="guided_differential", options={"width": 20, "heads": 4}).build(WIDTHS, 2)
    with pytest.raises(ConfigError, match="as_published: true"):
        ModelSpec(name="guided_published").build(WIDTHS, 2)
    with pytest.raises(NotRegisteredError, match="did you mean 'guided'"):
        ModelSpec(name="giuded").build(WIDTHS, 2)


@pytest.mark.parametrize(
    ("name", "count"), [("guided_published", 1_905_414), ("guided_differential_published", 2_167_750)]
)
def test_published_models_have_the_parameters_of_the_originals(name: str, count: int) -> None:
    from crisislens.nn.widths import FeatureWidths

    clip = FeatureWidths(text=512, text_pooled=512, image=768, image_pooled=768)
    model = ModelSpec(name=name, options={"as_published": True}).build(clip, 6)
    assert sum(p.numel() for p in model.parameters()) == count
