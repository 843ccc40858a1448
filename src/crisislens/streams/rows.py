"""From a row or a line of JSON to a post on its way in."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial

from pydantic import ValidationError

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.data import cells
from crisislens.data.columns import choose_columns
from crisislens.data.exports import LeftOut, names_in, rows_of, value_at
from crisislens.data.lines import MAX_LINE
from crisislens.data.rows import RowReader, row_name
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.store.records import NewPost, Unread
from crisislens.streams.letters import written_row
from crisislens.streams.strange import read_one

__all__ = ["RowMaker", "content_id", "new_post"]

_AUTHORS = ("author", "account.acct", "user.screen_name", "username", "author.handle")
_ADDRESSES = ("url", "permalink", "link")
_MOST_TEXT = 10_000
_NO_PHOTOS = "streams take no photos yet; the post is judged by its text"


class RowMaker:
    """Reads rows whose columns may differ from one to the next.

    Arguments:
        columns: As of `--map`: from a field of a post to its column.
    """

    def __init__(self, columns: Mapping[str, str] | None = None) -> None:
        self._explicit = dict(columns or {})
        self._columns = lru_cache(maxsize=256)(self._choose)

    def line(self, text: str, name: str) -> Iterator[NewPost | Unread]:
        """The posts of a line of JSON: one, or those of a page of posts.

        Arguments:
            text: The line.
            name: The id of a post that has none.
        """
        if not text.strip():
            return
        if len(text) > MAX_LINE:
            yield Unread(raw=text, reason=f"the line is longer than {MAX_LINE:,} characters")
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:100]
            yield Unread(raw=text, reason=f"the line is not JSON ({reason}); one object a line is expected")
            return
        if not isinstance(value, dict):
            yield Unread(raw=text, reason=f"the line is a JSON {type(value).__name__}, not an object")
            return
        numbered = enumerate(rows_of(value, self._explicit.get("text", "")))
        rows = [(number, row) for number, row in numbered if not isinstance(row, LeftOut)]
        for number, row in rows:
            # of a page the letter is the row alone: the others are taken in, and once is enough
            raw = text if len(rows) == 1 else written_row(row)
            yield self.row(row, name if not number else f"{name}-{number}", raw=raw)

    def row(self, row: Mapping[str, object], name: str, *, raw: str) -> NewPost | Unread:
        """The post of a row."""
        return read_one(raw, partial(self._post, row, name, raw=raw))

    def _post(self, row: Mapping[str, object], name: str, *, raw: str) -> NewPost | Unread:
        try:
            columns = self._columns(tuple(names_in(row)))
        except InputError as error:
            return Unread(raw=raw, reason=str(error))
        if "text" not in columns:
            return Unread(raw=raw, reason="nothing in it serves as the text; --map text=COLUMN names it")
        # one reader a row: it refuses ids that stood before, and here the store does
        post = RowReader(columns).read(row)
        if isinstance(post, FailedPost):
            return Unread(raw=raw, reason=post.reason)
        made = post.id == row_name(0)
        author, address = _first(row, _AUTHORS), _first(row, _ADDRESSES)
        return new_post(post, name if made else post.id, author=author, url=address, raw=raw)

    def _choose(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        there = {field: name for field, name in self._explicit.items() if not name or name in names}
        return choose_columns(names, there, where="the row")


def new_post(
    post: Post, name: str, *, author: str | None = None, url: str | None = None, raw: str | None = None
) -> NewPost | Unread:
    """A post as the store takes it, or why it is none."""
    given = post.model_dump_json() if raw is None else raw
    if len(post.text) > _MOST_TEXT:
        return Unread(raw=given, reason=f"its text has {len(post.text):,} characters; at most {_MOST_TEXT:,}")
    if not post.has_text:
        return Unread(raw=given, reason="it has no text")
    remarks = (*post.remarks, _NO_PHOTOS) if post.images else post.remarks
    try:
        return NewPost(
            external_id=cells.valid_unicode(name),
            text=post.text,
            author=None if author is None else cells.valid_unicode(author),
            url=None if url is None else cells.valid_unicode(url),
            created_at=post.created_at,
            lang=post.lang,
            lat=post.lat,
            lon=post.lon,
            event=post.event,
            remarks=remarks,
            doubt=post.doubt,
        )
    except ValidationError as error:
        fault = error.errors()[0]
        return Unread(raw=given, reason=f"{'.'.join(map(str, fault['loc']))} does not fit: {fault['msg']}")


def content_id(text: str) -> str:
    """The id of a line that has none and no place that stays: the same line is the same post."""
    return f"line-{fingerprint(text)}"


def _first(row: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    """The first short text under one of the names."""
    for name in names:
        value = value_at(row, name)
        if isinstance(value, str) and 0 < len(value) <= 500:
            return value
    return None
