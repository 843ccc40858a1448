"""Long texts, read in windows.

An encoder reads a bounded number of tokens (128 word pieces, some 500 characters), and a call for help may
stand behind that. A longer text is cut into windows of what the encoder reads, at ends of sentences or words;
each is judged as a post of its own, and the answers of the most urgent one count, since a post is as urgent
as its most urgent part. What stands behind the last window was not read, and the record says so.

The rule is ours; no paper.
"""

import re
from dataclasses import dataclass

from crisislens.encoders.base import TextEncoder

__all__ = ["MOST_WINDOWS", "Windows", "windows_of"]

MOST_WINDOWS = 8
"""Windows of one text at most; some 4,000 characters of English."""
_SENTENCE_END = re.compile(r"[.!?…。！？।؟\n]+[\"'”’)]*\s+|\n+")
# of a window that may be given up to end it at a sentence
_GIVEN_UP = 0.4


@dataclass(frozen=True)
class Windows:
    """The windows of one text.

    Attributes:
        parts: In the order of the text; at least one.
        rest: Characters behind the last one, which nobody reads.
    """

    parts: tuple[str, ...]
    rest: int = 0


def windows_of(text: str, encoder: TextEncoder) -> Windows:
    """Cuts a text into what an encoder reads at once; one window where all of it fits.

    Arguments:
        text: The cleaned text.
        encoder: The text encoder.
    """
    parts: list[str] = []
    rest = text
    while rest and len(parts) < MOST_WINDOWS:
        [tokens] = encoder.tokenize([rest])
        if not tokens.truncated:
            parts.append(rest)
            rest = ""
            break
        end = _cut(rest, max(end for _, end in tokens.offsets))
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return Windows(tuple(parts) or (text,), len(rest))


def _cut(text: str, most: int) -> int:
    """Where a window of at most `most` characters ends: behind a sentence, else a word, else anywhere."""
    least = int(most * (1 - _GIVEN_UP))
    ends = [match.end() for match in _SENTENCE_END.finditer(text, least, most + 1) if match.end() <= most]
    if ends:
        return ends[-1]
    blank = text.rfind(" ", least, most + 1)
    return blank if blank > 0 else max(most, 1)
