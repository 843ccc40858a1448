"""JSON files of any size, one value at a time: an array of posts, an object that holds one, or
values that stand one after the other.

The file is never held whole, and no value longer than `MAX_VALUE` is: `.json` exports of a chat
have gigabytes. A scanner walks over the text and only counts brackets and quotation marks; each
value that it cuts out is parsed by `json`. A value that cannot be parsed costs itself; a file that
ends early gives what came before.

Of a top-level object, lists under the keys of `exports.ROW_KEYS` are walked into, and so are the
objects `chats`, `data` and `response`, lists of chats among them; ids of messages are then the
chat's and their own (`22/7`).
An object without such a list is itself a row.
"""

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from crisislens.data.columns import FIELDS, WEAK_TEXT
from crisislens.data.encoding import DAMAGED, Encoding, open_bytes
from crisislens.data.exports import DESCRIPTION, ROW_KEYS, LeftOut, is_post_with_lists, rows_of
from crisislens.data.lines import MAX_LINE, BrokenRow, read_lines

__all__ = ["MAX_VALUE", "json_line_rows", "json_rows"]

MAX_VALUE = 8 << 20
"""Characters of a line or value of JSON: pages of X's API hold five hundred posts. A single post
may have no more than `lines.MAX_LINE`.
"""
_BLOCK = 1 << 16
_STOP = re.compile(r'["{}\[\]]')
_IN_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]*")
_BETWEEN = re.compile(r"[\s,\ufeff]*")
_MOST_KEYS = 10_000
# chats in a list of chats in an object: as deep as the exports that we know
_DEPTH = 3
_TEXTS = frozenset(FIELDS["text"])
_DESCRIPTIONS = frozenset(WEAK_TEXT) - {"title"}
_ONE_A_LINE = "JSONL has one object a line"
_ONE_A_POST = "a list has one object a post"

Row = Mapping[str, object] | BrokenRow | LeftOut


def json_line_rows(path: Path, encoding: Encoding, column: str = "") -> Iterator[Row]:
    """The rows of JSONL: one object a line, or one page of them.

    Arguments:
        path: The file.
        encoding: How it spells letters.
        column: The column that the user names for the text; empty for none.
    """
    for line in read_lines(path, encoding, max_bytes=MAX_VALUE):
        if isinstance(line, BrokenRow):
            yield line
        elif line.strip():
            yield from _parsed(line, "the line", _ONE_A_LINE, column)


def json_rows(path: Path, encoding: Encoding, column: str = "") -> Iterator[Row]:
    """The rows of a `.json` file.

    Arguments:
        path: The file.
        encoding: How it spells letters.
        column: The column that the user names for the text; empty for none.
    """
    with open_bytes(path) as stream:
        stream.read(encoding.mark)
        text = _Text(stream, encoding)
        head = text.read(MAX_VALUE)
        if '"media_keys"' in head and len(head) < MAX_VALUE and (page := _page(head)) is not None:
            # X describes photos at the end of a page
            yield from rows_of(page, column)
        else:
            yield from _Scanner(head, text.read, column).rows()
        if text.damage:
            yield BrokenRow(
                f"the rest of the compressed file cannot be read ({text.damage}); get the whole file"
            )


class _Text:
    """Decodes a stream; what comes before a damaged place of an archive is not lost."""

    def __init__(self, stream: io.BufferedIOBase, encoding: Encoding) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding.name)("replace")
        self._over = False
        self.damage = ""

    def read(self, size: int) -> str:
        """At least so many characters, fewer only at the end."""
        parts: list[str] = []
        count = 0
        while count < size and not self._over:
            # what is read stays empty where reading fails, and so ends the text
            data = b""
            try:
                data = self._stream.read1(_BLOCK)
            except DAMAGED as error:
                self.damage = " ".join(str(error).split())[:100] or type(error).__name__
            self._over = not data
            parts.append(self._decoder.decode(data, final=self._over))
            count += len(parts[-1])
        return "".join(parts)


