"""Rough forms of a text keep its words, and say what they are asked to say."""

import numpy as np
import pytest

from crisislens.training.roughen import roughen

TEXT = "Please send drinking water to the hospital, people are trapped"
DRAWS = 400


def forms(text: str, language: str = "en") -> list[str]:
    return [roughen(text, np.random.default_rng(seed), language) for seed in range(DRAWS)]


def letters(text: str) -> str:
    return "".join(sorted(char for char in text.casefold() if char.isalpha()))


def test_the_same_seed_makes_the_same_form() -> None:
    assert forms(TEXT) == forms(TEXT)


def test_about_half_stay_as_they_are() -> None:
    same = sum(form == TEXT for form in forms(TEXT))
    assert 0.4 * DRAWS < same < 0.7 * DRAWS


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("a retweet", "RT @user"),
        ("two names", "@user @user "),
        ("a word cut short", "pls"),
        ("capitals", "TRAPPED"),
    ],
)
def test_each_kind_occurs(kind: str, shown: str) -> None:
    assert any(shown in form for form in forms(TEXT)), kind


def test_words_are_cut_short_in_english_alone() -> None:
    assert any(" 2 " in form for form in forms(TEXT))
    assert not any(" 2 " in form for form in forms(TEXT, "de"))


def test_in_other_languages_no_letter_is_lost_or_added() -> None:
    text = "Wir sitzen auf dem Dach, bitte schickt ein Boot"
    for form in forms(text, "de"):
        plain = form.replace("RT ", "").replace("@user:", "").replace("@user", "")
        for tag in ("prayfor", "news", "update", "breaking", "today", "trending"):
            plain = plain.removesuffix(f" {tag}")
        assert letters(plain) == letters(text)


@pytest.mark.parametrize("text", ["", "?!", "SOS", "救命", "नदी", "a b"])
def test_short_and_foreign_texts_are_no_trouble(text: str) -> None:
    assert all(isinstance(form, str) for form in forms(text, "und"))
    assert all(form for form in forms(text, "und")) or not text
