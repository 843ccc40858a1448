"""Runs a grid: what can run here is run once, what cannot is named with the reason, what is done is skipped.

Cells that train on the same features share them in memory, and are run one after the other by one process; several processes may share the
work. A killed grid loses the epoch that it was in: finished runs are known by their key, and the run under way goes on from its checkpoint.
"""

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait as wait_for
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from crisislens.bench.grid import Cell, Grid
from crisislens.bench.results import BenchResult, append_result, code_fingerprint, key_of, provenance, read_results
from crisislens.core.allocator import keep_freed_memory
from crisislens.core.errors import CacheError, ConfigError, DataError, ImageError, MissingExtraError, ModelError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import resolve_image
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.training.config import RunConfig
from crisislens.training.data import TaskData, load_data
from crisislens.training.features import Prepared, prepare, read_knowledge
from crisislens.training.fit import RunResult, fit, run_folder

__all__ = ["Blocked", "GridRun", "read_blocked", "run_grid"]

_LEAST_PHOTOS = 0.9
_LISTEN = 0.5
# of a process that shares the work
_lines: "SimpleQueue[str] | None" = None
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


def run_grid(grid: Grid, out: Path, *, cache: Path, jobs: int = 1, say: Say = lambda _: None) -> GridRun:
    """Runs all cells that can run.

    Arguments:
        grid: The grid.
        out: Results go to `OUT/results.jsonl`, runs to `OUT/runs`, reasons to `OUT/blocked.json`.
        cache: The root of feature caches.
        jobs: Processes.
        say: Told of every finished run and every blocked cell.

    Raises:
        CrisisLensError: If something fails that is not a matter of one cell, or another grid runs into the folder.
    """
    total, groups = GridRun(), list(_groups(grid.cells).values())
    if len(groups) < jobs:
        # features are then read once a process
        groups = [part for group in groups for part in _by_seed(group)]
    # the largest first, so that no process is left alone with one at the end
    groups.sort(key=len, reverse=True)
    with sole_writer(out):
        if jobs <= 1:
            keep_freed_memory()
            for group in groups:
                _add(total, _run_group(grid.table, group, out, cache, say))
        else:
            _share(grid.table, groups, out, cache, jobs, say, total)
        kept = {(b.row, b.setting): b for b in read_blocked(out)}
        for cell in grid.cells:
            kept.pop((cell.name, cell.setting), None)
        kept.update({(b.row, b.setting): b for b in total.blocked})
        atomic_write(out / "blocked.json", json.dumps([vars(b) for b in kept.values()], indent=1, ensure_ascii=False) + "\n")
    return total


def _share(table: str, groups: Sequence[list[Cell]], out: Path, cache: Path, jobs: int, say: Say, total: GridRun) -> None:
    """Lets processes share the groups; what goes wrong ends all of them, and the next start goes on from their checkpoints."""
    context = multiprocessing.get_context("spawn")
    lines = context.SimpleQueue()

    def listen() -> None:
        while not lines.empty():
            say(lines.get())

    pool = ProcessPoolExecutor(min(jobs, len(groups)), mp_context=context, initializer=_start, initargs=(lines,))
    try:
        waiting = {pool.submit(_in_a_process, table, group, out, cache) for group in groups}
        while waiting:
            done, waiting = wait(waiting, timeout=_LISTEN, return_when=FIRST_COMPLETED)
            listen()
            for future in done:
                _add(total, future.result())
    except BaseException as error:
        # a pool that is shut down lets its processes finish what they do, which may be half an hour
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(cancel_futures=True)
        listen()
        if isinstance(error, BrokenProcessPool):
            raise ModelError("a process of the grid was killed (too little memory?); start it again with fewer --jobs") from error
        raise
    pool.shutdown()


