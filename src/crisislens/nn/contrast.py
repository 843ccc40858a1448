r"""Contrastive losses over a matrix of contributions: the pair's own against the others', in the
two readings of Shap-CA and as InfoNCE.

With $k$ players, $n$ targets and $o(j)$ the player that belongs to target $j$,

$$L_\text{margin} = -\frac{1}{n} \sum_j \Big[\varphi_{o(j) j} - \frac{1}{k - 1} \sum_{i \neq o(j)}
\varphi_{ij}\Big], \qquad
  L_\text{softmax} = -\frac{1}{n} \sum_j \log \operatorname{softmax}_i\big(\varphi_{ij} / \tau'\big)_{o(j)}.$$

Over similarities in place of Shapley values, $L_\text{softmax}$ is InfoNCE. Sources: van den Oord
et al., 2018, https://arxiv.org/abs/1807.03748, Eq. 4 (InfoNCE); for the other two Luo et al., 2024,
https://arxiv.org/abs/2407.17854, whose abstract asks to "maximize the contributions from relevant
pairs and minimize those from irrelevant ones". $L_\text{margin}$ is the literal reading of that
sentence, $L_\text{softmax}$ the usual form; which one the paper has could not be read, so both are
OUR reconstruction. Since the values of a target add up to $v_j(N)$, $L_\text{margin}$ equals
$-\frac{1}{n} \sum_j [k \varphi_{o(j) j} - v_j(N)] / (k - 1)$.

Pairs of which one side is absent take no part: neither as a target nor as somebody else's player.
Pairs with the same context (one photo posted twice, a caption that describes nothing) are not each
other's negatives: telling a context from its own copy cannot be learned, and to ask for it pushes a
text away from its own context. The game is not changed: copies stay players and share their credit.
A target without any negative left counts nothing. OURS as well.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["margin_loss", "negatives", "softmax_loss"]


def negatives(pairs: Bool[Tensor, " k"], same: Bool[Tensor, "k k"] | None = None) -> Bool[Tensor, "k k"]:
    """Where player i (row) is a negative of target j (column).

    Arguments:
        pairs: True where both sides of a pair are there.
        same: True where two pairs have the same context; None where no two have.
    """
    others = pairs[:, None] & pairs[None, :]
    if same is not None:
        others = others & ~same
    # a copy of the mask, or the caller's `same` would be written into
    return others & ~torch.eye(len(pairs), dtype=torch.bool, device=pairs.device)


def margin_loss(
    phi: Float[Tensor, "k k"], pairs: Bool[Tensor, " k"], same: Bool[Tensor, "k k"] | None = None
) -> Float[Tensor, ""]:
    """$L_margin$ of a batch whose pairs stand on the diagonal; 0 where no target has a negative.

    Arguments:
        phi: Contribution of player i (row) to target j (column).
        pairs: True where both sides of a pair are there.
        same: True where two pairs have the same context, and are no negatives of each other.
    """
    others = negatives(pairs, same)
    mean = phi.masked_fill(~others, 0.0).sum(0) / others.sum(0).clamp(min=1)
    return -_mean(phi.diagonal() - mean, others)


def softmax_loss(
    phi: Float[Tensor, "k k"],
    pairs: Bool[Tensor, " k"],
    temperature: float | Float[Tensor, ""],
    same: Bool[Tensor, "k k"] | None = None,
) -> Float[Tensor, ""]:
    """$L_softmax$ of a batch, InfoNCE if `phi` holds similarities; 0 where no target has a negative.

    Arguments:
        phi: Contribution, or similarity, of player i (row) to target j (column).
        pairs: True where both sides of a pair are there.
        temperature: $\\tau' > 0$.
        same: True where two pairs have the same context, and are no negatives of each other.
    """
    others = negatives(pairs, same)
    # the own player is no negative, but the numerator stands in the denominator as well
    seen = others | torch.eye(len(pairs), dtype=torch.bool, device=pairs.device)
    logits = (phi / temperature).masked_fill(~seen, torch.finfo(phi.dtype).min)
    return -_mean(logits.log_softmax(0).diagonal(), others)


def _mean(values: Float[Tensor, " k"], others: Bool[Tensor, "k k"]) -> Float[Tensor, ""]:
    # one pair alone, or one among its copies, has nothing to stand out from
    counted = others.any(0)
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp(min=1)
