"""How a model's logits become probabilities and "not sure", for each kind of evidence."""

from typing import Literal

from pydantic import Field

from crisislens.core.config import Config

__all__ = ["NEVER_SURE", "Calibration", "EvidenceKind"]

EvidenceKind = Literal["text", "image", "both"]
"""What a post offers a model: its text alone, its photo alone, or both."""
NEVER_SURE = 1.0
"""A threshold that no answer passes: sure answers were found not to hold, and confidence does not tell which
do.
"""


class Calibration(Config):
    """How the logits of one task are read for one kind of evidence."""

    temperature: float = Field(gt=0)
    """τ: divides the logits; unitless."""
    abstain_below: float = Field(ge=0, le=1)
    """θ: below this probability of the most probable class the answer is "not sure"; at `NEVER_SURE`
    it always is.
    """
    basis: str
    """What τ and θ were chosen on, one sentence for the report."""
