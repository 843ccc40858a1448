"""A study: a question that is put to several systems under conditions that get harder, with several
seeds, and answered by what each of them does with every test post.

A *trial* is one system under one condition with one seed. What it did is kept post by post in
`OUT/NAME/results.jsonl`, so that every comparison can be made again from the file. A trial that is
there is not run again; a setting whose data cannot be had here is named with what is missing.
"""

import resource
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool
from pydantic import BaseModel, ConfigDict

from crisislens.bench.cells import Blocked, GridRun, Say
from crisislens.bench.processes import say_up, share
from crisislens.bench.results import append_result, provenance, read_results_of
from crisislens.bench.run import write_blocked
from crisislens.core.errors import DataError, InputError, MissingExtraError, ModelError
from crisislens.core.files import sole_writer
from crisislens.core.fingerprint import fingerprint

__all__ = ["Outcome", "Study", "Trial", "TrialResult", "read_trials", "run_study"]

Materials = TypeVar("Materials")


class Trial(NamedTuple):
    """One training.

    Attributes:
        setting: The data.
        system: What is trained.
        at: The condition: a share, or a count.
        seed: Of everything that is drawn.
    """

    setting: str
    system: str
    at: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Attributes:
        hits: By metric, whether it is right on each test post, in the same order in every trial.
        facts: What else is worth keeping: a chosen temperature, λ of each head.
    """

    hits: Mapping[str, Bool[np.ndarray, " n"]]
    facts: Mapping[str, Any] = field(default_factory=dict)


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
    """The smallest difference that matters, a share."""

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


class TrialResult(BaseModel):
    """A trial as it is kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    """Over study, recipe, data and trial."""
    study: str
    setting: str
    system: str
    at: float
    seed: int
    code: str
    versions: dict[str, str]
    device: str
    finished_at: str
    """ISO 8601, UTC."""
    seconds: float
    """Processor time, not time that went by: other work on the machine does not change it."""
    posts: int
    hits: dict[str, str]
    """By metric, the posts that it is right on, bit by bit in hexadecimal."""
    facts: dict[str, Any]

    def right(self, metric: str) -> Bool[np.ndarray, " n"]:
        """Whether it is right on each post."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.hits[metric]), np.uint8))
        return bits[: self.posts].astype(bool)


def trials_of(
    study: "Study[Any]",
    settings: Sequence[str] = (),
    systems: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> list[Trial]:
    """The trials of a study, seed by seed, so that a stopped one has all systems with few seeds.

    Arguments:
        study: The study.
        settings: Some of its settings; empty for all.
        systems: Some of its systems; empty for all.
        seeds: Seeds in place of its own.

    Raises:
        InputError: If a setting or system is none of it.
    """
    for kind, asked, known in (("setting", settings, study.settings), ("system", systems, study.systems)):
        for name in asked:
            if name not in known:
                raise InputError(f"--{kind} {name} is not known to {study.name}; it has {', '.join(known)}")
    return [
        Trial(setting, system, at, seed)
        for setting in (settings or study.settings)
        for seed in (seeds or study.seeds)
        for at in study.points
        for system in (systems or study.systems)
    ]


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
        jobs: Processes.
        say: Told of every trial and every setting that cannot run.
    """
    total = GridRun()
    groups: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.setting, trial.seed), []).append(trial)
    with sole_writer(out):
        if jobs <= 1:
            # one setting at a time, so that its features are read once
            for setting in dict.fromkeys(trial.setting for trial in trials):
                mine = [trial for trial in trials if trial.setting == setting]
                _add(total, _run_group(study, setting, mine, out, data, cache, say))
        else:
            tasks = [(study, setting, group, out, data, cache) for (setting, _), group in groups.items()]
            share(_in_a_process, tasks, jobs=jobs, say=say, done=lambda part: _add(total, part))
        # processes find the same thing missing, each for itself
        total.blocked = list(dict.fromkeys(total.blocked))
        write_blocked(out, {(study.name, trial.setting) for trial in trials}, total.blocked)
    return total


def read_trials(study: "Study[Any]", out: Path) -> list[TrialResult]:
    """What stands in a folder of results, of each trial the last one."""
    found = {
        (r.setting, r.system, r.at, r.seed): r for r in read_results_of(TrialResult, out / "results.jsonl")
    }
    return [r for r in found.values() if r.study == study.name and r.system in study.systems]


def _in_a_process(
    study: "Study[Any]", setting: str, trials: Sequence[Trial], out: Path, data: Path, cache: Path
) -> GridRun:
    return _run_group(study, setting, trials, out, data, cache, say_up)


def _run_group(
    study: "Study[Any]",
    setting: str,
    trials: Sequence[Trial],
    out: Path,
    data: Path,
    cache: Path,
    say: Say,
) -> GridRun:
    """Trials that share a setting's features."""
    run = GridRun()
    try:
        materials, found = study.prepare(setting, data, cache)
    except (DataError, MissingExtraError, ModelError) as error:
        run.blocked.append(Blocked(study.name, setting, str(error)))
        say(f"{setting}: cannot run here: {error}")
        return run
    path = out / "results.jsonl"
    known = {r.key for r in read_results_of(TrialResult, path)}
    for trial in trials:
        key = fingerprint([study.name, study.terms(), found, list(trial)])
        if key in known:
            run.known += 1
            continue
        started = _processor_seconds()
        outcome = study.run(materials, trial)
        seconds = _processor_seconds() - started
        append_result(path, _record(study, key, trial, outcome, seconds))
        run.done += 1
        scores = ", ".join(f"{name} {100 * hits.mean():.1f}" for name, hits in outcome.hits.items())
        say(f"{setting}, {trial.system}, {trial.at:g}, seed {trial.seed}: {scores}, {seconds:.1f} s")
    return run


def _record(study: "Study[Any]", key: str, trial: Trial, outcome: Outcome, seconds: float) -> TrialResult:
    hits = {name: np.packbits(right).tobytes().hex() for name, right in outcome.hits.items()}
    return TrialResult.model_validate(
        {
            "key": key,
            "study": study.name,
            **trial._asdict(),
            **provenance("cpu"),
            "seconds": seconds,
            "posts": len(next(iter(outcome.hits.values()))),
            "hits": hits,
            "facts": dict(outcome.facts),
        }
    )


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _add(total: GridRun, part: GridRun) -> None:
    total.done += part.done
    total.known += part.known
    total.blocked += part.blocked
