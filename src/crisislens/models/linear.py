r"""A linear map of the text's pooled vector, standardized: what a head trained together with its
encoder is.

$$\ell = W\,\frac{z - \mu}{\sigma} + b .$$

The photo is not looked at: a text keeps its answer whatever photo stands beside it.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, FusionModel
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.widths import FeatureWidths

__all__ = ["TextLinear"]


@MODELS.register("text_linear")
class TextLinear(FusionModel):
    """Classifies the text's pooled vector by one linear map.

    Arguments:
        widths: Widths of the features; the image's are not used.
        classes: The number of classes c.
    """

    reads_tokens = False
    mean: Tensor
    scale: Tensor

    def __init__(self, *, widths: FeatureWidths, classes: int) -> None:
        super().__init__()
        # buffers and not weights: they are measured on training texts, and no step may move them
        self.register_buffer("mean", torch.zeros(widths.text_pooled))
        self.register_buffer("scale", torch.ones(widths.text_pooled))
        self.map = nn.Linear(widths.text_pooled, classes)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the text; a post without text gets the bias alone."""
        standard = (batch.text.pooled - self.mean) / self.scale
        return self.map(standard * batch.text.present[:, None])
