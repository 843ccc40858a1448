"""Runs a grid: what can run here is run once, what cannot is named with the reason, what is done is
skipped.

Cells that train on the same features share them in memory, and are run one after the other by one
process; several processes may share the work. A killed grid loses the epoch that it was in:
finished runs are known by their key, and the run under way goes on from its checkpoint.
"""

import json
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.connection import wait as wait_for
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from crisislens.bench.cells import Blocked, GridRun, Say, run_group
from crisislens.bench.grid import Cell, Grid
from crisislens.core.allocator import keep_freed_memory
from crisislens.core.errors import ModelError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.fingerprint import fingerprint

__all__ = ["read_blocked", "run_grid"]

_LISTEN = 0.5
# of a process that shares the work
_lines: "SimpleQueue[str] | None" = None


def run_grid(grid: Grid, out: Path, *, cache: Path, jobs: int = 1, say: Say = lambda _: None) -> GridRun:
    """Runs all cells that can run.

    Arguments:
        grid: The grid.
        out: Results go to `OUT/results.jsonl`, runs to `OUT/runs`, reasons to `OUT/blocked.json`.
        cache: The root of feature caches.
        jobs: Processes.
        say: Told of every finished run and every blocked cell.

    Raises:
        CrisisLensError: If something fails that is not a matter of one cell, or another grid runs
            into the folder.
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
                _add(total, run_group(grid.table, group, out, cache, say))
        else:
            _share(grid.table, groups, out, cache, jobs, say, total)
        # a grid of some rows must not forget why others could not run
        kept = {(b.row, b.setting): b for b in read_blocked(out)}
        for cell in grid.cells:
            kept.pop((cell.name, cell.setting), None)
        kept.update({(b.row, b.setting): b for b in total.blocked})
        atomic_write(
            out / "blocked.json",
            json.dumps([vars(b) for b in kept.values()], indent=1, ensure_ascii=False) + "\n",
        )
    return total


def _share(
    table: str, groups: Sequence[list[Cell]], out: Path, cache: Path, jobs: int, say: Say, total: GridRun
) -> None:
    """Lets processes share the groups; what goes wrong ends all of them, and the next start goes on
    from their checkpoints.
    """
    # not fork: torch's threads do not survive it
    context = multiprocessing.get_context("spawn")
    lines = context.SimpleQueue()

    def listen() -> None:
        while not lines.empty():
            say(lines.get())

    pool = ProcessPoolExecutor(
        min(jobs, len(groups)), mp_context=context, initializer=_start, initargs=(lines,)
    )
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
            raise ModelError(
                "a process of the grid was killed (too little memory?); start it again with fewer --jobs"
            ) from error
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
            mode="json",
            include={
                "data",
                "rules",
                "limits",
                "encoder",
                "mode",
                "tune",
                "modalities",
                "keep_tokens",
                "knowledge",
            },
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
            parts.setdefault(seed, []).append(
                replace(cell, run=cell.run.model_copy(update={"seeds": (seed,)}))
            )
    return list(parts.values())


def _start(lines: "SimpleQueue[str]") -> None:
    """Of each process: one thread, where what it says goes, and an end when the parent's comes."""
    global _lines
    from crisislens.nn.device import set_threads

    # a process is told once, at its start: a queue cannot travel with each task
    _lines = lines
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    set_threads(1)
    keep_freed_memory()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        # not sys.exit, which would end this thread only
        os._exit(1)


def _in_a_process(table: str, cells: list[Cell], out: Path, cache: Path) -> GridRun:
    assert _lines is not None
    return run_group(table, cells, out, cache, _lines.put)
