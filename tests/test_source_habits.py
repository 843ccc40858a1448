"""Habits of the source that no linter knows: each with the fault that it once was."""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "crisislens"

ALLOWED: dict[str, str] = {}
"""Files that may cut with `str.splitlines`, and why."""


def test_no_data_is_cut_with_splitlines() -> None:
    """It also cuts at U+2028, U+0085 and others, which stand in posts; `core.lines.cut_lines` does not."""
    call = re.compile(r"\.\s*splitlines\s*\(")
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if call.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(ALLOWED)
