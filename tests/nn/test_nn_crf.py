"""The conditional random field against enumeration of all sequences, in double precision."""

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from crisislens.nn.crf import FORBIDDEN, LinearChainCRF

C = 3
# tags O, B, I: I only after B or I
TRANSITIONS = [[True, True, False], [True, True, True], [True, True, True]]


def crf(*, ends: tuple[bool, ...] = (True, True, True), seed: int = 0) -> LinearChainCRF:
    field = LinearChainCRF(
        transitions_allowed=TRANSITIONS, starts_allowed=[True, True, False], ends_allowed=[*ends]
    ).double()
    generator = torch.Generator().manual_seed(seed)
    for p in field.parameters():
        p.data = torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return field


def batch(b: int = 4, t: int = 4, seed: int = 1) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([4, 1, 3, 2])[:b]
    return torch.randn(
        b, t, C, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ), torch.arange(t) < lengths[:, None]


def allowed(field: LinearChainCRF, y: tuple[int, ...]) -> bool:
    ends = (~field.no_end).tolist()
    return y[0] != 2 and all(TRANSITIONS[a][b] for a, b in pairwise(y)) and ends[y[-1]]


def slow_score(field: LinearChainCRF, e: Tensor, y: tuple[int, ...]) -> float:
    starts, ends, transitions = (p.detach() for p in (field.starts, field.ends, field.transitions))
    score = float(starts[y[0]] + ends[y[-1]]) + sum(float(e[j, tag]) for j, tag in enumerate(y))
    return score + sum(float(transitions[a, b]) for a, b in pairwise(y))


def sequences(field: LinearChainCRF, e: Tensor, n: int) -> dict[tuple[int, ...], float]:
    return {y: slow_score(field, e, y) for y in product(range(C), repeat=n) if allowed(field, y)}


@pytest.mark.parametrize("ends", [(True, True, True), (True, False, True)])
def test_partition_likelihood_and_decoding_are_those_of_enumeration(ends: tuple[bool, ...]) -> None:
    field, (e, mask) = crf(ends=ends), batch()
    z = field.log_partition(e, mask).detach()
    decoded = field.decode(e, mask)
    y = torch.zeros(4, 4, dtype=torch.long)
    for i, n in enumerate(mask.sum(1).tolist()):
        scores = sequences(field, e[i], n)
        assert float(z[i]) == pytest.approx(math.log(sum(map(math.exp, scores.values()))), abs=1e-10)
        best = max(scores, key=scores.__getitem__)
        assert tuple(decoded[i]) == best
        y[i, :n] = torch.tensor(best)
    likelihood = field.log_likelihood(e, y, mask).detach()
    for i, n in enumerate(mask.sum(1).tolist()):
        assert float(likelihood[i]) == pytest.approx(
            slow_score(field, e[i], tuple(decoded[i])) - float(z[i]), abs=1e-10
        )
        assert n == len(decoded[i])


def test_forbidden_sequences_have_no_probability_and_are_never_decoded() -> None:
    field, (e, mask) = crf(), batch()
    e[..., 2] += 50  # everything asks for I
    for row in field.decode(e, mask):
        assert allowed(field, tuple(row))
    y = torch.full((4, 4), 2)
    assert (field.log_likelihood(e, y, mask) < FORBIDDEN / 2).all()


def test_padding_and_neighbors_change_nothing() -> None:
    field, (e, mask) = crf(), batch()
    y = torch.tensor([[1, 2, 0, 1], [0, 0, 0, 0], [1, 2, 2, 0], [0, 1, 0, 0]])
    whole = field.log_likelihood(e, y, mask)
    other = e.masked_fill(~mask[..., None], 99.0)
    assert torch.equal(field.log_likelihood(other, y.masked_fill(~mask, 2), mask), whole)
    assert field.decode(other, mask) == field.decode(e, mask)
    for i, n in enumerate(mask.sum(1).tolist()):
        alone = field.log_likelihood(e[i : i + 1, :n], y[i : i + 1, :n], mask[i : i + 1, :n])
        assert torch.allclose(alone[0], whole[i], atol=1e-12)


def test_span_probability_is_that_of_enumeration() -> None:
    field, (e, mask) = crf(), batch()
    after = torch.tensor([True, True, False])  # an I would go on with the span
    spans = [(0, 0, 2), (0, 2, 4), (2, 1, 2), (1, 0, 1), (0, 1, 3)]
    rows = torch.tensor([row for row, _, _ in spans])
    y = torch.zeros(len(spans), 4, dtype=torch.long)
    inside = torch.zeros(len(spans), 4, dtype=torch.bool)
    for s, (_, start, end) in enumerate(spans):
        y[s, start:end], inside[s, start:end] = 2, True
        y[s, start] = 1
    found = field.span_log_probability(e[rows], mask[rows], y, inside, after).exp().detach()
    for s, (row, start, end) in enumerate(spans):
        scores = sequences(field, e[row], int(mask[row].sum()))
        agree = [
            v
            for q, v in scores.items()
            if q[start:end] == (1, *[2] * (end - start - 1)) and (end == len(q) or q[end] != 2)
        ]
        assert float(found[s]) == pytest.approx(
            sum(map(math.exp, agree)) / sum(map(math.exp, scores.values())), abs=1e-10
        )


def test_gradients() -> None:
    field, (e, mask) = crf(), batch(b=3)
    y = torch.tensor([[1, 2, 0, 1], [0, 0, 0, 0], [1, 2, 2, 0]])

    names = ("starts", "transitions", "ends")

    def call(emissions: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(
            field, dict(zip(names, parameters, strict=True)), (emissions, y, mask)
        )

    field.forward = field.log_likelihood  # type: ignore[method-assign, assignment]
    own = dict(field.named_parameters())
    assert set(own) == set(names)
    parameters = [own[name].detach().clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(call, (e[:3].requires_grad_(), *parameters))
    # and none of them is left out of the likelihood
    for g in torch.autograd.grad(call(e[:3], *parameters).sum(), parameters):
        assert g.abs().max() > 1e-3


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="3 starts"):
        LinearChainCRF(transitions_allowed=TRANSITIONS, starts_allowed=[True] * 3, ends_allowed=[True] * 2)
