"""How untrusted text and numbers become something that a person reads.

Escaping keeps a post from being code; this module keeps it from being a disguise. Characters that change the
direction of their neighbors (Unicode Technical Report 36, section 2.5; the "Trojan Source" characters), that
cannot be seen, or that no terminal, browser or spreadsheet agrees on are taken out or made visible. What has
a use in honest writing stays: joiners (Persian, Indic scripts, emoji), variation selectors, right-to-left
letters themselves.
"""

import re
from datetime import UTC, datetime

from crisislens.data.garbled import mended

__all__ = ["count_hidden", "instant", "lines_of", "moment", "number", "percent", "shorten", "utc", "visible"]

# marks that honest writers and keyboards leave behind; they are dropped without a word
_MARKS = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0]"
)
# embeddings, overrides, isolates, interlinear annotations, tag characters: they make a text read other than
# it is
_DISGUISES = re.compile("[\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]")
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_PILES = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
# a line break that some export wrote as two characters; after a drive's colon it may be a folder (C:\\new)
_WRITTEN_BREAK = re.compile(r"(?<!:)(?:(?:\\r)?\\n|\\r(?=https?:|[#@\s]|$))")
# as some platforms hand out their posts
_SIGNS = {"amp": "&", "lt": "<", "gt": ">"}
_WRITTEN_SIGN = re.compile("&(amp|lt|gt);")
_GAPS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def visible(text: str) -> str:
    """A text without disguises: same letters in the same order, every line break a line feed, controls as
    U+FFFD.

    >>> visible("abc\\u202egpj.exe")
    'abcgpj.exe'
    >>> visible("nul\\x00l")
    'nul\\ufffdl'
    """
    text = _BREAKS.sub("\n", text)
    text = _CONTROLS.sub("\ufffd", text)
    return _PILES.sub(r"\1", _DISGUISES.sub("", _MARKS.sub("", text)))


def lines_of(text: str) -> str:
    r"""A text in which a written `\n` is a line break, `&amp;`, `&lt;`, `&gt;` what they stand for, and UTF-8
    that was read as a code page undone.

    What shows the text must escape it, as for every text.

    >>> lines_of(r"Bridge is down.\n\nTake the north road &amp; wait")
    'Bridge is down.\n\nTake the north road & wait'
    >>> lines_of("Weâ€™re fine")
    'We’re fine'
    """
    return _WRITTEN_SIGN.sub(lambda found: _SIGNS[found[1]], _WRITTEN_BREAK.sub("\n", mended(text)))


def count_hidden(text: str) -> int:
    """How many characters of a text would have deceived its reader.

    >>> count_hidden("abc\\u202egpj.exe")
    1
    """
    return len(_DISGUISES.findall(text)) + len(_CONTROLS.findall(_BREAKS.sub("\n", text)))


def shorten(text: str, limit: int, lines: int = 10) -> tuple[str, str]:
    """Cuts a text near `limit` characters, at a word, or after `lines` lines; returns the start and the rest,
    runs of empty lines made one.

    >>> shorten("one two three", 8)
    ('one two', 'three')
    >>> shorten("a\\nb\\nc", 100, lines=2)
    ('a\\nb', 'c')
    """
    text = _GAPS.sub("\n\n", text).strip()
    breaks = [match.start() for match in re.finditer("\n", text[:limit])]
    cut = breaks[lines - 1] if len(breaks) >= lines else limit
    if cut >= len(text):
        return text, ""
    word = (
        max(text.rfind(" ", cut * 3 // 4, cut), text.rfind("\n", cut * 3 // 4, cut)) if cut == limit else cut
    )
    cut = limit if word < 0 else word
    return text[:cut].rstrip(), text[cut:].lstrip()


def utc(when: datetime) -> datetime:
    """A time in UTC; one without a zone is taken as UTC, as `Post.created_at` says."""
    if when.tzinfo is None:
        return when.replace(tzinfo=UTC)
    try:
        return when.astimezone(UTC)
    except OverflowError:  # the first or last hours that a datetime can hold
        return when.replace(tzinfo=UTC)


def moment(when: datetime) -> str:
    """A time in UTC, to the minute.

    >>> moment(datetime(2017, 9, 20, 14, 5))
    '2017-09-20 14:05'
    """
    return utc(when).isoformat(sep=" ", timespec="minutes")[:16]


def instant(text: str) -> str:
    """A time given in ISO 8601 as `moment` writes it; anything else as it is.

    >>> instant("2017-09-23T08:00:00+00:00"), instant("yesterday")
    ('2017-09-23 08:00 UTC', 'yesterday')
    """
    try:
        return moment(datetime.fromisoformat(text)) + " UTC"
    except ValueError:
        return text


def number(value: int) -> str:
    """A count with thousands set apart.

    >>> number(38120)
    '38,120'
    """
    return f"{value:,}"


def percent(p: float) -> str:
    """A probability as a person reads it; never "100%" or "0%" for what is not certain.

    >>> percent(0.731), percent(0.9991), percent(0.0004), percent(0.0)
    ('73%', '>99%', '<1%', '0%')
    """
    if 0.995 <= p < 1:
        return ">99%"
    if 0 < p < 0.005:
        return "<1%"
    return f"{p:.0%}"
