"""Several seeds of a run: means with intervals, and whether one run is better than another.

Two uncertainties are kept apart: the t interval over seeds says how much training varies, the
bootstrap interval of each evaluation (and of a paired difference) how much the choice of test posts
does.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.significance import (
    MeanInterval,
    PairedDifference,
    holm,
    mcnemar,
    mean_interval,
    paired_bootstrap,
)
from crisislens.training.classification import EpochRecord
from crisislens.training.config import Published, RunConfig
from crisislens.training.evaluate import Evaluation
from crisislens.training.fit import RunResult, fit

__all__ = ["RunComparison", "SeedSummary", "compare_runs", "fit_seeds", "summarize"]


class SeedSummary(BaseModel):
    """The numbers of a run over its seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    setting: str
    seeds: tuple[int, ...]
    accuracy: MeanInterval
    macro_f1: MeanInterval
    weighted_f1: MeanInterval
    ece: MeanInterval
    """Calibration error with temperature."""
    coverage: MeanInterval
    """Share of test posts that are answered."""

    def markdown(self, published: Sequence[Published] = ()) -> str:
        """Published beside ours with the difference, one row for each published system and score."""
        rows = ["| system | score | published | ours | difference |", "|---|---|---|---|---|"]
        for system in published:
            for score in ("accuracy", "macro_f1", "weighted_f1"):
                theirs, ours = getattr(system, score), getattr(self, score)
                if theirs is not None:
                    rows.append(
                        f"| {system.system} | {score} | {theirs:.2f} | {ours.percent()} | "
                        f"{100 * ours.mean - theirs:+.2f} |"
                    )
        if len(rows) == 2:
            rows += [
                f"| – | {score} | – | {getattr(self, score).percent()} | – |"
                for score in ("accuracy", "macro_f1", "weighted_f1")
            ]
        return "\n".join(rows) + "\n"


class RunComparison(BaseModel):
    """Whether a run is better than another on the same test posts, all seeds of both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a: str
    b: str
    difference: PairedDifference
    """Of the mean over seeds; paired bootstrap over tweets."""
    corrected_p: float
    """Its p-value after Holm's correction over all runs that were compared together."""
    mcnemar_p: tuple[float, ...]
    """Exact p-value of each pair of seeds, in their order; posts of one tweet are taken as
    independent here.
    """


def fit_seeds(
    run: RunConfig,
    *,
    out: Path,
    cache: Path,
    resume: bool = False,
    overwrite: bool = False,
    data: LabeledData | None = None,
    on_features: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> list[RunResult]:
    """Fits all seeds of a run file; arguments and errors as of `fit.fit`."""
    data = load_labeled(run.data, run.task) if data is None else data
    return [
        fit(
            run,
            seed=seed,
            out=out,
            cache=cache,
            resume=resume,
            overwrite=overwrite,
            data=data,
            on_features=on_features,
            on_epoch=on_epoch,
        )
        for seed in run.seeds
    ]


def summarize(results: Sequence[RunResult]) -> SeedSummary:
    """Means over the seeds of one run with their t intervals.

    Raises:
        InputError: If there are no results, or of several runs.
    """
    # by fingerprint and not by name: a run file may be edited between two seeds
    if len({r.run.fingerprint() for r in results}) != 1:
        raise InputError(
            f"{len(results)} results of {len({r.run.name for r in results})} runs were given; give all seeds "
            f"of one run"
        )
    tests: list[Evaluation] = [r.test for r in results]
    return SeedSummary(
        name=results[0].run.name,
        setting=tests[0].setting,
        seeds=tuple(r.seed for r in results),
        accuracy=mean_interval([t.report.accuracy.value for t in tests]),
        macro_f1=mean_interval([t.report.macro_f1.value for t in tests]),
        weighted_f1=mean_interval([t.report.weighted_f1.value for t in tests]),
        ece=mean_interval([t.after.ece for t in tests]),
        coverage=mean_interval([t.selective.coverage for t in tests]),
    )


def compare_runs(
    base: Sequence[RunResult],
    others: Mapping[str, Sequence[RunResult]],
    data: LabeledData,
    *,
    metric: str = "weighted_f1",
    resamples: int = 10_000,
) -> list[RunComparison]:
    """Compares runs with a base run on the test posts; p-values are corrected for how many there
    are.

    Arguments:
        base: All seeds of the run that others are measured against.
        others: By name, all seeds of each other run.
        data: The labeled posts that all of them were tested on.
        metric: A name in `evaluation.scores.SCORES`.
        resamples: Of the paired bootstrap.

    Raises:
        InputError: If results are missing or of another setting.
    """
    y, tweets = data.labels("test"), data.tweets("test")
    everyone = list(base)
    for results in others.values():
        everyone += results
    comparable = all(
        r.test.setting == data.space.setting and len(r.logits["test"]) == len(y) for r in everyone
    )
    if not base or not comparable:
        raise InputError(
            f"results to compare must all be of the {len(y)} test posts of {data.space.setting}; leave the "
            f"others out"
        )
    p_base = _probabilities(base)
    p = {name: _probabilities(results) for name, results in others.items()}
    found: dict[str, PairedDifference] = {}
    for name in others:
        found[name] = paired_bootstrap(y, p[name], p_base, metric, clusters=tweets, resamples=resamples)
    # over all runs that were compared at once: the best of ten would look clear by chance
    corrected = holm({name: d.p_value for name, d in found.items()})
    return [
        RunComparison(
            a=name,
            b=base[0].run.name,
            difference=found[name],
            corrected_p=corrected[name],
            mcnemar_p=_mcnemar_by_seed(y, p[name], p_base),
        )
        for name in others
    ]


def _probabilities(results: Sequence[RunResult]) -> list[Float[np.ndarray, "s c"]]:
    """Of the test posts, one array a seed."""
    return [softmax(r.logits["test"]) for r in results]


def _mcnemar_by_seed(
    y: Int[np.ndarray, " s"],
    a: Sequence[Float[np.ndarray, "s c"]],
    b: Sequence[Float[np.ndarray, "s c"]],
) -> tuple[float, ...]:
    # in their order; where one has more seeds, those are left out
    pairs = zip(a, b, strict=False)
    return tuple(mcnemar(one.argmax(1) == y, two.argmax(1) == y).p_value for one, two in pairs)
