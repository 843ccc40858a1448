"""One group of cells: what they need, their trainings one after the other on shared features, and
what is kept of each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crisislens.bench.grid import Cell
from crisislens.bench.results import (
    BenchResult,
    append_result,
    code_fingerprint,
    key_of,
    provenance,
    read_bench_results,
)
from crisislens.core.errors import (
    CacheError,
    ConfigError,
    DataError,
    MissingExtraError,
    ModelError,
)
from crisislens.core.files import atomic_write
from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.evaluation.classification import ClassificationReport
from crisislens.features.encode import PostEncoder
from crisislens.training.config import RunConfig
from crisislens.training.devices import device_name
from crisislens.training.features import Prepared, prepare, read_knowledge
from crisislens.training.fit import RunResult, fit, run_folder

__all__ = ["Blocked", "GridRun", "Say", "run_group"]

_LEAST_PHOTOS = 0.9
Say = Callable[[str], None]


@dataclass(frozen=True)
class Blocked:
    """A cell that cannot run here.

    Attributes:
        row: The row's name.
        setting: The setting.
        reason: Why, and what would be needed.
    """

    row: str
    setting: str
    reason: str


@dataclass
class GridRun:
    """What running a grid came to.

    Attributes:
        done: Runs that were finished now.
        known: Runs that were finished before.
        blocked: Cells that cannot run here.
    """

    done: int = 0
    known: int = 0
    blocked: list[Blocked] = field(default_factory=list)


def run_group(table: str, cells: Sequence[Cell], out: Path, cache: Path, say: Say) -> GridRun:
    """Runs cells that train on the same features; those that cannot run, and those that fail, stand
    in `blocked` with the reason.

    Arguments:
        table: The grid's table.
        cells: The cells.
        out: Results go to `OUT/results.jsonl`, runs to `OUT/runs`.
        cache: The root of feature caches.
        say: Told of every finished run and every blocked cell.
    """
    part = GridRun()
    found, reasons = _requirements(cells[0])
    if found is None:
        part.blocked = [Blocked(cell.name, cell.setting, reasons) for cell in cells]
        for cell in cells:
            say(f"{cell.setting} {cell.name}: cannot run here: {reasons}")
        return part
    data, knowledge, encoders = found
    # cells of a group share data, encoders and cleaning, so one of them stands for all
    features = _features_mark(cells[0].run, encoders)
    known = {result.key for result in read_bench_results(out / "results.jsonl")}
    prepared: Prepared | None = None
    for cell in cells:
        for seed in cell.run.seeds:
            key = key_of(cell.run.fingerprint(), data.fingerprint, knowledge, features, seed)
            if key in known:
                part.known += 1
                continue
            try:
                # not before a cell needs them: a grid whose cells are all known reads no features
                if prepared is None and cell.run.mode == "frozen":
                    prepared = prepare(cell.run, data, encoders, cache)
                result = _fit(cell.run, seed, key, out / "runs", cache, data, prepared)
            # one cell's matter; anything else would meet the other cells too, and ends the grid
            except (ModelError, ConfigError, CacheError) as error:
                part.blocked.append(Blocked(cell.name, cell.setting, str(error)))
                say(f"{cell.setting} {cell.name}, seed {seed}: failed: {error}")
                break
            append_result(
                out / "results.jsonl", _result(table, cell, seed, key, result, data, knowledge, features)
            )
            part.done += 1
            score = 100 * result.test.report.weighted_f1.value
            say(f"{cell.setting} {cell.name}, seed {seed}: weighted F1 {score:.2f}, {result.seconds:.0f} s")
    return part


def _requirements(cell: Cell) -> tuple[tuple[LabeledData, str, EncoderPair] | None, str]:
    """Posts, the mark of the texts beside them and encoders; or None, and everything that is
    missing.
    """
    reasons: list[str] = []
    data, knowledge, encoders = None, "", None
    try:
        data = load_labeled(cell.run.data, cell.run.task)
        _check_photos(cell, data)
    except DataError as error:
        reasons.append(str(error))
    try:
        knowledge = _knowledge_mark(cell.run)
    except DataError as error:
        reasons.append(str(error))
    try:
        encoders = load_encoders(cell.run.encoder)
    except (ModelError, MissingExtraError) as error:
        reasons.append(str(error))
    if reasons or data is None or encoders is None:
        return None, "; ".join(reasons)
    return (data, knowledge, encoders), ""


def _fit(
    run: RunConfig, seed: int, key: str, out: Path, cache: Path, data: LabeledData, prepared: Prepared | None
) -> RunResult:
    """One run, gone on with where an earlier start of the same experiment left it; what another one
    left in its folder is replaced.
    """
    mark = run_folder(out, run, seed) / "key"
    # what older code began or finished is not called this code's
    marked = f"{key} {code_fingerprint()}"
    same = mark.is_file() and mark.read_text(encoding="utf-8") == marked
    if not same:
        atomic_write(mark, marked)
    return fit(
        run, seed=seed, out=out, cache=cache, resume=same, overwrite=not same, data=data, prepared=prepared
    )


def _result(
    table: str,
    cell: Cell,
    seed: int,
    key: str,
    found: RunResult,
    data: LabeledData,
    knowledge: str,
    features: str,
) -> BenchResult:
    report = found.test.report
    clean = found.clean_test.report if found.clean_test else None
    return BenchResult.model_validate(
        {
            "key": key,
            "table": table,
            "row": cell.name,
            "setting": cell.setting,
            "seed": seed,
            "config": cell.run.fingerprint(),
            "data": data.fingerprint,
            "knowledge": knowledge,
            "features": features,
            **provenance(device_name(cell.run.device)),
            "seconds": round(found.seconds, 2),
            "posts": {name: len(posts) for name, posts in data.splits.items()},
            "with_photo": data.photos(),
            "with_knowledge": _knowledge_counts(cell.run, data),
            **_values(report),
            "clean": None if clean is None else _values(clean),
            "folder": f"runs/{cell.run.name}/seed-{seed}",
        }
    )


def _values(report: ClassificationReport) -> dict[str, float]:
    """The numbers that a table shows of a report."""
    return {name: getattr(report, name).value for name in ("accuracy", "macro_f1", "weighted_f1")}


def _knowledge_counts(run: RunConfig, data: LabeledData) -> dict[str, int]:
    """How many posts of each split have knowledge beside them; nothing where the row uses none."""
    if run.knowledge is None:
        return {}
    beside = read_knowledge(run.knowledge)
    found = {}
    for name, posts in data.splits.items():
        found[name] = sum(bool(beside.of(labeled.post)) for labeled in posts)
    return found


def _knowledge_mark(run: RunConfig) -> str:
    return "" if run.knowledge is None else read_knowledge(run.knowledge).fingerprint()


def _features_mark(run: RunConfig, encoders: EncoderPair) -> str:
    return PostEncoder(encoders, rules=run.rules, limits=run.limits, image_root=None).fingerprint()


def _check_photos(cell: Cell, data: LabeledData) -> None:
    """A row with published numbers needs the photos that they were made with.

    Raises:
        DataError: If more than a tenth of those that posts name are missing.
    """
    if not cell.row.published or "image" not in cell.run.modalities:
        return
    # of the photos that posts name: posts without one are no fault of the folder
    named = sum(p.post.image is not None for posts in data.splits.values() for p in posts)
    there = sum(data.photos().values())
    if there < _LEAST_PHOTOS * named:
        raise DataError(
            f"{there} of the {named} photos are here; get them with `crisislens data fetch crisismmd`; they "
            f"belong in {data.image_root}"
        )
