"""Atomic files: a reader sees the old content or the new, never half of one, whenever the writer is killed."""

import os
import tempfile
from pathlib import Path

__all__ = ["atomic_write"]


def atomic_write(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place, flushes it to disk and renames it; makes missing parent folders. Text is UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # noqa: PTH101 - mkstemp makes 0600, which would hide a report from a colleague
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