def _page(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _parsed(text: str, what: str, expected: str, column: str) -> Iterator[Row]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        yield BrokenRow(f"{what} is not JSON ({reason}); {expected}")
        return
    if not isinstance(value, dict):
        yield BrokenRow(f"{what} is a JSON {type(value).__name__}, not an object; {expected}")
        return
    rows = list(rows_of(value, column))
    if len(text) > MAX_LINE and rows == [value]:
        yield BrokenRow(f"{what} is longer than {MAX_LINE:,} characters; split it or leave it out")
        return
    yield from rows


def _of_chat(fields: Sequence[str], rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of one of several chats: each counts its messages from 1, so the chat's id goes before theirs.

    Arguments:
        fields: What stands before the rows in the chat, as JSON has it.
        rows: Its messages.
    """
    try:
        chat = json.loads("{" + ", ".join(fields) + "}").get("id")
    except (ValueError, RecursionError):
        chat = None
    named = isinstance(chat, str | int) and not isinstance(chat, bool)
    for row in rows:
        if named and isinstance(row, Mapping) and isinstance(row.get("id"), str | int):
            yield {**row, "id": f"{chat}/{row['id']}"}
        else:
            yield row


class _EndsEarly(Exception):
    """The text ends, or is no JSON, within something that was begun."""


class _Scanner:
    """Walks over JSON text.

    Arguments:
        text: How the text begins.
        read: Gives at most so many more characters; none at the end.
        column: The column that the user names for the text; empty for none.
    """

    def __init__(self, text: str, read: Callable[[int], str], column: str) -> None:
        self._text, self._read, self._at = text, read, 0
        self._column = column
        self._texts = _TEXTS | {column} if column else _TEXTS

    def rows(self) -> Iterator[Row]:
        """All rows."""
        try:
            while mark := self._peek():
                if mark == "[":
                    self._at += 1
                    yield from self._list(within=_DEPTH)
                elif mark == "{" and (post := self._post_with_lists()) is not None:
                    yield from _parsed(post, "the value", _ONE_A_POST, self._column)
                elif mark == "{":
                    yield from self._object(within=0)
                else:
                    raise _EndsEarly
        except _EndsEarly:
            yield BrokenRow("the file ends here, or is not JSON from here on; get the whole file")

    def _post_with_lists(self) -> str | None:
        """The object that begins here, which is passed over, where its lists make no page of it; None for
        all others. What stands behind a list decides too, so it is looked at whole, if it is short enough.
        """
        start, depth, quoted, done = self._at, 0, False, False
        while not done:
            end = self._step(depth, quoted)
            if end is not None:
                depth, quoted, done = end
                continue
            too_long = self._at - start > MAX_VALUE
            if too_long or not self._more(start):
                self._at = start if too_long else 0
                return None
            start = 0
        text = self._text[start : self._at]
        # most posts have no such list, and are parsed once
        has_list = any(f'"{key}"' in text for key in ROW_KEYS)
        value = _page(text) if has_list else None
        if value is not None and is_post_with_lists(value, self._column):
            return text
        self._at = start
        return None

    def _list(self, *, within: int) -> Iterator[Row]:
        """The rows of a list, behind its bracket; of `within` other lists.
        Chats in one are walked into.
        """
        while (mark := self._peek()) != "]":
            if within < _DEPTH and mark == "{":
                yield from self._object(within=within + 1)
                continue
            value = self._value()
            if value is None:
                yield BrokenRow(f"a value is longer than {MAX_VALUE:,} characters; split it or leave it out")
            else:
                yield from _parsed(value, "the value", _ONE_A_POST, self._column)
        self._at += 1

    def _object(self, *, within: int) -> Iterator[Row]:
        """The rows that stand under an object's keys, or the object itself as one."""
        self._at += 1
        fields: list[str] = []
        size, walked, is_post, text_beside, described = 0, False, False, False, False
        while (mark := self._peek()) != "}":
            key = self._value() if mark == '"' else None
            if key is None or self._peek() != ":":
                raise _EndsEarly
            self._at += 1
            name, mark = key[1:-1], self._peek()
            if mark == "[" and not is_post and (name in ROW_KEYS or name == "list"):
                self._at += 1
                if name in ROW_KEYS and self._peek() == "]":
                    # nothing to walk into: what is beside it may be a post
                    self._at += 1
                    fields.append(f"{key}: []")
                    continue
                walked = True
                inside = self._list(within=within if name == "list" else _DEPTH)
                yield from _of_chat(fields, inside) if within and name == "messages" else inside
            elif mark == "{" and not is_post and name in ("chats", "response") and within < _DEPTH:
                walked = True
                yield from self._object(within=within + 1)
            else:
                value = self._value()
                text_beside = text_beside or (walked and name in self._texts)
                is_post = is_post or (not walked and name in self._texts)
                described = described or (name in _DESCRIPTIONS and value not in ('""', "null"))
                size += len(value) if value is not None else MAX_VALUE
                if size < MAX_VALUE and len(fields) < _MOST_KEYS:
                    fields.append(f"{key}: {value}")
        self._at += 1
        if text_beside:
            yield LeftOut("texts beside lists of posts")
        if walked and described:
            yield DESCRIPTION
        if not walked and size >= MAX_VALUE:
            yield BrokenRow(f"a value is longer than {MAX_VALUE:,} characters; split it or leave it out")
        elif not walked:
            text = "{" + ", ".join(fields) + "}"
            yield from _parsed(text, "the value", _ONE_A_POST, self._column)

    def _more(self, keep_from: int) -> bool:
        """Reads on, twice as much as is kept, so that no text is copied often; False at the end."""
        kept = self._text[keep_from:]
        more = self._read(max(_BLOCK, len(kept)))
        self._text, self._at = kept + more, self._at - keep_from
        return bool(more)

    def _peek(self) -> str:
        """The next character that means something; none at the end of the text."""
        while True:
            found = _BETWEEN.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(self._at):
                return ""

    def _value(self) -> str | None:
        """Cuts out the value that begins here; None for one that is too long,
        which is passed over.
        """
        if not self._peek() or self._text[self._at] in "]}:":
            raise _EndsEarly
        start, depth, quoted, too_long = self._at, 0, False, False
        while True:
            end = self._step(depth, quoted)
            if end is not None:
                depth, quoted, done = end
                if done:
                    value = self._text[start : self._at]
                    return None if too_long or len(value) > MAX_VALUE else value
                continue
            too_long = too_long or self._at - start > MAX_VALUE
            # what is too long is let go of while it is passed over
            keep = self._at if too_long else start
            start = 0
            if not self._more(keep):
                raise _EndsEarly

    def _step(self, depth: int, quoted: bool) -> tuple[int, bool, bool] | None:
        """Goes to the next mark: the depth there, whether within a string, whether the value is
        over; None where the text at hand ends before.
        """
        if quoted:
            inside = _IN_STRING.match(self._text, self._at)
            self._at = inside.end() if inside else self._at
            if self._at >= len(self._text) or self._text[self._at] != '"':
                return None
            self._at += 1
            return depth, False, depth == 0
        if depth == 0 and self._text[self._at] not in '"{[':
            return self._scalar()
        found = _STOP.search(self._text, self._at)
        if found is None:
            self._at = len(self._text)
            return None
        self._at = found.end()
        if found[0] == '"':
            return depth, True, False
        depth += 1 if found[0] in "{[" else -1
        return depth, False, depth == 0

    def _scalar(self) -> tuple[int, bool, bool] | None:
        """Goes to the end of a number or name."""
        found = _SCALAR.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return None if self._at == len(self._text) else (0, False, True)
