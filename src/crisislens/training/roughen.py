"""Rough forms of a text, as people write in a hurry, with the same meaning.

A text is given one or more of: names of accounts or a retweet's mark before it; common words of English cut
short ("please" to "pls"); two letters of a word swapped; no punctuation; all capitals; hashtags that mean
nothing behind it. Each comes with a probability of its own; more than half of all texts get none. Ours, no
paper.
"""

import re

import numpy as np

__all__ = ["roughen"]

# chosen by us; each alone, so that a text can have several
_NAMES, _SHORT, _SWAPPED, _BARE, _CAPITALS, _TAGS = 0.15, 0.15, 0.12, 0.10, 0.04, 0.05
_SHORT_WORDS = {
    "please": "pls",
    "you": "u",
    "your": "ur",
    "are": "r",
    "and": "n",
    "people": "ppl",
    "because": "cuz",
    "to": "2",
    "for": "4",
    "the": "da",
    "with": "w",
    "without": "w/o",
    "about": "abt",
    "going": "goin",
    "water": "wtr",
    "hospital": "hosp",
    "street": "st",
    "tonight": "2nite",
    "right now": "rn",
    "have": "hv",
    "message": "msg",
}
_WORD = re.compile(r"\w+", re.UNICODE)
_MARKS = ("RT @user: ", "@user ", "@user @user ", "RT @user ")
_EMPTY_TAGS = ("prayfor", "news", "update", "breaking", "today", "trending")
_LONG = 4


def roughen(text: str, rng: np.random.Generator, language: str = "en") -> str:
    """The text in a rougher form, or as it is.

    Arguments:
        text: Any text.
        rng: Decides what is done.
        language: Words are cut short in English alone.

    >>> roughen("Please send water to us", np.random.default_rng(0))
    'Plesae send watre to us'
    """
    chance = rng.random(6)
    if chance[1] < _SHORT and language == "en":
        text = _shortened(text, rng)
    if chance[2] < _SWAPPED:
        text = _swapped(text, rng)
    if chance[3] < _BARE:
        text = " ".join(re.sub(r"[.,!?;:]+", " ", text).split()) or text
    if chance[4] < _CAPITALS:
        text = text.upper()
    if chance[5] < _TAGS:
        text = f"{text} {rng.choice(_EMPTY_TAGS)}"
    return f"{rng.choice(_MARKS)}{text}" if chance[0] < _NAMES else text


def _shortened(text: str, rng: np.random.Generator) -> str:
    """Words of English cut short, each with a chance of two in three."""

    def short(match: re.Match[str]) -> str:
        word = match.group()
        brief = _SHORT_WORDS.get(word.casefold())
        return brief if brief is not None and rng.random() < 2 / 3 else word

    return _WORD.sub(short, text)


def _swapped(text: str, rng: np.random.Generator) -> str:
    """Two letters swapped inside one or two of the longer words."""
    words = [m for m in _WORD.finditer(text) if len(m.group()) >= _LONG and m.group().isalpha()]
    for at in sorted(rng.permutation(len(words))[:2], reverse=True):
        start = words[at].start() + 1 + int(rng.integers(len(words[at].group()) - 2))
        text = f"{text[:start]}{text[start + 1]}{text[start]}{text[start + 2 :]}"
    return text
