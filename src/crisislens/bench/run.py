"""Runs a grid: what can run here is run once, what cannot is named with the reason, what is done is
skipped.

Cells that train on the same features share them in memory, and are run one after the other by one
process; several processes may share the work. A killed grid loses the epoch that it was in:
finished runs are known by their key, and the run under way goes on from its checkpoint.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from crisislens.bench.cells import Blocked, GridRun, Say, run_group
from crisislens.bench.grid import Cell, Grid
from crisislens.bench.processes import say_up, share
from crisislens.core.allocator import keep_freed_memory
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.fingerprint import fingerprint

__all__ = ["read_blocked", "run_grid", "write_blocked"]


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
            share(
                _in_a_process,
                [(grid.table, group, out, cache) for group in groups],
                jobs=jobs,
                say=say,
                done=lambda part: _add(total, part),
            )
        write_blocked(out, [(cell.name, cell.setting) for cell in grid.cells], total.blocked)
    return total


def write_blocked(out: Path, asked: Iterable[tuple[str, str]], blocked: Sequence[Blocked]) -> None:
    """Writes which cells could not run, keeping what earlier runs of other cells said.

    Arguments:
        out: The folder of the results.
        asked: Row and setting of every cell of this run.
        blocked: Those of them that could not run.
    """
    # a grid of some rows must not forget why others could not run
    kept = {(b.row, b.setting): b for b in read_blocked(out)}
    for cell in asked:
        kept.pop(cell, None)
    kept.update({(b.row, b.setting): b for b in blocked})
    text = json.dumps([vars(b) for b in kept.values()], indent=1, ensure_ascii=False)
    atomic_write(out / "blocked.json", text + "\n")


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


def _in_a_process(table: str, cells: list[Cell], out: Path, cache: Path) -> GridRun:
    return run_group(table, cells, out, cache, say_up)
