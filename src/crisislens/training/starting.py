"""All that is checked before a run is encoded, trained or written: what is there already is not
lost to a mistake in a run file.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from crisislens.core.errors import CacheError, ConfigError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.yaml_files import dump_yaml
from crisislens.data.labeled import LabeledData, check_parts
from crisislens.nn.hollow import hollow
from crisislens.nn.widths import FeatureWidths
from crisislens.training.config import RunConfig
from crisislens.training.devices import resolve_device

__all__ = [
    "check_free",
    "check_kept",
    "check_run",
    "check_scores",
    "check_seeds",
    "clear_seed",
    "kept_scores",
    "open_folder",
    "run_folder",
    "sole_training",
]


def run_folder(out: Path, run: RunConfig, seed: int) -> Path:
    """Where a seed of a run is written."""
    return out / run.name / f"seed-{seed}"


def check_seeds(
    run: RunConfig, data: LabeledData, seeds: Iterable[int], out: Path, *, resume: bool, overwrite: bool
) -> None:
    """Refuses, before the first seed trains, what would stop a later one.

    Arguments:
        run: The run file.
        data: Its labeled posts.
        seeds: Those that are to be trained.
        out: Results go to `OUT/NAME/seed-N`.
        resume: Whether a run that is there is gone on with.
        overwrite: Whether it is replaced.

    Raises:
        CacheError: If a run is there already, and neither is set.
        DataError: If no training can use the posts.
    """
    check_parts(data)
    for seed in seeds:
        check_free(run_folder(out, run, seed), resume=resume, overwrite=overwrite)


def check_free(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuses a folder in which a run lies that nobody said to go on with or to replace.

    Arguments:
        folder: Of a seed.
        resume: Whether a run that is there is gone on with.
        overwrite: Whether it is replaced.

    Raises:
        CacheError: If it holds a run, and neither is set.
    """
    if resume or overwrite or not (folder / "run.yaml").is_file():
        return
    # written last, so it tells a finished run from one that was interrupted
    raise _taken(folder, finished=(folder / "metrics.json").is_file())


def _taken(folder: Path, *, finished: bool) -> CacheError:
    what = "a finished run" if finished else "a run that was interrupted"
    keep = "--resume keeps it" if finished else "--resume goes on with it"
    return CacheError(
        f"{folder} holds {what}; {keep}, --overwrite replaces it, or give another --out or name"
    )


def kept_scores(
    folder: Path, parts: Sequence[str], *, resume: bool, overwrite: bool
) -> dict[str, object] | None:
    """The scores of a finished seed of a rationale model that is kept; None where it is to be trained. Whose
    they are, `check_scores` asks.

    Arguments:
        folder: Of the seed.
        parts: What a seed that was interrupted leaves there.
        resume: Whether a run that is there is gone on with, or kept where it is finished.
        overwrite: Whether it is replaced.

    Raises:
        CacheError: If it holds a run, and neither is set; or if its scores cannot be read.
    """
    path = folder / "scores.json"
    # written last, so it tells a finished run from one that was interrupted
    finished = path.is_file()
    if overwrite or not (finished or any((folder / part).exists() for part in parts)):
        return None
    if not resume:
        raise _taken(folder, finished=finished)
    if not finished:
        return None
    try:
        scores: dict[str, object] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CacheError(f"{path} cannot be read ({error}); train the seed anew with --overwrite") from error
    return scores


def check_scores(folder: Path, scores: Mapping[str, object], mark: str) -> None:
    """Refuses scores that would pass as those of another run.

    Arguments:
        folder: Of the seed.
        scores: What `kept_scores` found there.
        mark: The fingerprint of the run and its data, which they must hold as `mark`.

    Raises:
        CacheError: If they are of another run or of other data, or do not say of which.
    """
    if scores.get("mark") == mark:
        return
    whose = "was made by another run file or from other data"
    if "mark" not in scores:
        whose = "does not say which run file and data it was made from"
    raise CacheError(
        f"{folder} {whose}; give another --out or name, or replace it with --overwrite instead of --resume"
    )


def check_kept(
    folders: Iterable[Path],
    parts: Sequence[str],
    mark: Callable[[], str],
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Refuses, before the first seed of a rationale model trains, what would stop a later one.

    Arguments:
        folders: Of the seeds.
        parts: What a seed that was interrupted leaves there.
        mark: Reads the sources, and gives the fingerprint of the run and its data.
        resume: Whether a run that is there is gone on with, or kept where it is finished.
        overwrite: Whether it is replaced.

    Raises:
        CacheError: If one holds a run, and neither is set; or if it was made by another run.
    """
    kept = [(folder, kept_scores(folder, parts, resume=resume, overwrite=overwrite)) for folder in folders]
    expected = mark()
    for folder, scores in kept:
        if scores is not None:
            check_scores(folder, scores, expected)


def clear_seed(folder: Path, parts: Sequence[str]) -> None:
    """Takes away what an earlier training of a rationale model left: should this one be killed, it would pass
    as this one's.

    Arguments:
        folder: Of the seed.
        parts: What is taken away beside the scores.
    """
    (folder / "scores.json").unlink(missing_ok=True)
    for part in parts:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        else:
            (folder / part).unlink(missing_ok=True)


def sole_training(folder: Path) -> AbstractContextManager[None]:
    """Holds a seed against other trainings: two of them would write into one checkpoint, and the one that
    ends last would pass as both.

    Arguments:
        folder: Of the seed; what is held stands beside it, so that a folder appears only with its run.

    Raises:
        InputError: On entering, if another training holds it, or the folder above cannot be made.
    """
    busy = f"another training is writing into {folder}; wait until it is done, or give another --out or name"
    return sole_writer(folder.parent, lock=f".{folder.name}.lock", busy=busy)


def check_run(run: RunConfig, data: LabeledData, widths: FeatureWidths) -> None:
    """Refuses whatever a run file can be wrong about.

    Arguments:
        run: The run file.
        data: Its labeled posts.
        widths: Of its encoder.

    Raises:
        CrisisLensError: In one sentence.
    """
    resolve_device(run.device)
    check_parts(data)
    # options are checked without drawing random numbers
    with hollow():
        model = run.model.build(widths, len(data.space))
    if model.reads_captions and (run.knowledge is None or run.knowledge.join != "apart"):
        raise ConfigError(
            f"model {run.model.name!r} reads captions, but none stand beside the posts; set knowledge with "
            f"join: apart, or captions: false"
        )


def open_folder(folder: Path, run: RunConfig, data: str, *, resume: bool) -> None:
    """Prepares the folder of a seed; a checkpoint goes on only over the data that it was made from.

    Arguments:
        folder: Of the seed.
        run: The run file.
        data: The fingerprint of the labeled posts.
        resume: Whether to keep a checkpoint.

    Raises:
        CacheError: If the checkpoint is of other data.
    """
    mark = folder / "data.fingerprint"
    known = mark.read_text(encoding="utf-8") if mark.is_file() else data
    if resume and (folder / "checkpoint.ckpt").is_file() and known != data:
        raise CacheError(
            f"{folder} holds the checkpoint of a run on other data; give another --out or name, or replace "
            f"it with --overwrite instead of --resume"
        )
    if not resume:
        (folder / "checkpoint.ckpt").unlink(missing_ok=True)
    # what an earlier run made would pass as this one's, should this one be killed
    for name in ("metrics.json", "predictions.parquet"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "artifact", ignore_errors=True)
    atomic_write(mark, data)
    atomic_write(folder / "run.yaml", dump_yaml(run.as_dict()))
