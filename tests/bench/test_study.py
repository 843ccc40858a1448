"""The engine of studies on drawn numbers: nothing runs twice, what is blocked is named, and comparisons are
made of nothing but the file.
"""

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_study import Drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crisislens.bench.cells import GridRun
from crisislens.bench.results import provenance
from crisislens.bench.run import read_blocked
from crisislens.bench.study import read_trials, run_study, trials_of
from crisislens.bench.study_table import StudyTable, study_tables
from crisislens.bench.trials import Outcome, Scores, Trial, trial_result
from crisislens.core.errors import InputError
from crisislens.core.version import __version__
from crisislens.evaluation.significance import holm
from crisislens.evaluation.two_way import two_way_difference

STUDY = Drawn()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "here").mkdir(parents=True)
    return tmp_path / "data"


def ran(study: Drawn, data: Path, *, jobs: int = 1, **some: Any) -> GridRun:
    out, cache = data.parent / "out", data.parent / "cache"
    asked = trials_of(study, **{"settings": ("here",), **some})
    return run_study(study, out, data=data, cache=cache, trials=asked, jobs=jobs)


def table(study: Drawn, data: Path, metric: str = "right") -> StudyTable:
    results = read_trials(study, data.parent / "out")
    return next(t for t in study_tables(study, results, resamples=400) if t.metric == metric)


def counts(run: GridRun) -> tuple[int, int]:
    assert run.blocked == []
    return run.done, run.known


def test_nothing_runs_twice_and_another_recipe_runs_again(data: Path) -> None:
    file = data.parent / "out" / "results.jsonl"
    assert counts(ran(STUDY, data, seeds=(0, 1))) == (16, 0)
    before = file.read_bytes()
    assert counts(ran(STUDY, data, seeds=(0, 1, 0))) == (0, 16)
    assert file.read_bytes() == before
    assert counts(ran(STUDY, data, seeds=(1, 2))) == (8, 8)
    # what a killed writer left half is run again, the rest is not
    file.write_bytes(file.read_bytes()[:-40])
    assert counts(ran(STUDY, data, seeds=(2,))) == (1, 7)
    assert len(read_trials(STUDY, file.parent)) == 24
    other = replace(STUDY, posts=60)
    assert counts(ran(other, data, systems=("good",), seeds=(0,))) == (2, 0)
    assert {r.posts for r in read_trials(other, file.parent)} == {60}
    assert {r.posts for r in read_trials(STUDY, file.parent)} == {120}


def test_only_trials_on_the_data_that_was_there_last_stand_together(data: Path) -> None:
    ran(STUDY, data, seeds=(0, 1))
    newer = replace(STUDY, mark="second")
    assert counts(ran(newer, data, systems=("good", "bad"), seeds=(0,))) == (4, 0)
    kept = read_trials(newer, data.parent / "out")
    assert {(r.data, r.system) for r in kept} == {("second", "good"), ("second", "bad")}


def test_what_cannot_run_is_named_and_the_rest_runs(data: Path) -> None:
    run = ran(STUDY, data, settings=(), seeds=(0,))
    assert (run.done, len(run.blocked)) == (8, 1)
    [blocked] = read_blocked(data.parent / "out")
    assert (blocked.row, blocked.setting) == ("drawn", "gone")
    assert blocked.reason == "no <data> in gone; draw some"
    # once it is there it is blocked no more
    (data / "gone").mkdir()
    assert counts(ran(STUDY, data, settings=("gone",), seeds=(0,))) == (8, 0)
    assert read_blocked(data.parent / "out") == []


