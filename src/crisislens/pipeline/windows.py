"""Long texts, read in windows.

An encoder reads a bounded number of tokens (128 word pieces, some 500 characters), and a call for
help may stand behind that. A longer text is cut into windows of a tweet's length, which is what the
models learned on:
a call of one sentence among many of small talk would be outvoted in a larger one. The cuts are at
ends of sentences, else of words; each window is judged as a post of its own, and the answers of the
most urgent one count, since a post is as urgent as its most urgent part. Of a text of more windows than
are read, the last ones are those of its end: people tell what happened first, and ask, with the address, at
the end. What stands between was not read, and the record says so.

The rule is ours; no paper.
"""

import re
from dataclasses import dataclass

from crisislens.encoders.base import TextEncoder

__all__ = ["MOST_WINDOWS", "Windows", "windows_of"]

MOST_WINDOWS = 16
"""Windows of one text at most."""
LAST_WINDOWS = 4
"""So many of them are of the end of a text that has more."""
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
        rest: Characters that nobody reads: those before the last `LAST_WINDOWS` ones, and those that
            were left out of the text before (`data.text.clean_ends`).
    """

    parts: tuple[str, ...]
    rest: int = 0


def windows_of(text: str, encoder: TextEncoder, left_out: int = 0) -> Windows:
    """Cuts a text into windows; one where an encoder reads all of it at once.

    Arguments:
        text: The cleaned text.
        encoder: The text encoder.
        left_out: Characters that the text had in its middle before it was cleaned.
    """
    [tokens] = encoder.tokenize([text])
    if not tokens.truncated:
        return Windows((text,), left_out)
    # an encoder with short sight is given less
    most = min(WINDOW_CHARACTERS, max(end for _, end in tokens.offsets))
    first, behind = _from_the_start(text, most, MOST_WINDOWS - LAST_WINDOWS)
    last, rest = _from_the_start(behind, most, LAST_WINDOWS)
    if rest:
        last, rest = _from_the_end(behind, most, LAST_WINDOWS)
    return Windows(tuple(part for part in (*first, *last) if part) or (text,), len(rest) + left_out)


def _from_the_start(text: str, most: int, count: int) -> tuple[list[str], str]:
    """So many windows, and what stands behind them."""
    parts = list[str]()
    while text and len(parts) < count:
        end = len(text) if len(text) <= most else _cut(text, most)
        parts.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return parts, text


def _from_the_end(text: str, most: int, count: int) -> tuple[list[str], str]:
    """So many windows of the end, in the order of the text, and what stands before them."""
    parts, text = list[str](), text.rstrip()
    while text and len(parts) < count:
        start = 0 if len(text) <= most else _begin(text, most)
        parts.append(text[start:].lstrip())
        text = text[:start].rstrip()
    return parts[::-1], text


def _cut(text: str, most: int) -> int:
    """Where a window of at most `most` characters ends: behind a sentence, else a word, else
    anywhere.
    """
    # looked for in the last part only: a window of three words would say nothing of the post
    least = int(most * (1 - _GIVEN_UP))
    # and no further: a million dots would be tried from each of them to the end
    ends = [match.end() for match in _SENTENCE_END.finditer(text, least, most + 1) if match.end() <= most]
    if ends:
        return ends[-1]
    blank = text.rfind(" ", least, most + 1)
    return blank if blank > 0 else max(most, 1)


def _begin(text: str, most: int) -> int:
    """Where a window of at most `most` characters at the end begins: with a sentence, else a word, else
    anywhere.
    """
    first, last = len(text) - most, len(text) - int(most * (1 - _GIVEN_UP))
    # the mark before the first sentence may stand outside the window
    starts = [match.end() for match in _SENTENCE_END.finditer(text, max(0, first - 1))]
    inside = [start for start in starts if first <= start <= last]
    if inside:
        return inside[0]
    blank = text.find(" ", max(0, first - 1), last)
    return blank + 1 if blank >= 0 else min(first, len(text) - 1)
