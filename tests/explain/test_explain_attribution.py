"""Attribution on functions whose answer is known."""

import pytest
import torch

from crisislens.core.errors import ModelError
from crisislens.encoders.attention import text_attentions
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.explain.attribution import (
    attention_rollout,
    embeddings_of,
    grad_cam,
    injected,
    integrated_gradients,
)


def test_integrated_gradients_of_a_polynomial() -> None:
    x, baseline = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([0.0, 1.0, 0.0])
    found = integrated_gradients(lambda z: z[:, 0] * 3 + z[:, 1] ** 2, x, baseline, steps=64)
    # a linear term gives its own difference, a square one the difference of squares (the midpoint rule is
    # exact for it)
    assert found.tolist() == pytest.approx([3.0, 3.0, 0.0])


def test_integrated_gradients_add_up() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    x, baseline = torch.randn(5).double(), torch.zeros(5).double()
    found = integrated_gradients(lambda z: net(z)[:, 0], x, baseline, steps=200)
    # the midpoint rule's error falls with the square of the steps
    assert float(found.sum()) == pytest.approx((net(x) - net(baseline)).item(), abs=1e-4)


def test_rollout_of_one_layer_by_hand() -> None:
    attention = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]])
    # heads average to a half everywhere; with the residual the rows are (3/4, 1/4) and (1/4, 3/4)
    assert attention_rollout([attention])[0].tolist() == pytest.approx([0.5, 0.5])
    only_first = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    assert attention_rollout([only_first])[0].tolist() == pytest.approx([0.75, 0.25])
    assert attention_rollout([only_first, only_first])[0].tolist() == pytest.approx([0.875, 0.125])


def test_grad_cam_by_hand() -> None:
    patches = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]]])
    weight = torch.tensor([1.0, -1.0])
    found = grad_cam(lambda y: (y.sum(1) * weight).sum(1), patches)
    assert found[0].tolist() == pytest.approx([1.0, 0.0, 2.0])


def test_attention_of_the_default_and_of_one_without() -> None:
    encoder = load_encoders(EncoderSpec()).text
    [tokens] = encoder.tokenize(["flood in town"])
    ids = torch.tensor([tokens.ids])
    mask = torch.ones_like(ids, dtype=torch.bool)
    before = encoder(ids, mask)[0]
    maps = text_attentions(encoder, ids, mask)
    assert [m.shape for m in maps] == [(1, 12, 5, 5)] * 6
    assert torch.allclose(torch.stack(maps).sum(-1), torch.ones(6, 1, 12, 5), atol=1e-5)
    assert float(attention_rollout(maps).sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(encoder(ids, mask)[0], before)
    hashing = load_encoders(EncoderSpec(name="hashing")).text
    with pytest.raises(ModelError, match="no attention to read"):
        text_attentions(hashing, ids, mask)


def test_embeddings_can_be_given() -> None:
    encoder = load_encoders(EncoderSpec()).text
    [tokens] = encoder.tokenize(["flood in town"])
    ids = torch.tensor([tokens.ids])
    mask = torch.ones_like(ids, dtype=torch.bool)
    table = embeddings_of(encoder)
    with injected(table, table(ids)):
        same = encoder(torch.zeros_like(ids), mask)[1]
    assert torch.equal(same, encoder(ids, mask)[1])
    with pytest.raises(ModelError, match="no word embeddings"):
        embeddings_of(torch.nn.Linear(2, 2))
