"""Long texts in windows: cut at sentences or words, nothing lost and nothing twice, and the record says what
was not read.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.encoders.base import TokenizedText
from crisislens.encoders.hashing import HashingText
from crisislens.pipeline.windows import (
    LAST_WINDOWS,
    MOST_WINDOWS,
    WINDOW_CHARACTERS,
    Windows,
    _begin,
    _cut,
    windows_of,
)

SHORT = HashingText(max_tokens=8)
SENTENCE = "The water is rising in our street and we need a boat. "


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize("text", ["", "help", "one two three four five six seven"])
def test_what_is_read_at_once_is_left_as_it_is(text: str) -> None:
    assert windows_of(text, SHORT) == Windows((text,), 0)


def test_a_long_text_is_cut_at_its_sentences() -> None:
    found = windows_of(SENTENCE * 20, HashingText(max_tokens=64))
    assert found.rest == 0
    assert len(found.parts) > 1
    assert all(part.endswith("boat.") for part in found.parts)
    assert all(len(part) <= WINDOW_CHARACTERS for part in found.parts)
    assert " ".join(found.parts) == (SENTENCE * 20).strip()


def test_an_encoder_with_short_sight_is_given_less() -> None:
    found = windows_of(SENTENCE * 3, SHORT)
    # seven words and a start token are all that it reads
    assert max(len(words(part)) for part in found.parts) <= 8
    assert words(" ".join(found.parts)) == words(SENTENCE * 3)


def letters(text: str) -> str:
    return "".join(text.split())


def test_of_a_text_too_long_the_end_is_read_and_what_stands_between_is_counted() -> None:
    text = "It began on Monday. " + SENTENCE * 400 + "Please come to 4 Mill Lane now!"
    found = windows_of(text, HashingText(max_tokens=64))
    assert len(found.parts) == MOST_WINDOWS
    assert found.parts[0].startswith("It began on Monday.")
    assert found.parts[-1].endswith("Please come to 4 Mill Lane now!")
    # windows of the end begin with a sentence, as those of the start end with one
    assert all(part.startswith("The water") for part in found.parts[-LAST_WINDOWS:])
    assert all(part.endswith("boat.") for part in found.parts[:-1])
    assert all(len(part) <= WINDOW_CHARACTERS for part in found.parts)
    # what is left out is whole sentences
    read = sum(len(letters(part)) for part in found.parts)
    skipped = (len(letters(text)) - read) / len(letters(SENTENCE))
    assert skipped == int(skipped)
    assert found.rest == skipped * len(SENTENCE) - 1


def test_what_was_left_out_before_is_counted_too() -> None:
    text = SENTENCE * 400
    whole = windows_of(text, HashingText(max_tokens=64))
    assert windows_of(text, HashingText(max_tokens=64), 500) == Windows(whole.parts, whole.rest + 500)
    assert windows_of("help", SHORT, 500) == Windows(("help",), 500)


def test_a_text_of_just_as_many_windows_is_read_whole() -> None:
    encoder = HashingText(max_tokens=64)
    in_one = windows_of(SENTENCE * 400, encoder).parts[0].count("boat.")
    found = windows_of(SENTENCE * in_one * MOST_WINDOWS, encoder)
    assert (len(found.parts), found.rest) == (MOST_WINDOWS, 0)
    more = windows_of(SENTENCE * (in_one * MOST_WINDOWS + 1), encoder)
    assert more == Windows(found.parts, len(SENTENCE) - 1)


@given(st.lists(st.text("abc.!? \n", min_size=1, max_size=40), min_size=1, max_size=80))
def test_no_word_is_lost_or_read_twice(pieces: list[str]) -> None:
    text = " ".join(pieces)
    found = windows_of(text, SHORT)
    assert 1 <= len(found.parts) <= MOST_WINDOWS
    whole, parts = letters(text), [letters(part) for part in found.parts]
    if not found.rest:
        assert "".join(parts) == whole
        return
    first, last = "".join(parts[:-LAST_WINDOWS]), "".join(parts[-LAST_WINDOWS:])
    assert whole.startswith(first)
    assert whole.endswith(last)
    between = whole[len(first) : len(whole) - len(last)]
    # blanks inside what was left out count, those at its edges do not
    assert 0 < len(between) <= found.rest


@given(st.text(min_size=1, max_size=60), st.integers(1, 40))
def test_a_cut_is_never_empty_and_never_too_long(text: str, most: int) -> None:
    if len(text) > most:
        assert 0 < _cut(text, most) <= most
        assert 0 < len(text) - _begin(text, most) <= most


@pytest.mark.parametrize(
    ("text", "most", "last"),
    [
        ("One two three. Four five", 12, "Four five"),
        ("One two. Three four five six seven", 30, "Three four five six seven"),
        # a sentence that begins late would leave a window of a few words
        ("one two three four five six. Go", 22, "four five six. Go"),
        ("पानी बढ़ रहा है। हमें नाव चाहिए", 16, "हमें नाव चाहिए"),
        ("x" * 50, 20, "x" * 20),
    ],
)
def test_where_a_window_of_the_end_begins(text: str, most: int, last: str) -> None:
    assert text[_begin(text, most) :] == last


@pytest.mark.parametrize(
    ("text", "most", "first"),
    [
        ("One two three. Four five", 20, "One two three. "),
        # a sentence that ends early would leave a window of a few words
        ("One. Two three four five six seven", 30, "One. Two three four five six"),
        ("One two!!! Three four five", 20, "One two!!! "),
        ('He said "go." Then he went', 20, 'He said "go." '),
        ("line one\nline two goes on", 14, "line one\n"),
        ("पानी बढ़ रहा है। हमें नाव चाहिए", 24, "पानी बढ़ रहा है। "),
        ("x" * 50, 20, "x" * 20),
    ],
)
def test_where_a_window_ends(text: str, most: int, first: str) -> None:
    assert text[: _cut(text, most)] == first


def test_a_million_dots_are_cut_like_a_million_letters() -> None:
    # an expression that looked beyond the window would not come back
    found = windows_of("a " * 200 + "." * 1_000_000, HashingText(max_tokens=64))
    assert len(found.parts) == MOST_WINDOWS
    assert max(map(len, found.parts)) <= WINDOW_CHARACTERS


class Blind(HashingText):
    """Reads no character of a text."""

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        return [TokenizedText((1,), ((0, 0),), True) for _ in texts]


def test_an_encoder_that_reads_nothing_ends_too() -> None:
    found = windows_of("help us", Blind())
    assert len(found.parts) <= MOST_WINDOWS
    assert found.parts
