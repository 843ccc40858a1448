"""The benchmark of multimodal information extraction: what context, InfoNCE and Shapley values each
add, on the same posts and seeds.

The systems and data sets stand in `systems`. Every difference comes with a paired bootstrap over
seeds and posts, and its p-value with Holm's correction over those of a data set. Published numbers
(`systems.PUBLISHED`) belong to far larger encoders and, mostly, to real pictures; they stand in a
column of their own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from crisislens.core.errors import DataError, InputError
from crisislens.evaluation.extraction import paired_f1
from crisislens.evaluation.power import verdict
from crisislens.evaluation.significance import PairedDifference, holm, mean_interval
from crisislens.training.extraction.config import ExtractionData, ExtractionRun
from crisislens.training.extraction.fit import ExtractionEpoch
from crisislens.training.extraction.run import SeedResult, read_results, run_extraction
from crisislens.training.extraction.splits import ExtractionSplits, load_splits
from crisislens.training.extraction.systems import DATA_SETS, SYSTEMS, WITHOUT_CONTEXTS, mie_run
from crisislens.training.extraction.tuned import check_temperatures, has_temperature, run_tuned

__all__ = [
    "SystemResult",
    "Tuning",
    "compare_systems",
    "mie_runs",
    "read_all",
    "run_mie",
    "show_mie",
    "system_of",
    "train_one",
]


@dataclass(frozen=True)
class SystemResult:
    """What one system came to on one data set, beside the system before it.

    Attributes:
        data: The data set.
        system: The system.
        results: Its seeds.
        f1: Micro F1 on the test posts in percent, with a t interval over seeds, or of one training
            with that over posts.
        against: The system that it is compared with; empty for the first.
        difference: Their paired difference over the seeds that both have; None for the first.
        corrected_p: Its p-value after Holm's correction over all comparisons on the data set.
        corrected_equivalence_p: Of "the difference is the margin or more", corrected likewise.
    """

    data: str
    system: str
    results: list[SeedResult]
    f1: str
    against: str = ""
    difference: PairedDifference | None = None
    corrected_p: float = 1.0
    corrected_equivalence_p: float = 1.0

    @property
    def verdict(self) -> str:
        """What may be said after both corrections; empty where nothing is compared."""
        d = self.difference
        if d is None:
            return ""
        return verdict(d.difference, self.corrected_p, self.corrected_equivalence_p, d.margin)


@dataclass(frozen=True)
class Tuning:
    """How a temperature is chosen on development posts; see `tuned.run_tuned`.

    Attributes:
        temperatures: The candidates; none leaves all systems at the temperature that is usual.
        tried_epochs: Passes of the trainings that choose; None for whole ones.
    """

    temperatures: tuple[float, ...] = ()
    tried_epochs: int | None = None


def mie_runs(
    folder: Path,
    *,
    data_sets: Sequence[str] = ("twitter2017",),
    systems: Sequence[str] = ("text", "context", "info_nce", "shap_ca"),
    seeds: Sequence[int] = (0, 1, 2),
    encoder: str = "minilm",
    long_contexts: bool = False,
    epochs: int | None = None,
    train_posts: int | None = None,
    batch_posts: int | None = None,
    shuffled: Sequence[float] = (0.0,),
    locked_contexts: bool = False,
    tuning: Tuning = Tuning(),
) -> list[ExtractionRun]:
    """The trainings of a benchmark, one seed each, seed by seed so that a stopped one has all systems
    with the seeds that it got to.

    Of data sets that come without contexts the systems that need them are left out.

    Arguments: see `mie_run`; `shuffled` holds one share or several.

    Raises:
        InputError: As `mie_run` does; of systems that need contexts where no data set has them; of
            temperatures that are none.
    """
    check_temperatures(tuning.temperatures)
    if tuning.tried_epochs is not None and len(tuning.temperatures) < 2:
        raise InputError("there is nothing to choose; give two temperatures or more, or no passes for trying")
    return [
        mie_run(
            data,
            system,
            folder,
            seeds=(seed,),
            encoder=encoder,
            long_contexts=long_contexts,
            epochs=epochs,
            train_posts=train_posts,
            batch_posts=batch_posts,
            shuffled=share,
            locked_contexts=locked_contexts,
            tuned=bool(tuning.temperatures),
        )
        for data, seed, system in _trainings(data_sets, seeds, systems)
        # the text alone has nothing that could be shuffled
        for share in (shuffled if system != "text" else (0.0,))
    ]


def run_mie(
    folder: Path,
    out: Path,
    *,
    tuning: Tuning = Tuning(),
    report: Callable[[str, ExtractionEpoch], None] | None = None,
    **asked: Any,
) -> list[SystemResult]:
    """Runs the benchmark, one training after the other; resumable.

    Arguments:
        folder: The folder that holds `mner`, `mnre` and `jmere`.
        out: The folder of results.
        tuning: How temperatures are chosen.
        report: Called after each epoch with the training's name.
        asked: What else `mie_runs` takes.

    Raises:
        InputError: As `mie_runs` does, before anything is trained.
        DataError: If files are missing, before anything is trained.
    """
    runs = mie_runs(folder, tuning=tuning, **asked)
    splits = read_all(runs)
    for run in runs:
        train_one(run, out, tuning, splits=splits[run.data], report=report)
    return show_mie(out)


def read_all(runs: Sequence[ExtractionRun]) -> dict[ExtractionData, ExtractionSplits]:
    """The data of all runs, read before anything is trained, or a missing file would be told after an
    hour.

    Raises:
        DataError: If files are missing.
    """
    return {run.data: load_splits(run.data, joint=run.extractor.task == "joint") for run in runs}


def train_one(
    run: ExtractionRun,
    out: Path,
    tuning: Tuning,
    *,
    splits: ExtractionSplits,
    report: Callable[[str, ExtractionEpoch], None] | None = None,
) -> None:
    """One training of the benchmark, with those that choose its temperature; nothing where its result
    is there.
    """
    if tuning.temperatures and has_temperature(run):
        run_tuned(
            run,
            tuning.temperatures,
            out,
            splits=splits,
            tried_epochs=tuning.tried_epochs,
            report=report,
        )
    else:
        run_extraction(run, out, splits=splits, report=report)


def _trainings(
    data_sets: Sequence[str], seeds: Sequence[int], systems: Sequence[str]
) -> list[tuple[str, int, str]]:
    """Data set, seed and system of each training, in the order in which they are run."""
    asked = [(data, seed, system) for data in data_sets for seed in seeds for system in systems]
    # a name that is no system's stays, to be refused
    needs_contexts = set(SYSTEMS) - {"text"}
    possible = [
        (data, seed, system)
        for data, seed, system in asked
        if system not in needs_contexts or data not in WITHOUT_CONTEXTS
    ]
    # where nothing is possible, the first that was asked for says why
    return possible or asked


def show_mie(out: Path, *, resamples: int = 20_000, seeds: Sequence[int] = ()) -> list[SystemResult]:
    """What stands in a folder of results: each run with its seeds, and its difference to the system
    before it on the same data set.

    Arguments:
        out: The folder.
        resamples: Of the bootstraps over seeds and posts.
        seeds: These alone; all where empty.

    Raises:
        DataError: If a file there is not a result, or seeds of one run were trained with other
            settings or data.
    """
    runs = _seeds_by_run(out, seeds)
    found = []
    for data in DATA_SETS:
        rows = []
        for name in _names_of(data, runs):
            before = _run_before(name, data, runs)
            beside = compare_systems(runs[name], runs[before], resamples=resamples) if before else None
            system, against = (run.removeprefix(f"{data}-") for run in (name, before))
            rows.append(SystemResult(data, system, runs[name], _f1(runs[name]), against, beside))
        found += _corrected(rows)
    return found


def _corrected(rows: Sequence[SystemResult]) -> list[SystemResult]:
    """With p-values after Holm over all comparisons on a data set: one of many would be clear by chance,
    and so would one of many claims that nothing is there.
    """
    compared = {row.system: row.difference for row in rows if row.difference is not None}
    p = holm({system: d.p_value for system, d in compared.items()})
    smaller = holm({system: d.equivalence_p for system, d in compared.items()})
    return [
        replace(row, corrected_p=p[row.system], corrected_equivalence_p=smaller[row.system])
        if row.system in compared
        else row
        for row in rows
    ]


def _seeds_by_run(out: Path, seeds: Sequence[int]) -> dict[str, list[SeedResult]]:
    runs: dict[str, list[SeedResult]] = {}
    for result in read_results(out):
        if seeds and result.seed not in seeds:
            continue
        runs.setdefault(result.run.name, []).append(result)
    for name, results in runs.items():
        if len({r.fingerprint for r in results}) > 1:
            raise DataError(
                f"the seeds of {name} in {out} were trained with different settings or data; give each a "
                f"folder of its own"
            )
    return runs


def _names_of(data: str, runs: Mapping[str, object]) -> list[str]:
    """The runs on one data set, in the order of their systems."""
    # with the hyphen: no data set's name is the beginning of another's run
    names = [name for name in runs if name == data or name.startswith(f"{data}-")]
    return sorted(names, key=lambda name: (SYSTEMS.index(system_of(name, data)), name))


def _run_before(name: str, data: str, runs: Mapping[str, object]) -> str:
    """The run that one is compared with: of the nearest system before it that was trained with the
    same encoder and contexts; empty where there is none.
    """
    system = system_of(name, data)
    for earlier in _before(system):
        other = name.replace(system, earlier, 1)
        # without an alignment there is no temperature that could have been chosen
        if earlier in ("text", "context"):
            other = re.sub(r"-tuned(?=-|$)", "", other, count=1)
        if other in runs:
            return other
    # the text alone has no contexts, long or short, its own or another's
    text = re.sub(
        r"-text(-long)?(-locked)?(-tuned)?(-shuffled[\d.]+)?(?=-|$)",
        "-text",
        name.replace(system, "text", 1),
        count=1,
    )
    return text if system != "text" and text in runs else ""


def _f1(results: Sequence[SeedResult]) -> str:
    """Micro F1 in percent: over seeds with a t interval, of a single training with its bootstrap
    interval over posts.
    """
    if len(results) > 1:
        return mean_interval([r.test.micro.f1 for r in results]).percent()
    test = results[0].test
    return f"{100 * test.micro.f1:.2f} [{100 * test.low:.2f}, {100 * test.high:.2f}] (1 seed)"


def compare_systems(
    a: Sequence[SeedResult], b: Sequence[SeedResult], *, resamples: int = 10_000
) -> PairedDifference | None:
    """The paired difference of two runs over the seeds that both have; None if they share none, differ in
    more than the system, or chose their temperatures among others.
    """
    if _terms(a) != _terms(b) or not _chose_alike(a, b):
        return None
    shared = sorted({r.seed for r in a} & {r.seed for r in b})
    if not shared:
        return None
    return paired_f1(_counts(a, shared), _counts(b, shared), resamples=resamples, same_seeds=True)


def _chose_alike(a: Sequence[SeedResult], b: Sequence[SeedResult]) -> bool:
    """Whether two runs chose their temperatures among the same candidates, where both have one: a choice
    among three against one that was given would show the choice.
    """
    candidates = [{tuple(sorted(r.temperatures)) for r in results} - {()} for results in (a, b)]
    return not all(candidates) or candidates[0] == candidates[1]


def _counts(results: Sequence[SeedResult], seeds: Sequence[int]) -> list[Int[np.ndarray, "s 3"]]:
    by_seed = {r.seed: r.post_counts() for r in results}
    return [by_seed[seed] for seed in seeds]


def _terms(results: Sequence[SeedResult]) -> set[tuple[object, ...]]:
    """All that two runs must share to be compared."""
    # not the contexts, which differ between systems by design
    return {(r.run.data.name, r.posts_fingerprint, r.run.recipe, r.run.extractor.encoder) for r in results}


def system_of(name: str, data: str) -> str:
    """The system of a run by its name, of which it is the second part."""
    rest = name.removeprefix(f"{data}-")
    # the longest, or shap_ca_margin would be shap_ca
    return max((s for s in SYSTEMS if rest == s or rest.startswith(f"{s}-")), key=len, default="text")


def _before(system: str) -> tuple[str, ...]:
    """The systems that one may be compared with, the nearest first."""
    return {
        "context": ("text",),
        "info_nce": ("context",),
        "shap_ca": ("info_nce", "context"),
        "shap_ca_margin": ("info_nce", "context"),
    }.get(system, ())
