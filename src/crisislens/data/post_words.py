"""Words of a post as entity models read them, each with its place in the text as posted.

A word is a link, a run of letters and digits (with marks that belong to letters), or any other
single character; `#` and `@` stand by themselves, so that the name behind them can be an entity.
Chinese, Japanese, Thai, Lao, Khmer and Burmese put no blanks between words: there each letter with
its marks is a word, or a whole clause would be one. This is a finer cut than Twitter-2015's
(`#LFC`, `Low-cost`) and about Twitter-2017's; `cut_anew` brings posts that people marked to it.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cache

from crisislens.domain.extraction import AnnotatedPost, Mention

__all__ = ["PlacedWord", "cut_anew", "placed_words"]

# marks of letters end before it
_LAST_MARKS = 0x20000
# what makes an emoji of a digit or a sign: variation selectors
_SELECTORS = range(0xFE00, 0xFE10)
# letters of scripts without blanks between words: Thai and Lao, Burmese, Khmer, kana, Han
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
# `_` is a letter to \w, and no name has it between its words
_PARTS = re.compile(r"_+|[^_]+")


@dataclass(frozen=True)
class PlacedWord:
    """A word with its place.

    Attributes:
        text: Its characters.
        start: The first character, counted from 0.
        end: The character after the last one.
    """

    text: str
    start: int
    end: int


def placed_words(text: str, *, most: int = 1_000) -> list[PlacedWord]:
    """The words of a text.

    >>> [(w.text, w.start) for w in placed_words("@ada: #Ponce's 2 bridges")]
    [('@', 0), ('ada', 1), (':', 4), ('#', 6), ('Ponce', 7), ("'", 12), ('s', 13), ('2', 15), ('bridges', 17)]

    Arguments:
        text: Any text.
        most: How many words are read; a post has about twenty.
    """
    words: list[PlacedWord] = []
    for match in _word_pattern().finditer(text):
        if len(words) >= most:
            break
        if "_" in match.group() and not match.group().lower().startswith("http"):
            words += [
                PlacedWord(m.group(), match.start() + m.start(), match.start() + m.end())
                for m in _PARTS.finditer(match.group())
            ]
        else:
            words.append(PlacedWord(match.group(), match.start(), match.end()))
    return words[:most]


@cache
def _word_pattern() -> re.Pattern[str]:
    r"""What a word is; `\w` lacks the vowel signs without which Devanagari, Bengali, Tamil, Thai or
    Burmese fall into single characters.
    """
    letters = (chr(i) for i in range(_LAST_MARKS) if i not in _SELECTORS)
    marks = "".join(re.escape(c) for c in letters if unicodedata.category(c) in {"Mn", "Mc"})
    joined = f"{marks}\u200c\u200d"
    # `[^\W…]` is a letter that is none of these
    alone, run = rf"(?=\w)[{_UNSPACED}][{joined}]*", rf"[^\W{_UNSPACED}](?:[^\W{_UNSPACED}]+|[{joined}]+)*"
    return re.compile(rf"https?://\S*|{alone}|{run}|[^\w\s]", re.IGNORECASE)


def cut_anew(post: AnnotatedPost) -> AnnotatedPost:
    """The same post with its words cut as `placed_words` does; mentions leave `#` and `@` before
    them outside.

    Words that are nothing but blanks go, and so do mentions of which nothing is left.
    """
    words: list[str] = []
    firsts: list[int] = []
    for word in post.words:
        firsts.append(len(words))
        words += [w.text for w in placed_words(word)]
    firsts.append(len(words))
    mentions: list[Mention] = []
    for m in post.mentions:
        start, end = firsts[m.start], firsts[m.end]
        # at least one word stays: a mention may be nothing but a sign
        while start < end - 1 and words[start] in "#@":
            start += 1
        mentions.append(Mention(start, max(end, start), m.type))
    if all(m.start < m.end for m in mentions) and words:
        return replace(post, words=tuple(words), mentions=tuple(mentions))
    kept = [i for i, m in enumerate(mentions) if m.start < m.end]
    links = tuple(
        replace(link, head=bisect_right(kept, link.head) - 1, tail=bisect_right(kept, link.tail) - 1)
        for link in post.links
        if link.head in kept and link.tail in kept
    )
    return replace(post, words=tuple(words), mentions=tuple(mentions[i] for i in kept), links=links)
