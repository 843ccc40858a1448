"""Temperatures chosen on development posts: candidates are trained, and the one with the best F1 on dev
is the one whose test posts are counted.

Every system that has a temperature chooses among the same candidates, by itself and for each seed and
share, so none is held back by one that suits another. $\\tau' = \\max(0.011, \\tau / 5)$ in the softmax
form over Shapley values, as in `bench.mismatch`. What the candidates came to is kept in `OUT/tried`;
test posts choose nothing.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.fingerprint import fingerprint
from crisislens.training.extraction.checks import with_labels_of
from crisislens.training.extraction.config import ExtractionRun
from crisislens.training.extraction.fit import ExtractionEpoch, run_mark
from crisislens.training.extraction.run import SeedResult, known_result, result_path, run_extraction
from crisislens.training.extraction.splits import ExtractionSplits

__all__ = ["TRIED", "check_temperatures", "has_temperature", "run_tuned"]

TRIED = "tried"
"""The folder, in that of the results, of what the candidates came to."""
_COLDEST = 0.011


def check_temperatures(temperatures: Sequence[float]) -> None:
    """Refuses temperatures that no alignment has, and one that stands twice.

    Raises:
        InputError: In one sentence.
    """
    for temperature in temperatures:
        if not math.isfinite(temperature) or temperature < _COLDEST:
            raise InputError(f"{temperature:g} is no temperature; give numbers of at least {_COLDEST}")
    # as they stand in names of files and in results
    if len({f"{temperature:g}" for temperature in temperatures}) < len(temperatures):
        raise InputError("temperatures must differ in their first six digits; give each once")


def has_temperature(run: ExtractionRun) -> bool:
    """Whether a run aligns, and so has a temperature to choose."""
    return run.extractor.alignment is not None


def run_tuned(
    run: ExtractionRun,
    temperatures: Sequence[float],
    out: Path,
    *,
    splits: ExtractionSplits,
    tried_epochs: int | None = None,
    report: Callable[[str, ExtractionEpoch], None] | None = None,
) -> SeedResult:
    """Trains a run of one seed at each temperature and keeps the result of the one that dev likes best,
    the first of equal ones; resumable, training by training.

    Arguments:
        run: The run, with one seed and an alignment.
        temperatures: The candidates τ, at least one.
        out: The folder of results.
        splits: Its data.
        tried_epochs: Passes of the trainings that choose; the chosen temperature is trained in full
            afterwards. None: all candidates are trained in full, and nothing is trained again.
        report: Called after each epoch with the training's name.

    Raises:
        ConfigError: As `run_extraction` does, also of a result with other candidates.
    """
    [seed] = run.seeds
    run = with_labels_of(run, splits)
    # a single candidate is given, not chosen
    tried_epochs = tried_epochs if len(temperatures) > 1 else None
    mark = fingerprint([run_mark(run, splits), list(temperatures), tried_epochs])
    path = result_path(out, run, seed)
    with sole_writer(out, lock=f".{path.stem}.lock"):
        if path.is_file():
            otherwise = "another run of that name, of other data or of other candidates for its temperature"
            return known_result(path, mark, otherwise)
        found = {
            t: run_extraction(_at(run, t, tried_epochs), out / TRIED, splits=splits, report=report)[0]
            for t in temperatures
        }
        # dev alone: test counts of the tried ones are looked at by nobody
        best = max(temperatures, key=lambda t: found[t].dev.micro.f1)
        seconds = sum(one.seconds for one in found.values())
        chosen = found[best]
        if tried_epochs is not None:
            [chosen] = run_extraction(_at(run, best, None), out / TRIED, splits=splits, report=report)
            seconds += chosen.seconds
        result = chosen.model_copy(
            update={
                "run": chosen.run.model_copy(update={"name": run.name}),
                "fingerprint": mark,
                "temperatures": {f"{t:g}": found[t].dev.micro.f1 for t in temperatures},
                "seconds": seconds,
            }
        )
        atomic_write(path, result.model_dump_json(indent=None) + "\n")
        return result


def _at(run: ExtractionRun, temperature: float, epochs: int | None) -> ExtractionRun:
    """The run at one temperature, under a name of its own."""
    alignment = run.extractor.alignment
    assert alignment is not None
    # values of k players are about 1 / k of a similarity
    at = alignment.model_copy(
        update={"temperature": temperature, "contrast_temperature": max(_COLDEST, temperature / 5)}
    )
    recipe = run.recipe if epochs is None else run.recipe.model_copy(update={"epochs": epochs})
    passes = "" if epochs is None else f"-{epochs}passes"
    return run.model_copy(
        update={
            "name": f"{run.name}-at{temperature:g}{passes}",
            "extractor": run.extractor.model_copy(update={"alignment": at}),
            "recipe": recipe,
        }
    )
