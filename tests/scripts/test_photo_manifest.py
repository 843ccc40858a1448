"""The manifest of photos that the rationale model's script trains on, and the hazards of texts."""

from pathlib import Path

import numpy as np
import pytest
from photo_manifest import PhotoRecord, hazard_of_text, read_photo_manifest
from PIL import Image

from crisislens.core.errors import DataError


def test_a_manifest_is_split_by_near_duplicates(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = ["file\tset\tlabel\ttext"]
    for k in range(12):
        pixels = np.kron(random.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for copy in range(2):
            Image.fromarray(pixels).resize((64 + copy, 64)).save(tmp_path / f"{k}-{copy}.png")
            lines.append(f"{k}-{copy}.png\tdisaster\tflood\t")
    lines += ["0-0.png\tcaptioned\teveryday\tA dog . || Two dogs .", "0-1.png\tdisaster\tnormal\t"]
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    found = read_photo_manifest(tmp_path / "manifest.tsv", held_out=0.5)
    sides = [(found[2 * k].held_out, found[2 * k + 1].held_out) for k in range(12)]
    assert all(a == b for a, b in sides)
    assert {a for a, _ in sides} == {True, False}
    assert found[-2].texts == ("A dog .", "Two dogs .")
    assert (found[0].hazard, found[-1].hazard, found[-2].hazard) == ("flood", "", "")
    assert isinstance(found[0], PhotoRecord)
    with pytest.raises(DataError, match="no manifest"):
        read_photo_manifest(tmp_path / "none.tsv")
    (tmp_path / "bad.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(DataError, match="lacks one of the columns"):
        read_photo_manifest(tmp_path / "bad.tsv")


@pytest.mark.parametrize(
    ("text", "hazard"),
    [
        ("Aftershock: rubble everywhere", "earthquake"),
        ("Typhoon nears", "storm"),
        ("sunny day", ""),
        ("burning flood", ""),
        ("campfires", ""),
    ],
)
def test_hazards_are_named(text: str, hazard: str) -> None:
    assert hazard_of_text(text) == hazard
