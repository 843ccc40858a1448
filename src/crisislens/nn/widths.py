"""The widths of a `FeatureBatch`, so that a model can be built before a batch is seen."""

from pydantic import Field

from crisislens.core.config import Config

__all__ = ["FeatureWidths"]


class FeatureWidths(Config):
    """Widths of the features of each modality, in components."""

    text: int = Field(gt=0)
    """Token states of the text, $d_t$."""
    text_pooled: int = Field(gt=0)
    """The pooled vector of the text, $e_t$."""
    image: int = Field(gt=0)
    """Patch states of the image, $d_i$."""
    image_pooled: int = Field(gt=0)
    """The pooled vector of the image, $e_i$."""
