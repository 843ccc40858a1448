"""JSON that somebody else may have written, such as the configuration of a model: an object, or one
sentence on why it is none. Never a stack trace, whatever the bytes are.
"""

import json
from pathlib import Path
from typing import Any

from crisislens.core.errors import ModelError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "read_object"]

MAX_BYTES = 16 * 1024 * 1024
"""The largest file that is read, bytes; configurations have kilobytes."""
MAX_DEPTH = 64
"""The deepest nesting that is read; ours is below ten."""


def read_object(path: Path, *, advice: str) -> dict[str, Any]:
    """Reads a JSON object.

    Arguments:
        path: The file.
        advice: What to do about a file that cannot be read, the end of the sentence.

    Raises:
        ModelError: If it is missing, no regular file, too large, not UTF-8, not JSON,
            too deep or no object.
    """
    try:
        # a pipe would be waited for, and a device never ends
        if not path.is_file():
            raise ValueError("it is missing or no regular file")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"it holds a {type(values).__name__} where an object is expected")
        _check(values)
    except (ValueError, OSError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} is not readable JSON ({reason}); {advice}") from error
    return values


def _check(values: dict[str, Any]) -> None:
    """Refuses what later steps could not write again:
    deep nesting, and halves of surrogate pairs.
    """
    # a list of our own instead of recursion, which deep nesting would end with a stack trace
    waiting: list[tuple[object, int]] = [(values, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, str):
            value.encode("utf-8")
        elif isinstance(value, dict):
            waiting += [(part, depth + 1) for part in (*value, *value.values())]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
