"""What a run leaves on disk: the model with its card, and predictions."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from torch import nn

from crisislens.core.errors import CacheError
from crisislens.core.files import atomic_write
from crisislens.data.labeled import LabeledData
from crisislens.domain.tasks import TASKS, Task
from crisislens.evaluation.judged import judged
from crisislens.evaluation.several import HOLDS
from crisislens.features.encode import PostEncoder
from crisislens.models.artifact import ArtifactMeta, Card, save_artifact
from crisislens.models.base import FusionModel
from crisislens.training.calibrate import calibrations
from crisislens.training.config import RunConfig
from crisislens.training.evaluate import Evaluation
from crisislens.training.features import Prepared
from crisislens.training.graph import GraphNetwork
from crisislens.training.inputs import TunedNetwork
from crisislens.training.tuning import store_encoders

__all__ = ["read_predictions", "write_artifact", "write_predictions"]


def write_artifact(
    folder: Path,
    run: RunConfig,
    network: nn.Module,
    prepared: Prepared,
    data: LabeledData,
    test: Evaluation,
    abstain_below: float,
) -> None:
    """Saves the model with its calibration, and the encoder's adapter where it was trained."""
    y, dev = data.labels("dev"), prepared.inputs["dev"]
    kinds = {} if run.as_published else calibrations(network, dev, y, run, space=data.space)
    spec, model = run.encoder, network
    encoder_mark, features_mark = prepared.encoder_fingerprint, prepared.features_fingerprint
    if isinstance(network, TunedNetwork | GraphNetwork):
        model = network.model
        # fingerprints of what is read back: that, and not what stands in memory, is what will make features
        spec, loaded = store_encoders(folder, network, run.encoder)
        encoder_mark = loaded.fingerprint()
        features_mark = PostEncoder(loaded, rules=run.rules, limits=run.limits, image_root=None).fingerprint()
    assert isinstance(model, FusionModel)
    meta = ArtifactMeta(
        label_space=data.space.name,
        classes=data.space.classes,
        encoder=spec.model_dump(mode="json"),
        encoder_fingerprint=encoder_mark,
        features_fingerprint=features_mark,
        widths=prepared.widths,
        temperature=test.temperature,
        abstain_below=abstain_below,
        task=None if _ships(data.space) else data.space,
        calibration=kinds,
        rules=run.rules,
        limits=run.limits,
        languages=data.languages(),
        modalities=run.modalities,
        knowledge="" if run.knowledge is None else run.knowledge.name,
        card=_card(run, data, test),
    )
    save_artifact(folder, model, run.model, meta)


def _ships(task: Task) -> bool:
    """Whether a task is one of ours, and not a user's own of that name."""
    return task.name in TASKS and TASKS[task.name] == task


def _card(run: RunConfig, data: LabeledData, test: Evaluation) -> Card:
    # what is nested there (counts by class, file by file) is for programs
    plain = {key: value for key, value in data.description.items() if isinstance(value, str | int)}
    facts = ", ".join(f"{key}: {value}" for key, value in plain.items())
    photos = data.photos()
    splits = []
    for split, posts in data.splits.items():
        splits.append(f"{split} {len(posts)} ({photos[split]} with their photo)")
    counts = ", ".join(splits)
    events = sorted({str(event) for event in data.events("train")})
    source = "source" if events == ["unknown"] else f"events ({', '.join(events)})"
    quirk = (
        ("It reproduces published code: a post's result depends on the posts in its batch.",)
        if run.as_published
        else ()
    )
    return Card(
        summary=f"{run.model.name} on {data.space.question} ({data.space.setting}), trained by the run file "
        f"{run.name}, encoder {run.mode}.",
        data=(f"{facts}; posts: {counts}",),
        limits=(
            *quirk,
            f"Trained and tested on posts of the same {source}; another event is another distribution.",
            "Temperature and abstention were chosen on development posts that also chose the epoch, so they "
            "are slightly optimistic.",
        ),
        numbers=(
            test.headline(),
            f"calibration error {100 * test.before.ece:.2f} before, {100 * test.after.ece:.2f} after "
            f"temperature (15 bins)",
            f"answers {100 * test.selective.coverage:.1f} % of test posts at its threshold",
        ),
    )


def write_predictions(
    path: Path,
    data: LabeledData,
    logits: Mapping[str, Float[np.ndarray, "s c"]],
    temperature: float,
    abstain_below: float,
) -> None:
    """Writes a row for each development and test post: id, split, event, label, answer, confidence,
    logits, calibrated probabilities.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    several = data.space.several
    names = np.array(data.space.classes)
    tables = []
    for split, z in logits.items():
        y = data.labels(split)
        found = judged(z, y, space=data.space, temperature=temperature)
        p = found.probabilities
        columns: dict[str, object] = {
            "id": [x.post.id for x in data.splits[split]],
            "split": [split] * len(z),
            "event": data.events(split).tolist(),
            "label": _names(y == 1, names) if several else names[y].tolist(),
            "answer": _names(p >= HOLDS, names) if several else names[p.argmax(1)].tolist(),
            "confidence": found.confidence,
            "abstained": found.confidence < abstain_below,
            **{f"logit_{name}": z[:, i].astype(np.float32) for i, name in enumerate(names)},
            **{f"p_{name}": p[:, i] for i, name in enumerate(names)},
        }
        tables.append(pa.table(columns))
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables), buffer)
    atomic_write(path, buffer.getvalue().to_pybytes())


def _names(held: Bool[np.ndarray, "s c"], names: np.ndarray) -> list[str]:
    """For each post the labels that hold, with `;` between them as `data.own_labels` reads them."""
    return [";".join(names[row].tolist()) for row in held]


def read_predictions(path: Path) -> dict[str, Float[np.ndarray, "s c"]]:
    """The logits of each split from a file of predictions.

    Raises:
        CacheError: If it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        splits = np.array(table["split"].to_pylist())
        columns = [name for name in table.column_names if name.startswith("logit_")]
        z = np.stack([table[name].to_numpy() for name in columns], axis=1)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise CacheError(
            f"{path} cannot be read as predictions ({error}); train again with --overwrite"
        ) from error
    return {str(split): z[splits == split] for split in np.unique(splits)}
