"""Fits a run: features, training, calibration and abstention on development posts, numbers on test
posts, a model on disk.

A run's folder (`OUT/NAME/seed-N`) holds `run.yaml`, `artifact/` (the model and, where the encoder
was trained, its adapter), `predictions.parquet` (logits and calibrated probabilities of development
and test posts) and `metrics.json`, which is written last: where it stands, the run is finished.
Until then `checkpoint.ckpt` holds the state after the last epoch, and `resume` goes on from it.

Test posts are looked at once, after everything has been chosen on development posts.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from crisislens.core.errors import CacheError
from crisislens.core.files import atomic_write
from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.evaluation.abstention import RiskThreshold
from crisislens.models.base import FusionModel
from crisislens.nn.losses import class_weights
from crisislens.training.calibrate import chosen
from crisislens.training.classification import EpochRecord, train_network
from crisislens.training.config import RunConfig
from crisislens.training.evaluate import Evaluation, evaluate_logits
from crisislens.training.features import Prepared, prepare
from crisislens.training.objectives import positive_weights
from crisislens.training.predict import predict
from crisislens.training.recipe import Trained
from crisislens.training.records import read_predictions, write_artifact, write_predictions
from crisislens.training.starting import check_free, check_run, open_folder, run_folder
from crisislens.training.tuning import open_network

__all__ = ["RunResult", "fit", "run_folder"]


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
            "seconds": self.seconds,
        }


def fit(
    run: RunConfig,
    *,
    seed: int | None = None,
    out: Path,
    cache: Path,
    resume: bool = False,
    overwrite: bool = False,
    data: LabeledData | None = None,
    prepared: Prepared | None = None,
    on_features: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> RunResult:
    """Fits one seed of a run.

    Arguments:
        run: The run file.
        seed: The seed; None takes the first of the run file.
        out: Results go to `OUT/NAME/seed-N`.
        cache: The root of feature caches.
        resume: Whether to go on from where a killed run was, or to return the result of a finished
            one.
        overwrite: Whether to replace what an earlier run left there.
        data: Labeled posts; None reads those that the run file names.
        prepared: The inputs of a run with the same data, features and knowledge, in mode `frozen`;
            None prepares them.
        on_features: Called with the posts whose features are done and all posts.
        on_epoch: Called with each epoch's record.

    Raises:
        CrisisLensError: If data, encoder, model or run file do not work out, in one sentence and
            before the folder is touched, or if a run is there already and neither `resume` nor
            `overwrite` is set.
    """
    seed = run.seeds[0] if seed is None else seed
    folder = run_folder(out, run, seed)
    data = load_labeled(run.data, run.task) if data is None else data
    if resume and (folder / "metrics.json").is_file():
        return read_result(folder, run, data=data.fingerprint)
    check_free(folder, resume=resume, overwrite=overwrite)
    # the caller's random numbers are none of our business
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        encoders = None
        if prepared is not None and run.mode == "frozen":
            widths = prepared.widths
        else:
            encoders = load_encoders(run.encoder)
            widths = encoders.widths()
        check_run(run, data, widths)
        open_folder(folder, run, data.fingerprint, resume=resume)
        if encoders is not None:
            prepared = prepare(run, data, encoders, cache, progress=on_features)
        assert prepared is not None
        started = time.perf_counter()
        network, trained = _train(
            run, seed, data, encoders, prepared, folder, resume=resume, on_epoch=on_epoch
        )
        # after training has chosen its epoch: the first time that test posts meet this network
        logits = {split: predict(network, prepared.inputs[split], run) for split in ("dev", "test")}
        result = _judge(run, seed, folder, data, logits, trained, started)
        write_artifact(
            folder / "artifact", run, network, prepared, data, result.test, result.abstention.threshold
        )
    write_predictions(
        folder / "predictions.parquet", data, logits, result.test.temperature, result.abstention.threshold
    )
    atomic_write(folder / "metrics.json", json.dumps(result.metrics(), indent=1, ensure_ascii=False) + "\n")
    # last: a run that is killed before has its result and a checkpoint that nobody reads
    (folder / "checkpoint.ckpt").unlink(missing_ok=True)
    return result


def read_result(folder: Path, run: RunConfig, *, data: str) -> RunResult:
    """The result of a finished run.

    Arguments:
        folder: Its folder.
        run: The run file that it is expected to come from.
        data: The fingerprint of the data that it is expected to come from.

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
        )
    except (OSError, ValueError, KeyError) as error:
        raise CacheError(
            f"{folder} holds no readable result ({error}); replace it with --overwrite instead of --resume"
        ) from error


def _train(
    run: RunConfig,
    seed: int,
    data: LabeledData,
    encoders: EncoderPair | None,
    prepared: Prepared,
    folder: Path,
    *,
    resume: bool,
    on_epoch: Callable[[EpochRecord], None] | None,
) -> tuple[nn.Module, Trained[EpochRecord]]:
    # before the model is built, so that initial weights are the seed's as well
    torch.manual_seed(seed)
    model: FusionModel = run.model.build(prepared.widths, len(data.space))
    network: nn.Module = model
    if encoders is not None and run.mode == "finetune":
        network = open_network(encoders, run, model)
    several = data.space.several
    y = {split: torch.from_numpy(data.labels(split)) for split in ("train", "dev")}
    if several:
        y = {split: held.float() for split, held in y.items()}
        weights = positive_weights(y["train"], run.loss.balance)
    else:
        weights = class_weights(y["train"], len(data.space), run.loss.balance)
    trained = train_network(
        network,
        run,
        seed=seed,
        train=(prepared.inputs["train"], y["train"]),
        dev=(prepared.inputs["dev"], y["dev"]),
        weights=weights,
        several=several,
        checkpoint=folder / "checkpoint.ckpt",
        resume=resume,
        after_epoch=on_epoch,
    )
    return network, trained


def _judge(
    run: RunConfig,
    seed: int,
    folder: Path,
    data: LabeledData,
    logits: Mapping[str, Float[np.ndarray, "s c"]],
    trained: Trained[EpochRecord],
    started: float,
) -> RunResult:
    """Temperature and threshold from development posts, then the numbers of test posts."""
    y, several = data.labels("dev"), data.space.several
    temperature, threshold = chosen(logits["dev"], y, run, several=several)

    def on_test(rows: np.ndarray | None = None, name: str = "test") -> Evaluation:
        return evaluate_logits(
            logits["test"],
            data,
            temperature=temperature,
            abstain_below=threshold.threshold,
            rows=rows,
            name=name,
        )

    return RunResult(
        run=run,
        seed=seed,
        data=data.fingerprint,
        folder=folder,
        best_epoch=trained.best_epoch,
        history=trained.history,
        abstention=threshold,
        test=on_test(),
        clean_test=on_test(data.clean("test"), "test without leaks") if run.data.clean_test else None,
        logits=logits,
        seconds=time.perf_counter() - started,
        photos=data.photos(),
    )
