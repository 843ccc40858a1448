r"""Shapley values of the members of a batch: what each context (or text, or image) adds to the
similarity with a target.

The game. Players are the $k$ contexts of a batch, $s_{ij}$ is the similarity of player $i$ to
target $j$, and a coalition $S$ is worth the expected similarity of its members to the target,

$$v_j(S) = \sum_{i \in S} p_i^S s_{ij}, \quad p_i^S = \frac{e^{s_{ij}/\tau}}{\sum_{l \in S} e^{s_{lj}/\tau}} \
\text{(softmax)}
  \quad \text{or} \quad p_i^S = \frac{1}{|S|} \ \text{(uniform)}, \qquad v_j(\varnothing) = 0.$$

The Shapley value of player $i$ for target $j$, by enumeration and over permutations $\pi$ (with
$\pi_{<i}$ those who come before $i$),

$$\varphi_{ij} = \sum_{S \not\ni i} \frac{|S|!\,(k - |S| - 1)!}{k!} \big[v_j(S \cup \{i\}) - v_j(S)\big]
  = \operatorname*{E}_\pi \big[v_j(\pi_{<i} \cup \{i\}) - v_j(\pi_{<i})\big].$$

The estimator averages the marginal contributions over $M$ permutations in antithetic pairs (each
with its reverse: who came early comes late). Along one permutation they telescope, so efficiency,
$\sum_i \varphi_{ij} = v_j(N)$, holds exactly for each permutation and not only on average. With
running sums $N_p = \sum_{q \leq p} w_q s_q$ and $D_p = \sum_{q \leq p} w_q$ of weights
$w = e^{s/\tau}$ (or 1), $v = N / D$ costs O(M k) a target. Players that are absent weigh nothing:
they get exactly zero, and nobody else's value changes.

With the uniform expectation the values are affine in the similarities. A player that joins as
number $p$ moves the mean of those before it, whose expected mean is
$\bar s_{-i} = \sum_{l \neq i} s_{lj} / (k - 1)$, by $(s_{ij} - \bar s_{-i}) / p$, and the first one
brings $s_{ij}$ itself; the mean over $p = 1 \dots k$ is, with $H_k = \sum_{p=1}^k 1/p$,

$$\varphi_{ij} = \frac{1}{k} \big[s_{ij} + (H_k - 1)(s_{ij} - \bar s_{-i})\big] = a_k s_{ij} + b_j,
  \qquad a_k = \frac{1}{k}\Big[1 + (H_k - 1)\frac{k}{k - 1}\Big],$$

where $b_j$ is the same for all players. A softmax over players does not see $b_j$: the softmax loss
over uniform values *is* InfoNCE at the temperature $\tau' / a_k$ (`uniform_slope`). Only the
softmax expectation, or another coalition value that is not a mean, gives Shapley values something
of their own to say. This is OUR derivation.

Sources: Shapley, 1953; Castro et al., 2009, https://doi.org/10.1016/j.cor.2008.04.004 (sampling
permutations); Mitchell et al., 2022, https://arxiv.org/abs/2104.12199, Sec. 4.1 (antithetic
permutations). The game after Luo et al., 2024 (Shap-CA), https://arxiv.org/abs/2407.17854: that
players are contexts, texts and images of a batch, that a coalition is worth its expected
similarity, and that values are estimated by Monte Carlo stands in their abstract and in notes on
the paper. Its formulas could not be had: softmax or uniform expectation, τ, M and the antithetic
pairs are OUR reconstruction.

Everything is computed in double precision: a coalition that weighs $e^{-200}$ of another would
vanish in single.
"""

from itertools import combinations
from math import factorial
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = [
    "Expectation",
    "antithetic_permutations",
    "coalition_values",
    "exact_shapley",
    "permutation_shapley",
    "uniform_shapley",
    "uniform_slope",
]

Expectation = Literal["softmax", "uniform"]
"""How a coalition expects the similarity of its members."""
_MAX_EXACT = 16


