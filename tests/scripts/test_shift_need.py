"""One label's logit moves by what was said, and nothing else does."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from crisislens.core.assets import asset
from crisislens.core.errors import InputError
from crisislens.models.artifact import load_artifact

SCRIPT = Path(__file__).parents[2] / "scripts" / "shift_need.py"
HEAD = asset("bundles", "crisis-multilingual", "needs")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shift_need", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def head(tmp_path: Path) -> Path:
    shutil.copytree(HEAD, tmp_path / "needs")
    return tmp_path / "needs"


@pytest.mark.parametrize(("label", "by"), [("missing_people", -2.0), ("request", 0.5), ("security", 0.0)])
def test_one_bias_moves_and_everything_else_stays(
    script: ModuleType, head: Path, label: str, by: float
) -> None:
    before = load_artifact(HEAD)
    script.shift(head, label, by)
    after = load_artifact(head)
    at = before.meta.classes.index(label)
    moved = after.model.get_parameter("map.bias") - before.model.get_parameter("map.bias")
    assert moved[at].item() == pytest.approx(by, abs=1e-5)  # single precision beside biases of a few units
    assert moved.abs().sum().item() == pytest.approx(abs(by), abs=1e-5)
    weights = after.model.get_parameter("map.weight"), before.model.get_parameter("map.weight")
    assert weights[0].equal(weights[1])
    assert after.meta == before.meta


def test_a_label_that_the_head_lacks_is_told_with_those_that_it_has(script: ModuleType, head: Path) -> None:
    with pytest.raises(InputError, match=r"no label 'insulin'.*medical"):
        script.shift(head, "insulin", 1.0)


def test_there_and_back_is_what_ships(script: ModuleType, head: Path) -> None:
    """The digest in the configuration follows the weights, else the head could not be read."""
    script.shift(head, "missing_people", 2.0)
    changed = (head / "model.safetensors").read_bytes()
    script.shift(head, "missing_people", -2.0)
    assert changed != (head / "model.safetensors").read_bytes()
    mine, ships = load_artifact(head).model.state_dict(), load_artifact(HEAD).model.state_dict()
    assert mine.keys() == ships.keys()
    # to the last digit of single precision, which a bias loses where two is added to it
    assert all(mine[name].allclose(ships[name], rtol=0, atol=5e-7) for name in ships)
