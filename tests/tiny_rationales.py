"""A tiny rationale model: hashing encoders and random weights."""

from pathlib import Path

import torch

from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.models.rationale_artifact import (
    JointConfig,
    RationaleModelConfig,
    TransportConfig,
    save_rationalizer,
)
from crisislens.models.text_rationalizer import TextRationalizer
from crisislens.nn.joint import JointEncoder


def write_rationales(folder: Path, *, languages: tuple[str, ...] = (), gate: float | None = None) -> Path:
    """Writes a model with random weights; with a gate of that bias and no weight, where one is given."""
    spec = EncoderSpec(name="hashing")
    encoders = load_encoders(spec)
    torch.manual_seed(0)
    side = round(encoders.image.patches**0.5)
    sizes = JointConfig(width=8, layers=1, heads=2, image_width=encoders.image.width, rows=side, columns=side)
    joint = JointEncoder(
        text_width=encoders.text.width, image_width=encoders.image.width, width=8, layers=1, heads=2
    )
    config = RationaleModelConfig(
        name="tiny-rationales",
        encoder=spec,
        classes=("a", "b"),
        hidden=6,
        pair_width=4,
        languages=languages,
        joint=sizes,
        image_encoder=encoders.image.fingerprint(),
        transport=TransportConfig(sink=0.5),
        gate=gate is not None,
    )
    model = TextRationalizer(encoders.text, classes=2, hidden=6, pair_width=4, gate=gate is not None)
    if model.gate is not None and gate is not None:
        torch.nn.init.zeros_(model.gate.weight)
        torch.nn.init.constant_(model.gate.bias, gate)
    save_rationalizer(folder, model, None, config, joint=joint, card="# Tiny\n\nRandom weights.\n")
    return folder
