"""Drawn pictures, run files, bundles and stores: each gives a value or one sentence, in time."""

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from crisislens.core.assets import asset
from crisislens.core.errors import ConfigError, CrisisLensError, ImageError
from crisislens.core.yaml_files import parse_yaml
from crisislens.data.images import decode_image
from crisislens.pipeline.bundle import BUNDLE, Bundle
from crisislens.store import open_store
from hostile.others import damage, draw_object, draw_picture, draw_settings

# an eighth of the inputs each: pictures, run files, and bundles and stores; tables are one half, requests the
# rest
INPUTS = int(os.environ.get("CRISISLENS_FUZZ", "2000")) // 8
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


def sentence(said: str, seed: int) -> None:
    assert 0 < len(said) < 1_000, f"seed {seed}: {said[:300]}"
    assert said.count("\n") < 5, f"seed {seed}: {said[:300]}"


def test_a_bundle_is_read_or_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(asset("bundles", "crisis-compact"), folder)
    good = (folder / BUNDLE).read_text(encoding="utf-8")
    read = 0
    for seed in range(INPUTS * 3 // 4):
        (folder / BUNDLE).write_bytes(draw_object(seed, good))
        started = time.process_time()
        try:
            found = Bundle.read(folder)
            read += 1
            # a stranger's bundle reads nothing outside its folder, whatever it names
            assert all(path.resolve().is_relative_to(folder) for path in found.artifacts.values()), seed
        except CrisisLensError as error:
            sentence(str(error), seed)
        assert time.process_time() - started < MOST_SECONDS, f"seed {seed}: took too long"
    assert read > 0


def test_a_store_is_opened_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(str(path), least_free_bytes=0):
        pass
    whole = path.read_bytes()
    for seed in range(INPUTS // 4):
        for left in tmp_path.glob("store.db*"):
            left.unlink() if left.is_file() else shutil.rmtree(left)
        # the header of the format has a hundred bytes
        path.write_bytes(damage(whole, random.Random(seed), head=100))
        started = time.process_time()
        try:
            with open_store(str(path), least_free_bytes=0):
                pass
        except CrisisLensError as error:
            sentence(str(error), seed)
        assert time.process_time() - started < MOST_SECONDS, f"seed {seed}: took too long"


def test_equal_seeds_draw_equal_inputs() -> None:
    for seed in range(20):
        assert draw_picture(seed) == draw_picture(seed)
        assert draw_settings(seed) == draw_settings(seed)
        assert draw_object(seed, '{"a": {"b": 1}}') == draw_object(seed, '{"a": {"b": 1}}')
