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

from crisislens.knowledge.word_lists import affixes, asset_rows

__all__ = ["MARKS", "at_home", "bare_forms", "is_caseless", "pieces", "unspaced"]

# Thai, Lao, Tibetan, Burmese, Khmer; kana; Han
_UNSPACED = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]{{2,}}")
_SHORTEST_PIECE = 2
_SHORTEST_STEM = 2
# Georgian has capitals in Unicode that nobody writes
_GEORGIAN = ("\u10a0", "\u10ff")
_ALEF, _LAM = "\u0627", "\u0644"

# where the letters of a name, told by the first word of their name in Unicode, are those of the place itself
_AT_HOME = {
    "ARABIC": "AE AF BH DJ DZ EG EH ER IL IQ IR JO KM KW LB LY MA MR OM PK PS QA SA SD SO SY TD TN YE",
    "ARMENIAN": "AM AZ",
    "BENGALI": "BD IN",
    "CJK": "CN HK JP MO TW",
    "CYRILLIC": "BA BG BY KG KZ MD ME MK MN RS RU TJ UA UZ XK",
    "DEVANAGARI": "IN NP",
    "ETHIOPIC": "ER ET",
    "GEORGIAN": "GE",
    "GREEK": "CY GR",
    "GUJARATI": "IN",
    "GURMUKHI": "IN PK",
    "HANGUL": "KP KR",
    "HEBREW": "IL PS",
    "HIRAGANA": "JP",
    "KANNADA": "IN",
    "KATAKANA": "JP",
    "KHMER": "KH",
    "LAO": "LA",
    "MALAYALAM": "IN",
    "MYANMAR": "MM",
    "ORIYA": "IN",
    "SINHALA": "LK",
    "TAMIL": "IN LK",
    "TELUGU": "IN",
    "THAI": "TH",
    "TIBETAN": "CN",
}


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


def at_home(name: str, country: str) -> bool:
    """Whether a name is written in the letters of a country.

    >>> at_home("Орск", "RU"), at_home("درنة", "RU"), at_home("Derna", "LY")
    (True, False, False)

    Arguments:
        name: The name, or its key.
        country: An ISO code.
    """
    return country in _AT_HOME.get(_script(name), "").split()


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
        hidden = next((len(word) for word in affixes("hides") if text.startswith(word, at)), 0)
        if hidden or _is_mark(text[at]):
            at += hidden or 1
            continue
        # a key is never shorter than what it is of: some letters are two in it
        end = min(len(text), at + longest(text[at : at + _SHORTEST_PIECE]))
        while end >= at + _SHORTEST_PIECE and not (_stands_alone(text, at, end) and known(text[at:end])):
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


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a piece is cut out between letters, and of katakana between words."""
    if end < len(text) and _is_mark(text[end]):
        return False
    # all of a katakana run is one word: Thailand's four letters begin "timeline"
    before, behind = text[start - 1 : start], text[end : end + 1]
    inside = _is_katakana(text[start]) and _is_katakana(before)
    return not inside and not (_is_katakana(text[end - 1]) and _is_katakana(behind))


def _script(word: str) -> str:
    """The script of a word's first letter: the first word of the letter's name."""
    return unicodedata.name(word[0], "").partition(" ")[0] if word else ""


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def _is_katakana(letter: str) -> bool:
    return "\u30a1" <= letter <= "\u30ff" and letter != "\u30fb"


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
    script = _script(word)
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
