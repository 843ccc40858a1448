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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from crisislens.core.files import atomic_write, check_folder
from crisislens.core.fingerprint import fingerprint
from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.models.base import FusionModel
from crisislens.nn.losses import class_weights
from crisislens.training.calibrate import chosen
from crisislens.training.classification import EpochRecord, train_network
from crisislens.training.config import RunConfig
from crisislens.training.evaluate import Evaluation, evaluate_logits
from crisislens.training.features import Prepared, prepare, read_knowledge
from crisislens.training.objectives import positive_weights
from crisislens.training.predict import predict
from crisislens.training.recipe import Trained
from crisislens.training.records import write_artifact, write_predictions
from crisislens.training.result import RunResult, read_result
from crisislens.training.starting import check_free, check_run, open_folder, run_folder, sole_training
from crisislens.training.tuning import open_network

__all__ = ["RunResult", "fit", "run_folder"]


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
    knowledge = _knowledge_of(run, prepared)
    if resume and (folder / "metrics.json").is_file():
        return read_result(folder, run, data=data.fingerprint, knowledge=knowledge)
    check_free(folder, resume=resume, overwrite=overwrite)
    check_folder(folder, "--out")
    if prepared is None or run.mode != "frozen":
        check_folder(cache, "--cache")
    with sole_training(folder):
        # the caller's random numbers are none of our business
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            result = _fitted(
                run,
                seed,
                data,
                folder,
                cache,
                prepared,
                knowledge,
                resume=resume,
                on_features=on_features,
                on_epoch=on_epoch,
            )
        write_predictions(
            folder / "predictions.parquet",
            data,
            result.logits,
            result.test.temperature,
            result.abstention.threshold,
        )
        # last: where it stands, the run is finished
        atomic_write(
            folder / "metrics.json", json.dumps(result.metrics(), indent=1, ensure_ascii=False) + "\n"
        )
        # a run that is killed before this has its result, and a checkpoint that nobody reads
        (folder / "checkpoint.ckpt").unlink(missing_ok=True)
    return result


def _fitted(
    run: RunConfig,
    seed: int,
    data: LabeledData,
    folder: Path,
    cache: Path,
    prepared: Prepared | None,
    knowledge: str,
    *,
    resume: bool,
    on_features: Callable[[int, int], None] | None,
    on_epoch: Callable[[EpochRecord], None] | None,
) -> RunResult:
    """Everything but the last files: the model is written, the folder not yet finished."""
    encoders = None
    if prepared is not None and run.mode == "frozen":
        widths = prepared.widths
    else:
        encoders = load_encoders(run.encoder)
        widths = encoders.widths()
    # before the folder is touched: a mistake in the run file must not cost what lies there
    check_run(run, data, widths)
    # a checkpoint that was made with other texts beside the posts is one of other data
    read = fingerprint([data.fingerprint, knowledge]) if knowledge else data.fingerprint
    open_folder(folder, run, read, resume=resume)
    if encoders is not None:
        prepared = prepare(run, data, encoders, cache, progress=on_features)
    assert prepared is not None
    started = time.perf_counter()
    network, trained = _train(run, seed, data, encoders, prepared, folder, resume=resume, on_epoch=on_epoch)
    # after training has chosen its epoch: the first time that test posts meet this network
    logits = {split: predict(network, prepared.inputs[split], run) for split in ("dev", "test")}
    result = replace(_judge(run, seed, folder, data, logits, trained, started), knowledge=knowledge)
    threshold = result.abstention.threshold
    write_artifact(folder / "artifact", run, network, prepared, data, result.test, threshold)
    return result


def _knowledge_of(run: RunConfig, prepared: Prepared | None) -> str:
    """The fingerprint of the texts beside the posts; empty where there are none."""
    if run.knowledge is None:
        return ""
    return (
        prepared.knowledge_fingerprint
        if prepared is not None
        else read_knowledge(run.knowledge).fingerprint()
    )


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
        outer=data.space.outer,
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
    temperature, threshold = chosen(logits["dev"], data.labels("dev"), run, space=data.space)

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
