"""Results of a grid: one JSON object a finished run, appended and never changed, with all that is
needed to judge and repeat it.

A result's key is over configuration, data, knowledge, features and seed: the same key is the same
experiment. The fingerprint of the code stands beside it, not in it; tables say where results of
different code stand together.
"""

import json
import os
import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import CacheError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.core.lines import cut_lines
from crisislens.core.version import __version__

__all__ = [
    "BenchResult",
    "append_result",
    "code_fingerprint",
    "key_of",
    "provenance",
    "read_bench_results",
    "read_results_of",
]

_ROOMS = ("core", "domain", "nn", "data", "encoders", "features", "models", "evaluation", "training")


class BenchResult(BaseModel):
    """One seed of one cell."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    """Over configuration, data, knowledge, features and seed."""
    table: str
    row: str
    setting: str
    seed: int
    config: str
    """Fingerprint of the run file."""
    data: str
    """Fingerprint of the posts."""
    knowledge: str
    """Fingerprint of the texts beside them; empty for none."""
    features: str
    """Fingerprint of encoders, cleaning and image limits."""
    code: str
    """Fingerprint of the modules that decide a result."""
    versions: dict[str, str]
    device: str
    finished_at: str
    """ISO 8601, UTC."""
    seconds: float
    """Training and evaluation, without features."""
    posts: dict[str, int]
    with_photo: dict[str, int]
    """Posts whose photo could be used."""
    with_knowledge: dict[str, int]
    """Posts with a text beside them."""
    accuracy: float
    macro_f1: float
    weighted_f1: float
    clean: dict[str, float] | None = None
    """The same scores on test posts that leak in no way, where the setting asks for it."""
    folder: str
    """Where model and predictions lie, relative to the results file."""


def key_of(config: str, data: str, knowledge: str, features: str, seed: int) -> str:
    """The key of an experiment, 16 hex digits."""
    return fingerprint([config, data, knowledge, features, seed])


def append_result(path: Path, result: BaseModel) -> None:
    """Appends a result of any kind in one write, flushed to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (result.model_dump_json() + "\n").encode()
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                # a writer was killed in the middle of its line
                line = b"\n" + line
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bench_results(path: Path) -> list[BenchResult]:
    """All results of a grid's file, see `read_results_of`."""
    return read_results_of(BenchResult, path)


Result = TypeVar("Result", bound=BaseModel)


def read_results_of(kind: type[Result], path: Path) -> list[Result]:
    """All results of a file; a line that a killed writer left half is skipped.

    Arguments:
        kind: The record of a line.
        path: The file.

    Raises:
        CacheError: If the file cannot be read or no line of it is a result.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CacheError(f"{path} cannot be read ({error}); check the path and its rights") from error
    found, broken = [], 0
    for line in cut_lines(text):
        if not line.strip():
            continue
        try:
            found.append(kind.model_validate(json.loads(line)))
        except ValueError:
            broken += 1
    if broken and not found:
        raise CacheError(
            f"{path} holds no results; give the file results.jsonl that `crisislens bench run` wrote"
        )
    return found


def provenance(device: str) -> dict[str, object]:
    """What every result says of where it was made."""
    packages = ("torch", "transformers", "pytorch-lightning", "numpy", "scikit-learn")
    return {
        "code": code_fingerprint(),
        "versions": {
            "python": platform.python_version(),
            # its own, whether or not it is installed: a source tree has a version, too
            "crisislens": __version__,
            **{name: _version(name) for name in packages},
        },
        "device": device,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def code_fingerprint() -> str:
    """16 hex digits over the source of the rooms that decide a result, as it was when first asked
    for.
    """
    root = Path(__file__).resolve().parent.parent
    files = sorted(path for room in _ROOMS for path in (root / room).rglob("*.py"))
    return fingerprint([[path.relative_to(root).as_posix(), fingerprint_file(path)] for path in files])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
