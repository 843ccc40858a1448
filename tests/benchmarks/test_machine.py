"""The scripts that measure a machine: what is run, in which way, and what is made of the times."""

import json
import sys
from pathlib import Path

import machine
import paired
import pytest
from machine import Step, chosen, plan

from crisislens.encoders.precision import ASKED

SCRIPTS = Path(machine.__file__).parent


def test_every_step_is_a_script_that_knows_its_options() -> None:
    steps = plan(Path("posts.csv"), Path("images"), Path("older"))
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        text = (SCRIPTS / step.command[0]).read_text(encoding="utf-8")
        for option in step.command[1:]:
            assert not option.startswith("--") or f'"{option}"' in text, (step.name, option)


@pytest.mark.parametrize(
    ("only", "native", "expected"),
    [
        ((), True, [step.name for step in plan(Path(), Path(), None)]),
        ((), False, ["bare_fp32", "roof_fp32", "gpu", "runtimes_fp32", "start"]),
        (("roof_bf16", "gpu"), False, ["roof_bf16", "gpu"]),
    ],
)
def test_what_is_emulated_is_left_out_unless_named(
    only: tuple[str, ...], native: bool, expected: list[str]
) -> None:
    found = chosen(plan(Path(), Path(), None), only, native=native)
    assert [step.name for step in found] == expected


def test_a_step_that_fails_is_told_and_its_precision_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ASKED, raising=False)
    script = tmp_path / "step.py"
    script.write_text(f"import os, sys; print(os.environ.get({ASKED!r})); sys.exit(int(sys.argv[1]))")
    # a path that is absolute stands for itself
    good, bad = (Step(name, (str(script), code), "bf16") for name, code in (("good", "0"), ("bad", "3")))
    assert machine.run(good, tmp_path) == "is done"
    assert machine.run(bad, tmp_path) == "failed (3), see bad.err"
    assert (tmp_path / "good.jsonl").read_text() == (tmp_path / "bad.jsonl").read_text() == "bf16\n"
    assert "torch:" in machine.described()


@pytest.mark.parametrize(
    ("text", "name", "asked", "source"),
    [
        ("bf16", "bf16", "bf16", None),
        ("before=/old/src@", "before", None, "/old/src"),
        ("before=/old/src", "before", None, "/old/src"),
        ("mine=/my/src@bf16", "mine", "bf16", "/my/src"),
    ],
)
def test_a_way_is_a_precision_or_other_sources(
    text: str, name: str, asked: str | None, source: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ASKED, "fp32")
    monkeypatch.setenv("PYTHONPATH", "/here/src")
    way = paired.Way.parse(text)
    made = way.environment()
    assert (way.name, made.get(ASKED)) == (name, asked)
    assert made["PYTHONPATH"] == ("/here/src" if source is None else f"{source}:/here/src")


def test_pairs_are_compared_round_by_round_without_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    ways = [paired.Way.parse(name) for name in ("fp32", "bf16")]
    # the third round of one way is not over yet
    whole = {"fp32": [12.0, 22.0, 99.0], "bf16": [7.0, 7.0]}
    paired.summary(ways, whole, {"fp32": [2.0, 2.0], "bf16": [2.0, 2.0]})
    lines = [json.loads(line) for line in capsys.readouterr().out.strip().split("\n")]
    assert [line["rounds"] for line in lines] == [2, 2]
    assert lines[0]["times as fast as fp32"] == {"median": 1.0, "min": 1.0, "max": 1.0}
    assert lines[1]["the same without the start"] == {"median": 3.0, "min": 2.0, "max": 4.0}


def test_rounds_move_the_order_on_and_compare_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text('{"id": "1", "text": "water"}\n{"id": "2", "text": "food"}\n')
    asked: list[str] = []

    def run(way: paired.Way, given: Path, images: Path, threads: int) -> tuple[float, str]:
        asked.append(f"{way.name} {given.name}")
        # what one way writes in its second round is something else
        return 5.0, f"{way.name} {way.name == 'bf16' and len(asked) > 6}"

    monkeypatch.setattr(paired, "run", run)
    monkeypatch.setattr(sys, "argv", ["paired.py", str(posts), "--pairs", "2"])
    paired.main()
    assert asked[:4] == ["fp32 one.jsonl", "bf16 one.jsonl"] * 2
    rounds = [line.partition(" ")[0] for line in asked[4:]]
    assert rounds == ["fp32", "bf16", "bf16", "fp32"]
    lines = [json.loads(line) for line in capsys.readouterr().out.strip().split("\n")]
    assert [line["same bytes as before"] for line in lines if "same bytes as before" in line] == [
        True,
        True,
        False,
        True,
    ]
