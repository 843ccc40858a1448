"""What a study found: a table a setting and metric, and every comparison that was named before, with an
interval over seeds and posts, what it could have shown, and a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from crisislens.bench.cells import Blocked
from crisislens.bench.study import Study, TrialResult
from crisislens.evaluation.power import verdict
from crisislens.evaluation.significance import MeanInterval, PairedDifference, holm, mean_interval
from crisislens.evaluation.two_way import two_way_difference

__all__ = ["Contrast", "StudyTable", "study_markdown", "study_tables"]


@dataclass(frozen=True)
class Contrast:
    """Two systems under one condition.

    Attributes:
        a: The first system's title.
        b: The second's.
        at: The condition.
        difference: First minus second, over seeds and posts.
        corrected_p: After Holm's correction over all contrasts of the table.
        corrected_equivalence_p: Of "it is the margin or more", likewise.
        seeds: The seeds that both have.
    """

    a: str
    b: str
    at: float
    difference: PairedDifference
    corrected_p: float
    corrected_equivalence_p: float
    seeds: int

    @property
    def verdict(self) -> str:
        """What may be said after both corrections."""
        d = self.difference
        return verdict(d.difference, self.corrected_p, self.corrected_equivalence_p, d.margin)


@dataclass(frozen=True)
class StudyTable:
    """One metric in one setting.

    Attributes:
        setting: The data.
        metric: What is measured.
        points: The conditions that were run.
        lines: Per system its title and, per condition, the mean over seeds (None where not run).
        contrasts: The comparisons.
        posts: Test posts.
        seconds: Processor time of all trials.
        notes: What a reader must know.
    """

    setting: str
    metric: str
    points: tuple[float, ...]
    lines: tuple[tuple[str, tuple[MeanInterval | None, ...]], ...]
    contrasts: tuple[Contrast, ...]
    posts: int
    seconds: float
    notes: tuple[str, ...] = ()


def study_tables(
    study: Study[Any], results: Sequence[TrialResult], *, resamples: int = 20_000
) -> list[StudyTable]:
    """All tables of a study.

    Arguments:
        study: The study.
        results: Its trials.
        resamples: Of the bootstraps over seeds and posts.
    """
    settings = [s for s in study.settings if any(r.setting == s for r in results)]
    return [
        _table(study, setting, metric, [r for r in results if r.setting == setting], resamples)
        for setting in settings
        for metric in study.metrics
    ]


def _table(
    study: Study[Any], setting: str, metric: str, results: Sequence[TrialResult], resamples: int
) -> StudyTable:
    points = tuple(at for at in study.points if any(r.at == at for r in results))
    cells: dict[tuple[str, float], dict[int, Bool[np.ndarray, " n"]]] = {}
    for r in results:
        cells.setdefault((r.system, r.at), {})[r.seed] = r.right(metric)
    lines = tuple(
        (title, tuple(_mean(cells.get((system, at))) for at in points))
        for system, title in study.systems.items()
        if any((system, at) in cells for at in points)
    )
    codes = {r.code for r in results}
    return StudyTable(
        setting=setting,
        metric=metric,
        points=points,
        lines=lines,
        contrasts=_contrasts(study, metric, points, cells, resamples),
        posts=results[0].posts,
        seconds=sum(r.seconds for r in results),
        notes=("results of different states of the code stand together",) if len(codes) > 1 else (),
    )


def _mean(seeds: dict[int, Bool[np.ndarray, " n"]] | None) -> MeanInterval | None:
    return None if not seeds else mean_interval([float(right.mean()) for right in seeds.values()])


def _contrasts(
    study: Study[Any],
    metric: str,
    points: Sequence[float],
    cells: dict[tuple[str, float], dict[int, Bool[np.ndarray, " n"]]],
    resamples: int,
) -> tuple[Contrast, ...]:
    found: dict[str, Contrast] = {}
    for a, b in study.pairs:
        for at in points:
            one, two = cells.get((a, at), {}), cells.get((b, at), {})
            shared = sorted(one.keys() & two.keys())
            if not shared:
                continue
            left, right = (np.stack([side[s] for s in shared]).astype(np.float64) for side in (one, two))
            d = two_way_difference(metric, left, right, resamples=resamples, margin=study.margin)
            titles = study.systems[a], study.systems[b]
            found[f"{a} {b} {at}"] = Contrast(*titles, at, d, d.p_value, d.equivalence_p, len(shared))
    p = holm({name: one.difference.p_value for name, one in found.items()})
    smaller = holm({name: one.difference.equivalence_p for name, one in found.items()})
    return tuple(
        replace(one, corrected_p=p[name], corrected_equivalence_p=smaller[name])
        for name, one in found.items()
    )


def study_markdown(study: Study[Any], tables: Sequence[StudyTable], blocked: Sequence[Blocked]) -> str:
    """The tables as Markdown."""
    parts = [f"# {study.title}"]
    for table in tables:
        parts += [
            f"## {table.setting}: {table.metric}",
            f"{table.posts} test posts; percent, mean and 95 % t interval over seeds; {table.seconds:.0f} s of "
            f"processor time for all trials of the setting.",
            *table.notes,
            _rows([study.axis, *(f"{at:g}" for at in table.points)], _means(table)),
            _rows(CONTRAST_COLUMNS, [contrast_cells(one) for one in table.contrasts]),
        ]
    parts += [f"{one.setting}: cannot run here: {one.reason}" for one in blocked]
    return "\n\n".join(parts) + "\n"


CONTRAST_COLUMNS = ("first", "second", "at", "difference, 95 %", "p", "could have shown", "verdict")


def contrast_cells(one: Contrast) -> tuple[str, ...]:
    """A comparison as text, in the order of `CONTRAST_COLUMNS`; p after Holm's correction."""
    d = one.difference
    spread = f"{100 * d.difference:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
    p = f"{one.corrected_p:.4f}"
    return (one.a, one.b, f"{one.at:g}", spread, p, f"{100 * d.detectable:.1f}", one.verdict)


def _means(table: StudyTable) -> list[tuple[str, ...]]:
    return [(title, *("–" if m is None else m.percent() for m in means)) for title, means in table.lines]


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
