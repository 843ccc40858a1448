"""Entities and relations as the other studies show themselves: trainings shared by processes, and
results as tables over the share of shuffled contexts.

The trainings, their store and the comparisons are `training.extraction.mie`'s: micro F1 is no mean
over posts, so a difference is that of counts summed over resampled posts and seeds
(`evaluation.extraction.paired_f1`), and what stands beside it is what every study has.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crisislens.bench.cells import Say
from crisislens.bench.processes import say_up, share
from crisislens.bench.study_table import Contrast, StudyTable
from crisislens.evaluation.significance import MeanInterval, mean_interval
from crisislens.training.extraction.config import ExtractionRun
from crisislens.training.extraction.fit import ExtractionEpoch
from crisislens.training.extraction.mie import SystemResult, Tuning, read_all, system_of, train_one
from crisislens.training.extraction.systems import PUBLISHED

__all__ = ["MIE", "MieTitle", "epoch_line", "mie_tables", "share_trainings"]

_TITLES = {
    "text": "text alone",
    "context": "with context",
    "info_nce": "InfoNCE",
    "shap_ca": "Shapley values, softmax form",
    "shap_ca_margin": "Shapley values, margin form",
}


class MieTitle:
    """What a page and its tables say of the benchmark."""

    name = "mie"
    title = "Entities and relations: what context, InfoNCE and Shapley values each add"
    axis = "share of shuffled contexts"
    margin = 0.01


MIE: Final = MieTitle()


def share_trainings(runs: Sequence[ExtractionRun], out: Path, tuning: Tuning, *, jobs: int, say: Say) -> None:
    """Trains what is not done yet, each training in one of several processes with one thread.

    Arguments:
        runs: See `mie_runs`.
        out: The folder of results.
        tuning: How temperatures are chosen.
        jobs: Processes.
        say: Told of every epoch.

    Raises:
        DataError: If files are missing, before anything is trained.
        CrisisLensError: What a training raised.
    """
    read_all(runs)
    tasks = [(run, out, tuning) for run in runs]
    share(_in_a_process, tasks, jobs=jobs, say=say, done=lambda _: None)


def _in_a_process(run: ExtractionRun, out: Path, tuning: Tuning) -> None:
    def report(name: str, epoch: ExtractionEpoch) -> None:
        say_up(epoch_line(name, epoch))

    train_one(run, out, tuning, splits=read_all([run])[run.data], report=report)


def epoch_line(name: str, epoch: ExtractionEpoch) -> str:
    """What is said of a finished epoch."""
    return f"{name}: epoch {epoch.epoch}, dev F1 {100 * epoch.dev_f1:.2f}, {epoch.seconds:.0f} s"


def mie_tables(rows: Sequence[SystemResult]) -> list[StudyTable]:
    """A table a data set: a line a system, a column a share, every comparison below.

    Arguments:
        rows: What `show_mie` found.
    """
    return [
        _table(data, [row for row in rows if row.data == data])
        for data in dict.fromkeys(r.data for r in rows)
    ]


def _table(data: str, rows: Sequence[SystemResult]) -> StudyTable:
    points = tuple(sorted({_share(row) for row in rows}))
    lines: dict[str, dict[float, SystemResult]] = {}
    for row in rows:
        lines.setdefault(_title(row), {})[_share(row)] = row
        if _reads_no_context(row):
            # nothing that could be shuffled: the same trainings belong to every share
            lines[_title(row)].update(dict.fromkeys(points, row))
    return StudyTable(
        setting=data,
        metric="micro F1",
        points=points,
        lines=tuple((title, _means(cells, points)) for title, cells in lines.items()),
        contrasts=tuple(_contrast(row, rows) for row in rows if row.difference is not None),
        posts=max(len(r.counts) for row in rows for r in row.results),
        seconds=sum(r.seconds for row in rows for r in row.results),
        facts=tuple(fact for title, cells in lines.items() for fact in _facts(title, cells, points)),
        notes=_notes(data, rows, points),
    )


def _means(cells: dict[float, SystemResult], points: Sequence[float]) -> tuple[MeanInterval | None, ...]:
    def mean(row: SystemResult | None) -> MeanInterval | None:
        return None if row is None else mean_interval([r.test.micro.f1 for r in row.results])

    return tuple(mean(cells.get(at)) for at in points)


def _contrast(row: SystemResult, rows: Sequence[SystemResult]) -> Contrast:
    d = row.difference
    assert d is not None
    [other] = [one for one in rows if one.system == row.against]
    return Contrast(
        a=_title(row),
        b=_title(other),
        at=_share(row),
        difference=d,
        corrected_p=row.corrected_p,
        corrected_equivalence_p=row.corrected_equivalence_p,
        seeds=len({r.seed for r in row.results} & {r.seed for r in other.results}),
    )


def _facts(
    title: str, cells: dict[float, SystemResult], points: Sequence[float]
) -> list[tuple[str, tuple[str, ...]]]:
    """The chosen temperatures and what each candidate came to on dev, seed by seed."""
    seeds = {at: sorted(row.results, key=lambda r: r.seed) for at, row in cells.items()}
    tried = list(dict.fromkeys(t for rs in seeds.values() for r in rs for t in r.temperatures))
    if not tried:
        return []
    chosen = {
        at: [f"{r.run.extractor.alignment.temperature:g}" for r in rs if r.run.extractor.alignment]
        for at, rs in seeds.items()
    }
    found = [(f"{title}: temperature", tuple(", ".join(chosen.get(at, ())) for at in points))]
    for t in tried:
        on_dev = {
            at: [f"{100 * r.temperatures[t]:.1f}" for r in rs if t in r.temperatures]
            for at, rs in seeds.items()
        }
        found.append((f"{title}: dev F1 at {t}", tuple(", ".join(on_dev.get(at, ())) for at in points)))
    return found


def _notes(data: str, rows: Sequence[SystemResult], points: Sequence[float]) -> tuple[str, ...]:
    notes = []
    if len(points) > 1 and any(_reads_no_context(row) for row in rows):
        notes.append("text alone reads no context: the same trainings stand under every share")
    if len({repr(r.versions) for row in rows for r in row.results}) > 1:
        notes.append("results of different versions stand together")
    if data in PUBLISHED:
        notes.append(f"published elsewhere, with far larger encoders: {PUBLISHED[data]}")
    return tuple(notes)


def _reads_no_context(row: SystemResult) -> bool:
    return row.results[0].run.data.contexts == "none"


def _share(row: SystemResult) -> float:
    return row.results[0].run.data.shuffled_contexts


def _title(row: SystemResult) -> str:
    """The system's title, with what is unusual of the run behind it."""
    name = row.results[0].run.name
    system = system_of(name, row.data)
    share = f"shuffled{100 * _share(row):g}"
    rest = name.removeprefix(f"{row.data}-{system}").strip("-")
    unusual = [part for part in rest.split("-") if part and part != share]
    return _TITLES[system] + (f" ({' '.join(unusual)})" if unusual else "")
