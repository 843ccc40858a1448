"""Transport: against an exact linear program, its marginals, and independence of neighbors and padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from crisislens.nn.transport import cosine_cost, ipot, rationale_heat, unit_range


def exact_cost(cost: np.ndarray) -> float:
    """The least cost of moving uniform mass, by linear programming."""
    p, t = cost.shape
    equalities = np.zeros((p + t, p * t))
    for i in range(p):
        equalities[i, i * t : (i + 1) * t] = 1
    for j in range(t):
        equalities[p + j, j::t] = 1
    masses = np.concatenate([np.full(p, 1 / p), np.full(t, 1 / t)])
    return float(linprog(cost.ravel(), A_eq=equalities, b_eq=masses, bounds=(0, None)).fun)


def everything(cost: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    b, p, t = cost.shape
    return torch.ones(b, p, dtype=torch.bool), torch.ones(b, t, dtype=torch.bool)


@settings(max_examples=8, deadline=None)
@given(
    p=st.integers(1, 7), t=st.integers(1, 7), seed=st.integers(0, 10_000), beta=st.sampled_from([0.1, 0.5])
)
def test_the_plan_is_the_linear_programs(p: int, t: int, seed: int, beta: float) -> None:
    cost = torch.rand(1, p, t, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
    plan = ipot(cost, *everything(cost), beta=beta, steps=2000)
    # 2,000 steps bring these problems within a thousandth; where two plans cost nearly the same the method is
    # slow to choose
    assert float((plan * cost).sum()) == pytest.approx(exact_cost(cost[0].numpy()), abs=1e-3)
    assert torch.allclose(plan.sum(1), torch.full((1, t), 1 / t, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(plan.sum(2), torch.full((1, p), 1 / p, dtype=torch.float64), atol=1e-3)


def test_sinkhorn_is_not_what_is_done() -> None:
    # at β = 0.5 a kernel that is never updated blurs the plan; the proximal method still finds the
    # permutation
    cost = torch.tensor([[[0.0, 0.5, 1.0], [0.5, 0.0, 0.5], [1.0, 0.5, 0.0]]])
    plan = ipot(cost, *everything(cost), beta=0.5, steps=200)
    assert torch.allclose(plan, torch.eye(3)[None] / 3, atol=1e-4)


def test_small_beta_and_many_steps_stay_finite() -> None:
    cost = torch.rand(2, 9, 6, generator=torch.Generator().manual_seed(1)) * 2
    plan = ipot(cost, *everything(cost), beta=1e-3, steps=1000)
    assert plan.isfinite().all()
    assert torch.allclose(plan.sum((1, 2)), torch.ones(2), atol=1e-4)


def test_neighbors_and_padding_change_nothing() -> None:
    random = torch.Generator().manual_seed(2)
    cost = torch.rand(3, 5, 4, generator=random)
    rows = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [False] * 5])
    columns = torch.tensor([[True] * 4, [True] * 2 + [False] * 2, [True] * 4])
    together = ipot(cost, rows, columns)
    alone = ipot(cost[1:2, :3, :2], rows[1:2, :3], columns[1:2, :2])
    # the same sums over 3 and over 5 entries, of which 2 are exactly 0, differ by rounding only
    assert torch.allclose(together[1, :3, :2], alone[0], atol=1e-7)
    assert together[1, 3:].abs().sum() == 0
    assert together[1, :, 2:].abs().sum() == 0
    assert together[2].abs().sum() == 0


def test_gradients_reach_real_costs_only() -> None:
    cost = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(3)).requires_grad_()
    rows, columns = torch.tensor([[True] * 4, [False] * 4]), torch.ones(2, 3, dtype=torch.bool)
    (ipot(cost, rows, columns, steps=5) * cost).sum().backward()
    assert cost.grad is not None
    assert cost.grad.isfinite().all()
    assert (cost.grad[0] != 0).all()
    assert (cost.grad[1] == 0).all()


def test_heat_is_the_most_mass_of_any_rationale_token() -> None:
    plan = torch.tensor([[[0.1, 0.3, 0.2], [0.0, 0.1, 0.3]]])
    assert rationale_heat(plan, torch.tensor([[True, False, True]]))[0].tolist() == pytest.approx([0.2, 0.3])
    assert rationale_heat(plan, torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0.0, 0.0]]


def test_unit_range_by_picture() -> None:
    heat = torch.tensor([[1.0, 3.0, 2.0], [4.0, 4.0, 9.0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert unit_range(heat, mask).tolist() == [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]


def test_cost_of_equal_and_opposite_directions() -> None:
    x = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    y = torch.tensor([[[2.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]])
    assert cosine_cost(x, y)[0].tolist() == [[0.0, 2.0, 1.0], [1.0, 1.0, 1.0]]


@pytest.mark.parametrize("wrong", [{"beta": 0.0}, {"steps": 0}, {"inner": 0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="ipot needs"):
        ipot(
            torch.zeros(1, 1, 1),
            torch.ones(1, 1, dtype=torch.bool),
            torch.ones(1, 1, dtype=torch.bool),
            **wrong,
        )  # type: ignore[arg-type]
