"""Models: a `FeatureBatch` in, logits out; one paper a file. Importing the package registers them
all.
"""

from crisislens.models import (
    baselines,
    bounded,
    cross,
    differential,
    gated,
    guided,
    joint,
    linear,
    sg_mft,
    tokens,
    vectors_published,
)

__all__ = [
    "baselines",
    "bounded",
    "cross",
    "differential",
    "gated",
    "guided",
    "joint",
    "linear",
    "sg_mft",
    "tokens",
    "vectors_published",
]
