"""Seeds: what may be one, for options, programs and run files alike."""

from pathlib import Path
from typing import Any

import pytest

from command_line import Command
from crisislens.core.errors import ConfigError, InputError
from crisislens.core.seeds import MOST_SEED, check_seed_numbers
from crisislens.training.extraction.config import ExtractionRun
from crisislens.training.joint_run import JointRun
from crisislens.training.rationale_run import RationaleRun

RUNS: list[tuple[Any, dict[str, object]]] = [
    (ExtractionRun, {"data": {"name": "twitter2017"}}),
    (RationaleRun, {"rationales": ["a.jsonl"]}),
    (JointRun, {"joint": ["a.jsonl"]}),
]
WRONG = [(0, 0), (2, 1, 2), (-1,), (MOST_SEED + 1,), (10**22,)]


@pytest.mark.parametrize("seeds", WRONG)
def test_seeds_that_are_none_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"is no seed; give a whole|stands there twice"):
        check_seed_numbers(seeds)


@pytest.mark.parametrize("seeds", [(), (0,), (1, 0, MOST_SEED)])
def test_others_are_taken(seeds: tuple[int, ...]) -> None:
    check_seed_numbers(seeds)


@pytest.mark.parametrize("seeds", [(), *WRONG])
@pytest.mark.parametrize(("kind", "needed"), RUNS)
def test_no_run_file_holds_them(kind: Any, needed: dict[str, object], seeds: tuple[int, ...]) -> None:
    values = {"name": "tiny", **needed}
    assert kind.parse({**values, "seeds": [3, 1]}, where="test").seeds == (3, 1)
    with pytest.raises(ConfigError, match="seeds"):
        kind.parse({**values, "seeds": list(seeds)}, where="test")


@pytest.mark.parametrize(
    "command",
    [
        ("train", "own"),
        ("bench", "run", "table2"),
        ("bench", "run", "mie", "."),
        ("bench", "run", "denoise", "."),
    ],
)
def test_no_command_counts_one_training_twice(
    crisislens: Command, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = crisislens(*command, "--seed", "0", "--seed", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "seeds must differ, and 0 stands there twice" in done.stderr
    done = crisislens(*command, "--seed", "-1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "-1 is no seed" in done.stderr
    assert not list(tmp_path.iterdir())
