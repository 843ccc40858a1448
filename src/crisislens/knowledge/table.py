"""A local table of pages, for work offline: JSONL objects with `title`, `aliases` and `summary`.

Names are matched whole, longest first, without regard to case and accents; hashtags match as one word and cut
into words. The table that ships, `crises-2017`, was written for this project: some sixty short
entries on the seven disasters of CrisisMMD, their places and helpers. It is no Wikipedia, and
nothing measured with it says what Wikipedia would do.
"""

import json
import re
import unicodedata
from pathlib import Path

from pydantic import Field, ValidationError

from crisislens.core.assets import asset
from crisislens.core.config import Config
from crisislens.core.errors import DataError
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.data.text import CleaningRules, clean_text
from crisislens.data.untrusted import plain_text
from crisislens.knowledge.base import KNOWLEDGE, KnowledgeSource, KnowledgeSpec, Page
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.names import words_of_hashtag

__all__ = ["PageTableOptions", "TableSource"]

_RULES = CleaningRules(strip_hash=False)
_WORD = re.compile(r"[#@]?\w+")
_LONGEST = 6


class PageTableOptions(Config):
    """Options of the source `table`."""

    table: str = "crises-2017"
    """A file, or the name of a table that ships."""
    most: int = Field(default=3, ge=1)
    """Pages a post."""


class _Entry(Config):
    title: str
    aliases: tuple[str, ...] = ()
    summary: str


class TableSource(KnowledgeSource):
    """Looks names up in a table.

    Arguments:
        options: Which table.

    Raises:
        DataError: If the table is missing or a row does not fit.
    """

    def __init__(self, options: PageTableOptions) -> None:
        self.options = options
        path = Path(options.table)
        shipped = asset("knowledge", f"{options.table}.jsonl")
        self.name = f"table {path.stem}"
        self._entries: dict[str, _Entry] = {}
        for entry in _read(shipped if shipped.is_file() and not path.is_file() else path):
            for name in (entry.title, *entry.aliases):
                # of two pages for one name the first in the table counts
                self._entries.setdefault(_key(name), entry)

    def pages(self, text: str) -> list[Page]:
        """Pages of the names in the text."""
        words: list[str] = []
        # letters that are written with their accents apart would be cut at these
        for m in _WORD.finditer(unicodedata.normalize("NFC", clean_text(text, _RULES))):
            tag = m[0].startswith("#")
            # a hashtag that is a name as a whole is not cut: #PuertoRicoSeLevanta is, #Maria is not
            if tag and _key(m[0][1:]) not in self._entries:
                words += words_of_hashtag(m[0][1:]).split()
            elif not m[0].startswith("@"):
                words.append(m[0].lstrip("#"))
        found: dict[str, Page] = {}
        at = 0
        while at < len(words) and len(found) < self.options.most:
            for length in range(min(_LONGEST, len(words) - at), 0, -1):
                mention = " ".join(words[at : at + length])
                if (entry := self._entries.get(_key(mention))) is not None:
                    found.setdefault(entry.title, Page(entry.title, entry.summary, mention))
                    at += length - 1
                    break
            at += 1
        return list(found.values())


@KNOWLEDGE.register("table")
def build_page_table(spec: KnowledgeSpec) -> TableSource:
    """A local table of pages; one on the disasters of 2017 ships.

    Raises:
        ConfigError: If an option does not fit `PageTableOptions`.
        DataError: If the table cannot be read.
    """
    return TableSource(PageTableOptions.parse(spec.options, where="source table"))


def _key(name: str) -> str:
    # word by word, as the words of a text are: an apostrophe ends a word in both
    words = re.findall(r"\w+", unicodedata.normalize("NFC", name))
    return " ".join(name_key(word) for word in words)


def _read(path: Path) -> list[_Entry]:
    if not path.is_file():
        raise DataError(
            f"no table of pages at {path}; give a JSONL file with title, aliases and summary, or "
            f"crises-2017, which ships"
        )
    entries = []
    for number, line in enumerate(read_lines(path), 1):
        if isinstance(line, str) and not line.strip():
            continue
        try:
            if isinstance(line, BrokenRow):
                raise DataError(line.reason)
            entry = _Entry.model_validate(json.loads(line))
        except (ValueError, ValidationError, RecursionError, DataError) as error:
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"{path}, line {number}, is no page ({reason}); expected title, aliases and summary"
            ) from error
        entries.append(entry.model_copy(update={"summary": plain_text(entry.summary, max_characters=1000)}))
    return entries
