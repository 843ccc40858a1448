"""Posts as a program has them: `Post`s, dicts, plain strings, or a table of pandas,
polars or pyarrow.

A table is anything that speaks Arrow's C interface (`__arrow_c_stream__`) or the dataframe
interchange protocol (`__dataframe__`), so none of those packages is needed here. Columns and cells
are read as those of files are (`data.columns`, `data.rows`). Unlike a file's, a row that cannot
become a post is an error here: whoever calls with values can correct them,
and nothing is lost silently.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from crisislens.core.errors import InputError
from crisislens.data.cells import identifier
from crisislens.data.columns import choose_columns
from crisislens.data.rows import RowReader, row_name
from crisislens.data.survey import survey
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["Posts", "SpeaksArrow", "SpeaksDataframe", "as_posts"]

_WHERE = "the given posts"
_TOLD = 3
_MOST_NAMES = 20
_TAKEN = "give Post, a dict with text or image, a string, several of them, or a table"


@runtime_checkable
class SpeaksArrow(Protocol):
    """A table that gives itself away as a stream of Arrow batches:
    pandas, polars, pyarrow, duckdb.
    """

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


@runtime_checkable
class SpeaksDataframe(Protocol):
    """A table of the dataframe interchange protocol, which older dataframes speak."""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any: ...


Posts = SpeaksArrow | SpeaksDataframe | Iterable[Post | Mapping[str, object] | str] | Post | str
"""What `as_posts` takes."""


def as_posts(given: Posts) -> list[Post]:
    """Posts from whatever a program has.

    >>> given = ["Bridge down", {"tweetText": "Need water"}, Post(id="1", text="ok")]
    >>> [post.text for post in as_posts(given)]
    ['Bridge down', 'Need water', 'ok']
    >>> [post.id for post in as_posts(["Bridge down", {"id": 7, "text": "Need water"}])]
    ['row-000000', '7']

    Arguments:
        given: One post, several, or a table; a string is the text of a post.

    Raises:
        InputError: If it is none of these, or rows cannot become posts, with the first reasons.
    """
    if isinstance(given, Post | str):
        given = [given]
    if isinstance(given, Mapping):
        raise InputError("one dict was given; give a list of them, one a post, or a table")
    if isinstance(given, SpeaksArrow | SpeaksDataframe):
        return _checked(_read(_rows_of(given)))
    if not isinstance(given, Iterable):
        raise InputError(f"a {type(given).__name__} was given; {_TAKEN}")
    items = list(given)
    posts = [item for item in items if isinstance(item, Post)]
    # an empty list too: no posts are no error
    if len(posts) == len(items):
        return posts
    found = _read([_row(item) for item in items if not isinstance(item, Post)])
    # posts and rows may be mixed; each keeps its place
    made = iter(found)
    return _checked([item if isinstance(item, Post) else next(made) for item in items])


def _row(item: object) -> Mapping[str, object]:
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Mapping):
        return item
    raise InputError(f"a {type(item).__name__} is no post; {_TAKEN}")


def _rows_of(table: SpeaksArrow | SpeaksDataframe) -> list[dict[str, object]]:
    import pyarrow as pa

    try:
        if isinstance(table, SpeaksArrow):
            read = _table(pa.chunked_array(table))
        else:
            from pyarrow.interchange import from_dataframe

            read = from_dataframe(table)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the table cannot be read as Arrow ({reason}); give a list of dicts") from error
    rows: list[dict[str, object]] = read.to_pylist()
    return rows


def _table(read: Any) -> Any:
    """A stream of Arrow as a table; one column of a dataframe is a table of texts."""
    import pyarrow as pa

    if pa.types.is_struct(read.type):
        return pa.Table.from_struct_array(read)
    return pa.table({"text": read})


def _read(rows: Sequence[Mapping[str, object]]) -> list[Post | FailedPost]:
    if not rows:
        return []
    names = dict.fromkeys(str(name) for row in rows for name in row)
    columns = choose_columns(names, None, where=_WHERE)
    if not {"text", "image"} & set(columns):
        found = ", ".join(list(names)[:_MOST_NAMES]) or "nothing"
        raise InputError(f"nothing of {_WHERE} serves as text or image; they hold {found}")
    # as of a file: a date such as 2/3/2023 is read by the others
    reader = RowReader(columns, order=survey(rows, columns).dates.order)
    ids = columns.get("id", ())
    taken = {identifier(row.get(name)) for row in rows for name in ids}
    return [reader.read(_named(row, i, ids, taken)) for i, row in enumerate(rows)]


def _named(
    row: Mapping[str, object], i: int, ids: Sequence[str], taken: Container[str | None]
) -> Mapping[str, object]:
    """A row with its number where others have an id and it does not even have the column,
    as a string.
    """
    if not ids or set(ids) & set(row):
        return row
    name = row_name(i)
    while name in taken:
        name += "-again"
    return {**row, ids[0]: name}


def _checked(found: Sequence[Post | FailedPost]) -> list[Post]:
    posts = [row for row in found if isinstance(row, Post)]
    lost = [row for row in found if isinstance(row, FailedPost)]
    if lost:
        first = "; ".join(f"row {row.row}: {row.reason}" for row in lost[:_TOLD])
        more = f"; and {len(lost) - _TOLD} more" if len(lost) > _TOLD else ""
        raise InputError(f"{len(lost)} of {len(found)} rows are no posts: {first}{more}")
    return posts
