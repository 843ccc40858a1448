"""The rationale head: decoding against enumeration, marginals, losses by hand, gradients, independence of
neighbors and padding.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.nn.rationale_head import (
    MAX_WORDS,
    RationaleHead,
    WordScores,
    best_stretch,
    rationale_loss,
    stretch_posterior,
    word_marginals,
    word_states,
)


def head() -> RationaleHead:
    torch.manual_seed(0)
    return RationaleHead(width=6, hidden=5, pair_width=4).eval()


def texts(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    w = max(lengths)
    x = torch.randn(len(lengths), w, 6, generator=torch.Generator().manual_seed(1))
    mask = torch.arange(w) < torch.tensor(lengths)[:, None]
    return x * mask[..., None], mask


@settings(max_examples=30, deadline=None)
@given(w=st.integers(1, 6), seed=st.integers(0, 1000))
def test_the_answer_has_the_largest_expected_f1(w: int, seed: int) -> None:
    scores = torch.randn(1, w, w, generator=torch.Generator().manual_seed(seed)) * 3
    mask = torch.ones(1, w, dtype=torch.bool)
    legal = [(i, j) for i in range(w) for j in range(i, w)]
    weight = {s: math.exp(float(scores[0][s])) for s in legal}
    total = sum(weight.values())

    def f1(a: tuple[int, int], b: tuple[int, int]) -> float:
        x, y = set(range(a[0], a[1] + 1)), set(range(b[0], b[1] + 1))
        return 2 * len(x & y) / (len(x) + len(y))

    expected = {a: sum(weight[b] / total * f1(a, b) for b in legal) for a in legal}
    posterior = stretch_posterior(scores.masked_fill(~torch.ones(w, w, dtype=torch.bool).triu(), -1e30), mask)
    chosen = [k for k in range(w) if best_stretch(posterior, mask)[0, k]]
    assert expected[chosen[0], chosen[-1]] == pytest.approx(max(expected.values()), abs=1e-6)
    assert len(chosen) == chosen[-1] - chosen[0] + 1
    by_hand = [sum(weight[s] / total for s in legal if s[0] <= k <= s[1]) for k in range(w)]
    assert word_marginals(posterior)[0].tolist() == pytest.approx(by_hand, abs=1e-5)


def test_neighbors_and_padding_change_nothing() -> None:
    x, mask = texts(4, 2, 7)
    together, alone = head()(x, mask), head()(x[1:2, :2], mask[1:2, :2])
    # packed steps multiply matrices of other heights, which may add in another order
    assert torch.allclose(together.words[1, :2], alone.words[0], atol=1e-6)
    assert torch.allclose(together.stretches[1, :2, :2], alone.stretches[0], atol=1e-6)
    posterior = stretch_posterior(together.stretches, mask)
    assert posterior[1, 2:].abs().sum() == 0
    assert posterior[1, :, 2:].abs().sum() == 0
    assert torch.allclose(posterior.sum((1, 2)), torch.ones(3))


def test_a_text_without_words_has_no_rationale() -> None:
    x, mask = texts(3, 0)
    posterior = stretch_posterior(head()(x, mask).stretches, mask)
    assert posterior[1].sum() == 0
    assert best_stretch(posterior, mask)[1].sum() == 0
    assert best_stretch(posterior, mask)[0].sum() > 0


def test_every_weight_learns_and_losses_are_finite() -> None:
    x, mask = texts(5, 3)
    module = head()
    y = torch.tensor([[0.0, 1, 1, 0, 0], [1, 1, 1, 0, 0]])
    target = torch.zeros(2, 5, 5)
    target[0, 1, 2] = target[1, 0, 2] = 1
    words, stretches = rationale_loss(module(x, mask), y, target, mask)
    (words + stretches).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_loss_is_the_papers_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), 9.0]])
    mask = torch.tensor([[True, True, False]])
    # p = 1/2 for a word that is none and 3/4 for one that is: each class has one word of two, so weights are
    # 1
    scores = WordScores(logits, torch.zeros(1, 3, 3))
    words, _ = rationale_loss(scores, torch.tensor([[0.0, 1.0, 0.0]]), torch.zeros(1, 3, 3), mask)
    assert float(words) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    logits = torch.zeros(1, 4)
    whole = torch.ones(1, 4, dtype=torch.bool)
    y = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    balanced, _ = rationale_loss(
        WordScores(logits, torch.zeros(1, 4, 4)), y, torch.zeros(1, 4, 4), whole, balance=1.0
    )
    # weights 4/2 and 4/6 for one and three words of loss log 2: both classes count alike, and the mean weight
    # is 1
    assert float(balanced) == pytest.approx(math.log(2))


def test_words_are_the_means_of_their_tokens() -> None:
    states = torch.tensor([[[9.0], [1.0], [3.0], [5.0], [9.0]]])
    assert word_states(states, torch.tensor([[-1, 0, 0, 1, -1]]), 3)[0, :, 0].tolist() == [2.0, 5.0, 0.0]


def test_too_many_words_are_told() -> None:
    w = MAX_WORDS + 1
    with pytest.raises(ValueError, match="windows of at most"):
        best_stretch(torch.zeros(1, w, w), torch.ones(1, w, dtype=torch.bool))
