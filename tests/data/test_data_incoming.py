"""Posts as a program has them: anything that holds posts, and one sentence for what does not."""

import inspect
from typing import Any

import pyarrow as pa
import pytest

from crisislens.core.errors import InputError
from crisislens.data.incoming import as_posts
from crisislens.domain.post import Post

ROWS: dict[str, list[Any]] = {"id": [1, 2], "tweet_text": ["Need water", None], "image": [None, "a.jpg"]}


def seen(given: Any) -> list[tuple[str, str, str | None]]:
    return [(p.id, p.text, None if p.image is None else p.image.path) for p in as_posts(given)]


EXPECTED = [("1", "Need water", None), ("2", "", "a.jpg")]


class Interchange:
    """A table of the older protocol, which hands on another's."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        return self.table.__dataframe__(nan_as_null, allow_copy)


def test_tables_of_arrow_and_of_the_interchange_protocol_are_read() -> None:
    table = pa.table(ROWS)
    assert seen(table) == EXPECTED
    assert seen(table.to_batches()[0]) == EXPECTED
    assert seen(Interchange(table)) == EXPECTED
    assert seen(table.to_pylist()) == EXPECTED


def test_pandas_tables_and_columns_are_read() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": [1, 2], "tweet_text": ["Need water", ""], "image": [None, "a.jpg"]})
    assert seen(frame) == EXPECTED
    assert [text for _, text, _ in seen(frame["tweet_text"])] == ["Need water", ""]


def test_polars_tables_and_columns_are_read() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(ROWS)
    assert seen(frame) == EXPECTED
    assert [text for _, text, _ in seen(frame["tweet_text"])] == ["Need water", ""]


def test_one_column_of_a_table_is_a_list_of_texts() -> None:
    assert [p.text for p in as_posts(pa.chunked_array([["Need water"], ["Bridge down"]]))] == [
        "Need water",
        "Bridge down",
    ]


def test_one_post_or_text_and_mixed_lists_keep_their_order() -> None:
    post = Post(id="x", text="Bridge down")
    assert as_posts(post) == [post]
    assert seen("Need water") == [("row-000000", "Need water", None)]
    mixed = as_posts(p for p in ["Need water", post, {"id": 7, "text": "No bread"}])
    assert [p.text for p in mixed] == ["Need water", "Bridge down", "No bread"]
    assert [p.id for p in mixed] == ["row-000000", "x", "7"]
    assert as_posts([]) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((row for row in [b"bytes"]), "a bytes is no post; give Post"),
        ({"text": "one"}, "one dict was given; give a list of them"),
        ([{"txt": "hello"}], "nothing of the given posts serves as text or image; they hold txt"),
        (pa.table({"mood": ["calm"]}), "nothing of the given posts serves as text or image; they hold mood"),
        (
            [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}],
            "1 of 2 rows are no posts: row 1: the id '1' stands in an earlier row too",
        ),
    ],
)
def test_what_holds_no_posts_is_told_in_one_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        as_posts(given)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [None, 7])
def test_what_cannot_even_be_gone_through_is_told(given: Any) -> None:
    # as a user's program calls it: the types are checked in tests alone
    with pytest.raises(InputError, match="was given; give Post, a dict with text or image"):
        inspect.unwrap(as_posts)(given)


def test_many_bad_rows_are_counted_and_the_first_are_named() -> None:
    with pytest.raises(InputError, match=r"^5 of 6 rows are no posts: row 1: .*row 3: .*; and 2 more$"):
        as_posts([{"id": 1, "text": "a"}] * 6)
