"""What the shipped models are trained with: the shared adapter, and heads on cached features with weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.encoders.lora import merge_lora, write_lora
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.base import ModelSpec
from crisislens.training.heads import HeadConfig, predict_logits, train_head
from crisislens.training.multitask import AdapterConfig, LabeledText, train_adapter, train_text_classifier

FLOOD, PARTY = "flood water rising rescue needed bridge", "party music cake birthday friends tonight"
TEXTS = [
    LabeledText(f"{text} {i}", {"a": k} if i % 3 else {"a": k, "b": 1 - k})
    for i in range(12)
    for k, text in enumerate((PARTY, FLOOD))
]
TASKS = {"a": 2, "b": 2}


def test_the_adapter_learns_every_task_and_merges_to_the_same_states(tmp_path: Path) -> None:
    encoder = load_encoders(EncoderSpec()).text
    state = train_adapter(encoder, TEXTS, TASKS, AdapterConfig(rank=4, epochs=1, batch_posts=8, dropout=0.0))
    assert any(x.abs().max() > 0 for name, x in state.tensors.items() if name.endswith(".lora_b"))
    assert not any("word_embeddings" in name for name in state.tensors)
    write_lora(tmp_path / "adapter.safetensors", state)
    plain = load_encoders(EncoderSpec()).text
    merge_lora(plain, state)
    ids = torch.tensor([plain.tokenize([FLOOD])[0].ids])
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        # fp32 through six layers in another order of operations
        torch.testing.assert_close(plain(ids, mask)[0], encoder(ids, mask)[0], atol=2e-4, rtol=1e-3)
    adapted = load_encoders(EncoderSpec(options={"adapter": str(tmp_path / "adapter.safetensors")}))
    assert adapted.text.fingerprint() != load_encoders(EncoderSpec()).text.fingerprint()


def test_a_text_classifier_tells_floods_from_parties_and_does_not_mind_neighbors() -> None:
    model = train_text_classifier(
        load_encoders(EncoderSpec()).text, TEXTS, TASKS, AdapterConfig(rank=4, epochs=3, batch_posts=8)
    )
    new = ["the river is rising, we need rescue", "cake and music with friends"]
    together = model.logits("a", new)
    assert together.argmax(1).tolist() == [1, 0]
    # fp32, padded to another length
    torch.testing.assert_close(model.logits("a", new[:1])[0], together[0], atol=1e-4, rtol=1e-4)
    assert model.logits("b", new).argmax(1).tolist() == [0, 1]


def test_equal_seeds_train_equal_adapters() -> None:
    config = AdapterConfig(rank=2, epochs=1, batch_posts=12)
    a, b = (
        train_adapter(load_encoders(EncoderSpec()).text, TEXTS[:12], TASKS, config).tensors for _ in range(2)
    )
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    encoder = PostEncoder(
        load_encoders(EncoderSpec(name="hashing")),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=None,
    )
    posts = [Post(id=str(i), text=t.text) for i, t in enumerate(TEXTS)]
    return extract(posts, encoder, tmp_path_factory.mktemp("cache"), source_fingerprint="made up")


def fitted(cache: FeatureCache, weights: list[float], labels: list[int]) -> np.ndarray:
    torch.manual_seed(0)
    model = ModelSpec(name="late_fusion", options={"width": 16, "source": "pooled"}).build(cache.widths, 2)
    train_head(
        model,
        cache,
        range(len(TEXTS)),
        labels,
        weights,
        HeadConfig(epochs=20, batch_posts=8, learning_rate=1e-2),
    )
    assert not model.training
    return predict_logits(model, cache, range(len(TEXTS))).argmax(1)


def test_a_head_learns(cache: FeatureCache) -> None:
    truth = [t.labels["a"] for t in TEXTS]
    assert fitted(cache, [1.0] * len(TEXTS), truth).tolist() == truth


def test_posts_of_little_weight_do_not_decide(cache: FeatureCache) -> None:
    truth = [t.labels["a"] for t in TEXTS]
    # the second half lies; it is outvoted where it weighs next to nothing
    lying = [k if i < 12 else 1 - k for i, k in enumerate(truth)]
    weights = [1.0 if i < 12 else 1e-4 for i in range(len(truth))]
    assert fitted(cache, weights, lying).tolist() == truth


def test_a_hidden_modality_is_not_used(cache: FeatureCache) -> None:
    model = (
        ModelSpec(name="late_fusion", options={"width": 16, "source": "pooled"}).build(cache.widths, 2).eval()
    )
    blind = predict_logits(model, cache, range(4), hide="text")
    assert np.ptp(blind, axis=0).max() == 0
    assert np.ptp(predict_logits(model, cache, range(4)), axis=0).max() > 0
