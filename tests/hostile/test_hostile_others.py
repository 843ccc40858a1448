"""Drawn pictures and run files: each gives a value or one sentence, in time."""

import os
import time
from pathlib import Path

import pytest

from crisislens.core.errors import ConfigError, ImageError
from crisislens.core.yaml_files import parse_yaml
from crisislens.data.images import decode_image
from hostile.others import draw_picture, draw_settings

# a quarter of the inputs each; tables are the other half
INPUTS = int(os.environ.get("CRISISLENS_FUZZ", "2000")) // 4
PARTS = 5
MOST_SECONDS = 10


@pytest.mark.parametrize("part", range(PARTS))
def test_a_picture_is_pixels_or_a_reason(tmp_path: Path, part: int) -> None:
    path = tmp_path / "a.jpg"
    decoded = 0
    for seed in range(part, INPUTS, PARTS):
        path.write_bytes(draw_picture(seed))
        started = time.process_time()
        said = "pixels"
        try:
            found = decode_image(path)
            decoded += 1
            fits = found.pixels.ndim == 3 and max(found.pixels.shape) <= 2560
        except ImageError as error:
            said, fits = str(error), True
        assert fits, f"seed {seed}: of another size"
        assert 0 < len(said) < 400, f"seed {seed}: {said}"
        assert "\n" not in said, f"seed {seed}: {said}"
        assert time.process_time() - started < MOST_SECONDS, f"seed {seed}: took too long"
    assert decoded > 0


@pytest.mark.parametrize("part", range(PARTS))
def test_settings_are_values_or_a_sentence(part: int) -> None:
    for seed in range(part, INPUTS, PARTS):
        started = time.process_time()
        said = "values"
        try:
            parse_yaml(draw_settings(seed), where="run.yaml")
        except ConfigError as error:
            said = str(error)
        assert 0 < len(said) < 600, f"seed {seed}: {said}"
        assert time.process_time() - started < MOST_SECONDS, f"seed {seed}: took too long"


def test_equal_seeds_draw_equal_inputs() -> None:
    for seed in range(20):
        assert draw_picture(seed) == draw_picture(seed)
        assert draw_settings(seed) == draw_settings(seed)
