r"""Text decides, the photo beside it may only nudge: fusion in which no photo outvotes a clear text.

With standardized pooled vectors $t$ and $v$ of text and photo, and a bound $\beta > 0$,

$$\ell = \begin{cases}
  W_t\, t + b_t & \text{text alone} \\
  W_t\, t + b_t + \beta \tanh\big((W_n v + b_n) / \beta\big) & \text{text and photo} \\
  W_v\, v + b_v & \text{photo alone}
\end{cases}$$

and $\ell = 0$ where neither is there. Whatever the photo, the difference of two classes moves by less than
$2\beta$ of what the text said: a text that is surer than that keeps its class. What a photo says beside a
text and what it says alone are two maps, since the first adds to what is known and the second replaces it.

Our own construction. Late fusion (`baselines`) adds logits without a bound; there an unrelated everyday photo
turned one in four informative posts (docs/benchmarks-need.md).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.models.base import MODELS, FusionModel, Rate
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.missing import ModalityDropout
from crisislens.nn.widths import FeatureWidths

__all__ = ["BoundedFusion"]


@MODELS.register("bounded_fusion")
class BoundedFusion(FusionModel):
    """Linear maps of the pooled vectors; the photo's say beside a text is bounded.

    Arguments:
        widths: Widths of the features.
        classes: The number of classes c.
        bound: β, in logits.
        dropout: Probability that a component of a pooled vector is dropped in training.
        modality_dropout: Probability that a post with both loses one in training.

    Raises:
        ValueError: If `bound` is not positive.
    """

    reads_tokens = False
    text_mean: Tensor
    text_scale: Tensor
    image_mean: Tensor
    image_scale: Tensor

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        bound: float = 1.0,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.3,
    ) -> None:
        super().__init__()
        if not bound > 0:
            raise ValueError(f"the bound must be positive, got {bound}")
        self.bound, self.dropout = bound, dropout
        self.hide = ModalityDropout(rate=modality_dropout)
        for name, width in (("text", widths.text_pooled), ("image", widths.image_pooled)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))
        self.text = nn.Linear(widths.text_pooled, classes)
        self.nudge = nn.Linear(widths.image_pooled, classes)
        self.photo = nn.Linear(widths.image_pooled, classes)

    def standardize(self, batch: FeatureBatch) -> None:
        """Sets the centers and scales from posts, before training.

        Arguments:
            batch: Posts of which two or more have a text, and two or more a photo.
        """
        for name in ("text", "image"):
            one: ModalityBatch = getattr(batch, name)
            known = one.pooled[one.present]
            getattr(self, f"{name}_mean").copy_(known.mean(0))
            # a component that never varies must not blow up on the first post in which it does
            getattr(self, f"{name}_scale").copy_(known.std(0).clamp(min=1e-3))

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits: the text's with the photo's bounded nudge, or the photo's where there is no text."""
        batch = self.hide(batch)
        text = self._prepared(batch.text, self.text_mean, self.text_scale)
        image = self._prepared(batch.image, self.image_mean, self.image_scale)
        has_text, has_image = batch.text.present[:, None], batch.image.present[:, None]
        nudge = self.bound * torch.tanh(self.nudge(image) / self.bound)
        beside = self.text(text) + nudge * has_image
        return torch.where(has_text, beside, self.photo(image) * has_image)

    def _prepared(
        self, one: ModalityBatch, mean: Float[Tensor, " e"], scale: Float[Tensor, " e"]
    ) -> Float[Tensor, "b e"]:
        standard = (one.pooled - mean) / scale * one.present[:, None]
        return functional.dropout(standard, self.dropout, self.training)
