"""Long texts, read in windows.

An encoder reads a bounded number of tokens (128 word pieces, some 500 characters), and a call for
help may stand behind that. A longer text is cut into windows of a tweet's length, which is what the
models learned on:
a call of one sentence among many of small talk would be outvoted in a larger one. The cuts are at
ends of sentences, else of words; each window is judged as a post of its own, and the answers of the
most urgent one count, since a post is as urgent as its most urgent part. What stands behind the
last window was not read, and the record says so.

The rule is ours; no paper.
"""

import re
from dataclasses import dataclass

from crisislens.encoders.base import TextEncoder

__all__ = ["MOST_WINDOWS", "Windows", "windows_of"]

MOST_WINDOWS = 16
"""Windows of one text at most."""
WINDOW_CHARACTERS = 280
"""A tweet's length."""
_SENTENCE_END = re.compile(r"[.!?…。！？।؟]+[\"'”’)]*\s+|\n+")
# of a window that may be given up to end it at a sentence
_GIVEN_UP = 0.6


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
    """Cuts a text into windows; one where an encoder reads all of it at once.

    Arguments:
        text: The cleaned text.
        encoder: The text encoder.
    """
    [tokens] = encoder.tokenize([text])
    if not tokens.truncated:
        return Windows((text,))
    # an encoder with short sight is given less
    most = min(WINDOW_CHARACTERS, max(end for _, end in tokens.offsets))
    parts: list[str] = []
    rest = text
    while rest and len(parts) < MOST_WINDOWS:
        end = len(rest) if len(rest) <= most else _cut(rest, most)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return Windows(tuple(part for part in parts if part) or (text,), len(rest))


def _cut(text: str, most: int) -> int:
    """Where a window of at most `most` characters ends: behind a sentence, else a word, else
    anywhere.
    """
    # looked for in the last part only: a window of three words would say nothing of the post
    least = int(most * (1 - _GIVEN_UP))
    ends = [match.end() for match in _SENTENCE_END.finditer(text, least) if match.end() <= most]
    if ends:
        return ends[-1]
    blank = text.rfind(" ", least, most + 1)
    return blank if blank > 0 else max(most, 1)
