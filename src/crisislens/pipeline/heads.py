"""Small models over features of many posts, with logits that do not depend on the company.

A matrix product of another size may round otherwise. So every batch has the same number of rows,
the last one filled up with empty posts, and a post's row is then the same bits whoever stands
beside it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float

from crisislens.domain.assessment import Modality
from crisislens.features.encode import PostFeatures, collate
from crisislens.models.base import FusionModel
from crisislens.nn.widths import FeatureWidths

__all__ = ["head_logits"]

_BATCH = 16


def head_logits(
    models: Mapping[str, FusionModel],
    features: Sequence[PostFeatures],
    widths: FeatureWidths,
    *,
    given: Mapping[str, Sequence[Modality]] | None = None,
) -> dict[str, Float[np.ndarray, "b c"]]:
    """Per model the logits of b posts.

    Arguments:
        models: In evaluation mode, by name.
        features: The posts' features.
        widths: The widths of the encoders.
        given: The modalities that each model is shown; everything that is not named is kept from
            it. None shows all.
    """
    parts: dict[str, list[Float[np.ndarray, "n c"]]] = {name: [] for name in models}
    with torch.inference_mode():
        for start in range(0, len(features), _BATCH):
            rows = features[start : start + _BATCH]
            # empty posts fill the last batch up: its size must be that of all others
            batch = collate([*rows, *[PostFeatures()] * (_BATCH - len(rows))], widths)
            for name, model in models.items():
                shown = batch if given is None else batch.only(given[name])
                parts[name].append(model(shown).float().numpy()[: len(rows)])
    return {
        name: np.concatenate(rows) if rows else np.zeros((0, 0), np.float32) for name, rows in parts.items()
    }
