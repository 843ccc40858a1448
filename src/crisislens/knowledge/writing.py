"""Names in scripts other than Latin, as they stand in texts: with marks that belong to a letter,
without spaces, with a preposition or an ending grown on.

Only what is regular is undone here, and only for names that are well known (`gazetteer`): a rule
that strips two letters finds a village in every other word. Nothing of it is a paper's; what it
finds is measured in `benchmarks/places_on_crisis_posts.py --language ar`.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from crisislens.knowledge.word_lists import asset_rows

__all__ = ["MARKS", "bare_forms", "is_caseless", "pieces", "unspaced"]

# Thai, Lao, Tibetan, Burmese, Khmer; kana; Han
_UNSPACED = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]{{2,}}")
_SHORTEST_PIECE = 2
_SHORTEST_STEM = 2
# Georgian has capitals in Unicode that nobody writes
_GEORGIAN = ("\u10a0", "\u10ff")
_ALEF, _LAM = "\u0627", "\u0644"


def _mark_ranges() -> str:
    """All characters that only ever stand on another one, as ranges of an expression; \\w knows none."""
    found: list[list[int]] = []
    for code in range(0x300, 0xAC00):
        if not unicodedata.category(chr(code)).startswith("M"):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    # two joiners hold letters of Persian and of Indian scripts together
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in [*found, [0x200C, 0x200D]])


MARKS = sys.intern(_mark_ranges())
"""Marks on letters (Hebrew and Arabic points, vowel signs of Indian scripts), as ranges of an expression."""


def is_caseless(text: str) -> bool:
    """Whether a word is of a script without capitals, so that a small letter says nothing.

    >>> is_caseless("درنة"), is_caseless("Derna"), is_caseless("Орск")
    (True, False, False)
    """
    first = text[:1]
    return first.isalpha() and (first.lower() == first.upper() or _GEORGIAN[0] <= first <= _GEORGIAN[1])


def unspaced(text: str) -> bool:
    """Whether a run of letters has words without spaces between them: Chinese, Japanese, Thai, Khmer.

    >>> unspaced("輪島市で"), unspaced("서울")
    (True, False)
    """
    return _UNSPACED_RUN.search(text) is not None


def pieces(
    text: str, known: Callable[[str], bool], longest: Callable[[str], int]
) -> Iterator[tuple[int, int]]:
    """Where the names in a run without spaces begin and end, the longest first at each place; what
    lies between them is a piece too.

    >>> text = "輪島市で家屋倒壊"
    >>> [text[a:b] for a, b in pieces(text, lambda name: name == "輪島市", lambda two: 3)]
    ['輪島市', 'で家屋倒壊']

    Arguments:
        text: The run.
        known: Whether a piece of it is a name that people write so.
        longest: How many letters the longest name has that begins like a piece; most begin none.
    """
    start = at = 0
    while at < len(text):
        # a key has no marks, and the text may have one on each letter
        most = 2 * longest(text[at : at + 2 * _SHORTEST_PIECE])
        end = min(len(text), at + most)
        while end >= at + _SHORTEST_PIECE and not known(text[at:end]):
            end -= 1
        if end < at + _SHORTEST_PIECE:
            at += 1
            continue
        if start < at:
            yield start, at
        yield at, end
        start = at = end
    if start < len(text):
        yield start, len(text)


def bare_forms(word: str) -> Iterator[str]:
    """What a word may be without what is grown on: a preposition in Arabic, Hebrew and Amharic, an ending
    in Russian, Ukrainian, Greek, Korean and others (`grown_on.tsv`). The likeliest first; the word itself
    is none.

    >>> list(bare_forms("Орске"))
    ['Орск', 'Орска']
    >>> list(bare_forms("houses"))
    []

    Arguments:
        word: A word as it stands.
    """
    if not word:
        return
    # the first word of a letter's name is its script
    script = unicodedata.name(word[:1], "").partition(" ")[0]
    for prefix, _ in _grown_on(script, "prefix"):
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) >= _SHORTEST_STEM:
            yield rest
            # li-l-Qahira: the article loses its first letter, alef, behind lam
            if prefix.endswith(_LAM) and rest.startswith(_LAM):
                yield f"{_ALEF}{rest}"
    for ending, instead in _grown_on(script, "ending"):
        stem = word.removesuffix(ending)
        if (stem != word or not ending) and len(stem) >= _SHORTEST_STEM:
            yield stem + instead


@lru_cache(maxsize=64)
def _grown_on(script: str, where: str) -> tuple[tuple[str, str], ...]:
    """What may be grown on in a script, and what a name has in its place."""
    rows = asset_rows("grown_on.tsv")
    return tuple((letters, instead) for one, at, letters, instead in rows if (one, at) == (script, where))
