"""From one row of a table to a post, or to a sentence that says why not."""

import hashlib
from collections.abc import Mapping

from pydantic import ValidationError

from crisislens.data import cells
from crisislens.data.lines import MAX_LINE, BrokenRow
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import ImageRef, Post

__all__ = ["RowReader"]

_MAX_ID = 200


class RowReader:
    """Reads the rows of one pass over a table, in order.

    Ids that stood before are refused; of each id 8 bytes of hash are kept, so a million posts take about 70
    MB. Where the table has no id column, row 12 (counted from 0) becomes `row-000012`.

    Arguments:
        columns: From each field of a post to its columns, as `data.columns.choose_columns` gives them.
    """

    def __init__(self, columns: Mapping[str, tuple[str, ...]]) -> None:
        self._columns = columns
        self._seen: set[int] = set()
        self._next = 0

    def read(self, values: Mapping[str, object] | BrokenRow) -> Post | FailedPost:
        """The post of the next row.

        Arguments:
            values: From columns to values, or what was wrong with the row.
        """
        row, self._next = self._next, self._next + 1
        if isinstance(values, BrokenRow):
            return FailedPost(row=row, reason=values.reason)
        name = cells.identifier(self._value(values, "id")) if "id" in self._columns else f"row-{row:06d}"
        if name is None:
            which = " or ".join(self._columns["id"])
            return FailedPost(
                row=row,
                reason=f"the row has no usable id in column {which}; give every post an id of its own",
            )
        if len(name) > _MAX_ID:
            return FailedPost(
                row=row,
                id=name[:_MAX_ID],
                reason=f"the id has {len(name):,} characters; at most {_MAX_ID} are read",
            )
        digest = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        if digest in self._seen:
            return FailedPost(
                row=row,
                id=name,
                reason=f"the id {name!r} stands in an earlier row too; give every post an id of its own",
            )
        post = self._post(row, name, values)
        if isinstance(post, Post):
            self._seen.add(digest)
        return post

    def _value(self, values: Mapping[str, object], field: str) -> object:
        """The first value of a field's columns that is not empty."""
        found = (values.get(column) for column in self._columns.get(field, ()))
        return next((value for value in found if value is not None and value != ""), None)

    def _post(self, row: int, name: str, values: Mapping[str, object]) -> Post | FailedPost:
        raw = self._value(values, "text")
        text = cells.text_of(raw)
        if text is None:
            return FailedPost(
                row=row, id=name, reason=f"its text is a {type(raw).__name__}; expected a string"
            )
        if len(text) > MAX_LINE:
            return FailedPost(
                row=row,
                id=name,
                reason=f"its text has {len(text):,} characters; at most {MAX_LINE:,} are read",
            )
        image = cells.first_image(self._value(values, "image"))
        lat, lon = cells.coordinates(self._value(values, "lat"), self._value(values, "lon"))
        try:
            return Post(
                id=name,
                text=text,
                image=ImageRef(path=image) if image else None,
                created_at=cells.when(self._value(values, "created_at")),
                lang=cells.language(self._value(values, "lang")),
                lat=lat,
                lon=lon,
                event=cells.short_text(self._value(values, "event")),
            )
        except ValidationError as error:
            fault = error.errors()[0]
            return FailedPost(
                row=row,
                id=name,
                reason=f"{'.'.join(map(str, fault['loc']))} does not fit a post: {fault['msg']}",
            )
