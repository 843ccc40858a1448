"""What ships: one finder, and every weight file held to its pinned digest."""

import shutil
from pathlib import Path

import pytest

from crisislens.core import assets
from crisislens.core.errors import ModelError, NotRegisteredError
from crisislens.core.fingerprint import sha256_of_file


def test_every_weight_file_that_ships_is_pinned_and_is_the_one() -> None:
    root = assets.asset()
    files = [p for p in root.rglob("*") if p.suffix in (".safetensors", ".ftz")]
    found = {p.relative_to(root).as_posix(): sha256_of_file(p) for p in files}
    assert len(found) >= 10
    assert assets._sums() == found
    assets.verify(root)


def test_a_name_or_a_folder(tmp_path: Path) -> None:
    def find(name: str | Path) -> Path:
        return assets.find(name, kind="bundles", marker="bundle.json", what="model")

    assert find("crisis-compact") == assets.asset("bundles", "crisis-compact")
    assert find(tmp_path) == tmp_path
    with pytest.raises(
        NotRegisteredError, match=r"no model named 'x' and no such folder; models that ship: crisis-compact"
    ):
        find("x")
    assert assets.shipped("bundles", "no-such-file") == {}
    assert assets.shipped("no-such-kind", "bundle.json") == {}


def test_a_changed_file_among_those_that_ship_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "assets"
    shutil.copytree(assets.asset("bundles"), root / "bundles")
    monkeypatch.setattr(assets, "asset", lambda *parts: root.joinpath(*parts))
    assert assets._sums()
    assets.find("crisis-compact", kind="bundles", marker="bundle.json", what="model")
    weights = root / "bundles" / "crisis-compact" / "damage" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="is not the file that crisislens ships"):
        assets.find("crisis-compact", kind="bundles", marker="bundle.json", what="model")


def test_files_of_users_have_no_pin(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    assert assets.pinned(tmp_path / "model.safetensors") is None
    assets.verify(tmp_path)
