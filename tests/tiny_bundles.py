"""A tiny bundle: hashing encoders and late-fusion models with random weights, so that the whole pipeline runs
in milliseconds.
"""

import json
from pathlib import Path

import torch

from crisislens.domain.tasks import TASKS
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.models.artifact import ArtifactMeta, save_artifact
from crisislens.models.base import ModelSpec

SPACES = {
    "informativeness": "informativeness",
    "humanitarian": "humanitarian_b2",
    "damage": "damage_severity",
}


def write_bundle(folder: Path, *, languages: tuple[str, ...] = ()) -> Path:
    """Writes a bundle with random weights and calibrated-looking thresholds."""
    spec = EncoderSpec(name="hashing")
    encoders = load_encoders(spec)
    tasks = {}
    for seed, (task, space) in enumerate(SPACES.items()):
        classes = TASKS[space].classes
        torch.manual_seed(seed)
        model_spec = ModelSpec(name="late_fusion", options={"width": 16, "source": "pooled"})
        model = model_spec.build(encoders.widths(), len(classes))
        meta = ArtifactMeta(
            label_space=space,
            classes=classes,
            encoder=spec.model_dump(mode="json"),
            encoder_fingerprint=encoders.fingerprint(),
            features_fingerprint="made up",
            widths=encoders.widths(),
        )
        save_artifact(folder / task, model, model_spec, meta)
        calibration = {
            kind: {"temperature": 0.2, "abstain_below": 0.5, "basis": "made up"}
            for kind in ("text", "image", "both")
        }
        tasks[task] = {"artifact": task, "label_space": space, "calibration": calibration}
    config = {
        "name": "tiny",
        "version": "1",
        "description": "Random weights.",
        "encoder": spec.model_dump(),
        "languages": languages,
        "tasks": tasks,
    }
    (folder / "bundle.json").write_text(json.dumps(config))
    return folder
