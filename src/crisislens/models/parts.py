"""Parts that several models share: the way in from the encoder's widths, and the way out to the classes."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.nn.batch import ModalityBatch

__all__ = ["Head", "Inlet", "Pooler"]


class Inlet(nn.Module):
    """LayerNorm and a linear map from an encoder's width to the model's; encoders differ in scale, so the norm is always there.

    Arguments:
        width_in: The encoder's width.
        width: The model's width $d$.
        dropout: Probability of dropping a component of the result in training.
    """

    def __init__(self, *, width_in: int, width: int, dropout: float) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.LayerNorm(width_in), nn.Linear(width_in, width), nn.Dropout(dropout))

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b w"]:
        """Features in the model's width."""
        return self.map(x)


class Pooler(nn.Module):
    """One vector a post from a modality: its pooled vector beside the mean of its mapped tokens, joined by a linear map.

    Arguments:
        tokens_width: Width of the token states.
        pooled_width: Width of the pooled vector.
        width: Width of the result.
        dropout: See `Inlet`.
        source: `pooled` reads the encoder's pooled vector, `tokens` pools the token states by learned attention, `both` adds the two.
    """

    def __init__(
        self, *, tokens_width: int, pooled_width: int, width: int, dropout: float, source: Literal["pooled", "tokens", "both"] = "pooled"
    ) -> None:
        super().__init__()
        self.pooled = Inlet(width_in=pooled_width, width=width, dropout=dropout) if source != "tokens" else None
        self.tokens = Inlet(width_in=tokens_width, width=width, dropout=dropout) if source != "pooled" else None
        self.score = nn.Linear(tokens_width, 1, bias=False) if source != "pooled" else None

    def forward(self, x: ModalityBatch) -> Float[Tensor, "b w"]:
        """The vector, zero where the modality is missing."""
        parts: list[Tensor] = []
        if self.pooled is not None:
            parts.append(self.pooled(x.pooled))
        if self.tokens is not None and self.score is not None:
            parts.append(self.tokens(_attend(x.tokens, x.mask, self.score(x.tokens)[..., 0])))
        return torch.stack(parts).sum(0) * x.present[:, None]


def _attend(x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], scores: Float[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """The softmax-weighted mean over real tokens; zero where there are none."""
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
    return (x * weights[..., None]).sum(1)


class Head(nn.Module):
    """ReLU, dropout, a hidden layer if asked for, and a linear map to the classes.

    Arguments:
        width: Width of what comes in.
        hidden: Width of the hidden layer; 0 for none.
        classes: The number of classes c.
        dropout: Probability of dropping a component before each linear map in training.
    """

    def __init__(self, *, width: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(dropout)]
        if hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
        self.map = nn.Sequential(*layers, nn.Linear(hidden or width, classes))

    def forward(self, x: Float[Tensor, "b w"]) -> Float[Tensor, "b c"]:
        """Logits."""
        return self.map(x)
