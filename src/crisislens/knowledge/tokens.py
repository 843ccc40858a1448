"""Words of a post as the gazetteer needs them: where they stand, how they are written,
hashtags taken apart.

Where a script has no spaces between words, names that the caller knows are cut out of the run.
Links and mentions of users are left out: `@VictoriaStarMB` is an account, not a place. Everything
keeps its position in the post's text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from crisislens.knowledge.name_keys import APOSTROPHES
from crisislens.knowledge.word_lists import affixes
from crisislens.knowledge.writing import MARKS, is_caseless, pieces, unspaced

__all__ = ["Word", "split_words"]

# letters and digits with the marks of decomposed letters; some apostrophes are letters to Unicode
_RUN = rf"(?:[^\W_ʼʻʹʾʿ]++[{MARKS}]*+)++"
_TOKEN = re.compile(
    rf"(?P<skip>https?://\S*|pic\.twitter\.com/\S*|@\w+)|(?P<tag>[#＃]\w[\w{MARKS}]*)"
    rf"|(?P<word>{_RUN}(?:\.[^\W_]\b)*)"
)
_CAMEL = re.compile(rf"[A-Z]{{2,}}(?=[A-Z][a-z])|[A-Z]?(?:[^\W\d_A-Z][{MARKS}]*)+|[A-Z]+|\d+")
_JOIN = re.compile(rf"[ \t]*[-–{APOSTROPHES}][ \t]*|[ \t]+|[ \t]+[#＃]|")
_SHORTEST_LOWER = 4


@dataclass(frozen=True)
class Word:
    """One word, or one part of a hashtag.

    Attributes:
        text: As it stands.
        start: First character in the post's text.
        end: The character after the last.
        tag: Whether it is in a hashtag.
        joins: Whether it may be one name with the word before: only spaces or a hyphen lie between,
            or both are in one hashtag.
        owner: Number of the hashtag that it is part of, −1 outside.
        glued: Whether nothing but an apostrophe lies between it and the word before:
            `Cox's` is two words.
    """

    text: str
    start: int
    end: int
    tag: bool
    joins: bool
    owner: int = -1
    glued: bool = False

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital."""
        return self.text[:1].isupper()

    @property
    def caseless(self) -> bool:
        """Whether its script has no capitals, so that a small letter says nothing."""
        return is_caseless(self.text)


def split_words(
    text: str, known: Callable[[str], bool], longest: Callable[[str], int] | None = None
) -> list[Word]:
    """The words of a text in order.

    >>> text = "RT @ann: #HoustonStrong, pray4nepal in Port-au-Prince https://t.co/x"
    >>> [w.text for w in split_words(text, lambda name: False)]
    ['RT', 'Houston', 'Strong', 'pray4nepal', 'in', 'Port', 'au', 'Prince']

    Arguments:
        text: A post's text, as posted.
        known: Whether a lower-case string is a name, by which lower-case hashtags such as
            `#nepalquake` are taken apart.
        longest: How many letters the longest name has that begins like a piece of a script without
            spaces; without it such runs stay whole.
    """
    words: list[Word] = []
    tags, end = 0, 0
    for match in _TOKEN.finditer(text):
        if match["skip"]:
            end = -1
            continue
        joined = (
            end >= 0
            and bool(words)
            and _JOIN.fullmatch(text[end : match.start() + bool(match["tag"])]) is not None
        )
        # "St. John", "U.S. Virgin Islands", "EE. UU.": a point behind a short capitalized word ends nothing
        if (
            not joined
            and words
            and end >= 0
            and re.fullmatch(r"\.[ \t]*", text[end : match.start()])
            and words[-1].text.lower() in ("st", "ft", "mt", "u.s", "ee")
        ):
            joined = True
        if match["word"]:
            glued = joined and match.start() == end + 1 and text[end] in APOSTROPHES
            if longest is not None and unspaced(match["word"]):
                words += _cut_out(match["word"], match.start(), known, longest)
            else:
                words.append(Word(match["word"], match.start(), match.end(), False, joined, glued=glued))
        else:
            tag = match["tag"][1:]
            if longest is not None and unspaced(tag):
                parts = list(pieces(tag, known, longest))
            else:
                parts = _parts(tag, known)
            for i, (a, b) in enumerate(parts):
                first = match.start() + 1
                words.append(
                    Word(
                        text[first + a : first + b],
                        first + a,
                        first + b,
                        True,
                        joined if i == 0 else True,
                        tags,
                    )
                )
            tags += 1
        end = match.end()
    return words


def _cut_out(run: str, start: int, known: Callable[[str], bool], longest: Callable[[str], int]) -> list[Word]:
    """The words of a run without spaces. None of them joins another: a longer name would have been found."""
    return [Word(run[a:b], start + a, start + b, False, False) for a, b in pieces(run, known, longest)]


def _parts(tag: str, known: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Where the words of a hashtag begin and end."""
    lower = tag.lower()
    if known(lower):
        return [(0, len(tag))]
    parts = [m.span() for m in _CAMEL.finditer(tag)]
    if len(parts) > 1 and not tag.isupper() and not re.fullmatch(r"[^\W\d_]*[a-z]\d+[^\W\d_]*", tag):
        return parts
    # small letters show no border, so a known name on either side of a known word must
    for affix in affixes("tag_behind"):
        cut = len(tag) - len(affix)
        if lower.endswith(affix) and cut >= _SHORTEST_LOWER and known(lower[:cut]):
            return [(0, cut), (cut, len(tag))]
    for affix in affixes("tag_before"):
        if (
            lower.startswith(affix)
            and len(tag) - len(affix) >= _SHORTEST_LOWER
            and known(lower[len(affix) :])
        ):
            return [(0, len(affix)), (len(affix), len(tag))]
    return parts or [(0, len(tag))]
