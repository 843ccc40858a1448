"""Writes the bundle `crisis-open` of what `train_open.py` trained, and says what it is."""

import json
from pathlib import Path

import numpy as np
import torch
from bundle_crisis import tasks
from numpy.typing import NDArray

from crisislens.core.files import atomic_write
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.tasks import TASKS
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.models.artifact import ArtifactMeta, Card, save_artifact
from crisislens.models.base import ModelSpec
from crisislens.models.linear import TextLinear
from crisislens.pipeline.bundle import BundleConfig, Calibration, TaskConfig

Array = NDArray[np.float64]
# languages of labeled training texts, and those in which posts are ordered and never surely judged
LEARNED = ("en", "ht", "es", "it", "fr", "pt")
ORDERED = ("ar", "de", "el", "hi", "id", "ja", "ne", "sw", "tl", "tr", "uk", "ur", "zh", "und")


def write(
    out: Path,
    scales: tuple[Array, Array],
    heads: dict[str, tuple[Array, Array]],
    said: dict[str, Calibration],
    *,
    adapter: Path | None,
    version: str,
) -> None:
    """Writes the bundle: heads of half precision, their calibration, and what it says of itself.

    Arguments:
        out: The folder of the bundle.
        scales: Center and scale of pooled vectors, shape (d,) each.
        heads: By question weights, shape (c, d), and biases, shape (c,).
        said: By question its calibration.
        adapter: The file of the encoder's adapter; without one the encoder is as it was published.
        version: Of the bundle.
    """
    plain = {"precision": "fp32"}
    own_file: dict[str, str] = {}
    if adapter is not None:
        atomic_write(out / "adapter.safetensors", adapter.read_bytes())
        own_file = {"adapter": "adapter.safetensors"}
    there = {name: str(out / file) for name, file in own_file.items()}
    spec = EncoderSpec(name="multilingual", options={**plain, **there})
    encoders = load_encoders(spec)
    seen = PostEncoder(encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=None).fingerprint()
    entries = {}
    for question, task in tasks().items():
        model = TextLinear(widths=encoders.widths(), classes=len(task))
        values = {"map.weight": heads[question][0], "map.bias": heads[question][1]}
        values |= {"mean": scales[0], "scale": scales[1]}
        model.load_state_dict({name: torch.from_numpy(v).float() for name, v in values.items()})
        own = None if task in TASKS.values() else task
        meta = ArtifactMeta(
            label_space=task.name,
            classes=task.classes,
            task=own,
            encoder={
                "name": spec.name,
                "options": {**plain, **{name: f"../{file}" for name, file in own_file.items()}},
            },
            encoder_fingerprint=encoders.fingerprint(),
            features_fingerprint=seen,
            widths=encoders.widths(),
            modalities=("text",),
            card=Card(summary=f"Part of the bundle crisis-open; see its card. Task: {question}."),
        )
        save_artifact(out / question, model.eval(), ModelSpec(name="text_linear"), meta, dtype="float16")
        kinds = {"text": said[question], "both": said[question]}
        entries[question] = TaskConfig(
            artifact=question,
            label_space=task.name,
            definition=own,
            calibration=kinds,  # type: ignore[arg-type]
        )
    config = BundleConfig(
        name="crisis-open",
        version=version,
        description="multilingual-e5-small, trained on data of open terms alone: informative or not, "
        "nine classes, calls and needs, from text in many languages; the photo is not judged.",
        encoder=EncoderSpec(name=spec.name, options={**plain, **own_file}),
        languages=LEARNED,
        ranked_languages=ORDERED,
        limits_known=(
            "Trained on posts in English, Kreyòl, Spanish, Italian, French and Portuguese; in other "
            "languages it was measured on a few made-up posts only.",
            "Photos are not judged.",
            "Offers of help were learned from made-up posts alone.",
            'It never says "other relevant information": no open data has that class.',
            "Nothing is checked for truth: a false or old post is judged like any other.",
        ),
        tasks=entries,
    )
    text = json.dumps(config.model_dump(mode="json"), indent=1)
    atomic_write(out / "bundle.json", text.encode() + b"\n")
