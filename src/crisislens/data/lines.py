"""Lines of files that nobody checked: any encoding mark, bad bytes, endless lines. Records of CSV and
TSV are made of them in `data.delimited`.

Nothing is held but the current line. A line longer than `MAX_LINE` is skipped without ever being
held whole. How a file's bytes are read is found by `data.encoding`. In a file of UTF-8 a line that
is not valid is judged by itself: one without a single valid non-ASCII character is read as
Windows-1252 (a spreadsheet's export), any other as UTF-8 with U+FFFD in place of the bad bytes.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from crisislens.data.encoding import DAMAGED, Encoding, find_encoding, open_bytes, text_stream

__all__ = ["MAX_LINE", "BrokenRow", "ends_in_returns", "read_lines"]

MAX_LINE = 1 << 20
_HEAD_CHARACTERS = 1 << 16
# a mark that does not close within the line leaves all behind it inside
_QUOTED = re.compile(r'"(?:[^"]|"")*+"?')
_LONE_RETURN = re.compile(r"\r(?![\r\n])")


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be read; `reason` is the sentence for people."""

    reason: str


def ends_in_returns(path: Path, encoding: Encoding, *, quoted: bool) -> bool:
    """Whether a lone carriage return ends the first line, as spreadsheets write a CSV "for Macintosh".

    It does where the start of the file holds no other line end more often.

    Arguments:
        path: The file.
        encoding: How its bytes are read.
        quoted: Whether line ends inside quotation marks belong to a cell.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        with text_stream(path, encoding) as stream:
            head = stream.read(_HEAD_CHARACTERS)
    except DAMAGED:
        return False
    if quoted:
        head = _QUOTED.sub("", head)
    first, _, _ = head.lstrip("\r\n").partition("\n")
    if "\r" not in first.rstrip("\r"):
        return False
    # a single one may stand within a heading of a table whose lines end otherwise
    lone, both = len(_LONE_RETURN.findall(head)), head.count("\r\n")
    return lone >= max(both, head.count("\n") - both)


def read_lines(
    path: Path, encoding: Encoding | None = None, *, max_bytes: int = MAX_LINE, returns: bool = False
) -> Iterator[str | BrokenRow]:
    """The lines of a file without line ends, NULs and an encoding mark; a file that ends in `.gz`
    is unpacked.

    Arguments:
        path: The file.
        encoding: How its bytes are read; None finds out.
        max_bytes: Longer lines are skipped.
        returns: Whether a lone carriage return ends a line too, see `ends_in_returns`.

    Raises:
        OSError: If the file cannot be read.
    """
    encoding = encoding or find_encoding(path)
    too_long = BrokenRow(f"the line is longer than {max_bytes:,} bytes; split it or leave it out")
    lines = _wide_lines if encoding.wide else _narrow_lines
    try:
        yield from lines(path, encoding, max_bytes, too_long, returns)
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:100]
        yield BrokenRow(f"the rest of the compressed file cannot be read ({reason}); get the whole file")


def _narrow_lines(
    path: Path, encoding: Encoding, max_bytes: int, too_long: BrokenRow, returns: bool
) -> Iterator[str | BrokenRow]:
    with open_bytes(path) as opened:
        opened.read(encoding.mark)
        stream: io.BufferedIOBase | _Returns = _Returns(opened) if returns else opened
        while line := stream.readline(max_bytes + 1):
            if len(line) <= max_bytes or line.endswith(b"\n"):
                yield _decode(line, encoding).rstrip("\r\n").replace("\0", "")
                continue
            while (rest := stream.readline(max_bytes)) and not rest.endswith(b"\n"):
                pass
            yield too_long


class _Returns:
    """Lines of bytes that end in a line feed, a carriage return or both; all are given as a line feed."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        # Latin-1 has a letter for every byte, so what is read comes back as it was
        self._text = io.TextIOWrapper(cast("io.BufferedReader", stream), encoding="latin-1", newline=None)

    def readline(self, size: int) -> bytes:
        """The next line, or as much of it as is allowed."""
        return self._text.readline(size).encode("latin-1")


def _wide_lines(
    path: Path, encoding: Encoding, max_bytes: int, too_long: BrokenRow, returns: bool
) -> Iterator[str | BrokenRow]:
    with text_stream(path, encoding) as stream:
        if returns:
            stream.reconfigure(newline=None)
        while line := stream.readline(max_bytes + 1):
            if len(line) <= max_bytes or line.endswith("\n"):
                yield line.rstrip("\r\n").replace("\0", "")
                continue
            while (rest := stream.readline(max_bytes)) and not rest.endswith("\n"):
                pass
            yield too_long


def _decode(line: bytes, encoding: Encoding) -> str:
    if encoding.how == "given":
        return line.decode(encoding.name, "replace")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        if encoding.name != "utf-8":
            return line.decode(encoding.name, "replace")
        text = line.decode("utf-8", "replace")
        return line.decode("cp1252", "replace") if text.replace("\ufffd", "").isascii() else text
