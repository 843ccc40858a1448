"""A study: a question that is put to several systems under conditions that get harder, with several
seeds, and answered by what each of them does with every test post.

A *trial* is one system under one condition with one seed. What it did is kept in
`OUT/results.jsonl` (`trials`). A trial that is there is not run again; a setting whose data cannot be
had here is named with what is missing. A new study is a subclass of `Study` and a line in `studies`.
"""

import resource
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from crisislens.bench.cells import Blocked, GridRun, Say
from crisislens.bench.processes import say_up, share
from crisislens.bench.results import append_result, read_results_of
from crisislens.bench.run import write_blocked
from crisislens.bench.trials import Outcome, Trial, TrialResult, trial_result
from crisislens.core.errors import DataError, InputError, MissingExtraError, ModelError
from crisislens.core.files import sole_writer
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import EncoderSpec

__all__ = [
    "Outcome",
    "Study",
    "Trial",
    "TrialResult",
    "read_trials",
    "run_study",
    "trials_of",
    "with_encoder",
]

Materials = TypeVar("Materials")


class Study(ABC, Generic[Materials]):
    """What is asked, and how it is tried. Everything that a result depends on is in `terms`."""

    name: str
    """As the command has it."""
    title: str
    axis: str
    """What the condition is, for a table's head and a plot's axis."""
    settings: tuple[str, ...]
    systems: Mapping[str, str]
    """From a name to a title."""
    points: tuple[float, ...]
    """The conditions."""
    metrics: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    """Which systems are compared, named before anything is run."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    margin: float = 0.01
    """The smallest difference that matters, a share; named before anything is run, too."""

    @abstractmethod
    def terms(self) -> object:
        """The recipe, as plain values: other ones are another experiment."""

    @abstractmethod
    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[Materials, str]:
        """Reads and encodes a setting's data; materials and their fingerprint.

        Raises:
            DataError: If the data is not there, with what would be needed.
        """

    @abstractmethod
    def run(self, materials: Materials, trial: Trial) -> Outcome:
        """Trains and tests once."""


def trials_of(
    study: "Study[Any]",
    settings: Sequence[str] = (),
    systems: Sequence[str] = (),
    seeds: Sequence[int] = (),
    points: Sequence[float] = (),
) -> list[Trial]:
    """The trials of a study, seed by seed, so that a stopped one has all systems with few seeds.

    Arguments:
        study: The study.
        settings: Some of its settings; empty for all.
        systems: Some of its systems; empty for all.
        seeds: Seeds in place of its own.
        points: Some of its conditions; empty for all.

    Raises:
        InputError: If a setting, system or condition is none of it.
    """
    _check_known(study, "setting", settings, study.settings)
    _check_known(study, "system", systems, list(study.systems))
    _check_known(study, "at", [f"{at:g}" for at in points], [f"{at:g}" for at in study.points])
    every = [
        Trial(setting, system, at, seed)
        for setting in (settings or study.settings)
        for seed in (seeds or study.seeds)
        for at in (points or study.points)
        for system in (systems or study.systems)
    ]
    # somebody may name the same thing twice
    return list(dict.fromkeys(every))


def _check_known(study: "Study[Any]", option: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise InputError(f"--{option} {name} is not known to {study.name}; it has {', '.join(known)}")


def with_encoder(study: "Study[Any]", name: str, checkpoint: str | None = None) -> "Study[Any]":
    """A study over other frozen encoders than its own.

    Arguments:
        study: The study.
        name: Of the encoders, as `crisislens.encoders.base.ENCODERS` has it, with the options that are usual.
        checkpoint: A hub name or a local folder, for encoders that are read from one; None for the usual one.

    Raises:
        InputError: If the study reads its encoders from run files.
    """
    if not is_dataclass(study) or "encoder" not in {field.name for field in fields(study)}:
        raise InputError(f"{study.name} reads its encoders from run files; leave out --encoder")
    options = {} if checkpoint is None else {"checkpoint": checkpoint}
    return replace(study, encoder=EncoderSpec(name=name, options=options))  # type: ignore[return-value]


def run_study(
    study: "Study[Any]",
    out: Path,
    *,
    data: Path,
    cache: Path,
    trials: Sequence[Trial],
    jobs: int = 1,
    say: Say = lambda _: None,
) -> GridRun:
    """Runs the trials that are not done yet.

    Arguments:
        study: The study.
        out: Results go to `OUT/results.jsonl`, reasons to `OUT/blocked.json`.
        data: The folder with the data sets.
        cache: The root of feature caches.
        trials: See `trials_of`.
        jobs: Processes; a study that is run by several must be one that pickle can send.
        say: Told of every trial.

    Raises:
        CrisisLensError: If something fails that is not a matter of one setting's data, or another run
            writes into the folder.
    """
    total = GridRun()
    shared: list[tuple[object, ...]] = []
    with sole_writer(out):
        for setting in dict.fromkeys(trial.setting for trial in trials):
            asked = [trial for trial in trials if trial.setting == setting]
            try:
                materials, found = study.prepare(setting, data, cache)
            except (DataError, MissingExtraError, ModelError) as error:
                total.blocked.append(Blocked(study.name, setting, str(error)))
                continue
            new = _not_done(study, found, asked, out)
            total.known += len(asked) - len(new)
            if jobs > 1:
                # features are in the cache now; processes read them from there
                shared += [(study, setting, part, out, data, cache) for part in _by_seed(new)]
            else:
                total.done += _run_all(study, materials, found, new, out, say)
        if shared:
            share(_in_a_process, shared, jobs=jobs, say=say, done=lambda count: _count(total, count))
        write_blocked(out, {(study.name, trial.setting) for trial in trials}, total.blocked)
    return total


def read_trials(study: "Study[Any]", out: Path) -> list[TrialResult]:
    """What stands in a folder of results: of each trial the last one, of the recipe that the study has now
    and of the data that was there last.

    Raises:
        CacheError: If the file is there and holds no results.
    """
    recipe = _recipe(study)
    every = read_results_of(TrialResult, out / "results.jsonl")
    mine = [r for r in every if (r.study, r.recipe) == (study.name, recipe) and r.system in study.systems]
    # posts of two states of the data are not the same posts, and can be compared in no way
    last = {r.setting: r.data for r in mine}
    found = {(r.setting, r.system, r.at, r.seed): r for r in mine if r.data == last[r.setting]}
    return list(found.values())


def _recipe(study: "Study[Any]") -> str:
    return fingerprint([study.name, study.terms()])


def _key(study: "Study[Any]", found: str, trial: Trial) -> str:
    return fingerprint([study.name, study.terms(), found, list(trial)])


def _not_done(study: "Study[Any]", found: str, trials: Sequence[Trial], out: Path) -> list[Trial]:
    known = {r.key for r in read_results_of(TrialResult, out / "results.jsonl")}
    return [trial for trial in trials if _key(study, found, trial) not in known]


def _by_seed(trials: Sequence[Trial]) -> list[list[Trial]]:
    parts: dict[int, list[Trial]] = {}
    for trial in trials:
        parts.setdefault(trial.seed, []).append(trial)
    return list(parts.values())


def _in_a_process(
    study: "Study[Any]", setting: str, trials: Sequence[Trial], out: Path, data: Path, cache: Path
) -> int:
    materials, found = study.prepare(setting, data, cache)
    return _run_all(study, materials, found, trials, out, say_up)


def _count(total: GridRun, done: int) -> None:
    total.done += done


def _run_all(
    study: "Study[Any]", materials: object, found: str, trials: Sequence[Trial], out: Path, say: Say
) -> int:
    """Runs trials that share a setting's materials, one after the other; how many they were."""
    for trial in trials:
        started = _processor_seconds()
        outcome = study.run(materials, trial)
        seconds = _processor_seconds() - started
        result = trial_result(
            trial,
            outcome,
            key=_key(study, found, trial),
            study=study.name,
            recipe=_recipe(study),
            data=found,
            seconds=round(seconds, 2),
        )
        append_result(out / "results.jsonl", result)
        scores = ", ".join(f"{name} {100 * hits.mean():.1f}" for name, hits in outcome.hits.items())
        say(f"{trial.setting}, {trial.system}, {trial.at:g}, seed {trial.seed}: {scores}, {seconds:.1f} s")
    return len(trials)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
