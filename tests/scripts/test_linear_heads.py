"""Heads are read as they stand, and what is written is read again with nothing else changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from linear_heads import LinearHeads

from crisislens.core.assets import asset
from crisislens.domain.calibration import Calibration
from crisislens.models.artifact import load_artifact
from crisislens.pipeline.bundle import BUNDLE, Bundle


@pytest.fixture
def bundle() -> Path:
    return Path(asset("bundles/crisis-multilingual"))


def test_logits_are_those_of_the_model(bundle: Path) -> None:
    heads = LinearHeads.read(bundle, "needs")
    state = load_artifact(Bundle.read(bundle).artifact("needs")).model.state_dict()
    pooled = np.random.default_rng(0).normal(size=(3, len(heads.mean))).astype(np.float32)
    by_hand = (pooled - state["mean"].numpy()) / state["scale"].numpy() @ state["map.weight"].numpy().T
    assert np.allclose(heads.logits(pooled), by_hand + state["map.bias"].numpy(), atol=1e-4)
    assert heads.classes[heads.logits(pooled).shape[1] - 1] == "security"


def test_a_bundle_is_written_beside_the_old_one_with_one_question_changed(
    bundle: Path, tmp_path: Path
) -> None:
    heads = LinearHeads.read(bundle, "humanitarian")
    heads.weight[0] += 1.0
    sure = Calibration(temperature=1.5, abstain_below=0.25, basis="4 posts")
    heads.write(tmp_path / "new", "9.9.9", calibration={"text": sure})
    again = LinearHeads.read(tmp_path / "new", "humanitarian")
    assert np.allclose(again.weight, heads.weight, atol=1e-6)
    assert np.allclose(again.weight[1:], LinearHeads.read(bundle, "humanitarian").weight[1:], atol=1e-6)
    old, new = (json.loads((folder / BUNDLE).read_bytes()) for folder in (bundle, tmp_path / "new"))
    assert new["version"] == "9.9.9"
    assert new["tasks"]["humanitarian"]["calibration"] == {"text": sure.model_dump(mode="json")}
    assert new["tasks"]["humanitarian"]["definition"] == old["tasks"]["humanitarian"]["definition"]
    assert {q: t for q, t in new["tasks"].items() if q != "humanitarian"} == {
        q: t for q, t in old["tasks"].items() if q != "humanitarian"
    }
    assert (tmp_path / "new" / "adapter.safetensors").read_bytes() == (
        bundle / "adapter.safetensors"
    ).read_bytes()
