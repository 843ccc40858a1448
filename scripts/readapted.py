"""A bundle whose text encoder was trained further, written: what `train_further.py` makes of a bundle.

Every question keeps its model but for the maps that are given; all of them name the new encoder, and a
calibration stays until one is fitted anew (`refit_classes.py`, `benchmarks/default.py` shows what it keeps).
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from crisislens.core.files import atomic_write
from crisislens.encoders.base import load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.models.artifact import load_artifact, save_artifact
from crisislens.pipeline.bundle import BUNDLE, Bundle

Array = NDArray[np.float64]
_HALF = "F16"


def write(
    bundle: Path, out: Path, adapter: Path, maps: Mapping[str, tuple[Array, Array]], version: str
) -> None:
    """Writes the bundle with another adapter of its text encoder.

    Arguments:
        bundle: The bundle as it was; stays as it is.
        out: The new one.
        adapter: The adapter's file.
        maps: By question the new W, shape (c, d), and b, shape (c,), of linear models.
        version: Of the new bundle.

    Raises:
        ModelError: If the bundle or the adapter cannot be read.
    """
    shutil.copytree(bundle, out, dirs_exist_ok=True)
    atomic_write(out / "adapter.safetensors", adapter.read_bytes())
    read = Bundle.read(out)
    encoders = load_encoders(read.encoder)
    seen = PostEncoder(
        encoders, rules=read.config.rules, limits=read.config.limits, image_root=None
    ).fingerprint()
    for question in read.artifacts:
        folder = read.artifact(question)
        half = _is_half(folder / "model.safetensors")
        # the stored fingerprint is still that of the old encoder, which loading an artifact alone never asks
        loaded = load_artifact(folder)
        marks = {"encoder_fingerprint": encoders.fingerprint(), "features_fingerprint": seen}
        if question in maps:
            weight, bias = maps[question]
            with torch.no_grad():
                loaded.model.get_parameter("map.weight").copy_(torch.from_numpy(weight))
                loaded.model.get_parameter("map.bias").copy_(torch.from_numpy(bias))
        meta = loaded.meta.model_copy(update=marks)
        save_artifact(folder, loaded.model, loaded.spec, meta, dtype="float16" if half else "float32")
    config = json.loads((out / BUNDLE).read_bytes()) | {"version": version}
    atomic_write(out / BUNDLE, json.dumps(config, indent=1, ensure_ascii=False) + "\n")


def _is_half(path: Path) -> bool:
    """Whether weights are stored in half precision."""
    with safe_open(path, framework="pt") as stored:
        return all(stored.get_slice(name).get_dtype() == _HALF for name in stored.keys())  # noqa: SIM118 - no mapping
