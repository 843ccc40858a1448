"""The linear heads of a bundle's question, read and written: what the scripts that fit heads anew share.

A head is `models.linear`: logits W (z − μ) / σ + b of the text's pooled vector z. μ and σ stay as they were
measured; W and b may be put anew.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crisislens.core.files import atomic_write
from crisislens.domain.calibration import Calibration
from crisislens.domain.tasks import Task
from crisislens.models.artifact import LoadedModel, load_artifact, save_artifact
from crisislens.pipeline.bundle import BUNDLE, Bundle

Array = NDArray[np.float64]


@dataclass
class LinearHeads:
    """The heads of one question.

    Attributes:
        bundle: The folder that they were read from.
        question: What they answer.
        loaded: The artifact, whose weights stay as they were read.
        mean: μ, shape (d,).
        scale: σ, shape (d,).
        weight: W, shape (c, d).
        bias: b, shape (c,).
    """

    bundle: Path
    question: str
    loaded: LoadedModel
    mean: Array
    scale: Array
    weight: Array
    bias: Array

    @classmethod
    def read(cls, bundle: Path, question: str) -> "LinearHeads":
        """The heads of a bundle, in double precision."""
        loaded = load_artifact(Bundle.read(bundle).artifact(question))
        state = {name: x.double().numpy().copy() for name, x in loaded.model.state_dict().items()}
        return cls(
            bundle,
            question,
            loaded,
            state["mean"],
            state["scale"],
            state["map.weight"],
            state["map.bias"],
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the rows of W."""
        return self.loaded.meta.classes

    def standardized(self, pooled: NDArray[np.float32]) -> Array:
        """(z − μ) / σ of each pooled vector, shape (n, d)."""
        found: Array = (pooled - self.mean) / self.scale
        return found

    def logits(self, pooled: NDArray[np.float32]) -> Array:
        """Of each pooled vector, shape (n, c)."""
        found: Array = self.standardized(pooled) @ self.weight.T + self.bias
        return found

    def write(
        self,
        out: Path,
        version: str,
        *,
        task: Task | None = None,
        calibration: Mapping[str, Calibration] | None = None,
    ) -> None:
        """Writes the bundle with W and b as they are now.

        Arguments:
            out: The new bundle; may be the old one.
            version: Of the new bundle.
            task: The question's definition, where it changes.
            calibration: By kind of evidence, where it changes.
        """
        with torch.no_grad():
            self.loaded.model.get_parameter("map.weight").copy_(torch.from_numpy(self.weight))
            self.loaded.model.get_parameter("map.bias").copy_(torch.from_numpy(self.bias))
        if out.resolve() != self.bundle.resolve():
            shutil.copytree(self.bundle, out, dirs_exist_ok=True)
        place = Bundle.read(self.bundle).artifact(self.question).relative_to(self.bundle.resolve())
        meta = self.loaded.meta if task is None else self.loaded.meta.model_copy(update={"task": task})
        save_artifact(out / place, self.loaded.model, self.loaded.spec, meta, dtype="float32")
        config = json.loads((out / BUNDLE).read_bytes())
        entry = config["tasks"][self.question]
        if task is not None:
            entry["definition"] = task.model_dump(mode="json")
        if calibration is not None:
            entry["calibration"] = {kind: one.model_dump(mode="json") for kind, one in calibration.items()}
        stored = json.dumps(config | {"version": version}, indent=1, ensure_ascii=False) + "\n"
        atomic_write(out / BUNDLE, stored)
