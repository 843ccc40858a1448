"""What `crisislens train` says of the model that it made."""

import json
from pathlib import Path
from typing import Any

import pytest

from crisislens.cli.train import _say_calibrated, _train_joint
from crisislens.data.marked_rationales import AnnotatedText
from crisislens.domain.calibration import Calibration
from crisislens.training import joint_run
from tiny_joint import tiny_run, write_joint
from tiny_runs import KINDS, write_run

SURE = Calibration(temperature=1.0, abstain_below=0.5, basis="made up")


@pytest.mark.parametrize(
    ("meta", "told"),
    [
        ({}, ["calibrated for a text alone | text and photo", "not sure of every post with a photo alone"]),
        (
            {"modalities": ("text",), "calibration": {"text": SURE}},
            ["calibrated for a text alone", "photos are not looked at"],
        ),
        (
            {"modalities": ("image",), "calibration": {}},
            [
                "analyze will be sure of no post",
                "not sure of every post with a photo alone: that takes 30 dev posts",
                "texts are not looked at",
            ],
        ),
    ],
    ids=["both", "text", "image"],
)
def test_a_model_is_asked_for_the_kinds_alone_that_it_looks_at(
    meta: dict[str, Any], told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_calibrated(write_run(tmp_path / "own", **meta))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(told)
    for line, start in zip(lines, told, strict=True):
        assert line.startswith(start)


def test_a_joint_model_says_what_it_is_sure_of_and_which_photos_it_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run(tmp_path, [AnnotatedText("1", "flood", "a", (), image="1.png")], images=str(tmp_path))
    (tmp_path / "run.yaml").write_text(json.dumps(run.model_dump(mode="json", exclude_defaults=True)))

    def trained(*_: object, **__: object) -> dict[str, object]:
        write_joint(tmp_path / "runs" / "tiny" / "seed-0" / "model", calibration={"text": KINDS["text"]})
        return {"tests": {}, "photos": {"named": 12, "read": 10}}

    monkeypatch.setattr(joint_run, "fit_joint", trained)
    _train_joint(tmp_path / "run.yaml", None, None, tmp_path / "runs", tmp_path, False, False)
    said = capsys.readouterr().out
    assert "seed 0: 2 of 12 photos cannot be read; their texts stand alone" in said
    assert "calibrated for a text alone\n" in said
    assert "not sure of every post with text and photo: that takes 30 labeled dev posts" in said
    assert "photo alone" not in said
