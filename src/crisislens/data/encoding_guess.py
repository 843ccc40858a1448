"""A guess at how bytes that are no UTF-8 spell letters. See `data.encoding`."""

import codecs
import unicodedata

__all__ = ["guess_encoding"]

# below this share of the letters, those beyond ASCII are accents in a Latin script
_LATIN_SHARE = 0.35
_FEW_BYTES = 8
_SURE_BYTES = 24
# what spreadsheets write; it stands unless another fits clearly better
_USUAL = "cp1252"
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_OTHER = (
    "cp1251",
    "koi8_r",
    "cp866",
    "iso8859_5",
    "mac_cyrillic",
    "cp1256",
    "cp1255",
    "cp1253",
    "cp874",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "cp949",
)
_SCRIPTS = {
    "cp1251": "CYRILLIC",
    "koi8_r": "CYRILLIC",
    "cp866": "CYRILLIC",
    "iso8859_5": "CYRILLIC",
    "mac_cyrillic": "CYRILLIC",
    "cp1256": "ARABIC",
    "cp1255": "HEBREW",
    "cp1253": "GREEK",
    "cp874": "THAI",
}


def guess_encoding(sample: bytes) -> tuple[str, bool]:
    """Python's name of the encoding, and whether enough speaks for it.

    Arguments:
        sample: Lines that are no UTF-8.
    """
    high = sum(byte >= 0x80 for byte in sample)
    letters = sum(65 <= byte <= 90 or 97 <= byte <= 122 for byte in sample)
    # accents are few among plain letters; other scripts are nearly all beyond ASCII
    if high < _LATIN_SHARE * (high + letters):
        return _guess_latin(sample), True
    if high < _FEW_BYTES:
        return _USUAL, False
    # the ASCII of a table (numbers, addresses, English) says nothing of its other letters
    ranked = _ranked(
        bytes(byte for byte in sample if byte >= 0x80 or byte in b" \n,.;:-" or _in_pair(byte)), _OTHER
    )
    if not ranked:
        return _USUAL, False
    chaos, coherence, name = ranked[0]
    script = _SCRIPTS.get(name)
    fits = _share_of_script(sample.decode(name, "replace"), script) > 0.9 if script else True
    # candidates that fit about as well; sure only where they are of the same script
    alike = [other for other in ranked[1:] if other[0] <= chaos + 0.02 and other[1] >= coherence - 0.05]
    distinct = not any(_SCRIPTS.get(other[2]) != script for other in alike)
    return name, high >= _SURE_BYTES and fits and distinct and chaos < 0.1


def _in_pair(byte: int) -> bool:
    """Second bytes of the encodings of Chinese, Japanese and Korean may be these."""
    return 0x40 <= byte < 0x80


def _guess_latin(sample: bytes) -> str:
    by_name = {name: (chaos, coherence) for chaos, coherence, name in _ranked(sample, _LATIN)}
    usual = by_name.get(_USUAL, (1.0, 0.0))
    best, at = _USUAL, usual
    for name, found in by_name.items():
        if found[0] <= usual[0] and found[1] > max(at[1], usual[1] + 0.04):
            best, at = name, found
    return best


def _ranked(sample: bytes, names: tuple[str, ...]) -> list[tuple[float, float, str]]:
    """Chaos (low is good), coherence (high is good) and name of what charset-normalizer finds, the
    best first; among equals the order of `names`.
    """
    from charset_normalizer import from_bytes

    found = from_bytes(sample, cp_isolation=list(names), preemptive_behaviour=False, enable_fallback=False)
    known = {_plain(name): name for name in names}
    rows = list[tuple[float, float, str]]()
    for match in found:
        for name in (match.encoding, *match.could_be_from_charset):
            if (ours := known.get(_plain(name))) is not None:
                rows.append((match.chaos, match.coherence, ours))
    order = {name: i for i, name in enumerate(names)}
    return sorted(set(rows), key=lambda row: (round(row[0], 2), -round(row[1], 1), order[row[2]]))


def _plain(name: str) -> str:
    return codecs.lookup(name).name


def _share_of_script(text: str, script: str) -> float:
    letters = [c for c in text if c.isalpha() and not c.isascii()]
    of_it = sum(unicodedata.name(c, "").startswith(script) for c in letters)
    return of_it / len(letters) if letters else 0.0