def test_trials_come_seed_by_seed_and_strange_names_are_refused() -> None:
    every = trials_of(STUDY, settings=("here",))
    assert len(every) == 4 * 2 * 3
    assert [trial.seed for trial in every] == sorted(trial.seed for trial in every)
    assert trials_of(STUDY, ("here",), ("bad",), (7,)) == [Trial("here", "bad", at, 7) for at in (0.0, 0.5)]
    assert trials_of(STUDY, ("here",), ("bad",), (7,), (0.5,)) == [Trial("here", "bad", 0.5, 7)]
    with pytest.raises(InputError, match=r"--at 0\.25 is not known to drawn; it has 0, 0\.5"):
        trials_of(STUDY, points=(0.25,))
    with pytest.raises(InputError, match="--setting there is not known to drawn; it has here, gone"):
        trials_of(STUDY, settings=("there",))
    with pytest.raises(InputError, match="--system best is not known to drawn; it has good, twin, bad, like"):
        trials_of(STUDY, systems=("best",))


@pytest.mark.usefixtures("warm_starts")
def test_processes_come_to_what_one_comes_to(data: Path) -> None:
    told: list[str] = []
    asked = trials_of(STUDY, systems=("good", "bad"), seeds=(0, 1))
    out = data.parent / "shared"
    run = run_study(STUDY, out, data=data, cache=data.parent, trials=asked, jobs=2, say=told.append)
    assert (run.done, len(run.blocked), len(told)) == (8, 1, 8)
    ran(STUDY, data, systems=("good", "bad"), seeds=(0, 1))
    here, there = (
        {(r.system, r.at, r.seed): r.hits for r in read_trials(STUDY, folder)}
        for folder in (out, data.parent / "out")
    )
    assert here == there
    again = run_study(STUDY, out, data=data, cache=data.parent, trials=asked, jobs=2)
    assert (again.done, again.known) == (0, 8)


def kept(scores: Scores) -> np.ndarray:
    trial = Trial("here", "good", 0.0, 0)
    result = trial_result(
        trial, Outcome({"x": scores}), key="k", study="s", recipe="r", data="d", seconds=0.0
    )
    # as it comes back from the file
    return type(result).model_validate_json(result.model_dump_json()).scores("x")


@settings(max_examples=20)
@given(
    arrays(np.bool_, st.integers(1, 40))
    | arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1, width=32))
)
def test_scores_come_back_from_the_file(scores: np.ndarray) -> None:
    assert kept(scores).tolist() == scores.astype(float).tolist()


@pytest.mark.parametrize(
    "hits",
    [
        {},
        {"a": np.ones(3, bool), "b": np.ones(4, bool)},
        {"a": np.array([0.5, np.nan])},
    ],
    ids=["none", "unequal", "no number"],
)
def test_scores_that_cannot_be_compared_are_refused(hits: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="each metric needs one number a post"):
        trial_result(
            Trial("a", "b", 0.0, 0), Outcome(hits), key="", study="", recipe="", data="", seconds=0.0
        )


def test_a_result_says_what_its_trial_was_trained_on() -> None:
    outcome = Outcome({"x": np.ones(2, bool)}, device="some card")
    result = trial_result(Trial("a", "b", 0.0, 0), outcome, key="", study="", recipe="", data="", seconds=0.0)
    assert result.device == "some card"


def test_a_result_says_where_it_comes_from(data: Path) -> None:
    ran(STUDY, data, systems=("good",), seeds=(2,))
    line = json.loads((data.parent / "out" / "results.jsonl").read_text().split("\n")[1])
    assert (line["setting"], line["system"], line["at"], line["seed"]) == ("here", "good", 0.5, 2)
    assert line["facts"] == {"seed": 2}
    assert line["versions"]["numpy"] == np.__version__
    assert len(line["code"]) == len(line["recipe"]) == len(line["key"]) == 16
    assert line["seconds"] >= 0


