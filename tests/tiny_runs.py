"""Runs as `train` leaves them, with random weights over the hashing encoder: made in milliseconds."""

import json
from pathlib import Path
from typing import Any

import torch

from crisislens.core.yaml_files import dump_yaml
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.calibration import Calibration
from crisislens.domain.tasks import Task, own_task
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.models.artifact import ArtifactMeta, save_artifact
from crisislens.models.base import ModelSpec

NEED = own_task("need", ["food", "water"], urgency={"water": 1.0})
KINDS = {
    "text": Calibration(temperature=0.5, abstain_below=0.1, basis="made up"),
    "both": Calibration(temperature=0.7, abstain_below=0.1, basis="made up"),
}


def write_artifact(
    folder: Path,
    task: Task = NEED,
    *,
    seed: int = 0,
    ships: bool = False,
    options: dict[str, Any] | None = None,
    **meta: Any,
) -> Path:
    """Writes a model of a task, which is a user's own unless it ships."""
    encoder = EncoderSpec.parse({"name": "hashing", "options": options or {}}, where="test")
    encoders = load_encoders(encoder)
    rules, limits = CleaningRules(), ImageLimits()
    features = PostEncoder(encoders, rules=rules, limits=limits, image_root=None).fingerprint()
    said: dict[str, Any] = {
        "label_space": task.name,
        "classes": task.classes,
        "encoder": encoder.model_dump(mode="json"),
        "encoder_fingerprint": encoders.fingerprint(),
        "features_fingerprint": features,
        "widths": encoders.widths(),
        "task": None if ships else task,
        "calibration": KINDS,
        "rules": rules,
        "limits": limits,
    }
    spec = ModelSpec(name="late_fusion", options={"width": 8, "source": "pooled"})
    torch.manual_seed(seed)
    model = spec.build(encoders.widths(), len(task))
    save_artifact(folder, model, spec, ArtifactMeta(**{**said, **meta}))
    return folder


def write_run(
    folder: Path,
    task: Task = NEED,
    *,
    scores: tuple[float, ...] = (0.5,),
    monitor: str = "macro_f1",
    **more: Any,
) -> Path:
    """Writes a run whose seeds reached these scores on their development posts; each seed has weights of its
    own.
    """
    for seed, score in enumerate(scores):
        place = folder / f"seed-{seed}"
        write_artifact(place / "artifact", task, seed=seed, **more)
        (place / "run.yaml").write_text(dump_yaml({"name": folder.name}))
        history = [{"epoch": 1, f"dev_{monitor}": 0.0}, {"epoch": 2, f"dev_{monitor}": score}]
        said = {"run": {"stopping": {"monitor": monitor}}, "history": history, "best_epoch": 2}
        (place / "metrics.json").write_text(json.dumps(said))
    return folder
