"""The benchmarks of the service say what they lack, and count what was accepted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import serve_fuzz
import serve_load
import serve_shift


@pytest.mark.parametrize(
    ("benchmark", "arguments", "missing"),
    [
        (serve_shift, ["http://127.0.0.1:1/welcome/x"], "playwright"),
        (serve_fuzz, ["--examples", "1"], "schemathesis"),
    ],
    ids=["shift", "fuzz"],
)
def test_what_no_extra_brings_is_named_with_how_to_get_it(
    benchmark: object, arguments: list[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(serve_fuzz, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with pytest.raises(SystemExit, match=rf"this needs .*pip install {missing}=="):
        benchmark.main()  # type: ignore[attr-defined]


def test_posts_that_were_refused_are_not_counted_as_accepted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "Running 2s test\nRESULT 1000 250 2000000 1500 2500 3500 750\n"
    monkeypatch.setattr(
        serve_load.subprocess, "run", lambda command, **how: subprocess.CompletedProcess(command, 0, said, "")
    )
    row = serve_load.load("http://127.0.0.1:1", tmp_path / "post.lua", 8, 2)
    assert row["posts_s"] == 125
    assert (row["requests"], row["accepted"], row["errors"]) == (1000, 250, 750)
    # what the script prints is as much as is read
    [form] = re.findall(r'"RESULT ([^\\]+)', serve_load.SCRIPT)
    assert form.count("%d") == 7
