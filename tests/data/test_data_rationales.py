"""Snippets to spans to words; folds without leaks; the tables and the export that they are read from."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import DataError
from crisislens.data.marked_rationales import (
    AnnotatedText,
    duplicate_folds,
    find_snippets,
    read_annotations,
    read_snippet_table,
    split_folds,
)
from crisislens.data.words import is_noise, merge_spans, word_labels, word_spans


@pytest.mark.parametrize(
    ("text", "snippets", "found", "missed"),
    [
        ("Death toll rises. 5 dead, 5 dead", ["5 dead"], ["5 dead"], 0),
        ("Death toll rises. 5 dead, 5 dead", ["5 dead", "5 dead"], ["5 dead", "5 dead"], 0),
        ("deadly quake leaves 5 dead", ["dead"], ["dead"], 0),
        ("a  b\nc", ["A B c"], ["a  b\nc"], 0),
        ("Families find shelter as they brace", ["Families find shelters"], ["Families find shelter"], 0),
        (
            "No classes + upcoming typhoon",
            ["No classes upcoming typhoon"],
            ["No classes", "upcoming typhoon"],
            0,
        ),
        ("nothing like it", ["five people were rescued"], [], 1),
        ("help (urgent!) now", ["(urgent!)"], ["(urgent!)"], 0),
    ],
)
def test_snippets_are_found(text: str, snippets: list[str], found: list[str], missed: int) -> None:
    spans, lost = find_snippets(text, snippets)
    assert [text[a:b] for a, b in spans] == found
    assert lost == missed
    if snippets == ["dead"]:
        assert spans == [(22, 26)]


def test_the_longest_snippet_is_placed_first() -> None:
    spans, _ = find_snippets("flood in town, flood in town center", ["flood in town", "flood in town center"])
    assert spans == [(0, 13), (15, 35)]


@given(st.text(max_size=80))
def test_words_are_the_texts_own(text: str) -> None:
    spans = word_spans(text)
    assert [text[a:b] for a, b in spans] == text.split() or any(ord(c) in range(0x1C, 0x20) for c in text)
    assert all(word_labels(spans, spans, text))
    assert not any(word_labels(spans, [], text))
    assert merge_spans(spans, [True] * len(spans)) == ([(spans[0][0], spans[-1][1])] if spans else [])


def test_half_a_word_is_enough() -> None:
    text = "#NepalQuake: 5,000 dead!!!!"
    words = word_spans(text)
    assert word_labels(words, [(13, 23)], text) == [False, True, True]
    assert word_labels(words, [(1, 5)], text) == [False, False, False]
    assert word_labels(words, [(1, 7)], text) == [True, False, False]


@pytest.mark.parametrize(
    "word", ["https://t.co/abc", "http://t…", "htt…", "@ann", "RT", "rt", "&", ".@ann:", "pic.twitter.com/x"]
)
def test_noise(word: str) -> None:
    assert is_noise(word)


@pytest.mark.parametrize("word", ["flood", "#RT", "http-flood", "é", "洪水", "5"])
def test_no_noise(word: str) -> None:
    assert not is_noise(word)


def test_near_duplicates_share_a_fold() -> None:
    texts = [f"{w} bridge near the old river is gone and people are waiting for help" for w in "abcdefgh"]
    copies = [f"RT @user{i}: {text} http://t.co/{i}" for i, text in enumerate(texts)]
    other = [f"completely different text number {i} about the weather {i * 7} degrees" for i in range(24)]
    folds = duplicate_folds([*texts, *copies, *other], folds=4)
    assert (folds[:8] == folds[8:16]).all()
    assert set(folds) == {0, 1, 2, 3}
    # the sixteen are one cluster, which fills a fold; the rest is spread evenly
    assert sorted(np.bincount(folds))[:3] == [7, 7, 7]
    assert (folds == duplicate_folds([*texts, *copies, *other], folds=4)).all()


@pytest.mark.parametrize("tested", [0, 2, 3])
def test_one_fold_is_tested_the_next_chooses_and_the_others_teach(tested: int) -> None:
    texts = [AnnotatedText(str(i), f"text {i * 7} of the weather {i}", "", ()) for i in range(20)]
    parts = split_folds(texts, 4, tested)
    fold_of = duplicate_folds([t.text for t in texts], folds=4)
    for part, folds in (("test", {tested}), ("dev", {(tested + 1) % 4})):
        assert {int(fold_of[int(t.id)]) for t in parts[part]} == folds
    assert sorted(int(t.id) for part in parts.values() for t in part) == list(range(20))
    with pytest.raises(DataError, match="cannot be cut into 4 folds"):
        split_folds(texts[:3], 4, 0)


def test_tables_are_read(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "tweet_id,tweet_text,corrected_label,informative_content\n"
        '1\',"Bridge down, 5 dead",injured,"5 dead\nBridge down"\n2,ok,other,\n'
    )
    [row] = read_snippet_table(table)
    assert (row.id, row.label, row.spans) == ("1", "injured", ((0, 11), (13, 19)))
    assert row.word_labels() == [True, True, True, True]
    (tmp_path / "u.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="lacks the column"):
        read_snippet_table(tmp_path / "u.csv")
    with pytest.raises(DataError, match="no rationale table"):
        read_snippet_table(tmp_path / "none.csv")


def test_exports_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"id": "7", "text": "🌊 flood here", "label": "x", "spans": [[2, 7]]}) + "\n\n"
    )
    assert read_annotations(path) == [AnnotatedText("7", "🌊 flood here", "x", ((2, 7),))]
    for wrong, said in (
        ('{"text": "a"}', "line 1 is no annotation"),
        ('{"text": "a", "spans": [[0, 2]]}', "span outside"),
        ("{", "line 1"),
    ):
        path.write_text(wrong)
        with pytest.raises(DataError, match=said):
            read_annotations(path)


@pytest.mark.real
def test_the_tables_in_hand(shared_data: Path) -> None:
    nepal = read_snippet_table(shared_data / "rationales" / "nepal_2015.csv")
    hagupit = read_snippet_table(shared_data / "rationales" / "hagupit_2014.csv")
    assert (len(nepal), len(hagupit)) == (2950, 2796)
    assert sum(row.missed for row in nepal + hagupit) == 0
