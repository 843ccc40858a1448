"""Parts that several models share: the way in from the encoder's widths, and the way out to the
classes.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.attention import AttentionPooling
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.missing import MissingToken, ModalityDropout
from crisislens.nn.widths import FeatureWidths, ModalityWidths

__all__ = ["Head", "Inlet", "Pooler", "Source", "TokenInlets", "mapped_rows", "trimmed"]

Source = Literal["pooled", "tokens", "both"]


def trimmed(x: ModalityBatch) -> ModalityBatch:
    """The same posts without the places that are padding in all of them; one place is kept where
    there is no token at all.
    """
    places = x.mask.any(0).nonzero()
    n = int(places[-1, 0]) + 1 if len(places) else 1
    return x if n == x.mask.shape[1] else ModalityBatch(x.tokens[:, :n], x.mask[:, :n], x.pooled, x.present)


class Inlet(nn.Module):
    """LayerNorm, a linear map from an encoder's width to the model's, and dropout.

    Encoders differ in scale, which the norm takes away; it has no weights of its own, since the
    linear map can say the same. Dropout takes the same components from all tokens of a post (Gal &
    Ghahramani 2016, https://arxiv.org/abs/1512.05287): dropped by each token, they would come back
    in the mean, and random numbers for every token cost nearly as much as the map.

    Arguments:
        width_in: The encoder's width.
        width: The model's width $d$.
        dropout: Probability of dropping a component of the result in training.
        norm: Whether there is the LayerNorm.
    """

    def __init__(self, *, width_in: int, width: int, dropout: float, norm: bool = True) -> None:
        super().__init__()
        self.map = nn.Sequential(
            nn.LayerNorm(width_in, elementwise_affine=False) if norm else nn.Identity(),
            nn.Linear(width_in, width),
        )
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "b *n d"]) -> Float[Tensor, "b *n w"]:
        """Features in the model's width: tokens or pooled vectors of b posts."""
        y: Tensor = self.map(x)
        if not self.training or self.dropout == 0:
            return y
        # ones over the tokens' axes: dropout then draws one number a post and component
        one_a_post = y.new_ones(y.shape[0], *[1] * (y.ndim - 2), y.shape[-1])
        return y * functional.dropout(one_a_post, self.dropout)


class TokenInlets(nn.Module):
    """From features to patches and words of one width: modality dropout, inlets, a learned token
    for what is missing.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        width: The token width $d$ inside.
        dropout: Dropout of the inlets.
        modality_dropout: Probability that a post with both modalities loses one in training.
        input_norm: Whether features are normalized on the way in.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        width: int,
        dropout: float,
        modality_dropout: float,
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.hide = ModalityDropout(rate=modality_dropout)
        self.text = Inlet(width_in=widths.text, width=width, dropout=dropout, norm=input_norm)
        self.image = Inlet(width_in=widths.image, width=width, dropout=dropout, norm=input_norm)
        self.no_text, self.no_image = MissingToken(width=width), MissingToken(width=width)

    def forward(
        self, batch: FeatureBatch
    ) -> tuple[
        tuple[Float[Tensor, "b p d"], Bool[Tensor, "b p"]], tuple[Float[Tensor, "b t d"], Bool[Tensor, "b t"]]
    ]:
        """Patches with their mask, words with theirs; every post has at least one of each."""
        batch = self.hide(batch.map(text=trimmed(batch.text), image=trimmed(batch.image)))
        image, text = batch.image, batch.text
        return (
            self.no_image(
                self.image(mapped_rows(image)).expand(len(image), -1, -1), image.mask, image.present
            ),
            self.no_text(self.text(mapped_rows(text)).expand(len(text), -1, -1), text.mask, text.present),
        )


def mapped_rows(x: ModalityBatch) -> Float[Tensor, "r n d"]:
    """The tokens that an inlet maps: all posts', or one row where no post has the modality."""
    # one row stands for all then: what is mapped gives way to the learned token anyway, and the inlet
    # keeps its (zero) gradients, so that an optimizer treats it alike in every step
    return x.tokens if x.present.any() else x.tokens[:1]


class Pooler(nn.Module):
    """One vector a post from a modality.

    Arguments:
        widths: Widths of the modality's features.
        width: Width of the result.
        dropout: See `Inlet`.
        source: `pooled` maps the encoder's pooled vector, `tokens` maps the attention-pooled token
            states, `both` adds the two.
        input_norm: Whether features are normalized on the way in.
    """

    def __init__(
        self,
        *,
        widths: ModalityWidths,
        width: int,
        dropout: float,
        source: Source = "both",
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.pooled: Inlet | None = None
        self.tokens: Inlet | None = None
        self.attention: AttentionPooling | None = None
        if source != "tokens":
            self.pooled = Inlet(width_in=widths.pooled, width=width, dropout=dropout, norm=input_norm)
        if source != "pooled":
            self.tokens = Inlet(width_in=widths.tokens, width=width, dropout=dropout, norm=input_norm)
            self.attention = AttentionPooling(width=widths.tokens, norm=input_norm)

    def forward(self, x: ModalityBatch) -> Float[Tensor, "b w"]:
        """The vector, zero where the modality is missing."""
        parts: list[Tensor] = []
        if self.pooled is not None:
            parts.append(self.pooled(x.pooled))
        if self.tokens is not None and self.attention is not None:
            short = trimmed(x)
            parts.append(self.tokens(self.attention(short.tokens, short.mask)))
        # the linear maps have biases, so zeros would not stay zero by themselves
        return torch.stack(parts).sum(0) * x.present[:, None]


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
        return self.map(x)  # type: ignore[no-any-return]
