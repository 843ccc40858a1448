"""How a model's logits become probabilities and "not sure", for each kind of evidence."""

from typing import Literal

from pydantic import Field

from crisislens.core.config import Config

__all__ = ["Calibration", "EvidenceKind"]

EvidenceKind = Literal["text", "image", "both"]
"""What a post offers a model: its text alone, its photo alone, or both."""


class Calibration(Config):
    """How the logits of one task are read for one kind of evidence."""

    temperature: float = Field(gt=0)
    """τ: divides the logits; unitless."""
    abstain_below: float = Field(ge=0, le=1)
    """θ: below this probability of the most probable class the answer is "not sure"."""
    basis: str
    """What τ and θ were chosen on, one sentence for the report."""
