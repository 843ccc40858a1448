"""Models: a `FeatureBatch` in, logits out; one paper a file. Importing the package registers them all."""

from crisislens.models import baselines, differential, guided, joint, sg_mft

__all__ = ["baselines", "differential", "guided", "joint", "sg_mft"]