def antithetic_permutations(
    samples: int, players: int, generator: torch.Generator | None = None
) -> Int[Tensor, "m k"]:
    """Random orders of the players, the second half the first half reversed (with an odd number,
    one stays without its reverse).

    Arguments:
        samples: The number of permutations M, at least 1.
        players: The number of players k.
        generator: Of torch's random numbers on the CPU; None takes the global one.
    """
    # half as many, rounded up: an odd number leaves one order without its reverse
    half = torch.rand(-(-samples // 2), players, generator=generator).argsort(dim=1)
    return torch.cat([half, half.flip(1)])[:samples]


def coalition_values(
    s: Float[Tensor, "k n"],
    members: Bool[Tensor, "m k"],
    *,
    expectation: Expectation = "softmax",
    temperature: float | Float[Tensor, ""] = 0.1,
) -> Float[Tensor, "m n"]:
    r"""$v_j(S)$ of m coalitions for every target; 0 for the empty one. In double precision.

    Arguments:
        s: Similarity of each player to each target.
        members: Who belongs to each coalition.
        expectation: Softmax over the coalition, or the plain mean.
        temperature: $\tau > 0$ of the softmax.
    """
    s = s.double()
    # the empty coalition weighs nothing; its quotient is replaced on both sides of the division,
    # since where() alone would still send NaN through the gradient
    w = members.double() @ (weights := _weights(s, expectation, temperature))
    return torch.where(w > 0, members.double() @ (weights * s) / torch.where(w > 0, w, 1.0), 0.0)


def exact_shapley(
    s: Float[Tensor, "k n"],
    *,
    present: Bool[Tensor, " k"] | None = None,
    expectation: Expectation = "softmax",
    temperature: float | Float[Tensor, ""] = 0.1,
) -> Float[Tensor, "k n"]:
    """The Shapley values by enumeration of all coalitions: O(2ᵏ k), for k up to 16.

    Arguments:
        s: Similarity of each player to each target.
        present: False for players that do not take part; all do by default.
        expectation: See `coalition_values`.
        temperature: See `coalition_values`.

    Raises:
        ValueError: If more than 16 players take part.
    """
    taking_part = list(range(len(s))) if present is None else present.nonzero()[:, 0].tolist()
    k = len(taking_part)
    if k > _MAX_EXACT:
        raise ValueError(
            f"{k} players have {2**k} coalitions; enumeration is for at most {_MAX_EXACT}, take "
            f"permutation_shapley"
        )
    phi = torch.zeros(s.shape, dtype=torch.float64, device=s.device)
    if not taking_part:
        return phi
    coalitions = [c for size in range(k + 1) for c in combinations(range(k), size)]
    members = torch.zeros(len(coalitions), k, dtype=torch.bool)
    for row, coalition in enumerate(coalitions):
        members[row, list(coalition)] = True
    # all coalitions are valued at once; a sum over i then only looks its two rows up
    value = coalition_values(
        s[taking_part], members.to(s.device), expectation=expectation, temperature=temperature
    )
    place = {coalition: row for row, coalition in enumerate(coalitions)}
    rows = []
    for i in range(k):
        without = [c for c in coalitions if i not in c]
        share = torch.tensor(
            [factorial(len(c)) * factorial(k - len(c) - 1) / factorial(k) for c in without],
            dtype=torch.float64,
        )
        joined = value[[place[tuple(sorted((*c, i)))] for c in without]]
        rows.append(share.to(s.device) @ (joined - value[[place[c] for c in without]]))
    return phi.index_copy(0, torch.tensor(taking_part, device=s.device), torch.stack(rows))


def permutation_shapley(
    s: Float[Tensor, "k n"],
    permutations: Int[Tensor, "m k"],
    *,
    present: Bool[Tensor, " k"] | None = None,
    expectation: Expectation = "softmax",
    temperature: float | Float[Tensor, ""] = 0.1,
) -> Float[Tensor, "k n"]:
    """The Shapley values estimated over permutations, differentiable in the similarities and the
    temperature.

    Arguments:
        s: Similarity of each player to each target.
        permutations: M orders of the players, shared by all targets; see `antithetic_permutations`.
        present: False for players that do not take part: their values are exactly zero.
        expectation: See `coalition_values`.
        temperature: See `coalition_values`.
    """
    s = s.double()
    w = _weights(s, expectation, temperature)
    if present is not None:
        w = w * present[:, None]
    order = permutations.to(s.device)
    n, d = (w * s)[order].cumsum(1), w[order].cumsum(1)
    # absent players may come first, when nobody's similarity is expected yet
    value = torch.where(d > 0, n / torch.where(d > 0, d, 1.0), 0.0)
    marginal = torch.cat([value[:, :1], value[:, 1:] - value[:, :-1]], dim=1)
    # marginals stand by place in the order; the inverse permutation puts them back by player
    back = rearrange(order.argsort(dim=1), "m k -> m k 1").expand_as(marginal)
    return marginal.gather(1, back).mean(0)


def uniform_shapley(
    s: Float[Tensor, "k n"], *, present: Bool[Tensor, " k"] | None = None
) -> Float[Tensor, "k n"]:
    r"""The Shapley values under the uniform expectation by their closed form: exact, in O(k n).

    $\varphi_{ij} = a_k s_{ij} + b_j$, see the top of the module, and efficiency fixes $b_j$: the
    values add up to the mean similarity $\bar s_j$, so $b_j = \bar s_j (1 / k - a_k)$.

    Arguments:
        s: Similarity of each player to each target.
        present: False for players that do not take part: their values are exactly zero.
    """
    s = s.double()
    taking_part = torch.ones(len(s), dtype=torch.bool, device=s.device) if present is None else present
    k = int(taking_part.sum())
    alone = s.masked_fill(~taking_part[:, None], 0.0)
    # one player brings its own similarity; there is no slope to speak of
    if k < 2:
        return alone
    slope = uniform_slope(k)
    phi = slope * s + alone.sum(0) / k * (1 / k - slope)
    return phi.masked_fill(~taking_part[:, None], 0.0)


def uniform_slope(players: int) -> float:
    r"""$a_k$: how much of a similarity a Shapley value holds under the uniform expectation.

    $\varphi_{ij} = a_k s_{ij} + b_j$, so a softmax over values at $\tau'$ is one over similarities
    at $\tau' / a_k$. Derived at the top of the module.

    Arguments:
        players: The number of players k.

    Raises:
        ValueError: If there are fewer than two players.
    """
    if players < 2:
        raise ValueError(f"{players} players have nothing to compare; at least 2 are needed")
    harmonic = sum(1 / p for p in range(1, players + 1))
    return (1 + (harmonic - 1) * players / (players - 1)) / players


def _weights(
    s: Float[Tensor, "k n"], expectation: Expectation, temperature: float | Tensor
) -> Float[Tensor, "k n"]:
    """The unnormalized weight of each player for each target; only ratios matter, so the largest
    is 1.
    """
    if expectation == "uniform":
        return torch.ones_like(s)
    # detached: the largest only scales all weights of a target alike, which the quotient does not
    # see
    return torch.exp((s - s.detach().amax(0)) / temperature)
