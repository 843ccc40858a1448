"""From one row of a table to a post, or to a sentence that says why not."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError

from crisislens.data import cells
from crisislens.data.dates import DateOrder, Order
from crisislens.data.exports import value_at
from crisislens.data.garbled import garbled
from crisislens.data.lines import MAX_LINE, BrokenRow
from crisislens.data.markup import without_markup
from crisislens.data.positions import NOWHERE, Position, position_of
from crisislens.data.reading import Reading
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import ImageRef, Post

__all__ = ["RowReader", "row_name"]

_MAX_ID = 200
_MOST_NAMED = 5
_DOUBTED_SHARE = 0.2
_MARKUP = "the text was HTML; markup was removed"
_MENDED = "the text holds letters that were read with a wrong encoding before; the models got them repaired"
_WRONG_LETTERS = (
    "The letters of the text seem to have been read with a wrong encoding; name the right one with "
    "--encoding."
)
_FURTHER = "more_images"
_CUT = ("…", "...")
_ADDRESSES = frozenset({"location", "place", "address"})
_PASSED_ON = re.compile(r"RT @\w{1,30}: ")


def row_name(row: int) -> str:
    """The id of a post whose row has none.

    >>> row_name(3)
    'row-000003'

    Arguments:
        row: Its number, from 0.
    """
    return f"row-{row:06d}"


class RowReader:
    """Reads the rows of one pass over a table, in order.

    Ids that stood before are refused; of each id 8 bytes of hash are kept, so a million posts take
    about 70 MB. Where the table has no id column, row 12 (counted from 0) becomes `row-000012`; so
    it does where a spreadsheet rounded the id, which then tells posts apart no more. Where a made name
    meets a real one, the later of the two gets another name: no post is lost to a name that we made.

    Arguments:
        columns: From each field of a post to its columns,
            as `data.columns.choose_columns` gives them.
        order: Of day and month in the column of times, if it is known.
        sure_letters: Whether the file's encoding is known; where not, no answer on letters beyond
            ASCII is sure.
        reading: Where what is changed is counted.
    """

    def __init__(
        self,
        columns: Mapping[str, tuple[str, ...]],
        *,
        order: Order | None = None,
        sure_letters: bool = True,
        reading: Reading | None = None,
    ) -> None:
        self._columns, self._order, self._sure_letters = columns, order, sure_letters
        self._reading = reading if reading is not None else Reading()
        self._seen: set[int] = set()
        self._made: set[int] = set()

    def read(self, values: Mapping[str, object] | BrokenRow) -> Post | FailedPost:
        """The post of the next row.

        Arguments:
            values: From columns to values, or what was wrong with the row.
        """
        row = self._reading.rows
        self._reading.rows += 1
        if isinstance(values, BrokenRow):
            return FailedPost(row=row, reason=values.reason)
        name = self._id(row, values)
        if isinstance(name, FailedPost):
            return name
        named = cells.identifier(self._value(values, "id"))
        renamed = name == named and _digest(name) in self._made
        # a table that was exported before holds row numbers as ids
        name = self._free(name) if renamed else name
        digest = _digest(name)
        if digest in self._seen:
            return FailedPost(
                row=row,
                id=name,
                reason=f"the id {name!r} stands in an earlier row too; give every post an id of its own",
            )
        post = self._post(row, name, values)
        unnamed = "id" in self._columns and named is None
        if isinstance(post, Post) and unnamed and not (post.text.strip() or post.image):
            return FailedPost(row=row, reason="the row has no usable id, no text and no photo")
        # an id of a row that failed may stand again: the second may be the mended one
        if isinstance(post, Post):
            self._seen.add(digest)
            # without a column of ids no real one can meet a made one
            if "id" in self._columns and name != named:
                self._made.add(digest)
            if renamed:
                remark = f"its id {named!r} was given to an earlier row before"
                post = post.model_copy(update={"remarks": (*post.remarks, remark)})
        return post

    def _id(self, row: int, values: Mapping[str, object]) -> str | FailedPost:
        """The id of a row; its number where there is no column or nothing in it, or where a spreadsheet
        rounded it.
        """
        number = row_name(row)
        if "id" not in self._columns:
            return number
        raw = self._value(values, "id")
        name = cells.identifier(raw)
        if cells.is_rounded_id(raw):
            # fifteen digits and zeros may be an id after all; one in scientific notation is none
            exact = name is not None and name.isdecimal()
            self._reading.zeros += exact
            if not exact or _digest(name or "") in self._seen:
                self._reading.rounded_ids += not exact
                return self._free(number)
        if name is None:
            # a call for help is not lost to an empty cell
            self._reading.no_ids += 1
            return self._free(number)
        if len(name) > _MAX_ID:
            return FailedPost(
                row=row,
                id=name[:_MAX_ID],
                reason=f"the id has {len(name):,} characters; at most {_MAX_ID} are read",
            )
        return name

    def _free(self, number: str) -> str:
        """A name that no earlier row has: a table that was exported before holds row numbers as ids."""
        name = number
        while _digest(name) in self._seen:
            name += "-again"
        return name

    def _values(self, values: Mapping[str, object], field: str) -> list[object]:
        """The values of a field's columns that hold something, the preferred first."""
        found = [value_at(values, column) for column in self._columns.get(field, ())]
        # a post may well say "none", but not blanks alone
        empty = _is_blank if field == "text" else _holds_nothing
        kept = [value for value in found if not empty(value)]
        if field == "text" and not kept:
            # where nothing else is said, a text stays as it was written
            written: list[object] = [value for value in found if isinstance(value, str)]
            return written[:1]
        return kept

    def _value(self, values: Mapping[str, object], field: str) -> object:
        return next(iter(self._values(values, field)), None)

    def _post(self, row: int, name: str, values: Mapping[str, object]) -> Post | FailedPost:
        raw = _whole(self._values(values, "text"))
        text = cells.text_of(raw)
        if text is None:
            return FailedPost(
                row=row, id=name, reason=f"its text is a {type(raw).__name__}; expected a string"
            )
        heading = self._heading(values)
        size = len(heading) + len(text)
        if size > MAX_LINE:
            return FailedPost(
                row=row,
                id=name,
                reason=f"its text has {size:,} characters; at most {MAX_LINE:,} are read",
            )
        text, text_remarks, doubt = self._letters(text)
        text = _below(without_markup(heading), text)
        photos, image_remarks = self._photos(self._image_cells(values))
        place = self._place(values)
        try:
            return Post(
                id=name,
                text=text,
                image=photos[0] if photos else None,
                more_images=photos[1:],
                created_at=self._when(self._values(values, "created_at")),
                lang=cells.language(self._value(values, "lang")),
                lat=place.lat,
                lon=place.lon,
                event=cells.short_text(self._value(values, "event")),
                url=cells.web_address(self._values(values, "url")),
                remarks=(*text_remarks, *image_remarks, *([place.remark] if place.remark else [])),
                doubt=doubt,
            )
        except ValidationError as error:
            fault = error.errors()[0]
            return FailedPost(
                row=row,
                id=name,
                reason=f"{'.'.join(map(str, fault['loc']))} does not fit a post: {fault['msg']}",
            )

    def _heading(self, values: Mapping[str, object]) -> str:
        """What stands above the text, "" where nothing does."""
        value = self._value(values, "heading")
        return "" if cells.is_nothing(value) else (cells.text_of(value) or "").strip()

    def _place(self, values: Mapping[str, object]) -> Position:
        """Where the row says that it was written; of several columns that hold a pair, the first one."""
        columns = self._columns.get("lat", ())
        if columns and columns == self._columns.get("lon"):
            cells_of = ((name, value_at(values, name)) for name in columns)
            found = (
                position_of(cell, cell, one_cell=True, of_coordinates=not _is_of_addresses(name))
                for name, cell in cells_of
                if not _holds_nothing(cell)
            )
            place = next((one for one in found if one != NOWHERE), NOWHERE)
        else:
            place = position_of(self._value(values, "lat"), self._value(values, "lon"))
        self._reading.no_places += place.remark is not None
        return place

    def _letters(self, text: str) -> tuple[str, tuple[str, ...], str | None]:
        """The text without markup, what is to be said of it,
        and why it may not be what was written.
        """
        remarks: list[str] = []
        plain = without_markup(text)
        if plain != text:
            self._reading.markup += 1
            remarks.append(_MARKUP)
        state = garbled(plain)
        if state == "mended":
            self._reading.mended += 1
            remarks.append(_MENDED)
        lost = state == "lost" or (not self._sure_letters and _beyond_ascii(plain) > _DOUBTED_SHARE)
        self._reading.lost += lost
        return plain, tuple(remarks), _WRONG_LETTERS if lost else None

    def _image_cells(self, values: Mapping[str, object]) -> list[object]:
        """The cell of photos, and that of the others in a record of ours. Further columns name the same
        photos in other ways.
        """
        first = self._values(values, "image")[:1]
        further = [name for name in self._columns.get("image", ())[1:] if name == _FURTHER]
        return first + [value_at(values, name) for name in further]

    def _photos(self, value: object) -> tuple[tuple[ImageRef, ...], tuple[str, ...]]:
        """The photos that can be looked at, files before addresses, and what is said of the others."""
        names = cells.images_of(value)
        # addresses are never fetched, so any file is better
        files = [name for name in names if "://" not in name]
        taken = files or list(names[:1])
        self._reading.addresses += bool(names) and not files
        self._reading.more_photos += len(taken) > 1
        remarks = []
        if others := [name for name in names if name not in taken]:
            listed = ", ".join(name[:80] for name in others[:_MOST_NAMED])
            more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
            remarks.append(f"photos that are addresses were not fetched: {listed}{more}")
        if len(names) == cells.MOST_IMAGES:
            remarks.append(f"of a post's photos the first {cells.MOST_IMAGES} are read; it may have more")
        return tuple(ImageRef(path=name) for name in taken), tuple(remarks)

    def _when(self, times: Sequence[object]) -> datetime | None:
        """The first time that can be read, with the clock of another column where it is a day alone."""
        for value in times:
            moment = cells.when(value, self._order)
            if moment is not None:
                joined = (cells.with_clock(value, clock) for clock in times)
                exact = (cells.when(cell, self._order) for cell in joined if cell is not None)
                found = next((one for one in exact if one is not None), None)
                if found is None and self._is_day(value):
                    self._count_unread([other for other in times if cells.when(other, self._order) is None])
                return found or moment
        self._count_unread(times)
        return None

    def _is_day(self, value: object) -> bool:
        """Whether a time is a day alone: one with a clock cannot take another."""
        return cells.when(cells.with_clock(value, "12:00"), self._order) is not None

    def _count_unread(self, times: Sequence[object]) -> None:
        """Counts a row whose times cannot be read."""
        # times that only their column could decide are counted there
        unread = [value for value in times if not DateOrder.is_open(value)]
        if unread and len(unread) == len(times):
            self._reading.unread_times += 1
            self._reading.unread_time = self._reading.unread_time or str(unread[0])[:40]


