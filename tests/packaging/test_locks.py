"""What `make` installs is whole: every package of a lock finds what it asks for in that lock, in the ones
before it, or in torch, on each platform that the project admits."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("build", "runtime", "serve", "dev")
LINUX = {"sys_platform": "linux", "platform_system": "Linux"}
MAC = {"sys_platform": "darwin", "platform_system": "Darwin"}
WINDOWS = {"sys_platform": "win32", "platform_system": "Windows"}
# no lock holds these (see scripts/make_lock.py); the second is asked for by a package of two data files
APART = {"torch", "sentence-transformers"}
_LINE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==\S+(?: ; (.+?))? \\$", re.MULTILINE)


def locked(layer: str, platform: dict[str, str]) -> set[str]:
    """The names of one lock that pip installs on a platform."""
    text = (ROOT / "locks" / f"{layer}.txt").read_text(encoding="utf-8")
    found = _LINE.findall(text)
    return {
        canonicalize_name(name) for name, marker in found if not marker or Marker(marker).evaluate(platform)
    }


def missing(names: set[str], platform: dict[str, str]) -> list[str]:
    """What packages that are installed here ask for and `names` lacks, as `asker: need`."""
    gaps = []
    for name in sorted(names):
        try:
            needs = requires(name) or []
        except PackageNotFoundError:  # a package of another platform or Python: nothing is known of it here
            continue
        for need in map(Requirement, needs):
            # as pip does where no extra is asked for
            wanted = need.marker is None or need.marker.evaluate({**platform, "extra": ""})
            if wanted and canonicalize_name(need.name) not in names | APART:
                gaps.append(f"{name}: {need.name}")
    return gaps


@pytest.mark.parametrize("platform", [LINUX, MAC, WINDOWS], ids=lambda platform: platform["sys_platform"])
@pytest.mark.parametrize("layer", LAYERS[1:])
def test_a_lock_and_those_before_it_hold_all_that_they_ask_for(layer: str, platform: dict[str, str]) -> None:
    before = LAYERS[: LAYERS.index(layer) + 1]
    names = {name for part in before for name in locked(part, platform)}
    assert len(names) > 40
    assert missing(names, platform) == []


def test_what_is_not_locked_is_told() -> None:
    """The check itself can fail: tqdm asks for colorama on Windows alone."""
    assert missing({"tqdm"}, WINDOWS) == ["tqdm: colorama"]
    assert missing({"tqdm"}, LINUX) == []
