"""The result of one seed of a run: what it holds, and how a finished one is read back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from crisislens.core.errors import CacheError
from crisislens.evaluation.abstention import RiskThreshold
from crisislens.training.classification import EpochRecord
from crisislens.training.config import RunConfig
from crisislens.training.evaluate import Evaluation
from crisislens.training.records import read_predictions

__all__ = ["RunResult", "read_result"]


@dataclass(frozen=True)
class RunResult:
    """What came of one seed of a run.

    Attributes:
        run: The run file.
        seed: The seed.
        data: The fingerprint of the labeled posts.
        folder: Where everything lies.
        best_epoch: The epoch that was kept, counted from 1.
        history: All epochs.
        abstention: The threshold with what it promises on posts like the development posts.
        test: The numbers.
        clean_test: The same on test posts that leak in no way, where the run file asks for it.
        logits: Of development (`dev`) and test posts, in the order of the data.
        seconds: Training and evaluation, without features.
        photos: How many posts of each split have a photo that is really there; empty in results of
            before they were counted.
        knowledge: The fingerprint of the texts beside the posts; empty where there are none.
    """

    run: RunConfig
    seed: int
    data: str
    folder: Path
    best_epoch: int
    history: list[EpochRecord]
    abstention: RiskThreshold
    test: Evaluation
    clean_test: Evaluation | None
    logits: Mapping[str, Float[np.ndarray, "s c"]]
    seconds: float
    photos: Mapping[str, int] = field(default_factory=dict)
    knowledge: str = ""

    def __repr__(self) -> str:
        return f"RunResult({self.run.name}, seed {self.seed}: {self.test.headline()}; model in {self.folder})"

    def metrics(self) -> dict[str, object]:
        """The content of `metrics.json`."""
        return {
            "run": self.run.as_dict(),
            "fingerprint": self.run.fingerprint(),
            "seed": self.seed,
            "data": self.data,
            "best_epoch": self.best_epoch,
            "history": [record.model_dump() for record in self.history],
            "abstention": self.abstention.model_dump(),
            "test": self.test.as_dict(),
            "clean_test": None if self.clean_test is None else self.clean_test.as_dict(),
            "photos": dict(self.photos),
            "knowledge": self.knowledge,
            "seconds": self.seconds,
        }


def read_result(folder: Path, run: RunConfig, *, data: str, knowledge: str = "") -> RunResult:
    """The result of a finished run.

    Arguments:
        folder: Its folder.
        run: The run file that it is expected to come from.
        data: The fingerprint of the data that it is expected to come from.
        knowledge: That of the texts beside the posts; a result of before it was kept is believed.

    Raises:
        CacheError: If the folder holds another run, comes from other data or is damaged.
    """
    try:
        values = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        if values["fingerprint"] != run.fingerprint():
            raise CacheError(
                f"{folder} holds another run of this name; give another --out or name, or replace it with "
                f"--overwrite instead of --resume"
            )
        if values["data"] != data:
            raise CacheError(
                f"{folder} was made from other data; give another --out or name, or replace it with "
                f"--overwrite instead of --resume"
            )
        if values.get("knowledge", knowledge) != knowledge:
            raise CacheError(
                f"{folder} was made with other texts beside the posts; give another --out or name, or "
                f"replace it with --overwrite instead of --resume"
            )
        clean = values["clean_test"]
        return RunResult(
            run=run,
            seed=values["seed"],
            data=data,
            folder=folder,
            best_epoch=values["best_epoch"],
            history=[EpochRecord.model_validate(record) for record in values["history"]],
            abstention=RiskThreshold.model_validate(values["abstention"]),
            test=Evaluation.model_validate(values["test"]),
            clean_test=None if clean is None else Evaluation.model_validate(clean),
            logits=read_predictions(folder / "predictions.parquet"),
            seconds=values["seconds"],
            photos=values.get("photos", {}),
            knowledge=knowledge,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(
            f"{folder} holds no readable result ({error}); replace it with --overwrite instead of --resume"
        ) from error
