"""A label's weight in the order of reading is set, and nothing else is."""

import json
import shutil
from pathlib import Path

import pytest
from linear_heads import LinearHeads
from weigh import weigh

from crisislens.core.assets import asset
from crisislens.core.errors import InputError
from crisislens.pipeline.bundle import BUNDLE


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(Path(asset("bundles/crisis-multilingual")), folder)
    return folder


def test_one_weight_changes(bundle: Path) -> None:
    before, head = json.loads((bundle / BUNDLE).read_bytes()), LinearHeads.read(bundle, "needs")
    weigh(bundle, "needs", "warning", 0.25)
    after, same = json.loads((bundle / BUNDLE).read_bytes()), LinearHeads.read(bundle, "needs")
    assert (same.weight == head.weight).all()
    assert (same.bias == head.bias).all()
    # nothing else of the bundle is another
    [was] = [one for one in before["tasks"]["needs"]["definition"]["labels"] if one["name"] == "warning"]
    assert was["urgency"] != 0.25
    was["urgency"] = 0.25
    assert after == before


@pytest.mark.parametrize(
    ("label", "urgency", "message"), [("floods", 0.5, "no label"), ("water", 1.5, "out of range")]
)
def test_says_what_does_not_fit(bundle: Path, label: str, urgency: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        weigh(bundle, "needs", label, urgency)


def test_a_question_that_is_none_is_named(bundle: Path) -> None:
    with pytest.raises(InputError, match="no question 'need'; this bundle has informativeness"):
        weigh(bundle, "need", "water", 0.5)
