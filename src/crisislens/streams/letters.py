"""What a dead letter holds, and which are there already: what a source gives at every look is not buried at
every look.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from crisislens.core.fingerprint import fingerprint
from crisislens.data import cells
from crisislens.data.exports import ROW_KEYS
from crisislens.store.records import Unread
from crisislens.store.types import without_nul

__all__ = ["KnownLetters", "letter_of", "letters_of", "written_row"]

_MOST: Final = 20_000
# the store keeps 64 kB of a letter, which is no less than this where each character takes four bytes
_KEPT_RAW: Final = 16_000
_KEPT_REASON: Final = 500


class KnownLetters:
    """The last letters of a source, by what is in them and why; so many that memory stays flat.

    Arguments:
        there: Those that are there, the oldest first.
    """

    def __init__(self, there: Iterable[Unread] = ()) -> None:
        self._known: dict[str, None] = {}
        self.add(there)

    def new(self, letters: Iterable[Unread]) -> list[Unread]:
        """Those that are not there, each once."""
        found = {_digest(letter): letter for letter in letters}
        return [letter for digest, letter in found.items() if digest not in self._known]

    def add(self, letters: Iterable[Unread]) -> None:
        """Remembers them, when they are there."""
        for letter in letters:
            self._known[_digest(letter)] = None
            if len(self._known) > _MOST:
                del self._known[next(iter(self._known))]


def written_row(row: Mapping[str, object]) -> str:
    """A row as JSON, from which a replay reads this one row again.

    >>> written_row({"id": 7})
    '{"id": 7}'

    Arguments:
        row: As it came.
    """
    # a list in it would have it taken for a page itself
    like_page = any(isinstance(row.get(key), list) for key in ROW_KEYS)
    value = {"data": [row]} if like_page else row
    return cells.valid_unicode(json.dumps(value, default=str, ensure_ascii=False))


def letters_of(file: Path) -> Iterator[Unread]:
    """The letters of a file of JSON lines, which need not be there."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            letter = letter_of(line)
            if letter is not None:
                yield letter


def letter_of(line: str) -> Unread | None:
    """The letter of a line, if it is one."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    raw = value.get("raw") if isinstance(value, dict) else None
    return Unread(raw=raw, reason=str(value.get("reason"))) if isinstance(raw, str) else None


def _digest(letter: Unread) -> str:
    """Of what is alike before and after a store kept it, which cuts it and replaces what no text holds."""
    raw = letter.raw[:_KEPT_RAW].encode("utf-8", "replace").decode("utf-8")
    return fingerprint([without_nul(raw), without_nul(letter.reason[:_KEPT_REASON])])
