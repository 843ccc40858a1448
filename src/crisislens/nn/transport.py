r"""Optimal transport between the tokens of a text and the patches of a picture by the inexact
proximal point method (IPOT).

Between p patches and t tokens with costs $C \in \mathbb{R}^{p \times t}$ and uniform masses over
the real ones, $\mu$ and $\nu$,

$$T^\star = \operatorname*{argmin}_{T \geq 0,\ T 1 = \mu,\ T^\top 1 = \nu} \langle C, T \rangle .$$

The proximal point method solves a sequence of entropic problems, each regularized towards the last
plan instead of towards $\mu\nu^\top$,

$$T^{(s+1)} = \operatorname*{argmin}_{T} \langle C, T \rangle + \beta\, D_{\mathrm{KL}}(T \,\|\, T^{(s)}),$$

and IPOT does only k Sinkhorn steps for each of them. With $A = e^{-C / \beta}$:

$$Q = A \odot T, \quad \delta = \mu \oslash (Q \sigma), \quad \sigma = \nu \oslash (Q^\top \delta), \quad
  T = \operatorname{diag}(\delta)\, Q\, \operatorname{diag}(\sigma).$$

It converges to $T^\star$ itself for every $\beta$; plain Sinkhorn, which keeps $Q = A$, converges
to a blurred plan that $\beta$ decides. After each step the column masses hold exactly, the row
masses in the limit.

Source: Xie et al., A Fast Proximal Point Method for Computing Exact Wasserstein Distance, UAI 2020,
https://arxiv.org/abs/1802.04307, Alg. 1. As in the word-patch alignment of ViLT (Kim et al. 2021,
https://arxiv.org/abs/2102.03334), $C = 1 - \cos$, $\beta = 0.5$, 50 steps. Where we differ:
everything is done in logarithms ($e^{-C/\beta}$ underflows for small β, and Q over many steps for
every β).

Heat of a picture, arXiv 2603.18611, Eq. 2 as reported by secondary sources:
$h_k = \max_{j\,:\,y'_j = 1} T_{kj}$ over the rationale tokens; ours beside it, their sum.
"""

import math
from typing import Literal

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Gather", "cosine_cost", "ipot", "rationale_heat", "unit_range"]

Gather = Literal["max", "sum"]

# stands for log 0: far below any log mass, far above where sums of two of them leave float32
_NEVER = -1e9


def cosine_cost(x: Float[Tensor, "b p d"], y: Float[Tensor, "b t d"]) -> Float[Tensor, "b p t"]:
    """The cost $1 - \\cos(x_i, y_j)$, in [0, 2]; a zero vector is at distance 1 from everything."""
    x, y = (torch.nn.functional.normalize(z, dim=-1) for z in (x, y))
    return 1 - einsum(x, y, "b p d, b t d -> b p t")


def ipot(
    cost: Float[Tensor, "b p t"],
    rows: Bool[Tensor, "b p"],
    columns: Bool[Tensor, "b t"],
    *,
    mass: Float[Tensor, "b t"] | None = None,
    beta: float = 0.5,
    steps: int = 50,
    inner: int = 1,
) -> Float[Tensor, "b p t"]:
    """The transport plans of b problems of different sizes; differentiable in the cost.

    Each plan has mass 1 over its real rows and columns and exact zeros elsewhere; where a side has
    none, it is zero. A problem's plan does not depend on its neighbors or on padding.

    Arguments:
        cost: Costs; those of padding are not looked at, but must be finite.
        rows: True where a row is real.
        columns: True where a column is real.
        mass: Masses of the columns, which add up to 1 over real ones, each positive there; uniform
            where None.
        beta: The step size β of the proximal point method; small ones converge in fewer steps.
        steps: Proximal steps.
        inner: Sinkhorn steps k within each.

    Raises:
        ValueError: If β is not positive, or a number of steps is below 1.
    """
    if beta <= 0 or steps < 1 or inner < 1:
        raise ValueError(
            f"ipot needs beta > 0 and at least 1 step, got beta={beta}, steps={steps}, inner={inner}; try "
            f"beta=0.5, steps=50"
        )
    real = rows[:, :, None] & columns[:, None, :]
    # without padding the masks choose what stands there already, and cost more than the sums
    padded = not bool(real.all())

    def kept(mask: Tensor, value: Tensor, otherwise: float) -> Tensor:
        return torch.where(mask, value, otherwise) if padded else value

    log_a = kept(real, -cost / beta, _NEVER)
    log_mu, log_nu = (_log_uniform(mask, cost) for mask in (rows, columns))
    if mass is not None:
        log_nu = torch.where(columns, mass, 1.0).log()
    log_t, log_sigma = kept(real, torch.zeros_like(cost), _NEVER), log_nu
    for _ in range(steps):
        log_q = kept(real, log_a + log_t, _NEVER)
        for _ in range(inner):
            log_delta = kept(rows, log_mu - (log_q + log_sigma[:, None, :]).logsumexp(2), 0.0)
            log_sigma = kept(columns, log_nu - (log_q + log_delta[:, :, None]).logsumexp(1), 0.0)
        log_t = log_delta[:, :, None] + log_q + log_sigma[:, None, :]
    return kept(real, log_t, -math.inf).exp()


def _log_uniform(mask: Bool[Tensor, "b n"], like: Tensor) -> Float[Tensor, "b n"]:
    """The logarithm of equal masses over the real entries, 0 elsewhere."""
    mass = -mask.sum(1, keepdim=True).clamp(min=1).to(like.dtype).log()
    return torch.where(mask, mass, 0.0)


def rationale_heat(
    plan: Float[Tensor, "b p t"], chosen: Bool[Tensor, "b t"], *, gather: Gather = "max"
) -> Float[Tensor, "b p"]:
    """The heat $h_k$ of each patch: what it exchanges with rationale tokens; zero where there is none.

    Arguments:
        plan: Transport plans.
        chosen: True where a token is part of the rationale.
        gather: `max`, the most that it exchanges with any of them, or `sum`, what it exchanges with
            all: a patch that many words point at is then warmer than one that a single word does.
    """
    exchanged = plan * chosen[:, None, :]
    return exchanged.amax(2) if gather == "max" else exchanged.sum(2)


def unit_range(heat: Float[Tensor, "b p"], mask: Bool[Tensor, "b p"]) -> Float[Tensor, "b p"]:
    """Heat scaled to [0, 1] over each picture's real patches; zero where all are equal, and on
    padding.
    """
    low = torch.where(mask, heat, math.inf).amin(1, keepdim=True)
    high = torch.where(mask, heat, -math.inf).amax(1, keepdim=True)
    spread = high - low
    scaled = (heat - low) / torch.where(spread > 0, spread, 1.0)
    return torch.where(mask & (spread > 0), scaled, 0.0)
