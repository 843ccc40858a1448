r"""What each modality contributed to an answer: exact Shapley values.

For the modalities M that a post has and the centered logit $v(S)$ of the answer when only
$S \subseteq M$ is shown,

$$\phi_m = \sum_{S \subseteq M \setminus m} \frac{|S|!\,(|M| - |S| - 1)!}{|M|!}\, \big(v(S \cup m) -
v(S)\big), \qquad
  v(\emptyset) + \sum_m \phi_m = v(M).$$

With at most three modalities there are at most eight coalitions, so nothing is sampled. Logits are
centered (their mean over the classes is taken off), since softmax does not see a common shift.

Source: Shapley 1953; as an explanation Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874,
Eq. 8.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import factorial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch

__all__ = ["coalition_logits", "modality_shapley"]


def modality_shapley(players: Sequence[str], value: Callable[[frozenset[str]], float]) -> dict[str, float]:
    """Exact Shapley values of a few players.

    >>> modality_shapley(["text", "image"], lambda s: {0: 0.0, 1: 1.0, 2: 3.0}[len(s)])
    {'text': 1.5, 'image': 1.5}

    Arguments:
        players: Their names.
        value: What a coalition achieves.
    """
    n = len(players)
    # every coalition is asked once, although each stands in the sums of several players
    known = {frozenset(s): value(frozenset(s)) for k in range(n + 1) for s in combinations(players, k)}
    found = {}
    for player in players:
        others = [p for p in players if p != player]
        total = 0.0
        for k in range(n):
            # the share of orders in which exactly these k come before the player
            weight = factorial(k) * factorial(n - k - 1) / factorial(n)
            total += weight * sum(
                known[frozenset(s) | {player}] - known[frozenset(s)] for s in combinations(others, k)
            )
        found[player] = total
    return found


@torch.inference_mode()
def coalition_logits(
    model: FusionModel, batch: FeatureBatch
) -> Mapping[frozenset[str], Float[np.ndarray, "b c"]]:
    """Centered logits of b posts for every set of modalities that is shown; a modality that a post
    lacks changes nothing there.

    Arguments:
        model: In evaluation mode.
        batch: The features.
    """
    names = tuple(batch.modalities())
    hidden = torch.ones(len(batch), dtype=torch.bool)
    found = {}
    for k in range(len(names) + 1):
        for shown in combinations(names, k):
            away = [name for name in names if name not in shown]
            part = batch.map(**{name: batch.modalities()[name].without(hidden) for name in away})
            logits: Tensor = model(part).float()
            found[frozenset(shown)] = (logits - logits.mean(1, keepdim=True)).numpy()
    return found
