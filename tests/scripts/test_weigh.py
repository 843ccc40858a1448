"""A label's weight in the order of reading is set, and nothing else is."""

import shutil
from pathlib import Path

import pytest
from linear_heads import LinearHeads
from weigh import weigh

from crisislens.core.assets import asset
from crisislens.core.errors import InputError
from crisislens.pipeline.bundle import Bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(Path(asset("bundles/crisis-multilingual")), folder)
    return folder


def test_one_weight_changes(bundle: Path) -> None:
    before, head = Bundle.read(bundle).config, LinearHeads.read(bundle, "needs")
    weigh(bundle, "needs", "warning", 0.25)
    after, same = Bundle.read(bundle).config, LinearHeads.read(bundle, "needs")
    assert after.tasks["needs"].space.label("warning").urgency == 0.25
    assert (same.weight == head.weight).all()
    assert (same.bias == head.bias).all()

    def others(tasks: object) -> list[tuple[str, float]]:
        return [(one.name, one.urgency) for one in tasks.space.labels if one.name != "warning"]  # type: ignore[attr-defined]

    assert others(after.tasks["needs"]) == others(before.tasks["needs"])
    assert after.version == before.version


@pytest.mark.parametrize(
    ("label", "urgency", "message"), [("floods", 0.5, "no label"), ("water", 1.5, "out of range")]
)
def test_says_what_does_not_fit(bundle: Path, label: str, urgency: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        weigh(bundle, "needs", label, urgency)
