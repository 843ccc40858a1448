"""A question that is silenced keeps its guesses and gives no sure answer; no other question changes."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from crisislens.core.assets import asset
from crisislens.core.errors import InputError
from crisislens.domain.calibration import NEVER_SURE
from crisislens.pipeline.bundle import Bundle, packaged_bundles

SCRIPT = Path(__file__).parents[2] / "scripts" / "never_sure.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("never_sure", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_question_is_silenced_and_the_others_stay(script: ModuleType, tmp_path: Path) -> None:
    shipped = asset("bundles", "crisis-multilingual")
    shutil.copy(shipped / "bundle.json", tmp_path)
    script.silence(tmp_path, "humanitarian", "9.9")
    before, after = (Bundle.read(folder).config for folder in (shipped, tmp_path))
    kinds = after.tasks["humanitarian"].calibration
    assert {kind.abstain_below for kind in kinds.values()} == {NEVER_SURE}
    # recalibration starts from the temperatures
    old = before.tasks["humanitarian"].calibration
    assert {k: c.temperature for k, c in kinds.items()} == {k: c.temperature for k, c in old.items()}
    assert after.version == "9.9"
    rest = [json.loads((folder / "bundle.json").read_bytes()) for folder in (shipped, tmp_path)]
    for one in rest:
        del one["version"], one["tasks"]["humanitarian"]["calibration"]
    assert rest[0] == rest[1]


def test_a_question_that_the_bundle_lacks_is_told(script: ModuleType) -> None:
    with pytest.raises(InputError, match="there is no question 'x'; this bundle has informativeness"):
        script.silence(asset("bundles", "crisis-compact"), "x", "1")


@pytest.mark.parametrize("name", sorted(packaged_bundles()))
def test_no_bundle_that_ships_surely_tells_how_bad_damage_is(name: str) -> None:
    # where it was measured, it was said mostly of posts that tell of something else
    task = Bundle.read(packaged_bundles()[name]).config.tasks.get("damage")
    if task is not None:
        assert {one.abstain_below for one in task.calibration.values()} == {NEVER_SURE}
