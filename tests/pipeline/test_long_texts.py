"""The end of a post of any length is read, and the note counts all that is not."""

import pytest

from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

FILLER = "It was a quiet day in our town and the shops were open as usual. "
CALL = "HELP! We are trapped on the roof of the school in Ponce, 5 people, send a boat now!"


@pytest.fixture(scope="module")
def english() -> Analyst:
    """The shipped analyst, whose texts are cut at 10,000 characters."""
    return Analyst.load("crisis-compact")


def test_a_call_at_the_end_is_as_urgent_behind_any_length(english: Analyst) -> None:
    within, beyond, far = english.assess(
        [Post(id=str(times), text=FILLER * times + CALL) for times in (100, 200, 1_000)]
    )
    assert within.urgency == beyond.urgency == far.urgency
    # the filler alone is calm
    [calm] = english.assess([Post(id="1", text=FILLER * 200)])
    assert calm.urgency < beyond.urgency
    [note] = [note for note in beyond.notes if "parts" in note]
    skipped = int(note.split("; ")[-1].split()[0].replace(",", ""))
    assert skipped > len(FILLER * 200 + CALL) - 16 * 280


def test_what_is_no_text_of_words_is_counted_too(english: Analyst) -> None:
    [found] = english.assess([Post(id="1", text="x" * 20_000)])
    assert "the text is long; 10,004 characters in its middle were not read" in found.notes
