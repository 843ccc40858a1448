r"""Words and patches in one small transformer: the compact joint encoder as a classifier.

$$\ell = \operatorname{Head}(e_0), \qquad [e_0; \dots] = \operatorname{JointEncoder}(\text{words},
\text{patches})$$

with the state $e_0$ of the learned first token, which sees whatever modality is there. See
`nn.joint`; it is stage 2 of cross-modal rationale transfer (https://arxiv.org/abs/2603.18611) where
ViLT is too large.
"""

from jaxtyping import Float
from torch import Tensor

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size
from crisislens.models.parts import Head, trimmed
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.joint import JointEncoder
from crisislens.nn.missing import ModalityDropout
from crisislens.nn.widths import FeatureWidths

__all__ = ["Joint"]


@MODELS.register("joint")
class Joint(FusionModel):
    """A small transformer over the words and patches of one post.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        classes: The number of classes c.
        width: The token width $d$ inside.
        layers: Blocks of the transformer.
        heads: Heads of its attention.
        hidden: Width of the head's hidden layer; 0 for none.
        dropout: Dropout of inlets and head.
        modality_dropout: Probability that a post with both modalities loses one in training.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        layers: Size = 2,
        heads: Size = 4,
        hidden: Count = 0,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
    ) -> None:
        super().__init__()
        self.hide = ModalityDropout(rate=modality_dropout)
        joint = JointEncoder(
            text_width=widths.text,
            image_width=widths.image,
            width=width,
            layers=layers,
            heads=heads,
            dropout=dropout,
        )
        self.joint = joint
        self.head = Head(width=width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the first token's state."""
        batch = self.hide(batch.map(text=trimmed(batch.text), image=trimmed(batch.image)))
        states = self.joint(batch.text.tokens, batch.text.mask, batch.image.tokens, batch.image.mask)
        return self.head(states.pooled)
