"""Dead letters of posts that go to a service: a file of JSON lines beside the cursor, one a source."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crisislens.store.records import Unread

__all__ = ["Letterbox", "source_in"]


@dataclass(frozen=True)
class Letterbox:
    """Where the letters of one source lie.

    Attributes:
        file: The file.
        source: The source's name, which every line holds.
    """

    file: Path
    source: str

    def put(self, letters: Sequence[Unread]) -> None:
        """Appends letters."""
        if not letters:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        at = datetime.now(UTC).isoformat()
        with self.file.open("a", encoding="utf-8") as lines:
            if self._cut_off():
                lines.write("\n")
            for letter in letters:
                lines.write(json.dumps({"at": at, "source": self.source, **letter.model_dump()}) + "\n")

    def read(self) -> list[Unread]:
        """All of them; a line that was cut off by a crash is left out."""
        found = []
        for path in (self._taken, self.file):
            if path.is_file():
                with path.open(encoding="utf-8") as lines:
                    found += [letter for letter in map(_letter, lines) if letter is not None]
        return found

    def take(self) -> list[Unread]:
        """Sets the letters aside and gives them, so that a stream may go on putting meanwhile; they are gone
        after `done`. What a crash left aside comes again.
        """
        if not self._taken.is_file() and self.file.is_file():
            self.file.replace(self._taken)
        if not self._taken.is_file():
            return []
        with self._taken.open(encoding="utf-8") as lines:
            return [letter for letter in map(_letter, lines) if letter is not None]

    def done(self, left: Sequence[Unread]) -> None:
        """Puts back those that stay and forgets the others."""
        self.put(left)
        self._taken.unlink(missing_ok=True)

    def _cut_off(self) -> bool:
        """Whether a crash left half a line at the end, which the next one must not be joined to."""
        with self.file.open("rb") as file:
            if not file.seek(0, 2):
                return False
            file.seek(-1, 2)
            return file.read(1) != b"\n"

    @property
    def _taken(self) -> Path:
        return self.file.with_name(self.file.name + ".taken")


def source_in(file: Path) -> str | None:
    """The source that the letters of a file are of; None where they do not say so."""
    with file.open(encoding="utf-8") as lines:
        first = next(lines, "")
    try:
        value = json.loads(first)
    except ValueError:
        return None
    name = value.get("source") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def _letter(line: str) -> Unread | None:
    try:
        value = json.loads(line)
        return Unread(raw=value["raw"], reason=value["reason"])
    except (ValueError, KeyError, TypeError):
        return None
