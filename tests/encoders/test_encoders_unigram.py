"""Unigram cuts against all cuts there are, and against the tokenizers library."""

from array import array
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import Unigram as Reference
from tokenizers.pre_tokenizers import Metaspace

from crisislens.encoders import unigram
from crisislens.encoders.unigram import MARK, Pieces, Unigram

LETTERS = f"ab\u00e9\u65e5{MARK}"
vocabularies = st.dictionaries(
    st.text(LETTERS, min_size=1, max_size=4), st.integers(-40, -1).map(lambda x: x / 8), max_size=14
)
texts = st.text(LETTERS + " c\U0001f30a", max_size=14)


def pieces_of(scores: dict[str, float]) -> Pieces:
    """A vocabulary whose piece 0 is the unknown one."""
    return Pieces(["<unk>", *scores], array("d", [0.0, *scores.values()]))


@settings(max_examples=80, deadline=None)
@given(scores=vocabularies, text=texts)
def test_it_cuts_as_the_tokenizers_library_does(scores: dict[str, float], text: str) -> None:
    pieces = pieces_of(scores)
    reference = Tokenizer(Reference(list(zip(*pieces, strict=True)), unk_id=0, byte_fallback=False))
    reference.pre_tokenizer = Metaspace(replacement=MARK, prepend_scheme="always", split=True)
    expected = reference.encode(text, add_special_tokens=False)
    found = list(Unigram(pieces, unknown=0, reserved=()).cut(text))
    assert [piece for piece, _, _ in found] == expected.ids
    assert [(start, end) for _, start, end in found] == expected.offsets


@settings(max_examples=40, deadline=None)
@given(scores=vocabularies, word=st.text("ab", min_size=1, max_size=8))
def test_no_other_cut_is_likelier(scores: dict[str, float], word: str) -> None:
    # with every letter a piece nothing is unknown, so that all cuts can be scored
    known = {"a": -4.0, "b": -4.5, MARK: -3.0, **scores}
    found = list(Unigram(pieces_of(known), unknown=0, reserved=()).cut(word))
    marked = MARK + word
    cuts = [
        [marked[i:j] for i, j in zip((0, *at), (*at, len(marked)), strict=True)]
        for count in range(len(marked))
        for at in combinations(range(1, len(marked)), count)
    ]
    totals = [sum(known[piece] for piece in cut) for cut in cuts if all(piece in known for piece in cut)]
    assert sum(list(known.values())[piece - 1] for piece, _, _ in found) == pytest.approx(max(totals))
    # nothing of the word is lost
    assert "".join(list(known)[piece - 1] for piece, _, _ in found) == marked


def test_a_text_cannot_spell_what_is_reserved() -> None:
    pieces = Pieces(["<unk>", "</s>", f"{MARK}", "<", "/", "s", ">"], array("d", [0, 0, -1, -1, -1, -1, -1]))
    cut = Unigram(pieces, unknown=0, reserved=(0, 1)).cut("</s>")
    assert [piece for piece, _, _ in cut] == [2, 3, 4, 5, 6]


def test_what_is_remembered_of_words_stays_small_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "_REMEMBERED", 3)
    cutter = Unigram(pieces_of({"a": -1.0, "b": -1.0, "ab": -1.5, MARK: -2.0}), unknown=0, reserved=())
    text = "ab ba aab bba " * 3 + "a" * 40
    first = list(cutter.cut(text))
    assert list(cutter.cut(text)) == first
    assert len(cutter._known) <= 3
    assert MARK + "a" * 40 not in cutter._known


def test_a_long_text_is_cut_only_as_far_as_it_is_asked_for() -> None:
    cutter = Unigram(pieces_of({"a": -1.0, MARK: -2.0}), unknown=0, reserved=())
    cut = cutter.cut("a " * 1_000_000)
    assert [next(cut) for _ in range(3)] == [(2, 0, 1), (1, 0, 1), (2, 1, 2)]
    assert len(cutter._known) <= 2
