"""The measurement of near-duplicates: what is drawn shows no number, and what is counted is weighted."""

import json
from pathlib import Path

import near_duplicates as script
import numpy as np
import pytest

TEXTS = (
    "Nepal's historic tower collapses in massive earthquake",
    "RT @ann: Nepal's historic tower collapses in massive earthquake!!",
    "Nepal's historic tower collapses in a massive earthquake today",
    "Water is rising on Mill Road, we need boats",
    "My cat sits in the sun",
)


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    rows = [f"{i}\t{text}\tphoto_1\tFri Mar 20 09:45:43 +0000 2015\tfake" for i, text in enumerate(TEXTS)]
    path = tmp_path / "tweets.tsv"
    path.write_text("\n".join(["tweetId\ttweetText\timageId(s)\ttimestamp\tlabel", *rows]) + "\n", "utf-8")
    return path


def test_pairs_are_drawn_without_what_the_program_thinks(tweets: Path, tmp_path: Path) -> None:
    posts = script.read(tweets)
    # equal signatures are one: a retweet is no pair to judge
    assert len(posts.texts) == 4
    script.draw(posts, tmp_path / "pairs.tsv")
    lines = (tmp_path / "pairs.tsv").read_text("utf-8").strip().split("\n")
    assert len(lines) == 6
    for line in lines:
        first, second, *texts = line.split("\t")
        assert [script.name_of(text) for text in texts] == [first, second]


def test_labels_are_joined_and_bands_are_weighted(
    tweets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = script.read(tweets)
    names = [script.name_of(text) for text in posts.texts]
    labels = tmp_path / "labels.tsv"
    labels.write_text(f"# a note\n{names[0]}\t{names[1]}\tsame\n{names[2]}\t{names[3]}\tother\n", "utf-8")
    assert script.judged(posts, labels) == {(0, 1): "same", (2, 3): "other"}
    # two pairs of a band of 10 and two of a band of 90: folded and same, neither; same alone, neither
    few = np.array([[True, True], [False, False]])
    many = np.array([[False, True], [False, False]])
    assert script.shares([(10, few), (90, many)]) == (1.0, pytest.approx(0.1))
    script.said("recall", 0.1234, 0.1, 0.2)
    assert json.loads(capsys.readouterr().out) == {
        "measure": "recall",
        "value": 0.123,
        "from": 0.1,
        "to": 0.2,
    }


def test_an_interval_of_all_right_is_not_a_point() -> None:
    low, high = script.exact(41, 41)
    assert 0.91 < low < 0.92
    assert high == 1.0
    assert script.exact(0, 3)[0] == 0.0


def test_the_labels_that_ship_hold_no_text() -> None:
    rows = [line.split("\t") for line in script.LABELS.read_text("utf-8").split("\n") if line[:1] not in "#"]
    assert len(rows) >= 200
    for first, second, label in rows:
        assert len(first) == len(second) == 16
        assert int(first, 16) >= 0
        assert int(second, 16) >= 0
        assert label in ("same", "reworded", "other")
