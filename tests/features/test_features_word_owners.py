"""Words, tokens and characters: offsets stay exact for whatever people write."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.data.words import is_link, word_spans
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features import word_owners
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.nn.rationale_head import MAX_WORDS

CUTTER = WordCutter(load_encoders(EncoderSpec(name="hashing")).text)
STRANGE = {
    "emoji": "🌊🌊 Flood 👩‍👩‍👧‍👦 trapped 🏚️ in Ponce 🇵🇷!!",
    "right to left": "فيضان في المدينة people مطلوب مساعدة עזרה דחופה",
    "mojibake": "Weâ€™re trapped â€” help",
    "zero width": "fl\u200bood \u202ereversed\u202c here",
    "half a pair": "flood \ud83d here",
    "only a link": "https://t.co/abc",
    "cut link": "Bridge is gone htt…",
    "empty": "   ",
}


@pytest.mark.parametrize("name", STRANGE)
def test_spans_are_words_of_the_text(name: str) -> None:
    text = STRANGE[name]
    found = [span for window in CUTTER.cut(text) for span in window.spans]
    every = word_spans(text)
    assert set(found) <= set(every)
    assert found == sorted(found)
    assert not any(is_link(text[a:b]) for a, b in found)
    if name in ("only a link", "empty"):
        assert found == []
    if name == "right to left":
        assert [text[a:b] for a, b in found] == text.split()


@given(st.text(max_size=200))
def test_any_text_at_all(text: str) -> None:
    for window in CUTTER.cut(text):
        assert len(window.ids) == len(window.owner)
        assert all(text[a:b].strip() == text[a:b] != "" for a, b in window.spans)
        # every word of a window has a token, and tokens stand in the words' order
        owned = [k for k in window.owner if k >= 0]
        assert owned == sorted(owned)
        assert set(owned) == set(range(len(window.spans)))


def test_ten_thousand_characters_are_cut_into_windows() -> None:
    text = " ".join(f"word{i}." if i % 11 == 10 else f"word{i}" for i in range(1300))[:10_000]
    windows = CUTTER.cut(text)
    assert [text[a:b] for w in windows for a, b in w.spans] == text.split()
    assert max(len(w.spans) for w in windows) <= MAX_WORDS
    # windows end with a sentence where one ends in their second half
    ends = [text[w.spans[-1][0] : w.spans[-1][1]] for w in windows[:-1]]
    assert all(end.endswith(".") for end in ends)


def test_a_word_of_ten_thousand_letters() -> None:
    [window] = CUTTER.cut("flood " + "a" * 10_000 + " help")
    assert [b - a for a, b in window.spans] == [5, 10_000, 4]
    assert len(window.ids) <= CUTTER.encoder.max_tokens


def test_collate_pads() -> None:
    windows = [CUTTER.cut(text)[0] for text in ("flood", "bridge is down")]
    batch = collate_windows(windows, 0)
    assert batch.words.tolist() == [[True, False, False], [True, True, True]]
    assert batch.owner[0].tolist()[-1] == -1
    assert collate_windows([], 0).ids.shape == (0, 1)


def test_mentions_are_alike_and_links_are_silent() -> None:
    [a], [b] = CUTTER.cut("@ann flood"), CUTTER.cut("@bob_the_builder flood https://t.co/x RT")
    assert a.ids == b.ids


@pytest.mark.parametrize("remembered", [0, 50_000])
def test_threads_that_learn_at_once_lose_no_word(remembered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_owners, "_REMEMBERED", remembered)
    cutter = WordCutter(CUTTER.encoder)
    learn = cutter._learn

    def interrupted(words: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """Another thread's older copy takes the place of what was learned."""
        before = cutter._known
        found = learn(words)
        cutter._known = before
        return found

    monkeypatch.setattr(cutter, "_learn", interrupted)
    assert cutter.cut("bridge is down") == CUTTER.cut("bridge is down")


def test_words_that_are_forgotten_are_learned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cutter = WordCutter(CUTTER.encoder)
    cutter.cut("flood in town")
    monkeypatch.setattr(word_owners, "_REMEMBERED", 2)
    assert cutter.cut("flood again") == CUTTER.cut("flood again")
    assert set(cutter._known) == {"flood", "again"}
