"""Posts from a table: JSON, CSV, TSV, Parquet, Excel or a chat, read as a stream whose memory does
not grow with the file.

The format follows the suffix; a `.gz` behind it is unpacked on the way. CSV is quoted as
spreadsheets do; TSV is never quoted, since tweets hold quotation marks. JSON may be one object a
line, a list, or a page of posts (`data.exports`). Columns are found by name (`data.columns`) or
given; a table in which nothing serves as text or photo is refused. How bytes spell letters is found
by `data.encoding`, the order of day and month by a look at the whole column (`data.survey`). Values
are read by `data.cells`: a row whose text is none fails alone, one without an id is named by its
number, a time or place that cannot be read for certain is left out. All that is changed or left out
is counted, and told in `describe`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.columns import choose_columns, no_columns
from crisislens.data.encoding import Encoding, bare_name, find_encoding, named_encoding
from crisislens.data.exports import LeftOut
from crisislens.data.lines import BrokenRow
from crisislens.data.reading import Reading
from crisislens.data.rows import RowReader
from crisislens.data.source import PostSource
from crisislens.data.survey import Survey, likely_texts, survey
from crisislens.data.table_formats import SUFFIXES, TableFormat, unreadable
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["SUFFIXES", "read_posts", "table_rows"]

_VERSION = 7
# a survey's own columns: KoboToolbox and ODK name the answers by the questions
_FORM_COLUMNS = frozenset({"_submission_time", "_uuid", "_submitted_by", "_validation_status"})
_MOST_NAMED = 3

_ARCHIVES = frozenset({".zip", ".rar", ".7z", ".tar", ".tgz"})
# names of columns are short; a survey's questions end in a mark
_WORDS_OF_A_POST = 6

# how JPEG, PNG, GIF and PDF begin
_NO_TABLES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"%PDF-")


def read_posts(
    path: Path, columns: Mapping[str, str] | None = None, *, encoding: str | None = None
) -> PostSource:
    """Opens a table of posts.

    Arguments:
        path: The file; its suffix is one of `SUFFIXES`.
        columns: From a field of a post (`id`, `text`, `image`, `created_at`, `lang`, `lat`, `lon`,
            `event`) to its column, or a path into objects of JSON (`record.text`), where the name
            does not say it; to an empty text where no column is to be taken.
        encoding: How the file spells letters, where it is not found by itself.

    Raises:
        InputError: If there is no such file, it is empty or of another kind, a column is not in it,
            or no row has a text or a photo.
        MissingExtraError: If an Excel file is given and openpyxl is not installed.
    """
    path, table = _open(path)
    table = table.with_text((columns or {}).get("text", ""))
    given = named_encoding(encoding) if encoding else None
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; give a file with at least one post")
        _refuse_picture(path)
        how = find_encoding(path, given) if table.is_text else Encoding()
        names = table.columns(path, how)
        chosen, notes = _choose(path, table, how, names, columns)
        wanted = _wanted(chosen)
        seen = survey(table.rows(path, how, wanted), chosen)
        # a table without rows is no error: it has no posts, and says so
        if seen.rows and not seen.has_text and not seen.has_image:
            raise _nothing_used(path, table, how, names, chosen)
        return _TablePosts(path, chosen, table, how, seen, tuple(notes))
    except OSError as error:
        raise unreadable(path, error) from error


def _refuse_picture(path: Path) -> None:
    """Stops before a picture or a PDF that is named as a table: its bytes would be taken for rows.

    Raises:
        InputError: If the file begins as one.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_NO_TABLES):
        raise InputError(
            f"{path} is a picture or a PDF, no table; give the file of posts, and the folder of their photos "
            f"with --images"
        )


def _open(path: Path) -> tuple[Path, TableFormat]:
    """The path and how its format is read."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the file of posts in it ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise InputError(f"no posts file at {path}; give a {', '.join(SUFFIXES)} file")
    if path.suffix.lower() in _ARCHIVES:
        raise InputError(f"{path.name} is an archive; unpack it and give the file of posts in it")
    bare = bare_name(path)
    table = SUFFIXES.get(bare.suffix.lower())
    if table is None or (bare != path and not table.is_text):
        raise InputError(
            f"{path.name} ends in {path.suffix or 'no suffix'}, which is not read; give a "
            f"{', '.join(SUFFIXES)} file"
        )
    return path, table


def table_rows(
    path: Path, columns: Sequence[str], *, encoding: str | None = None
) -> tuple[list[str], Iterator[Mapping[str, object] | BrokenRow]]:
    """The names of a table's columns, and its rows with some of them,
    row for row as `read_posts` reads them.

    Arguments:
        path: The file; its suffix is one of `SUFFIXES`.
        columns: The columns to give; each must be in the table.
        encoding: As of `read_posts`.

    Raises:
        InputError: If there is no such file or it is of another kind.
    """
    path, table = _open(path)
    given = named_encoding(encoding) if encoding else None
    try:
        how = find_encoding(path, given) if table.is_text else Encoding()
    except OSError as error:
        raise unreadable(path, error) from error
    rows = table.rows(path, how, list(columns))
    return table.columns(path, how), (row for row in rows if not isinstance(row, LeftOut))


def _wanted(columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(name for names in columns.values() for name in names))


def _choose(
    path: Path, table: TableFormat, how: Encoding, names: list[str], explicit: Mapping[str, str] | None
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The columns of each field, and what is to be said of how they were found."""
    chosen = choose_columns(names, explicit, where=path.name)
    if "text" in chosen or "text" in (explicit or {}):
        return chosen, _several_texts(names, chosen)
    likely = _likely(path, table, how, names, chosen)
    # a survey's columns are named by its questions; elsewhere a guess may take another column
    if likely and _FORM_COLUMNS & {*names}:
        note = f"the text is the column {likely[0]!r}, which holds the longest answers; name another with"
        return {**chosen, "text": (likely[0],)}, [f"{note} --map text=COLUMN"]
    if likely:
        raise InputError(
            f"{path.name} has no column known to hold the text; likely {_listed(likely)}: say "
            f"--map 'text={likely[0]}', or --map text= to look at photos alone{_or_no_names(likely[0])}"
        )
    if "image" not in chosen:
        raise no_columns(names, path.name)
    return chosen, [f"{path.name} has no column of text; posts are judged by their photos alone"]


