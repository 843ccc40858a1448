"""The benchmark of languages left out: what counts as Kreyòl; no row of the language is trained on."""

import numpy as np
import pytest
from leave_language_out import PROMISED, Rows, fitted, language_of, line, measured, threshold

from crisislens.training.crisis_text import CrisisText


def original(text: str, guess: str, event: str = "haiti_earthquake") -> CrisisText:
    return CrisisText(text, "messages_original", event, "train", guess, {"request": 1})


@pytest.mark.parametrize(
    ("text", "guess", "language"),
    [
        ("nou bezwen manje nan Delma", "und", "ht"),
        ("nou bezwen manje nan Delma", "fr", "ht"),
        ("nous avons faim, pas une goutte", "und", "fr"),
        ("ayuda por favor", "es", "es"),
        ("ok 5553", "und", "und"),
    ],
)
def test_small_words_tell_kreyol_from_french(text: str, guess: str, language: str) -> None:
    assert language_of(original(text, guess)) == language


def test_elsewhere_the_source_is_believed() -> None:
    assert language_of(original("nou bezwen", "tr", "pakistan_floods")) == "tr"
    assert language_of(original("nou bezwen", "", "pakistan_floods")) == "und"


def made(n: int = 400) -> Rows:
    """Calls lie to the right, in each language alike."""
    rng = np.random.default_rng(0)
    asks = rng.random(n) < 0.4
    x = rng.normal(size=(n, 6))
    x[:, 0] += 4.0 * asks
    language = np.array(["en", "it", "ur"])[rng.integers(3, size=n)]
    no = np.zeros(n, bool)
    return Rows(x=x, asks=asks, language=language, made_up=no, held=no, haiti=no, original=no)


def test_a_threshold_keeps_the_promised_share_of_calls_of_groups_it_did_not_see() -> None:
    rows = made()
    bound = threshold(rows.x, rows.asks, rows.language)
    said = fitted(rows.x, rows.asks).decision_function(rows.x)
    assert (said[rows.asks] > bound).mean() == pytest.approx(PROMISED, abs=0.06)


def test_rows_of_the_language_do_not_change_the_head() -> None:
    rows = made()
    italian = rows.language == "it"
    turned = np.where(italian, ~rows.asks, rows.asks)
    (right,) = measured(rows, "it")
    (wrong,) = measured(Rows(**{**vars(rows), "asks": turned}), "it")
    area = [float(text.split("|")[3].split()[0]) for text in (right, wrong)]
    # were a row of them trained on, turning their labels would turn the head too
    assert area[0] > 0.98
    assert area[0] + area[1] == pytest.approx(1.0, abs=2e-3)


def test_a_line_counts_calls_found_and_others_taken_along() -> None:
    asks = np.array([True] * 4 + [False] * 4)
    said = np.array([3.0, 2.0, 1.0, -1.0, 2.5, -2.0, -3.0, -4.0])
    cells = line("Italian, made up", asks, said, 0.0).split("|")
    assert cells[2].strip() == "4 of 8"
    assert cells[3].split()[0] == "0.812"
    assert cells[4].startswith(" 75 %")
    assert cells[5].strip() == "25 %"
