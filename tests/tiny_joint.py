"""Tiny joint rationale models: over hashing encoders, and over a random checkpoint of ViLT."""

import json
from pathlib import Path

import torch

from crisislens.data.marked_rationales import AnnotatedText
from crisislens.encoders.base import EncoderSpec
from crisislens.models.joint_artifact import JointRationaleModelConfig, save_joint_rationalizer
from crisislens.models.joint_tower import TowerSpec, build_tower
from crisislens.models.rationale_artifact import TransportConfig
from crisislens.models.rationale_joint import JointRationalizer
from crisislens.training.joint_run import JointRun

COMPACT = TowerSpec(encoder=EncoderSpec(name="hashing"), width=16, layers=1, heads=2)
TASK = "humanitarian_b2"


def vilt_spec(checkpoint: Path) -> TowerSpec:
    return TowerSpec(name="vilt", checkpoint=str(checkpoint), encoder=EncoderSpec(name="hashing"))


def tiny_joint(spec: TowerSpec = COMPACT, *, looks: bool = True) -> JointRationalizer:
    """A model with random weights, in evaluation mode."""
    torch.manual_seed(1)
    tower = build_tower(spec)
    model = JointRationalizer(
        tower, classes=5, hidden=6, pair_width=4, transport=TransportConfig(sink=0.5), looks=looks
    )
    return model.eval()


def write_joint(folder: Path, *, looks: bool = True, **changes: object) -> Path:
    """Saves one over hashing encoders."""
    model = tiny_joint(looks=looks)
    config = JointRationaleModelConfig(
        name="tiny-joint",
        tower=COMPACT,
        tower_fingerprint=model.tower.fingerprint(),
        label_space=TASK,
        hidden=6,
        pair_width=4,
        transport=TransportConfig(sink=0.5),
        looks=looks,
    )
    save_joint_rationalizer(folder, model, None, config.model_copy(update=changes), card="# Tiny\n")
    return folder


def tiny_run(folder: Path, texts: list[AnnotatedText], **changes: object) -> JointRun:
    """A run file's content over texts that are written as JSONL."""
    rows = [{"id": t.id, "text": t.text, "label": t.label, "spans": t.spans, "image": t.image} for t in texts]
    source = folder / "marked.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = {
        "rank": 0,
        "hidden": 8,
        "pair_width": 4,
        "dropout": 0.0,
        "epochs": 6,
        "batch_texts": 8,
        "head_learning_rate": 2e-2,
    }
    values = {"name": "tiny", "joint": [str(source)], "folds": 4, "tower": COMPACT, "training": recipe}
    return JointRun.model_validate(values | changes)
