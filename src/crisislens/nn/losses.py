r"""Losses of classification.

$$L = \frac{\sum_i w_{y_i} \operatorname{CE}_\epsilon(\ell_i, y_i)}{\sum_i w_{y_i}}, \qquad
  w_c \propto n_c^{-\gamma},\quad \frac{1}{s} \sum_i w_{y_i} = 1,$$

with $n_c$ the posts of class c among s; γ = 0 leaves the classes as they come (the paper's loss), ½ is a compromise, 1 gives every class
the same weight.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Balance", "class_weights"]

Balance = Literal["none", "sqrt", "balanced"]
_EXPONENT: dict[Balance, float] = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}


def class_weights(labels: Int[Tensor, " s"], classes: int, balance: Balance) -> Float[Tensor, " c"]:
    """Class weights $w_c$ whose mean over the posts is 1; a class without posts gets the weight of one with a single post.

    Arguments:
        labels: The class of each training post.
        classes: The number of classes c.
        balance: `none` (γ = 0), `sqrt` (½) or `balanced` (1).
    """
    counts = torch.bincount(labels, minlength=classes).float()
    raw = counts.clamp(min=1) ** -_EXPONENT[balance]
    return raw * counts.sum() / (raw * counts).sum()