def _or_no_names(name: str) -> str:
    """What is added where the name of a column may be somebody's post: the table then has no names."""
    if len(name.split()) < _WORDS_OF_A_POST or name.rstrip().endswith("?"):
        return ""
    return "; if that is a post, the table has no line of names: put one above, such as id,text"


def _several_texts(names: list[str], chosen: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is to be said where several columns have the name of the text's."""
    name = next(iter(chosen.get("text", ())), "")
    again = [other for other in names if name and other.startswith(f"{name} (")]
    if not again:
        return []
    how = "is read" if len(chosen["text"]) == 1 else "that is filled is read"
    return [f"several columns are named {name!r}: the first {how}; --map 'text={again[0]}' takes another"]


def _likely(
    path: Path, table: TableFormat, how: Encoding, names: list[str], chosen: Mapping[str, tuple[str, ...]]
) -> list[str]:
    there = list(dict.fromkeys(names))
    taken = {name for field, of in chosen.items() if field != "text" for name in of}
    return likely_texts(table.rows(path, how, there), there, taken)


def _nothing_used(
    path: Path, table: TableFormat, how: Encoding, names: list[str], chosen: Mapping[str, tuple[str, ...]]
) -> InputError:
    """The error for a table in which no row has a text or a photo."""
    used = ", ".join(name for field in ("text", "image") for name in chosen.get(field, ()))
    likely = [name for name in _likely(path, table, how, names, chosen) if name not in chosen.get("text", ())]
    hint = (
        f"; likely {_listed(likely)}: say --map 'text={likely[0]}'"
        if likely
        else "; name one with --map text=COLUMN"
    )
    return InputError(f"no row of {path.name} has a text or a photo (its column {used} is empty){hint}")


def _listed(likely: Sequence[str]) -> str:
    return " or ".join(repr(name[:60]) for name in likely[:_MOST_NAMED])


class _TablePosts:
    """The posts of one file. See `read_posts`."""

    def __init__(
        self,
        path: Path,
        columns: dict[str, tuple[str, ...]],
        table: TableFormat,
        encoding: Encoding,
        seen: Survey,
        notes: tuple[str, ...],
    ) -> None:
        self.path, self.columns, self.table = path, columns, table
        self._encoding, self._seen, self._notes = encoding, seen, notes
        self._reading = Reading()

    def __iter__(self) -> Iterator[Post | FailedPost]:
        self._reading = reading = Reading()
        reader = RowReader(
            self.columns, order=self._seen.dates.order, sure_letters=self._encoding.sure, reading=reading
        )
        try:
            for row in self.table.rows(self.path, self._encoding, _wanted(self.columns)):
                if isinstance(row, LeftOut):
                    reading.left_out[row.what] += 1
                else:
                    yield reader.read(row)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def fingerprint(self) -> str:
        """16 hex digits over the file's bytes, the columns,
        the encoding and the version of this reader.
        """
        try:
            return fingerprint(
                {
                    "file": fingerprint_file(self.path),
                    "columns": self.columns,
                    "encoding": self._encoding.name,
                    "format": self.table.name,
                    "version": _VERSION,
                }
            )
        except OSError as error:
            raise unreadable(self.path, error) from error

    def describe(self) -> dict[str, object]:
        """The file, its format, encoding and columns, how many posts have several photos, whether ids were
        made, and `notes`: what reading found and changed, with counts of the last pass.
        """
        said = [
            self._encoding.note(self.path.name),
            *self._notes,
            self._seen.dates.note(),
            *self._reading.notes(),
        ]
        return {
            "kind": "table",
            "file": self.path.name,
            "format": self.table.name,
            "encoding": self._encoding.name,
            "columns": {field: list(names) for field, names in self.columns.items()},
            "several_photos": self._reading.more_photos,
            "ids": "from the file" if "id" in self.columns else "made from row numbers",
            "notes": [note for note in said if note],
            "fingerprint": self.fingerprint(),
        }