def _is_blank(value: object) -> bool:
    """Whether a cell holds no text at all."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))


def _is_of_addresses(column: str) -> bool:
    """Whether a column holds what people write of a place, which may begin with numbers."""
    return column.rpartition(".")[2].strip().lower() in _ADDRESSES


def _holds_nothing(value: object) -> bool:
    """Whether a cell holds nothing, or a word for it."""
    return value == [] or cells.is_nothing(value)


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _whole(values: Sequence[object]) -> object:
    """The first text; where a platform cut it, a longer one that begins like it. What somebody passed on is
    cut behind its marker, and whole without one.
    """
    if not values:
        return None
    first = values[0]
    if not isinstance(first, str) or not first.split("http")[0].rstrip().endswith(_CUT):
        return first
    start = first.split("http")[0].rstrip().rstrip("….")
    marker = found[0] if (found := _PASSED_ON.match(first)) else ""
    for value in values[1:]:
        if not isinstance(value, str):
            continue
        if len(value) > len(first) and value.startswith(start):
            return value
        if marker and len(marker + value) > len(first) and value.startswith(start.removeprefix(marker)):
            return marker + value
    return first


def _below(heading: str, text: str) -> str:
    """A text below its heading, unless it begins with it."""
    if text.lstrip().startswith(heading):
        return text
    return f"{heading}\n{text}".rstrip()


def _beyond_ascii(text: str) -> float:
    """The share of letters that are not ASCII."""
    letters = sum(c.isalpha() for c in text)
    return sum(c.isalpha() and not c.isascii() for c in text) / letters if letters else 0.0
