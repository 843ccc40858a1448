"""Place words, and readers of posts with places: labels do not leak into the text, folds do not share
near-duplicates.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import DataError, InputError
from crisislens.data.blur import BlurredSource
from crisislens.data.place_words import MASK, PLACE_WORDS, label_by_words, majority_label, mask_places
from crisislens.data.places import captioned_photos, labeled_tweets, read_placed, read_poi, scene_photos
from crisislens.data.split_making import folds
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.domain.place_types import PLACE_CRISIS
from crisislens.domain.post import Post

WORDS = sorted(w for words in PLACE_WORDS.values() for w in words)


def test_the_lexicon_is_of_the_taxonomy() -> None:
    assert tuple(PLACE_WORDS) == PLACE_CRISIS.classes
    assert max(Counter(WORDS).values()) == 1, "a word of two classes"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Stuck at the hospital, generator down", "hospital"),
        ("Two dogs in the swimming pool", "water"),
        ("flooded streets everywhere", "flooded_street"),
        ("Streets and sidewalks near our house", "street"),
        ("the bus station and the church", None),
        ("#Houston #Shelter open", "shelter"),
        ("thinking of you all", None),
        ("a homeless man, a schooling of fish, the marketing", None),
    ],
)
def test_labels_by_words(text: str, label: str | None) -> None:
    assert label_by_words(text) == label


def test_the_majority_of_captions() -> None:
    assert majority_label(["a beach", "the sea", "a street", "a dog"]) == "water"
    assert majority_label(["a beach", "a street"]) is None
    assert majority_label(["a beach", "a beach", "a road", "a street"]) is None
    assert majority_label(["a beach", "a dog"], at_least=1) == "water"


@given(
    st.lists(
        st.one_of(st.sampled_from(WORDS), st.sampled_from(["the", "dog", "runs", "near", "#", "our", "s"])),
        max_size=12,
    )
)
def test_what_is_masked_has_no_label(words: list[str]) -> None:
    masked = mask_places(" ".join(words))
    assert label_by_words(masked.replace(MASK, "")) is None or " " in masked
    assert label_by_words(masked) is None
    assert mask_places(masked) == masked


def manifest(folder: Path) -> Path:
    rows = [
        (
            "c/1.jpg",
            "captioned",
            "everyday",
            " || ".join(["a beach", "the ocean", "a dog at the sea", "a dog", "waves"]),
        ),
        ("c/2.jpg", "captioned", "everyday", " || ".join(["a man", "a woman", "a dog", "a cat", "a hat"])),
        ("s/1.jpg", "scene", "kitchen", ""),
        ("s/2.jpg", "scene", "kitchen", ""),
        ("s/3.jpg", "scene", "store", ""),
        ("e/1.jpg", "everyday", "everyday", "At the airport again #fml"),
        ("e/2.jpg", "everyday", "everyday", "so happy"),
    ]
    path = folder / "manifest.tsv"
    path.write_text("file\tset\tlabel\ttext\n" + "".join("\t".join(row) + "\n" for row in rows))
    return path


def test_the_stand_in(tmp_path: Path) -> None:
    path = manifest(tmp_path)
    for seed in range(5):
        [photo] = captioned_photos(path, seed=seed)
        assert (photo.post.id, photo.label) == ("c/1.jpg", "water")
        assert label_by_words(photo.post.text) is None, "the label stands in the text"
    assert [(p.post.text, p.label) for p in labeled_tweets(path)] == [
        ("At the [place] again #fml", "transport")
    ]
    assert [p.label for p in scene_photos(path, most=1)] == ["home", "shop"]
    with pytest.raises(DataError, match="no manifest of photos at"):
        captioned_photos(tmp_path / "none.tsv")
    (tmp_path / "bad.tsv").write_text("file\tset\n")
    with pytest.raises(DataError, match="lacks the columns label, text"):
        captioned_photos(tmp_path / "bad.tsv")


def test_reads_a_table_with_places(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    rows = [
        {"id": "1", "text": "here", "place": "Flooded street", "split": "val"},
        {"id": "2", "text": "there", "place": "moon"},
        {"text": [3], "id": "3", "place": "home"},
        {"id": "4", "text": "there", "place": "HOME", "split": "test"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    posts, failed = read_placed(path, PLACE_CRISIS)
    assert [(p.post.id, p.label, p.split) for p in posts] == [
        ("1", "flooded_street", "dev"),
        ("4", "home", "test"),
    ]
    assert [(f.row, f.id) for f in failed] == [(1, "2"), (2, "3")]
    assert "'moon' is not in place_crisis; expected one of home" in failed[0].reason
    with pytest.raises(InputError, match="has no column 'kind' with the kind of place; it has id, text"):
        read_placed(path, PLACE_CRISIS, label="kind")


def test_joins_poi_ids_to_texts(tmp_path: Path) -> None:
    path = tmp_path / "poi.csv"
    path.write_text(
        "tweet_id,category_name,split\n11,Arts & Entertainment,train\n12,Food,valid\n13,Shop & Service,test\n"
    )
    found, missing = read_poi(path, [Post(id="11", text="a"), Post(id="13", text="b")])
    assert [(p.post.text, p.label, p.split) for p in found] == [
        ("a", "arts_and_entertainment", "train"),
        ("b", "shop_and_service", "test"),
    ]
    assert missing == 1
    with pytest.raises(DataError, match="none of the 3 ids"):
        read_poi(path, [])
    path.write_text("tweet_id,category_name\n11,Moon\n")
    with pytest.raises(DataError, match="category 'Moon'"):
        read_poi(path, [Post(id="11", text="a")])
    with pytest.raises(InputError, match="lacks the columns place"):
        read_poi(path, [], label="place")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), min_size=5, max_size=60),
    st.integers(0, 3),
)
def test_folds_keep_groups_together_and_use_every_fold(rows: list[tuple[str, int]], seed: int) -> None:
    labels, groups = [r[0] for r in rows], [r[1] for r in rows]
    if len(set(groups)) < 3:
        with pytest.raises(InputError, match="cannot fill 3 folds"):
            folds(labels, groups, count=3)
        return
    found = folds(labels, groups, count=3, seed=seed)
    assert all(len({f for f, g in zip(found, groups, strict=True) if g == group}) == 1 for group in groups)
    assert found == folds(labels, groups, count=3, seed=seed)


def test_folds_share_out_every_class() -> None:
    labels = ["a"] * 10 + ["b"] * 5
    found = folds(labels, list(range(15)), count=5)
    assert Counter(zip(found, labels, strict=True)) == {
        (k, c): n for k in range(5) for c, n in (("a", 2), ("b", 1))
    }


def test_blurred_coordinates_never_leave_the_source(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,text,lat,lon\n1,a,18.2208,-66.5901\n2,b,,\n,,1,2\n")
    plain = read_posts(path)
    blurred = BlurredSource(plain)
    rows = list(blurred)
    posts = [row for row in rows if isinstance(row, Post)]
    assert [(p.lat, p.lon) for p in posts] == [(18.2, -66.6), (None, None)]
    assert len(rows) == len(list(plain))
    assert any(isinstance(row, FailedPost) for row in rows)
    assert blurred.fingerprint() != plain.fingerprint()
    assert blurred.describe()["coordinates"] == "rounded to 1 decimals of a degree"