def read_blocked(out: Path) -> list[Blocked]:
    """The cells that could not run, of all grids that were run into a folder."""
    path = out / "blocked.json"
    if not path.is_file():
        return []
    try:
        return [Blocked(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError):
        return []


def _add(total: GridRun, part: GridRun) -> None:
    total.done += part.done
    total.known += part.known
    total.blocked += part.blocked


def _groups(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells by what they train on."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        run = cell.run.model_dump(
            mode="json", include={"data", "rules", "limits", "encoder", "mode", "tune", "modalities", "keep_tokens", "knowledge"}
        )
        # networks with encoders share nothing; rows with published numbers need more photos than others
        alone = cell.name if cell.run.mode == "finetune" else str(bool(cell.row.published))
        groups.setdefault(f"{cell.setting} {alone} {fingerprint(run)}", []).append(cell)
    return groups


def _by_seed(group: Sequence[Cell]) -> list[list[Cell]]:
    """The cells of a group with one seed each, seed by seed."""
    parts: dict[int, list[Cell]] = {}
    for cell in group:
        for seed in cell.run.seeds:
            parts.setdefault(seed, []).append(replace(cell, run=cell.run.model_copy(update={"seeds": (seed,)})))
    return list(parts.values())


def _start(lines: "SimpleQueue[str]") -> None:
    """Of each process: one thread, where what it says goes, and an end when the parent's comes."""
    global _lines
    from crisislens.nn.device import set_threads

    _lines = lines
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    set_threads(1)
    keep_freed_memory()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _in_a_process(table: str, cells: list[Cell], out: Path, cache: Path) -> GridRun:
    assert _lines is not None
    return _run_group(table, cells, out, cache, _lines.put)


def _run_group(table: str, cells: Sequence[Cell], out: Path, cache: Path, say: Say) -> GridRun:
    """Runs cells that train on the same features."""
    part = GridRun()
    found, reasons = _requirements(cells[0])
    if found is None:
        part.blocked = [Blocked(cell.name, cell.setting, reasons) for cell in cells]
        for cell in cells:
            say(f"{cell.setting} {cell.name}: cannot run here: {reasons}")
        return part
    data, knowledge, encoders = found
    features = _features_mark(cells[0].run, encoders)
    known = {result.key for result in read_results(out / "results.jsonl")}
    prepared: Prepared | None = None
    for cell in cells:
        for seed in cell.run.seeds:
            key = key_of(cell.run.fingerprint(), data.fingerprint, knowledge, features, seed)
            if key in known:
                part.known += 1
                continue
            try:
                if prepared is None and cell.run.mode == "frozen":
                    prepared = prepare(cell.run, data, encoders, cache)
                result = _fit(cell.run, seed, key, out / "runs", cache, data, prepared)
            except (ModelError, ConfigError, CacheError) as error:
                part.blocked.append(Blocked(cell.name, cell.setting, str(error)))
                say(f"{cell.setting} {cell.name}, seed {seed}: failed: {error}")
                break
            append_result(out / "results.jsonl", _result(table, cell, seed, key, result, data, knowledge, features))
            part.done += 1
            score = 100 * result.test.report.weighted_f1.value
            say(f"{cell.setting} {cell.name}, seed {seed}: weighted F1 {score:.2f}, {result.seconds:.0f} s")
    return part


def _requirements(cell: Cell) -> tuple[tuple[TaskData, str, EncoderPair] | None, str]:
    """Posts, the mark of the texts beside them and encoders; or None, and everything that is missing."""
    reasons: list[str] = []
    data, knowledge, encoders = None, "", None
    try:
        data = load_data(cell.run.data)
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


def _fit(run: RunConfig, seed: int, key: str, out: Path, cache: Path, data: TaskData, prepared: Prepared | None) -> RunResult:
    """One run, gone on with where an earlier start of the same experiment left it; what another one left in its folder is replaced."""
    mark = run_folder(out, run, seed) / "key"
    # what older code began or finished is not called this code's
    marked = f"{key} {code_fingerprint()}"
    same = mark.is_file() and mark.read_text(encoding="utf-8") == marked
    if not same:
        atomic_write(mark, marked)
    return fit(run, seed=seed, out=out, cache=cache, resume=same, data=data, prepared=prepared)


def _result(table: str, cell: Cell, seed: int, key: str, found: RunResult, data: TaskData, knowledge: str, features: str) -> BenchResult:
    report = found.test.report
    clean = found.clean_test.report if found.clean_test else None
    beside = None if cell.run.knowledge is None else read_knowledge(cell.run.knowledge)
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
            **provenance(_device_name(cell.run)),
            "seconds": round(found.seconds, 2),
            "posts": {name: len(posts) for name, posts in data.splits.items()},
            "with_photo": _photos(data),
            "with_knowledge": {}
            if beside is None
            else {name: sum(bool(beside.of(p.post)) for p in posts) for name, posts in data.splits.items()},
            **{name: getattr(report, name).value for name in ("accuracy", "macro_f1", "weighted_f1")},
            "clean": None if clean is None else {name: getattr(clean, name).value for name in ("accuracy", "macro_f1", "weighted_f1")},
            "folder": f"runs/{cell.run.name}/seed-{seed}",
        }
    )


def _knowledge_mark(run: RunConfig) -> str:
    return "" if run.knowledge is None else read_knowledge(run.knowledge).fingerprint()


def _features_mark(run: RunConfig, encoders: EncoderPair) -> str:
    return PostEncoder(encoders, rules=run.rules, limits=run.limits, image_root=None).fingerprint()


def _photos(data: TaskData) -> dict[str, int]:
    return {name: sum(_has_photo(p.post.image, data) for p in posts) for name, posts in data.splits.items()}


def _has_photo(ref: object, data: TaskData) -> bool:
    from crisislens.domain.post import ImageRef

    if not isinstance(ref, ImageRef):
        return False
    try:
        return bool(resolve_image(ref, data.image_root))
    except ImageError:
        return False


def _check_photos(cell: Cell, data: TaskData) -> None:
    """A row with published numbers needs the photos that they were made with.

    Raises:
        DataError: If more than a tenth of those that posts name are missing.
    """
    if not cell.row.published or "image" not in cell.run.modalities:
        return
    named = sum(p.post.image is not None for posts in data.splits.values() for p in posts)
    there = sum(_photos(data).values())
    if there < _LEAST_PHOTOS * named:
        raise DataError(
            f"{there} of the {named} photos are here; get them with `crisislens data fetch crisismmd`; they belong in {data.image_root}"
        )


def _device_name(run: RunConfig) -> str:
    import torch

    if run.device == "cpu" or (run.device == "auto" and not torch.cuda.is_available()):
        return f"cpu, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else run.device
