"""Chunks end by their rows or by their letters: no row is lost, and what a chunk holds is bounded."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_cases import Shout, line

from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.chunk_files import ChunkFiles
from crisislens.runs.cutting import CHUNK_LETTERS, chunks
from crisislens.runs.engine import run_step
from crisislens.runs.executor import Here, Threads
from crisislens.runs.step import Chunk

Row = Post | FailedPost


def made(lengths: Sequence[int | None]) -> list[Row]:
    """Rows whose texts have so many letters; None is a row that is no post. Ids have three."""
    return [
        FailedPost(row=i, reason="bad") if length is None else Post(id=f"{i:03}", text="x" * length)
        for i, length in enumerate(lengths)
    ]


def sizes(cut: Iterator[Chunk]) -> list[int]:
    return [len(chunk.rows) for chunk in cut]


@pytest.mark.parametrize(
    ("lengths", "letters", "expected"),
    [
        ([], 10, []),
        ([1] * 7, 100, [4, 3]),
        ([1] * 8, 100, [4, 4]),
        # one long text ends its chunk, and the next chunk begins at none
        ([1, 50, 1, 1, 1, 1], 20, [2, 4]),
        ([50, 50, 50], 20, [1, 1, 1]),
        # 7 + 3 letters are exactly the bound
        ([7, 7], 10, [1, 1]),
        ([6, 6], 10, [2]),
        # rows that are no posts have no letters
        ([None, None, 50, None], 20, [3, 1]),
        ([50] * 5, None, [4, 1]),
    ],
)
def test_where_chunks_end(lengths: list[int | None], letters: int | None, expected: list[int]) -> None:
    assert sizes(chunks(made(lengths), most_rows=4, letters=letters)) == expected


def test_a_long_event_counts_as_a_long_text_does() -> None:
    rows = [Post(id=str(i), text="x", event="e" * 30) for i in range(3)]
    assert sizes(chunks(rows, most_rows=9, letters=20)) == [1, 1, 1]


LENGTHS = st.lists(st.one_of(st.integers(0, 40), st.none()), max_size=30)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 6), st.integers(1, 60))
def test_every_row_is_in_one_chunk_and_no_chunk_is_heavy(
    lengths: list[int | None], most: int, letters: int
) -> None:
    rows = made(lengths)
    cut = list(chunks(rows, most_rows=most, letters=letters, first_row=100))
    assert [row for chunk in cut for row in chunk.rows] == rows
    assert [chunk.index for chunk in cut] == list(range(len(cut)))
    at = 100
    for chunk in cut:
        assert chunk.first_row == at
        at += len(chunk.rows)
        assert 0 < len(chunk.rows) <= most
        # the row that passes the bound is in it, and none behind that
        assert sum(len(post.text) + 3 for post in chunk.posts[:-1]) < letters


def test_a_chunk_reads_no_row_beyond_its_own() -> None:
    read = 0

    def source() -> Iterator[Row]:
        nonlocal read
        for row in made([30] * 10):
            read += 1
            yield row

    cut = chunks(source(), most_rows=5, letters=50)
    for number in range(1, 6):
        next(cut)
        assert read == 2 * number


def test_a_step_never_gets_more_letters_than_the_bound_and_one_text(place: Path) -> None:
    step, most = Shout(), 0
    asked = step.map

    def counted(posts: Sequence[Post]) -> list[dict[str, object]]:
        nonlocal most
        most = max(most, sum(len(post.text) for post in posts))
        return asked(posts)

    step.map = counted  # type: ignore[method-assign]
    long = CHUNK_LETTERS // 4
    rows = [Post(id=str(i), text="flood " * (long // 6)) for i in range(12)]
    ledger = ChunkFiles[dict[str, object]](place, line=line)
    count = run_step(rows, step, ledger, executor=Here(), chunk_posts=512)
    assert count.rows == ledger.good == 12
    assert step.asked == [5, 5, 2]
    assert most <= CHUNK_LETTERS + long


def test_a_run_of_long_texts_goes_on_where_it_ended(place: Path, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, _total: int | None) -> None:
        if done > 3:
            raise Killed

    rows = made([5, 90, 5, None, 90, 5, 5, 90, 5])

    def run(into: Path, **more: object) -> tuple[int, list[str]]:
        ledger = ChunkFiles[dict[str, object]](into, line=line)
        options = {"chunk_posts": 3, "chunk_letters": 60, **more}
        count = run_step(rows, Shout(), ledger, executor=Threads(2), **options)  # type: ignore[arg-type]
        return count.resumed, [record.line for record in ledger.records(str)]

    with pytest.raises(Killed):
        run(place, progress=kill)
    resumed, lines = run(place)
    assert 3 < resumed <= len(rows)
    assert lines == run(tmp_path / "whole")[1]
