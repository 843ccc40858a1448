"""The widths of a `FeatureBatch`, so that a model can be built before a batch is seen."""

from typing import NamedTuple

from pydantic import Field

from crisislens.core.config import Config

__all__ = ["FeatureWidths", "ModalityWidths"]


class ModalityWidths(NamedTuple):
    """Widths of one modality's features, in components.

    Attributes:
        tokens: Of the token or patch states.
        pooled: Of the pooled vector.
    """

    tokens: int
    pooled: int


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

    def of_text(self) -> ModalityWidths:
        """Those of the text, and of a caption, which the same encoder reads."""
        return ModalityWidths(self.text, self.text_pooled)

    def of_image(self) -> ModalityWidths:
        """Those of the image."""
        return ModalityWidths(self.image, self.image_pooled)
