"""What a study found: a table a setting and metric, and every comparison that was named before, with an
interval over seeds and posts, what it could have shown, and a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from crisislens.bench.study import Study
from crisislens.bench.trials import TrialResult
from crisislens.evaluation.power import verdict
from crisislens.evaluation.significance import MeanInterval, PairedDifference, holm, mean_interval
from crisislens.evaluation.two_way import two_way_differences

__all__ = ["Contrast", "Named", "StudyTable", "study_tables"]


@runtime_checkable
class Named(Protocol):
    """What a page and its tables say of a study, or of a benchmark that shows itself as one."""

    name: str
    title: str
    axis: str
    margin: float


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
        facts: Numbers that trials kept beside their scores, such as a chosen temperature: per system and
            fact its name, and under each condition the values seed by seed. They are of the setting, and
            stand in the table of its first metric.
        notes: What a reader must know.
    """

    setting: str
    metric: str
    points: tuple[float, ...]
    lines: tuple[tuple[str, tuple[MeanInterval | None, ...]], ...]
    contrasts: tuple[Contrast, ...]
    posts: int
    seconds: float
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
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
    tables = []
    for setting in study.settings:
        for metric in study.metrics:
            mine = [r for r in results if r.setting == setting and metric in r.hits]
            if mine:
                tables.append(_table(study, setting, metric, mine, resamples))
    return tables


def _table(
    study: Study[Any], setting: str, metric: str, results: Sequence[TrialResult], resamples: int
) -> StudyTable:
    points = tuple(at for at in study.points if any(r.at == at for r in results))
    cells: dict[tuple[str, float], dict[int, Float[np.ndarray, " n"]]] = {}
    for r in results:
        cells.setdefault((r.system, r.at), {})[r.seed] = r.scores(metric)
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
        facts=_facts(study, points, results) if metric == study.metrics[0] else (),
        notes=("results of different states of the code stand together",) if len(codes) > 1 else (),
    )


def _facts(
    study: Study[Any], points: Sequence[float], results: Sequence[TrialResult]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[tuple[str, str], dict[float, list[str]]] = {}
    for r in sorted(results, key=lambda r: (list(study.systems).index(r.system), r.seed)):
        for name, value in r.facts.items():
            # lists and texts are for those who read the file
            if isinstance(value, int | float):
                # a count is exact: 2,874 posts are not "2.87e+03"
                shown = f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
                found.setdefault((r.system, name), {}).setdefault(r.at, []).append(shown)
    return tuple(
        (f"{study.systems[system]}: {name}", tuple(", ".join(by_point.get(at, ())) for at in points))
        for (system, name), by_point in found.items()
    )


def _mean(seeds: dict[int, Float[np.ndarray, " n"]] | None) -> MeanInterval | None:
    return None if not seeds else mean_interval([float(scores.mean()) for scores in seeds.values()])


def _contrasts(
    study: Study[Any],
    metric: str,
    points: Sequence[float],
    cells: dict[tuple[str, float], dict[int, Float[np.ndarray, " n"]]],
    resamples: int,
) -> tuple[Contrast, ...]:
    found = _differences(study, metric, points, cells, resamples)
    # a claim that nothing is there is as easily made by chance as one that something is
    p = holm({str(named): d.p_value for named, (d, _) in found.items()})
    smaller = holm({str(named): d.equivalence_p for named, (d, _) in found.items()})
    return tuple(
        Contrast(
            a=study.systems[a],
            b=study.systems[b],
            at=at,
            difference=d,
            corrected_p=p[str((a, b, at))],
            corrected_equivalence_p=smaller[str((a, b, at))],
            seeds=seeds,
        )
        for (a, b, at), (d, seeds) in found.items()
    )


def _differences(
    study: Study[Any],
    metric: str,
    points: Sequence[float],
    cells: dict[tuple[str, float], dict[int, Float[np.ndarray, " n"]]],
    resamples: int,
) -> dict[tuple[str, str, float], tuple[PairedDifference, int]]:
    """Each pair under each condition, in the study's order, and how many seeds both have."""
    named = [(a, b, at) for a, b in study.pairs for at in points]
    groups: dict[tuple[int, ...], list[tuple[str, str, float]]] = {}
    for a, b, at in named:
        shared = cells.get((a, at), {}).keys() & cells.get((b, at), {}).keys()
        if shared:
            groups.setdefault(tuple(sorted(shared)), []).append((a, b, at))
    found: dict[tuple[str, str, float], tuple[PairedDifference, int]] = {}
    for seeds, wanted in groups.items():
        # all that has the same seeds is resampled together: drawing takes longer than comparing
        who = list(dict.fromkeys((system, at) for a, b, at in wanted for system in (a, b)))
        x = np.stack([np.stack([cells[one][seed] for seed in seeds]) for one in who])
        rows = [(who.index((a, at)), who.index((b, at))) for a, b, at in wanted]
        differences = two_way_differences(metric, x, rows, resamples=resamples, margin=study.margin)
        found.update({one: (d, len(seeds)) for one, d in zip(wanted, differences, strict=True)})
    return {one: found[one] for one in named if one in found}