def test_the_named_pairs_are_compared_and_nothing_else(data: Path) -> None:
    ran(STUDY, data)
    found = table(STUDY, data)
    assert [(c.a, c.b, c.at) for c in found.contrasts] == [
        (STUDY.systems[a], STUDY.systems[b], at) for a, b in STUDY.pairs for at in STUDY.points
    ]
    verdicts = {c.b: c.verdict for c in found.contrasts}
    # few posts: that two systems are as good on different posts is not shown, nor is the opposite
    assert verdicts == {
        "Bad | worse": "higher",
        "=Twin": "shown to be smaller than 1 point",
        "Like": "not shown",
    }
    assert (found.posts, found.points, found.notes) == (120, (0.0, 0.5), ())


def test_a_comparison_is_of_seeds_and_posts_and_corrected_over_the_table(data: Path) -> None:
    ran(STUDY, data)
    results = {(r.system, r.at, r.seed): r for r in read_trials(STUDY, data.parent / "out")}
    found = table(STUDY, data).contrasts
    a, b = (
        np.stack([results[system, 0.5, seed].scores("right") for seed in STUDY.seeds])
        for system in ("good", "like")
    )
    expected = two_way_difference("right", a, b, resamples=400, margin=0.01)
    [one] = [c for c in found if (c.b, c.at) == ("Like", 0.5)]
    assert one.difference == expected
    assert one.seeds == 3
    raw = {str(i): c.difference.p_value for i, c in enumerate(found)}
    smaller = {str(i): c.difference.equivalence_p for i, c in enumerate(found)}
    assert [c.corrected_p for c in found] == list(holm(raw).values())
    assert [c.corrected_equivalence_p for c in found] == list(holm(smaller).values())
    assert any(c.corrected_p > c.difference.p_value for c in found)


def test_only_seeds_that_both_have_are_compared(data: Path) -> None:
    ran(STUDY, data, systems=("good",), seeds=(0, 1, 2))
    ran(STUDY, data, systems=("bad",), seeds=(2, 3))
    found = table(STUDY, data)
    assert [(c.b, c.seeds) for c in found.contrasts] == [("Bad | worse", 1)] * 2
    assert [title for title, _ in found.lines] == ["Good <b>", "Bad | worse"]
    assert [mean.count for _, means in found.lines for mean in means if mean] == [3, 3, 2, 2]


def test_scores_that_are_shares_are_averaged(data: Path) -> None:
    ran(STUDY, data, systems=("good",))
    right, share = table(STUDY, data), table(STUDY, data, "share")
    for one, other in zip(right.lines[0][1], share.lines[0][1], strict=True):
        assert one is not None
        assert other is not None
        assert other.mean == pytest.approx(0.25 + 0.5 * one.mean)


def test_results_of_two_states_of_the_code_are_told(data: Path) -> None:
    ran(STUDY, data, systems=("good",))
    file = data.parent / "out" / "results.jsonl"
    first, _, rest = file.read_text().partition("\n")
    file.write_text(json.dumps({**json.loads(first), "code": "older"}) + "\n" + rest)
    assert table(STUDY, data).notes == ("results of different states of the code stand together",)


def test_numbers_beside_the_scores_are_told_seed_by_seed(data: Path) -> None:
    ran(STUDY, data, systems=("twin", "good"))
    facts = table(STUDY, data).facts
    assert facts == (("Good <b>: seed", ("0, 1, 2", "0, 1, 2")), ("=Twin: seed", ("0, 1, 2", "0, 1, 2")))
    assert table(STUDY, data, "share").facts == ()
    kept = [
        r.model_copy(update={"facts": {"posts": 2874, "rate": 0.12345}})
        for r in read_trials(STUDY, data.parent / "out")
        if (r.system, r.seed) == ("good", 0)
    ]
    counted = study_tables(STUDY, kept, resamples=100)[0].facts
    assert [values[0] for _, values in counted] == ["2,874", "0.123"]


def test_a_result_names_the_version_of_code_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("crisislens.bench.results.version", absent)
    versions = provenance("cpu")["versions"]
    assert isinstance(versions, dict)
    assert (versions["crisislens"], versions["torch"]) == (__version__, "absent")
