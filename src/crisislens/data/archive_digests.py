"""SHA-256 digests of downloaded archives: given by the user, or recorded beside the archive at its
first use and held against it ever after.
"""

import hashlib
import re
from pathlib import Path

from crisislens.core.errors import DataError, InputError
from crisislens.core.files import atomic_write

__all__ = ["checked_digest", "compare_digests", "recorded_digest", "verify_archive"]

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def recorded_digest(archive: Path) -> str | None:
    """The digest that stands beside an archive; None where none does."""
    try:
        found = _DIGEST.match(_sidecar(archive).read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return found[0].lower() if found else None


def verify_archive(path: Path, expected: str | None) -> bool:
    """Compares an archive with the digest that was given or recorded and records it; false where
    there was nothing to compare with.

    Raises:
        DataError: If they differ.
    """
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    recorded = recorded_digest(path)
    for source, digest in (("given", expected), (f"recorded in {_sidecar(path).name}", recorded)):
        if digest is not None and digest != found:
            raise DataError(
                f"{path} has SHA-256 {found}, {source} is {digest}; delete it and get it again, or correct "
                f"the digest if the file is right"
            )
    if recorded is None:
        atomic_write(_sidecar(path), f"{found}  {path.name}\n")
    return expected is not None or recorded is not None


def compare_digests(digests: dict[str, str], expected: dict[str, str | None], given: dict[str, Path]) -> None:
    """Holds what is in place against what is asked for now."""
    for name, digest in digests.items():
        wanted = expected[name]
        if wanted is not None and wanted != digest:
            raise DataError(
                f"what is in place came from a {name} with SHA-256 {digest}, given is {wanted}; fetch into "
                f"another folder"
            )
        if name in given:
            verify_archive(given[name], digest)


def checked_digest(given: str | None) -> str | None:
    if given is not None and not _DIGEST.fullmatch(given):
        raise InputError(f"{given!r:.80} is no SHA-256; expected 64 hexadecimal digits")
    return given.lower() if given else None


def _sidecar(archive: Path) -> Path:
    return archive.with_name(archive.name + ".sha256")
