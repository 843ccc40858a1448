"""Leaks between splits: each kind is found, a clean split shares nothing, and the known leak of the damage
task is there.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from crisislens.data.crisismmd import SPLITS, CrisisMMD
from crisislens.data.source import LabeledPost
from crisislens.data.splits import KINDS, check_splits, clean_split, tweet_id
from crisislens.demo.pictures import draw_scene
from crisislens.domain.post import ImageRef, Post

LONG = "the bridge on mill road is gone and the water is still rising in lower quay tonight"


def labeled(split: str, name: str, text: str, image: str | None = None) -> LabeledPost:
    return LabeledPost(Post(id=name, text=text, image=ImageRef(path=image) if image else None), "x", split)


@pytest.fixture
def splits(tmp_path: Path) -> dict[str, list[LabeledPost]]:
    draw_scene("cat", 1).save(tmp_path / "cat.jpg", quality=90)
    draw_scene("cat", 1).resize((300, 225), Image.Resampling.BICUBIC).save(
        tmp_path / "cat_again.jpg", quality=60
    )
    draw_scene("map", 1).save(tmp_path / "map.png")
    return {
        "train": [
            labeled("train", "1_0", "one tweet", "map.png"),
            labeled("train", "2_0", "the very same words"),
            labeled("train", "3_0", LONG),
            labeled("train", "4_0", "my cat", "cat.jpg"),
            labeled("train", "5_0", "alone in train"),
            labeled("train", "6_0", ""),
        ],
        "test": [
            labeled("test", "1_1", "same tweet, other photo"),
            labeled("test", "12_0", "The very same WORDS https://t.co/x"),
            labeled("test", "13_0", LONG.replace("tonight", "today")),
            labeled("test", "14_0", "some animal in a window", "cat_again.jpg"),
            labeled("test", "15_0", "alone in test", "missing.jpg"),
            labeled("test", "16_0", ""),
        ],
    }


def test_each_kind_of_leak_is_found(splits: dict[str, list[LabeledPost]], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = check_splits(splits, image_root=tmp_path, progress=lambda done, of: calls.append((done, of)))
    assert report.shared == {"train-test": {"ids": 1, "texts": 1, "near_texts": 2, "near_photos": 1}}
    assert report.leaked["test"] == {
        "ids": frozenset({"1_1"}),
        "texts": frozenset({"12_0"}),
        "near_texts": frozenset({"12_0", "13_0"}),
        "near_photos": frozenset({"14_0"}),
    }
    assert report.dirty("train") == {"1_0", "2_0", "3_0", "4_0"}
    assert report.photos_checked == 3
    assert calls[-1] == (12, 12)
    assert report.as_dict()["leaked_posts"]["test"] == {
        "ids": 1,
        "texts": 1,
        "near_texts": 2,
        "near_photos": 1,
        "any": 4,
    }
    json.dumps(report.as_dict())


def test_a_clean_split_shares_nothing(splits: dict[str, list[LabeledPost]], tmp_path: Path) -> None:
    clean = clean_split(splits, "test", check_splits(splits, image_root=tmp_path))
    assert [p.post.id for p in clean] == ["15_0", "16_0"]
    again = check_splits({**splits, "test": clean}, image_root=tmp_path)
    assert again.shared["train-test"] == dict.fromkeys(KINDS, 0)


def test_photos_are_compared_only_where_there_is_a_folder(splits: dict[str, list[LabeledPost]]) -> None:
    report = check_splits(splits)
    assert report.photos_checked == 0
    assert "14_0" not in report.dirty("test")


def test_duplicates_within_a_split_are_no_leak() -> None:
    report = check_splits(
        {
            "train": [labeled("train", f"7_{i}", "again and again") for i in range(3)],
            "test": [labeled("test", "8_0", "other")],
        }
    )
    assert report.dirty("train") == frozenset() == report.dirty("test")


def test_what_makes_two_posts_one_can_be_said() -> None:
    splits = {"train": [labeled("train", "7_1", "x y")], "test": [labeled("test", "7_2", "p q")]}
    assert check_splits(splits).shared["train-test"]["ids"] == 1
    assert check_splits(splits, group=lambda post: post.id).shared["train-test"]["ids"] == 0
    assert tweet_id(Post(id="row-000012")) == "row-000012"
    # an own id with a number at its end is no photo of a tweet
    assert tweet_id(Post(id="report_12")) == "report_12"


def test_empty_splits_are_no_error() -> None:
    report = check_splits({"train": [], "test": []})
    assert report.posts == {"train": 0, "test": 0}
    assert clean_split({"train": [], "test": []}, "test", report) == []


@pytest.mark.real
def test_the_known_leak_of_the_damage_task(shared_data: Path) -> None:
    root = shared_data / "crisismmd"
    source = CrisisMMD(root, setting="A3")
    splits = {name: source.load(name) for name in SPLITS}
    report = check_splits(splits, image_root=root)
    assert {pair: kinds["ids"] for pair, kinds in report.shared.items()} == {
        "train-dev": 62,
        "train-test": 62,
        "dev-test": 16,
    }
    assert {pair: kinds["texts"] for pair, kinds in report.shared.items()} == {
        "train-dev": 62,
        "train-test": 62,
        "dev-test": 16,
    }
    assert report.photos_checked == 299
    clean = clean_split(splits, "test", report)
    assert len(clean) == 456
    others = {tweet_id(p.post) for name in ("train", "dev") for p in splits[name]}
    assert not others & {tweet_id(p.post) for p in clean}
    assert Counter(p.label for p in clean) == {
        "severe_damage": 300,
        "mild_damage": 99,
        "little_or_no_damage": 57,
    }
