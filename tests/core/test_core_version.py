"""The version stands in one place; the build and the changelog follow it."""

import re
import tomllib
from pathlib import Path

import crisislens
from crisislens.core.version import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_the_package_says_the_version_that_it_is_built_with() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in settings["project"]["dynamic"]
    read_from = ROOT / settings["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{__version__}"' in read_from.read_text(encoding="utf-8")
    assert crisislens.__version__ == __version__


def test_the_changelog_begins_with_it() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+) \(([^)]+)\)$", changelog, re.MULTILINE)
    assert first is not None
    assert first[1] == __version__
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}|unreleased", first[2])
