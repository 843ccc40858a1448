"""Words with their places in the text as posted, and posts that people marked cut the same way."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crisislens.data.post_words import cut_anew, placed_words
from crisislens.domain.extraction import AnnotatedPost, Link, Mention


@given(st.text(max_size=60))
def test_words_stand_where_they_say_and_miss_nothing(text: str) -> None:
    words = placed_words(text)
    assert all(text[w.start : w.end] == w.text and w.text for w in words)
    assert all(a.end <= b.start for a, b in pairwise(words))
    covered = {i for w in words for i in range(w.start, w.end)}
    assert all(c.isspace() or i in covered for i, c in enumerate(text))


def test_what_a_word_is() -> None:
    def cut(text: str) -> list[str]:
        return [w.text for w in placed_words(text)]

    assert cut("RT @a_b: #NBA's HTTPS://t.co/x_1?y=2 ok") == [
        "RT",
        "@",
        "a",
        "_",
        "b",
        ":",
        "#",
        "NBA",
        "'",
        "s",
        "HTTPS://t.co/x_1?y=2",
        "ok",
    ]
    assert cut("Port-au-Prince, São Paulo 7.1") == [
        "Port",
        "-",
        "au",
        "-",
        "Prince",
        ",",
        "São",
        "Paulo",
        "7",
        ".",
        "1",
    ]
    # vowel signs, viramas and points belong to their letters
    for word in ("नेपाल", "বাংলাদেশ", "தமிழ்", "مُحَمَّد", "שָׁלוֹם", "Cafe\u0301"):
        assert cut(f"{word}! {word}") == [word, "!", word]
    # without blanks between words each letter stands with its marks, or a clause would be one word
    assert cut("北京昨天Flood洪水 10") == ["北", "京", "昨", "天", "Flood", "洪", "水", "10"]
    assert cut("東京タワー") == ["東", "京", "タ", "ワ", "ー"]
    assert cut("ท่วม မြန် ខ្មែ") == ["ท่", "ว", "ม", "မြ", "န်", "ខ្", "មែ"]
    # what makes an emoji of a digit is no part of it, as in the posts that the extractors learned
    assert cut("Route 1\ufe0f\u20e3 closed") == ["Route", "1", "\ufe0f", "\u20e3", "closed"]
    assert cut("") == cut(" \n\t") == []
    assert len(placed_words("a " * 5000)) == 1000


def test_marked_posts_are_cut_anew() -> None:
    post = AnnotatedPost(
        "1",
        ("#LFC", "meets", "Low-cost", "\u00a0", "@ada_b"),
        (Mention(0, 1, "ORG"), Mention(2, 3, "MISC"), Mention(3, 4, "LOC"), Mention(4, 5, "PER")),
        (Link(0, 3, "/org/per/x"), Link(2, 3, "/loc/per/x")),
    )
    cut = cut_anew(post)
    assert cut.words == ("#", "LFC", "meets", "Low", "-", "cost", "@", "ada", "_", "b")
    assert cut.mentions == (Mention(1, 2, "ORG"), Mention(3, 6, "MISC"), Mention(7, 10, "PER"))
    assert cut.links == (Link(0, 2, "/org/per/x"),)
    assert cut_anew(cut) == cut
