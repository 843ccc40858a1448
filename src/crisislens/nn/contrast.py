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
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["margin_loss", "softmax_loss"]


def margin_loss(phi: Float[Tensor, "k k"], pairs: Bool[Tensor, " k"]) -> Float[Tensor, ""]:
    """$L_margin$ of a batch whose pairs stand on the diagonal; 0 where fewer than two pairs are
    whole.

    Arguments:
        phi: Contribution of player i (row) to target j (column).
        pairs: True where both sides of a pair are there.
    """
    own, n = phi.diagonal(), pairs.sum()
    # rows of broken pairs are players as well, and leave the sum
    total = phi.masked_fill(~pairs[:, None], 0.0).sum(0)
    # (own − (total − own) / (n − 1)), over whole pairs
    gap = own - (total - own) / (n - 1).clamp(min=1)
    return -_mean(gap, pairs)


def softmax_loss(
    phi: Float[Tensor, "k k"], pairs: Bool[Tensor, " k"], temperature: float | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """$L_softmax$ of a batch, InfoNCE if `phi` holds similarities; 0 where fewer than two pairs are
    whole.

    Arguments:
        phi: Contribution, or similarity, of player i (row) to target j (column).
        pairs: True where both sides of a pair are there.
        temperature: $\\tau' > 0$.
    """
    # only rows: a column without its pair is thrown away whole in the mean
    logits = (phi / temperature).masked_fill(~pairs[:, None], torch.finfo(phi.dtype).min)
    return -_mean(logits.log_softmax(0).diagonal(), pairs)


def _mean(values: Float[Tensor, " k"], pairs: Bool[Tensor, " k"]) -> Float[Tensor, ""]:
    n = pairs.sum()
    # one pair alone has nothing to stand out from
    return torch.where(pairs & (n > 1), values, 0.0).sum() / n.clamp(min=1)
