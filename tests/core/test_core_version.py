"""The version stands in two places that must agree."""

import tomllib
from pathlib import Path

import crisislens
from crisislens.core.version import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_the_package_says_the_version_that_it_is_built_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert __version__ == project["version"] == crisislens.__version__
