"""Under the uniform expectation Shapley values are affine in the similarities, so their softmax loss is
InfoNCE at another temperature: held to 1e-12, for every size that enumeration reaches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.nn.alignment import Alignment
from crisislens.nn.contrast import margin_loss, softmax_loss
from crisislens.nn.shapley import exact_shapley, uniform_shapley, uniform_slope

EXACT = 1e-12  # double precision, sums of at most 2¹⁰ terms


def _similarities(players: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(players, players, generator=generator, dtype=torch.float64) * 2 - 1


@settings(max_examples=20)
@given(players=st.integers(2, 7), seed=st.integers(0, 10_000))
def test_values_differ_as_the_similarities_do(players: int, seed: int) -> None:
    s = _similarities(players, seed)
    phi = exact_shapley(s, expectation="uniform")
    offset = phi - uniform_slope(players) * s
    # b_j: one number a target, whoever plays
    assert torch.allclose(offset, offset[:1].expand_as(offset), atol=EXACT, rtol=0)


@settings(max_examples=20)
@given(players=st.integers(2, 7), seed=st.integers(0, 10_000), temperature=st.floats(0.02, 1.0))
def test_the_softmax_loss_is_info_nce_at_another_temperature(
    players: int, seed: int, temperature: float
) -> None:
    s = _similarities(players, seed)
    pairs = torch.ones(players, dtype=torch.bool)
    over_values = softmax_loss(exact_shapley(s, expectation="uniform"), pairs, temperature)
    info_nce = softmax_loss(s, pairs, temperature / uniform_slope(players))
    # logits reach 1 / 0.02, so the last bits of 50 stand for the tolerance
    assert over_values.item() == pytest.approx(info_nce.item(), abs=50 * EXACT)


@settings(max_examples=20)
@given(players=st.integers(2, 7), seed=st.integers(0, 10_000))
def test_the_margin_loss_is_that_of_the_similarities_times_the_slope(players: int, seed: int) -> None:
    s = _similarities(players, seed)
    pairs = torch.ones(players, dtype=torch.bool)
    over_values = margin_loss(exact_shapley(s, expectation="uniform"), pairs)
    # the offset cancels between the own player and the others'
    assert over_values.item() == pytest.approx(
        uniform_slope(players) * margin_loss(s, pairs).item(), abs=EXACT
    )


@settings(max_examples=20)
@given(players=st.integers(1, 7), seed=st.integers(0, 10_000), there=st.lists(st.booleans(), min_size=7))
def test_the_closed_form_is_the_enumeration(players: int, seed: int, there: list[bool]) -> None:
    s = _similarities(players, seed)
    present = torch.tensor(there[:players])
    assert torch.allclose(
        uniform_shapley(s, present=present),
        exact_shapley(s, present=present, expectation="uniform"),
        atol=EXACT,
        rtol=0,
    )


def test_the_alignment_with_the_uniform_expectation_is_info_nce() -> None:
    """Loss and gradient, through the module that trains with it."""
    grown = []
    for kind, temperature in (("shapley_softmax", 0.1), ("info_nce", 0.05 / uniform_slope(6))):
        align = Alignment(
            text_width=3,
            image_width=3,
            kind=kind,  # type: ignore[arg-type]
            expectation="uniform",
            temperature=temperature,
            contrast_temperature=0.05,
        ).double()
        s = _similarities(6, seed=1).requires_grad_()
        loss = align.direction(s, torch.ones(6, dtype=torch.bool))
        loss.backward()
        assert s.grad is not None
        grown.append((loss.detach(), s.grad))
    (one, gradient), (other, same) = grown
    # temperatures pass through a logarithm in single precision
    assert torch.allclose(one, other, rtol=1e-6)
    assert torch.allclose(gradient, same, rtol=1e-5, atol=1e-9)


def test_the_softmax_expectation_is_not_affine() -> None:
    """Otherwise nothing would be left of Shapley values at all."""
    s = _similarities(6, seed=3)
    phi = exact_shapley(s, expectation="softmax", temperature=0.1)
    slope = (phi[0] - phi[1]) / (s[0] - s[1])
    assert slope.max() - slope.min() > 0.05


@pytest.mark.parametrize(("players", "slope"), [(2, 1.0), (3, (1 + 5 / 6 * 3 / 2) / 3)])
def test_the_slope_of_few_players_by_hand(players: int, slope: float) -> None:
    assert uniform_slope(players) == pytest.approx(slope, abs=EXACT)


@pytest.mark.parametrize("players", [-1, 0, 1])
def test_one_player_alone_is_refused(players: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        uniform_slope(players)
