"""The run files that ship: found by the path that the docs print, or by their name, also where the package
was installed without its checkout.

A wheel holds the folder `configs` under `crisislens/assets/configs`. A checkout has it at its root, where a
reader looks for it.
"""

import difflib
from functools import lru_cache
from pathlib import Path

from crisislens.core.assets import asset
from crisislens.core.errors import ConfigError

__all__ = ["find_run_file", "shipped_run_files", "shipped_run_folder"]

_FOLDER = "configs"
# parts of run files, which no command can run alone
_PARTS = ("models", "protocols", "settings")


def shipped_run_folder() -> Path | None:
    """The folder with the run files that ship; None where there is none, as in a copy of `src` alone."""
    checkout = Path(__file__).resolve().parents[3]
    inside = asset(_FOLDER)
    # the checkout first: what its reader edits is what runs
    places = [checkout / _FOLDER, inside] if (checkout / "pyproject.toml").is_file() else [inside]
    return next((folder for folder in places if folder.is_dir()), None)


@lru_cache(maxsize=1)
def shipped_run_files() -> dict[str, Path]:
    """The run files that ship, by name: the path below `configs` without its ending, sorted."""
    root = shipped_run_folder()
    if root is None:
        return {}
    files = [path.relative_to(root) for path in root.rglob("*.yaml")]
    names = {path.with_suffix("").as_posix(): root / path for path in files if path.parts[0] not in _PARTS}
    return dict(sorted(names.items()))


def find_run_file(given: str | Path) -> Path:
    """The run file of a path or a name.

    A file that exists is taken as it is. Otherwise `configs/runs/a1_concat.yaml`, `runs/a1_concat` and
    `a1_concat` are all the one that ships.

    Raises:
        ConfigError: If it is neither, or the name fits several, with what was likely meant.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = shipped_run_files()
    name = path.as_posix().removeprefix(f"{_FOLDER}/").removesuffix(".yaml")
    if name in shipped:
        return shipped[name]
    same = [full for full in shipped if full.rpartition("/")[2] == name]
    if len(same) == 1:
        return shipped[same[0]]
    raise ConfigError(f"no run file at {given}; give the path of a YAML file{_meant(name, same)}")


def _meant(name: str, same: list[str]) -> str:
    """The rest of the sentence: what was likely meant, and where to look."""
    lasts = {full.rpartition("/")[2]: full for full in shipped_run_files()}
    near = difflib.get_close_matches(name.rpartition("/")[2], lasts, n=1)
    close = same or [lasts[last] for last in near]
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f" or a name that `crisislens configs list` tells (examples stand in {_FOLDER}/){hint}"
