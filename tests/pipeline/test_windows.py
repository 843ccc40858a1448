"""Long texts in windows: cut at sentences or words, nothing lost and nothing twice, and the record says what
was not read.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.encoders.base import TokenizedText
from crisislens.encoders.hashing import HashingText
from crisislens.pipeline.windows import MOST_WINDOWS, WINDOW_CHARACTERS, Windows, _cut, windows_of

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


def test_what_stands_behind_the_last_window_is_counted() -> None:
    text = SENTENCE * 400
    found = windows_of(text, HashingText(max_tokens=64))
    assert len(found.parts) == MOST_WINDOWS
    assert found.rest > 0
    assert text.endswith(text[len(text) - found.rest :])
    read = sum(len("".join(words(part))) for part in found.parts)
    assert read + len("".join(words(text[len(text) - found.rest :]))) == len("".join(words(text)))


@given(st.lists(st.text("abc.!? \n", min_size=1, max_size=40), min_size=1, max_size=40))
def test_no_word_is_lost_or_read_twice(pieces: list[str]) -> None:
    text = " ".join(pieces)
    found = windows_of(text, SHORT)
    assert found.parts
    # what is left is a tail of the text as it was given, blanks at its end included
    rest = text[len(text) - found.rest :]
    assert "".join("".join(found.parts).split()) + "".join(rest.split()) == "".join(text.split())


@given(st.text(min_size=1, max_size=60), st.integers(1, 40))
def test_a_cut_is_never_empty_and_never_too_long(text: str, most: int) -> None:
    if len(text) > most:
        assert 0 < _cut(text, most) <= most


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


class Blind(HashingText):
    """Reads no character of a text."""

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        return [TokenizedText((1,), ((0, 0),), True) for _ in texts]


def test_an_encoder_that_reads_nothing_ends_too() -> None:
    found = windows_of("help us", Blind())
    assert len(found.parts) <= MOST_WINDOWS
    assert found.parts
