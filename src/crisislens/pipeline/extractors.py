"""The extractors that ship, and a user's own, by name or folder."""

from functools import lru_cache
from pathlib import Path

from crisislens.core import assets
from crisislens.models.extractor_artifact import LoadedExtractor, load_extractor

__all__ = ["DEFAULT_ENTITIES", "DEFAULT_RELATIONS", "find_extractor", "packaged_extractors"]

DEFAULT_ENTITIES = "entities-compact"
DEFAULT_RELATIONS = "relations-compact"


@lru_cache(maxsize=4)
def _loaded(folder: Path, stamp: int) -> LoadedExtractor:
    return load_extractor(folder)


def packaged_extractors() -> dict[str, Path]:
    """The extractors that the package ships, by name."""
    return assets.shipped("extractors", "config.json")


def find_extractor(name_or_folder: str | Path) -> LoadedExtractor:
    """An extractor by the name of a packaged one or by its folder; read once a process.

    Raises:
        NotRegisteredError: If it is neither, with the names that exist.
        ModelError: If it is damaged.
    """
    folder = assets.find(name_or_folder, kind="extractors", marker="config.json", what="extractor")
    config = folder / "config.json"
    return _loaded(folder.resolve(), config.stat().st_mtime_ns if config.is_file() else 0)
