"""How the bytes of a text file spell letters: by its mark, as UTF-8, or as it must be guessed.

A file with an encoding mark is read by it. One without is UTF-8 unless most of its lines with other
letters than ASCII are not; then UTF-16 is known by where its zero bytes stand, and everything else
is told apart by charset-normalizer, among the encodings that people's programs still write. A guess
is a guess: it is said in the source's notes, and where too few letters speak for it
(`Encoding.sure` is false), no answer that rests on such letters is taken for sure.

Latin letters with accents differ little between code pages; among these Windows-1252, what
spreadsheets write, stands unless another fits clearly better. A line that is no UTF-8 in a file
that otherwise is stays a matter of that line (`data.lines`).

Files that end in `.gz` are unpacked as they are read, and never held whole.
"""

import codecs
import gzip
import io
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from crisislens.core.errors import InputError
from crisislens.data.encoding_guess import guess_encoding

__all__ = [
    "DAMAGED",
    "Encoding",
    "bare_name",
    "find_encoding",
    "named_encoding",
    "open_bytes",
    "suffix_of",
    "text_stream",
]

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a damaged archive raises."""


# longer marks first: the UTF-32 mark starts with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# what marks and zeros are looked for in
_HEAD_BYTES = 4_096
# what is looked at: lines until so many bytes with other letters than ASCII are there
_SAMPLE_BYTES = 65_536
_LINE_BYTES = 8_192
_TITLES = {"utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp932": "Shift JIS (cp932)"}


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes are read.

    Attributes:
        name: Python's name of the encoding.
        how: By the file's `mark`, as `utf-8`, `detected`, or `given` by the user.
        mark: Bytes of the mark at the start, which are no text.
        sure: Whether enough speaks for it.
    """

    name: str = "utf-8"
    how: Literal["mark", "utf-8", "detected", "given"] = "utf-8"
    mark: int = 0
    sure: bool = True

    @property
    def wide(self) -> bool:
        """Whether a line end is more than one byte."""
        return self.name.startswith(("utf-16", "utf-32"))

    def note(self, file: str) -> str | None:
        """What a reader must know of it, one sentence; None where nothing was guessed."""
        if self.how != "detected":
            return None
        title = _TITLES.get(self.name, self.name)
        if self.sure:
            return (
                f"{file} is not UTF-8; it was read as {title}; if its letters are wrong, say --encoding NAME"
            )
        return (
            f"{file} is not UTF-8 and says too little of what it is; it was read as {title}, and no answer "
            f"that rests on its letters is sure; say --encoding NAME"
        )


def suffix_of(path: Path) -> str:
    """The suffix that says what a file is, in lower case, without a `.gz` behind it."""
    return bare_name(path).suffix.lower()


def bare_name(path: Path) -> Path:
    """The path without `.gz`."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Opens a file, unpacking it where its name ends in `.gz`. Damaged archives fail while they are
    read, with `EOFError`, `zlib.error` or `OSError`.

    Raises:
        OSError: If it cannot be opened.
    """
    if path.suffix.lower() == ".gz":
        return gzip.GzipFile(path, "rb")
    return path.open("rb")


def named_encoding(name: str) -> Encoding:
    """The encoding that a user names.

    Raises:
        InputError: If there is none of that name, or it is none of text.
    """
    try:
        found = codecs.lookup(name)
        "".encode(found.name)
        # an empty text tells nothing: some refuse only what holds letters
        b"a".decode(found.name, "replace")
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"no encoding named {name!r}; give one such as utf-8, utf-16, cp1252, cp1251, cp1256, cp932 or "
            f"gb18030"
        ) from error
    return Encoding(found.name, "given")


def find_encoding(path: Path, given: Encoding | None = None) -> Encoding:
    """How a file is read.

    Arguments:
        path: The file.
        given: What the user says; a mark that the file carries is still no text.

    Raises:
        OSError: If it cannot be read.
    """
    try:
        return _find(path, given)
    except DAMAGED:
        # what can be read of it will be, and the rest be said
        return given or Encoding()


def _find(path: Path, given: Encoding | None) -> Encoding:
    with open_bytes(path) as stream:
        head = stream.read(_HEAD_BYTES)
    marks = ((len(mark), name) for mark, name in _MARKS if head.startswith(mark))
    length, marked = next(marks, (0, ""))
    if given is not None:
        same = bool(marked) and marked.replace("-", "") in given.name.replace("-", "")
        # utf-16 and utf-32 read their own mark
        own = given.name in ("utf-16", "utf-32")
        return Encoding(given.name, "given", length if same and not own else 0)
    if marked:
        return Encoding(marked, "mark", length if marked == "utf-8" else 0)
    if wide := _wide(head):
        return Encoding(wide, "detected")
    return _from_lines(path)


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: a table's separators and digits leave zeros at every second byte."""
    size = len(head) // 2 * 2
    # four characters say nothing
    if size < 8:
        return ""
    even, odd = head[0:size:2].count(0), head[1:size:2].count(0)
    zeros, half = max(even, odd), size // 2
    # a page of Chinese has few zeros, but hardly any on the other side
    if zeros < max(4, half // 20) or min(even, odd) > zeros // 10:
        return ""
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = head[:size].decode(name, "replace")
    strange = sum(unicodedata.category(c) in ("Cn", "Co", "Cs") or c == "\ufffd" for c in text)
    return name if strange <= max(1, len(text) // 100) else ""


def _lines_beyond_ascii(path: Path) -> Iterator[bytes]:
    taken = 0
    with open_bytes(path) as stream:
        while taken < _SAMPLE_BYTES and (line := stream.readline(_LINE_BYTES)):
            if not line.isascii():
                taken += len(line)
                yield line


def _from_lines(path: Path) -> Encoding:
    good, bad = 0, list[bytes]()
    for line in _lines_beyond_ascii(path):
        if _is_utf8(line):
            good += 1
        else:
            bad.append(line)
    # one good line to twenty bad ones is enough: other encodings hit UTF-8 hardly ever by chance
    if not bad or 20 * good >= len(bad):
        return Encoding()
    name, sure = guess_encoding(b"".join(bad))
    return Encoding(name, "detected", sure=sure)


def _is_utf8(line: bytes) -> bool:
    """Whether a line is UTF-8, but for less damage than letters;
    one that was cut may end within a letter.
    """
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(line, final=len(line) < _LINE_BYTES)
    bad = text.count("\ufffd")
    return bad == 0 or sum(not c.isascii() for c in text) >= 2 * bad


def text_stream(path: Path, encoding: Encoding) -> io.TextIOWrapper:
    """A file as text, line ends as they are; bytes that do not fit become U+FFFD."""
    stream = open_bytes(path)
    stream.read(encoding.mark)
    return io.TextIOWrapper(
        cast("io.BufferedReader", stream), encoding=encoding.name, errors="replace", newline="\n"
    )
