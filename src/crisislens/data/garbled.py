"""Whether letters were read with the wrong encoding somewhere on their way: mojibake.

Two kinds. UTF-8 read as a code page (`Weâ€™re`, `ÐŸÐ¾Ð¼`) can be undone, by ftfy, and `data.text`
does so for the models. One code page read as another (`Íàâîäíåíèå`, Russian of Windows-1251 as
Windows-1252) cannot be told for certain; but no language writes four different accented Latin
letters in a row, so that it is seen. U+FFFD stands where bytes were already lost.
"""

import re
from typing import Literal

__all__ = ["garbled", "mended"]

_RUN = re.compile(
    "[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0152\u0153\u0160\u0161\u017d\u017e\u0178\u0192\u00aa\u00ba]{4,}"
)
_TWICE = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
# of the letters; a name or a quotation may well be foreign
_SHARE = 0.3
_FEW_KINDS = 3


def garbled(text: str) -> Literal["mended", "lost"] | None:
    """What became of the letters: `mended` where the repair of `data.text` restores them, `lost`
    where much of the text was read wrongly and cannot be restored,
    None where nothing speaks for either.

    >>> garbled("Weâ€™re safe"), garbled("Íàâîäíåíèå ðàçðóøèëî ìîñò"), garbled("Überschwemmung à Nîmes")
    ('mended', 'lost', None)
    """
    if text.isascii():
        return None
    whole = mended(text)
    letters = sum(c.isalpha() or c == "\ufffd" for c in whole)
    wrong = whole.count("\ufffd") + sum(
        len(run) for run in _RUN.findall(whole) if len(set(run.lower())) >= _FEW_KINDS
    )
    if wrong > _SHARE * max(1, letters):
        return "lost"
    return "mended" if whole != text else None


def mended(text: str) -> str:
    """The text with UTF-8 that was read as a code page undone; any other comes back as it is.

    >>> mended("Weâ€™re safe in Mayagüez")
    'We’re safe in Mayagüez'
    """
    if text.isascii() or not _TWICE.search(text):
        return text
    # here, since most texts have no such pair and the import takes long
    import ftfy

    return ftfy.fix_encoding(text)
