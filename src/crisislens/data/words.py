r"""Words of a text as spans of characters: maximal runs without white space, as annotators and the
metrics of rationales count them.

A span is `(start, end)` with the end exclusive, in characters (Unicode code points) of the text
that was given. White space is what `str.isspace` says. A link, a mention or a retweet marker is a
word, but seldom evidence: `is_noise` knows them.
"""

import re
from collections.abc import Sequence

__all__ = ["Span", "is_link", "is_mention", "is_noise", "merge_spans", "word_labels", "word_spans"]

Span = tuple[int, int]

_WORD = re.compile(r"\S+")
# a link also where a platform cut it ("http://t.co/x…", "htt…"); the marker of a retweet
_LINK = re.compile(r"https?[:…]\S*|htt?[….]\S*|h…|http|(?:pic\.twitter\.com|t\.co)/\S*|RT:?", re.IGNORECASE)
_MENTION = re.compile(r"[^\w\s@#]*@\w+\W*")


def word_spans(text: str) -> list[Span]:
    """The words of a text, left to right.

    >>> word_spans("Bridge is down!")
    [(0, 6), (7, 9), (10, 15)]
    """
    return [match.span() for match in _WORD.finditer(text)]


def is_link(word: str) -> bool:
    """Whether a word is a link, whole or cut by the platform, or the marker of a retweet."""
    return _LINK.fullmatch(word) is not None


def is_mention(word: str) -> bool:
    """Whether a word is the name of a user."""
    return _MENTION.fullmatch(word) is not None


def is_noise(word: str) -> bool:
    """Whether a word is a link, a mention, a retweet marker or holds no letter and no digit.

    >>> [is_noise(word) for word in ("https://t.co/x", "@ann:", "RT", "--", "#flood", "5,000")]
    [True, True, True, True, False, False]
    """
    return is_link(word) or is_mention(word) or not any(c.isalnum() for c in word)


def word_labels(words: Sequence[Span], marked: Sequence[Span], text: str) -> list[bool]:
    """Which words are marked: those with at least half of their letters and digits (or characters,
    where they have none) in marked spans.

    >>> word_labels([(0, 6), (7, 9), (10, 15)], [(7, 14)], "Bridge is down!")
    [False, True, True]

    Arguments:
        words: Spans of the words.
        marked: Spans that somebody marked; they need not end at words.
        text: The text that both are about.
    """
    covered = bytearray(len(text))
    for start, end in marked:
        covered[start:end] = b"\1" * max(0, min(end, len(text)) - start)
    labels = []
    for start, end in words:
        # people mark "down" and leave the "!" outside
        letters = [i for i in range(start, end) if text[i].isalnum()] or list(range(start, end))
        labels.append(2 * sum(covered[i] for i in letters) >= len(letters))
    return labels


def merge_spans(words: Sequence[Span], chosen: Sequence[bool]) -> list[Span]:
    """Spans of the runs of chosen words, from the first word's start to the last one's end.

    >>> merge_spans([(0, 6), (7, 9), (10, 15)], [True, True, False])
    [(0, 9)]
    """
    spans: list[Span] = []
    open_run = False
    for (start, end), keep in zip(words, chosen, strict=True):
        if keep and open_run:
            spans[-1] = (spans[-1][0], end)
        elif keep:
            spans.append((start, end))
        open_run = keep
    return spans
