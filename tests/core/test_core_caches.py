"""Where what can be made again is kept."""

from pathlib import Path

import pytest

from crisislens.core.caches import cache_folder


@pytest.mark.parametrize(
    ("platform", "given", "expected"),
    [
        ("linux", {}, "home/.cache/crisislens"),
        ("linux", {"XDG_CACHE_HOME": "/somewhere"}, "/somewhere/crisislens"),
        # the standard says that a relative path is to be ignored
        ("linux", {"XDG_CACHE_HOME": "somewhere"}, "home/.cache/crisislens"),
        ("darwin", {}, "home/Library/Caches/crisislens"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/crisislens"),
        ("linux", {"CRISISLENS_CACHE": "/chosen", "XDG_CACHE_HOME": "/somewhere"}, "/chosen"),
    ],
)
def test_the_folder_is_the_systems_own(
    platform: str, given: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "CRISISLENS_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == tmp_path / expected


def test_without_a_home_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CRISISLENS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nobody)
    assert cache_folder() is None
