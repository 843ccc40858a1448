r"""Losses of classification. With logits $\ell_i$ and the class $y_i$ of post i,
$p_i = \operatorname{softmax}(\ell_i)$,

$$L = \frac{\sum_i w_{y_i}\, (1 - p_{i y_i})^{\phi} \operatorname{CE}_\epsilon(\ell_i, y_i)}{\sum_i w_{y_i}},
\qquad
  \operatorname{CE}_\epsilon(\ell, y) = -(1 - \epsilon) \log p_y - \frac{\epsilon}{c} \sum_k \log p_k,$$

with class weights $w_k \propto n_k^{-\gamma}$ of mean 1 over the s training posts, $n_k$ of which
have class k.

- γ (`Balance`): 0 leaves the classes as they come (the paper's loss), ½ is a compromise, 1 gives
  every class the same weight.
- ε: label smoothing (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, Sec. 7).
- φ: focusing on posts that are still wrong (Lin et al. 2017, https://arxiv.org/abs/1708.02002, Eq.
  4); 0 is plain cross entropy.

`torch.nn.functional.cross_entropy` differs where weights and smoothing meet: it weighs each
smoothed class by its own weight, so that the loss of a frequent class is raised by rare ones.

For ordered classes (damage severity) `ordinal_distance` is the squared earth mover's distance
between p and the true class,

$$D = \frac{1}{s} \sum_i \frac{1}{c - 1} \sum_{k=1}^{c-1} \Big(\sum_{j \leq k} p_{ij} - 1[y_i \leq k]\Big)^2$$

(after Hou et al. 2016, https://arxiv.org/abs/1611.05916, for classes at equal distances): severe
taken for none costs more than severe taken for mild. It is added to L with a weight of choice.

`crisislens train` takes the class weights from here and nothing else: what it minimizes stands in
`training.objectives`, whose cross-entropy weighs smoothed classes as torch does. `cross_entropy` and
`ordinal_distance` are for trainings of one's own.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Balance", "class_weights", "cross_entropy", "ordinal_distance"]

Balance = Literal["none", "sqrt", "balanced"]
_EXPONENT: dict[Balance, float] = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}


def class_weights(labels: Int[Tensor, " s"], classes: int, balance: Balance) -> Float[Tensor, " c"]:
    """Class weights $w_k$ whose mean over the posts is 1; a class without posts gets the weight of
    one with a single post.

    Arguments:
        labels: The class of each training post.
        classes: The number of classes c.
        balance: `none` (γ = 0), `sqrt` (½) or `balanced` (1).

    Raises:
        ValueError: If there is no post, or a label is not in 0 … c - 1.
    """
    counts = torch.bincount(labels, minlength=classes).float()
    if len(labels) == 0 or len(counts) != classes:
        found = f"labels up to {len(counts) - 1}" if len(labels) else "no labels"
        raise ValueError(
            f"class weights need posts with labels in 0 … {classes - 1}, got {found}; check the label space "
            f"of the training posts"
        )
    raw = counts.clamp(min=1) ** -_EXPONENT[balance]
    return raw * counts.sum() / (raw * counts).sum()


def cross_entropy(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, " b"],
    *,
    weights: Float[Tensor, " c"] | None = None,
    smoothing: float = 0.0,
    focus: float = 0.0,
) -> Float[Tensor, ""]:
    """The loss L of a batch.

    Arguments:
        logits: Logits of b posts.
        labels: Their classes.
        weights: Class weights w; None for 1.
        smoothing: ε in [0, 1).
        focus: φ ≥ 0.
    """
    log_p = logits.log_softmax(-1)
    of_label = log_p.gather(1, labels[:, None])[:, 0]
    rows = -(1 - smoothing) * of_label - smoothing * log_p.mean(-1)
    if focus:
        # -expm1(log p) = 1 - p without loss of digits where p is near 1; the floor keeps the gradient of a
        # power below 1 finite there
        rows = rows * (-torch.expm1(of_label)).clamp(min=torch.finfo(rows.dtype).tiny) ** focus
    w = torch.ones_like(rows) if weights is None else weights[labels]
    return (w * rows).sum() / w.sum()


def ordinal_distance(logits: Float[Tensor, "b c"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """The distance D in [0, 1] between the predicted distribution and the true class, for classes
    in their order.

    Arguments:
        logits: Logits of b posts over at least two classes.
        labels: Their classes.
    """
    ranks = torch.arange(logits.shape[1] - 1, device=logits.device)
    truth = (labels[:, None] <= ranks).to(logits.dtype)
    return (logits.softmax(-1).cumsum(-1)[:, :-1] - truth).square().mean()
