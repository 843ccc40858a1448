"""Differential attention between and within sequences against plain formulas in fp64, and the published
single-key layers.
"""

import math

import pytest
import torch
from torch import Tensor

from crisislens.nn.differential import DifferentialAttention, PublishedDifferentialAttention
from crisislens.nn.differential_cross import DifferentialCrossAttention
from crisislens.nn.published import PublishedVectorFusion, SingleKeyAttention

# fp64: sums of a few dozen terms in another order
TINY = 1e-12


def plain_softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    e = [math.exp(s - top) for s in scores]
    return [x / sum(e) for x in e]


def plain(
    x: Tensor,
    y: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    w_o: Tensor,
    gain: Tensor,
    lambdas: list[float],
    lambda_0: float,
) -> Tensor:
    """The formula with loops over heads, queries and keys; no code of ours."""
    heads, width = len(lambdas), x.shape[1]
    e = width // (2 * heads)
    q, k, v = (x @ w_q.T).detach(), (y @ w_k.T).detach(), y @ w_v.T
    rows = []
    for i in range(len(x)):
        parts = []
        for h in range(heads):
            maps = []
            for two in range(2):
                at = slice(h * 2 * e + two * e, h * 2 * e + (two + 1) * e)
                maps.append(plain_softmax([float(q[i, at] @ k[j, at]) / math.sqrt(e) for j in range(len(y))]))
            value = sum(
                (maps[0][j] - lambdas[h] * maps[1][j]) * v[j, h * 2 * e : (h + 1) * 2 * e]
                for j in range(len(y))
            )
            assert isinstance(value, Tensor)
            parts.append((1 - lambda_0) * value / torch.sqrt(value.square().mean() + 1e-5) * gain)
        rows.append(torch.cat(parts) @ w_o.T)
    return torch.stack(rows)


def lambdas_of(layer: DifferentialAttention | DifferentialCrossAttention) -> list[float]:
    q_1, k_1, q_2, k_2 = layer.lambda_terms.detach()
    return [
        math.exp(float(q_1[h] @ k_1[h])) - math.exp(float(q_2[h] @ k_2[h])) + 0.8 - 0.6 * math.exp(-0.3 * 1)
        for h in range(layer.heads)
    ]


@pytest.mark.parametrize(("n", "m", "heads"), [(3, 5, 2), (1, 1, 1), (4, 2, 4)])
def test_cross_attention_is_the_plain_formula(n: int, m: int, heads: int) -> None:
    torch.manual_seed(0)
    layer = DifferentialCrossAttention(width=16, heads=heads, depth=1).double()
    torch.nn.init.normal_(layer.norm.weight)
    x, y = torch.randn(1, n, 16).double(), torch.randn(1, m, 16).double()
    w_k, w_v = layer.k_v.weight.chunk(2)
    expected = plain(
        x[0],
        y[0],
        layer.q.weight,
        w_k,
        w_v,
        layer.out.weight,
        layer.norm.weight,
        lambdas_of(layer),
        0.8 - 0.6 * math.exp(-0.3),
    )
    torch.testing.assert_close(
        layer(x, y, torch.ones(1, m, dtype=torch.bool))[0], expected, atol=TINY, rtol=0
    )


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_self_attention_is_the_plain_formula(heads: int) -> None:
    torch.manual_seed(1)
    layer = DifferentialAttention(width=16, heads=heads, depth=1).double()
    torch.nn.init.normal_(layer.norm.weight)
    x = torch.randn(1, 4, 16).double()
    w_q, w_k, w_v = layer.q_k_v.weight.chunk(3)
    expected = plain(
        x[0],
        x[0],
        w_q,
        w_k,
        w_v,
        layer.out.weight,
        layer.norm.weight,
        lambdas_of(layer),
        0.8 - 0.6 * math.exp(-0.3),
    )
    torch.testing.assert_close(layer(x, torch.ones(1, 4, dtype=torch.bool))[0], expected, atol=TINY, rtol=0)


def test_padding_of_the_context_changes_nothing_and_an_empty_one_gives_zeros() -> None:
    torch.manual_seed(2)
    layer = DifferentialCrossAttention(width=8, heads=2).double()
    x, y = torch.randn(2, 3, 8).double(), torch.randn(2, 4, 8).double()
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    out = layer(x, y, mask)
    torch.testing.assert_close(out[0], layer(x[:1], y[:1, :2], mask[:1, :2])[0], atol=TINY, rtol=0)
    assert torch.equal(out[1], torch.zeros(3, 8).double())
    junk = torch.where(mask[..., None], y, 1e6)
    torch.testing.assert_close(layer(x, junk, mask), out, atol=TINY, rtol=0)


@pytest.mark.parametrize(("width", "heads"), [(10, 4), (0, 1), (8, 0)])
def test_widths_that_do_not_divide_are_refused(width: int, heads: int) -> None:
    with pytest.raises(ValueError, match=r"multiple of 2 \* heads"):
        DifferentialCrossAttention(width=width, heads=heads)


def test_published_cross_form_does_not_see_its_query() -> None:
    torch.manual_seed(3)
    layer = PublishedDifferentialAttention(width=16, heads=2).double()
    asked, other, context = torch.randn(3, 5, 16).double()
    assert torch.equal(layer(asked, context), layer(other, context))
    assert not torch.allclose(layer(asked, context), layer(asked))
    assert torch.equal(layer(asked), layer(asked, asked))


def test_attention_over_one_key_is_its_value_map() -> None:
    torch.manual_seed(4)
    layer = SingleKeyAttention(width=6).double()
    x, y = torch.randn(2, 3, 6).double()
    assert torch.equal(layer(x, y), layer.v(y))


def test_published_vector_fusion_is_the_formula() -> None:
    torch.manual_seed(5)
    fuse = PublishedVectorFusion(image_pooled_width=5, text_pooled_width=4, width=3).double().eval()
    image, text = torch.randn(2, 5).double(), torch.randn(2, 4).double()

    def mixed(f: Tensor) -> Tensor:
        rows = []
        for i in range(2):
            w = plain_softmax([float(f[i] @ f[j]) for j in range(2)])
            rows.append(w[0] * f[0] + w[1] * f[1])
        return torch.stack(rows)

    f_i, f_t = mixed(image), mixed(text)
    # in evaluation a fresh BatchNorm divides by sqrt(1 + 1e-5)
    z_i = torch.relu((f_i @ fuse.value_image.weight.T + fuse.value_image.bias) / math.sqrt(1 + 1e-5))
    z_t = torch.relu((f_t @ fuse.value_text.weight.T + fuse.value_text.bias) / math.sqrt(1 + 1e-5))
    a_i = 1 / (1 + torch.exp(-(f_i @ fuse.gate_image.weight.T + fuse.gate_image.bias)))
    a_t = 1 / (1 + torch.exp(-(f_t @ fuse.gate_text.weight.T + fuse.gate_text.bias)))
    image_half, text_half = fuse(image, text)
    torch.testing.assert_close(image_half, a_t * z_i, atol=TINY, rtol=0)
    torch.testing.assert_close(text_half, a_i * z_t, atol=TINY, rtol=0)
