"""Attention within a post and means over it: padding changes nothing, nothing to look at gives zero, weights
add up.
"""

import pytest
import torch
from torch import Tensor, nn

from crisislens.nn.attention import AttentionPooling, MultiHeadAttention, SelfAttentionBlock, masked_mean
from crisislens.nn.differential import DifferentialAttention, lambda_start

MASK = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()


def tokens(width: int = 8) -> Tensor:
    return torch.randn(3, 4, width, generator=torch.Generator().manual_seed(0)).double()


def with_junk(x: Tensor) -> Tensor:
    """The same tokens with anything on padding."""
    return torch.where(MASK[..., None], x, 1e3)


def test_means_are_over_real_tokens() -> None:
    x = tokens()
    found = masked_mean(with_junk(x), MASK)
    assert torch.allclose(found[0], x[0, :3].mean(0))
    assert torch.equal(found[1], x[1, 0])
    assert not found[2].any()


@pytest.mark.parametrize("norm", [True, False])
def test_pooling_is_the_formula_written_out(norm: bool) -> None:
    torch.manual_seed(0)
    pool = AttentionPooling(width=8, norm=norm).double()
    x = tokens()
    found = pool(with_junk(x), MASK)
    real = x[0, :3]
    length = real.square().mean(1, keepdim=True).sqrt() if norm else 1.0
    weights = (real / length @ pool.score.weight[0]).softmax(0)
    assert torch.allclose(found[0], weights @ real)
    # of one token the mean is that token
    assert torch.allclose(found[1], x[1, 0])
    assert not found[2].any()


def test_a_normalized_pooling_does_not_mind_the_encoders_scale() -> None:
    torch.manual_seed(0)
    pool, plain = (AttentionPooling(width=8, norm=norm).double() for norm in (True, False))
    x = tokens()
    assert torch.allclose(pool(100 * x, MASK), 100 * pool(x, MASK))
    assert not torch.allclose(plain(100 * x, MASK), 100 * plain(x, MASK))


def test_pooling_tokens_of_zero_length_is_finite() -> None:
    pool = AttentionPooling(width=8).double()
    assert not pool(torch.zeros(3, 4, 8).double(), MASK).any()


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_the_formula_head_by_head(heads: int) -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(width=8, heads=heads).double()
    x, y = tokens(), tokens().flip(1)
    found = attention(x, y, MASK)
    e, parts = 8 // heads, []
    for h in range(heads):
        cut = slice(h * e, (h + 1) * e)
        q, k, v = (f(z)[0, :, cut] for f, z in ((attention.q, x), (attention.k, y), (attention.v, y)))
        weights = (q @ k[:3].T / e**0.5).softmax(1)
        parts.append(weights @ v[:3])
    assert torch.allclose(found[0], attention.out(torch.cat(parts, 1)))
    assert not found[2].any()


@pytest.mark.parametrize("width", [4, 8])
def test_attention_over_one_token_passes_its_value_on(width: int) -> None:
    """The softmax of one score is 1: the queries do not matter. This is what the published forms do."""
    torch.manual_seed(0)
    attention = MultiHeadAttention(width=width, heads=2).double()
    x = tokens(width)
    expected = attention.out(attention.v(x[1, :1])).expand(4, -1)
    assert torch.allclose(attention(x, x, MASK)[1], expected)


@pytest.mark.parametrize(
    "module",
    [
        SelfAttentionBlock(width=8, heads=2),
        DifferentialAttention(width=8, heads=2),
        DifferentialAttention(width=8, heads=2, depth=3),
    ],
    ids=["self", "differential", "deep differential"],
)
def test_padding_and_neighbors_change_nothing(module: nn.Module) -> None:
    module = module.double()
    x = tokens()
    found = module(x, MASK)
    other = module(with_junk(x), MASK)
    assert torch.allclose(found[MASK], other[MASK])
    assert found.isfinite().all()
    alone = module(x[:1, :3], MASK[:1, :3])
    assert torch.allclose(alone[0], found[0, :3])


def test_gradients_stay_finite_where_a_post_has_nothing() -> None:
    for module in (
        MultiHeadAttention(width=8, heads=2).double(),
        DifferentialAttention(width=8, heads=2).double(),
    ):
        x = tokens().requires_grad_()
        found = module(x, x, MASK) if isinstance(module, MultiHeadAttention) else module(x, MASK)
        found.sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert not x.grad[2].any()


@pytest.mark.parametrize(("width", "heads"), [(0, 1), (8, 0), (8, 3), (4, 8)])
def test_widths_that_heads_do_not_divide_are_refused(width: int, heads: int) -> None:
    with pytest.raises(ValueError, match=r"multiple of heads.*try width=128, heads=4"):
        MultiHeadAttention(width=width, heads=heads)
    with pytest.raises(ValueError, match=r"multiple of 2 \* heads.*try width=128, heads=4"):
        DifferentialAttention(width=width, heads=heads)


def test_the_start_of_lambda_grows_with_depth_below_its_bound() -> None:
    values = [lambda_start(depth) for depth in range(12)]
    assert values[0] == pytest.approx(0.2)
    assert values == sorted(values)
    assert all(value < 0.8 for value in values)
    attention = DifferentialAttention(width=8, heads=2, depth=2)
    attention.lambda_terms.data.zero_()
    # exp(0) - exp(0) leaves the start
    assert torch.allclose(attention.lambda_(), torch.tensor(lambda_start(2)))
