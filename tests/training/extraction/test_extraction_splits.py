"""Reading a data set in its parts: what does not fit together is refused before anything is trained."""

import json
from pathlib import Path

import pytest

from crisislens.core.errors import DataError
from crisislens.training.extraction.config import ExtractionData
from crisislens.training.extraction.splits import load_splits


def test_data_that_match_nothing_are_refused(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt").write_text("IMGID:1\nflood O\n")
    with pytest.raises(DataError, match="no entity is marked"):
        load_splits(ExtractionData(name="conll", root=str(tmp_path)))
    (tmp_path / "train.txt").write_text("IMGID:1\nParis B-LOC\n")
    (tmp_path / "contexts.txt").write_text("photo_1.jpg :water\n")
    with_contexts = ExtractionData(
        name="conll", root=str(tmp_path), contexts="file", context_file=str(tmp_path / "contexts.txt")
    )
    with pytest.raises(DataError, match="none of the 1 contexts belongs to one of the 1 pictures"):
        load_splits(with_contexts)
    (tmp_path / "contexts.txt").write_text("1.jpg :water\n")
    assert load_splits(with_contexts).contexts == {"1": "water"}


def test_photos_that_no_post_names_are_refused(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt").write_text("IMGID:1\nParis B-LOC\n")
    with pytest.raises(DataError, match="none of the 1 pictures that posts of conll name is in"):
        load_splits(ExtractionData(name="conll", root=str(tmp_path), image_root=str(tmp_path / "photos")))
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt").write_text("Paris B-LOC\n")
    with pytest.raises(DataError, match="no post names a picture"):
        load_splits(ExtractionData(name="conll", root=str(tmp_path), image_root=str(tmp_path / "photos")))


def test_a_part_without_posts_is_refused(tmp_path: Path) -> None:
    row = {
        "token": ["Paris", "France"],
        "h": {"name": "Paris", "pos": [0, 1]},
        "t": {"name": "France", "pos": [1, 2]},
        "img_id": "1.jpg",
    }
    (tmp_path / "v1").mkdir()
    for split in ("train", "val", "test"):
        line = json.dumps({**row, "relation": "/loc/loc/contain"}) + "\n"
        (tmp_path / "v1" / f"ours_{split}.txt").write_text("" if split == "test" else line)
    with pytest.raises(DataError, match="no post with words for test of mnre-v1"):
        load_splits(ExtractionData(name="mnre-v1", root=str(tmp_path)))


def test_two_relations_of_one_pair_are_refused_where_relations_are_learned(tmp_path: Path) -> None:
    entities = [{"type": kind, "start": a, "end": a + 1} for kind, a in (("PER", 0), ("LOC", 2))]
    links = [{"type": kind, "head": 0, "tail": 1} for kind in ("born_in", "lives_in")]
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.jsonl").write_text(
            json.dumps({"id": "7", "text": "A B", "entities": entities, "relations": links}) + "\n"
        )
    data = ExtractionData(name="table-pairs", root=str(tmp_path))
    for name, joint in (("table-pairs", False), ("table", True)):
        with pytest.raises(DataError, match="post 7 has two relations from one entity to the same other one"):
            load_splits(data.model_copy(update={"name": name}), joint=joint)
    assert len(load_splits(data.model_copy(update={"name": "table"})).train) == 1


def test_a_sample_of_the_training_posts_is_the_same_each_time(tmp_path: Path) -> None:
    for split, posts in (("train", 12), ("dev", 2), ("test", 2)):
        (tmp_path / f"{split}.txt").write_text(
            "\n".join(f"Ponce B-LOC\nfloods{i} O\n" for i in range(posts)), encoding="utf-8"
        )
    whole = load_splits(ExtractionData(name="conll", root=str(tmp_path)))
    data = ExtractionData(name="conll", root=str(tmp_path), train_posts=5)
    sample = load_splits(data)
    assert len(sample.train) == 5 < len(whole.train)
    assert [p.id for p in sample.train] == [p.id for p in load_splits(data).train]
    assert all(p in whole.train for p in sample.train)
    assert (sample.dev, sample.test, sample.types) == (whole.dev, whole.test, whole.types)
    assert len(load_splits(data.model_copy(update={"train_posts": 10_000})).train) == len(whole.train)


def test_contexts_of_training_pictures_alone_are_shuffled(tmp_path: Path) -> None:
    for split, pictures in (("train", range(10)), ("dev", (10, 0)), ("test", (11,))):
        (tmp_path / f"{split}.txt").write_text("\n".join(f"IMGID:{i}\nPonce B-LOC\n" for i in pictures))
    # picture 9 has none
    (tmp_path / "contexts.txt").write_text("".join(f"{i}.jpg :seen {i}\n" for i in (*range(9), 10, 11)))
    plain = ExtractionData(
        name="conll", root=str(tmp_path), contexts="file", context_file=str(tmp_path / "contexts.txt")
    )
    whole = load_splits(plain)
    half, every = (load_splits(plain.model_copy(update={"shuffled_contexts": s})) for s in (0.5, 1.0))
    moved = {image for image, text in half.contexts.items() if text != whole.contexts[image]}
    # of eight pictures that are for training alone and have a context
    assert len(moved) == 4
    assert moved <= {str(i) for i in range(1, 9)}
    assert sorted(half.contexts.values()) == sorted(whole.contexts.values())
    unmoved = {image for image, text in every.contexts.items() if text == whole.contexts[image]}
    assert unmoved == {"0", "10", "11"}
    assert (half.train, half.dev, half.test) == (whole.train, whole.dev, whole.test)
    assert half.fingerprint() != whole.fingerprint() != every.fingerprint()
