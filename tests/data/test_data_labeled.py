"""Labeled posts in three parts: arrays of labels, photos that are there, data that no training can use."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crisislens.core.errors import DataError
from crisislens.data.annotated import read_annotated
from crisislens.data.by_split import count_by_split, frequencies, shared_between, values_by_split
from crisislens.data.clusters import cluster
from crisislens.data.labeled import PARTS, LabeledData, check_parts, has_photo, with_photo
from crisislens.data.parquet import parquet_columns, parquet_rows
from crisislens.data.shared_texts import shared_texts
from crisislens.data.source import LabeledPost
from crisislens.domain.extraction import AnnotatedPost, Link, Mention
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import TASKS, Task, own_task

ONE = own_task("need", ["water", "food", "none"])
SEVERAL = own_task("need", ["water", "food"], several=True)


def labeled(name: str, *labels: str, photo: str = "", event: str = "") -> LabeledPost:
    image = ImageRef(path=photo) if photo else None
    first, *rest = labels or ("",)
    return LabeledPost(
        Post(id=name, text=name, image=image, event=event or None), first, "", also=tuple(rest)
    )


def data(task: Task = ONE, root: Path = Path(), **splits: Sequence[LabeledPost]) -> LabeledData:
    whole = {part: splits.get(part, ()) for part in PARTS}
    return LabeledData(task, whole, root, "0" * 16, {"kind": "made up"})


def test_labels_are_numbers_of_classes_or_rows_of_what_holds() -> None:
    one = data(train=[labeled("a", "food"), labeled("b", "water")])
    assert one.labels("train").tolist() == [1, 0]
    many = data(SEVERAL, train=[labeled("a", "food", "water"), labeled("b"), labeled("c", "food")])
    assert many.labels("train").tolist() == [[1, 1], [0, 0], [0, 1]]
    assert one.labels("test").shape == (0,)
    assert many.labels("test").shape == (0, 2)


def test_raw_labels_are_merged_before_they_are_counted() -> None:
    b2 = TASKS["humanitarian_b2"]
    both = data(b2, train=[labeled("a", "vehicle_damage"), labeled("b", "infrastructure_and_utility_damage")])
    assert len({*both.labels("train").tolist()}) == 1


def test_events_and_tweets_are_what_intervals_are_drawn_over() -> None:
    posts = [
        labeled("919946322177802241_0", event="irma"),
        labeled("919946322177802241_1"),
        labeled("own_12"),
    ]
    made = data(train=posts)
    assert made.events("train").tolist() == ["irma", "unknown", "unknown"]
    assert made.tweets("train").tolist() == ["919946322177802241", "919946322177802241", "own_12"]


def test_posts_that_another_part_has_too_are_not_clean() -> None:
    text = "the bridge over the river at mill road is gone and nobody can cross"
    here = LabeledPost(Post(id="1", text=text), "food", "test")
    copy = LabeledPost(Post(id="2", text=f"RT @ann: {text}"), "food", "train")
    other = LabeledPost(
        Post(id="3", text="we are all safe in the school, no water needed today"), "food", "test"
    )
    made = data(train=[copy], test=[here, other])
    assert made.clean().tolist() == [False, True]
    assert made.clean("train").tolist() == [False]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    return tmp_path


def test_photos_are_counted_where_they_really_are(photos: Path) -> None:
    there, absent, out = (
        labeled("1", "food", photo="a.png"),
        labeled("2", photo="b.png"),
        labeled("3", photo="../x"),
    )
    made = data(root=photos, train=[there, absent, labeled("4")], test=[out])
    assert made.photos() == {"train": 1, "dev": 0, "test": 0}
    assert [has_photo(post, photos) for post in (there, absent, out)] == [True, False, False]


def test_what_takes_seconds_is_asked_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "The bridge is down and the road to the hospital is flooded"
    made = data(root=photos, train=[LabeledPost(Post(id="1", text=text), "food", "train")])
    assert (made.photos(), made.languages()) == ({"train": 0, "dev": 0, "test": 0}, ("en",))
    monkeypatch.setattr("crisislens.data.labeled.training_languages", lambda _: ("fr",))
    monkeypatch.setattr("crisislens.data.labeled.has_photo", lambda *_: True)
    assert made.clean("train").tolist() == [True]
    monkeypatch.delattr("crisislens.data.labeled.check_splits")
    assert made.clean("train").tolist() == [True]
    # a caller may do with the counts what it likes
    made.photos().clear()
    assert (made.photos(), made.languages()) == ({"train": 0, "dev": 0, "test": 0}, ("en",))
    assert replace(made, fingerprint="another").languages() == ("fr",)


def test_posts_with_a_photo_are_another_data_set(photos: Path) -> None:
    post = labeled("1", "food", photo="a.png")
    made = data(root=photos, train=[post, labeled("2", "food")], dev=[post], test=[post])
    kept = with_photo(made)
    assert [len(kept.splits[part]) for part in PARTS] == [1, 1, 1]
    assert kept.description == {"kind": "made up", "with_photo": True}
    assert len({made.fingerprint, kept.fingerprint}) == 2
    with pytest.raises(DataError, match=r"no photo of the posts of dev, test is in .*; put the photos where"):
        with_photo(data(root=photos, train=[post], dev=[labeled("2")], test=[labeled("3")]))


FULL = {
    "train": [labeled("1", "water"), labeled("2", "food"), labeled("3", "none")],
    "dev": [labeled("4", "water"), labeled("5", "food")],
    "test": [labeled("6", "food")],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": []}, "there are no train posts; training needs some of each of train, dev, test"),
        ({"dev": []}, "there are no dev posts"),
        ({"test": []}, "there are no test posts"),
        ({"dev": FULL["dev"][:1]}, "1 dev post cannot choose an epoch; give at least 2"),
        ({"train": FULL["train"][:2]}, "no training post has the class none; leave the class out"),
        (
            {"dev": [labeled("4", "food"), labeled("5", "food")]},
            "all dev posts have the class food; with one",
        ),
    ],
)
def test_data_that_no_training_can_use(changes: dict[str, list[LabeledPost]], message: str) -> None:
    check_parts(data(**FULL))
    with pytest.raises(DataError, match=message):
        check_parts(data(**{**FULL, **changes}))


def test_where_several_may_hold_one_class_among_dev_posts_is_enough() -> None:
    check_parts(
        data(
            SEVERAL,
            train=[labeled("1", "water", "food")],
            dev=[labeled("2", "food"), labeled("3")],
            test=[labeled("4")],
        )
    )


def test_one_line_says_what_the_data_are() -> None:
    assert repr(data(**FULL)) == "LabeledData(need: water, food, none; posts: train 3, dev 2, test 1)"


GROUPS = st.dictionaries(st.sampled_from(["train", "dev", "test"]), st.lists(st.integers(0, 5), max_size=6))


@given(GROUPS)
def test_counts_over_splits_add_up(splits: dict[str, list[int]]) -> None:
    values = values_by_split(splits, lambda x: x % 3)
    assert count_by_split(splits, lambda _: 1) == {name: len(some) for name, some in splits.items()}
    for pair, both in shared_between(values).items():
        a, b = pair.split("-")
        assert 0 <= both <= min(len(values[a]), len(values[b]))
    every = [x for some in splits.values() for x in some]
    counted = frequencies(every)
    assert sum(counted.values()) == len(every)
    assert [*counted.values()] == sorted(counted.values(), reverse=True)


def test_texts_are_shared_without_regard_to_case_and_counted_by_post() -> None:
    def words(*texts: str) -> list[AnnotatedPost]:
        return [AnnotatedPost(str(i), tuple(text.split())) for i, text in enumerate(texts)]

    splits = {
        "train": words("Flood here", "fire"),
        "dev": [],
        "test": words("FLOOD here", "flood HERE", "other"),
    }
    assert shared_texts(splits) == {"train-dev": 0, "train-test": 2, "dev-test": 0}


@settings(max_examples=10)
@given(st.permutations(range(6)))
def test_clusters_do_not_depend_on_the_order_of_posts(order: list[int]) -> None:
    base = np.random.default_rng(0).integers(0, 2**32, (3, 64), dtype=np.uint32)
    # three texts, two of them twice with one entry changed
    rows = np.concatenate([base, base.copy()])
    rows[3:5, 0] ^= 1
    rows[5] = np.random.default_rng(1).integers(0, 2**32, 64, dtype=np.uint32)
    hashes = np.array([0, 0b1111 << 8, 0xFFFF << 40, 1, 2**40 - 1, (0xFFFF << 40) + 1], np.uint64)
    there, none = np.ones(6, bool), np.zeros(6, bool)
    found = cluster(rows[order], there, hashes[order], none)
    names = sorted(tuple(sorted(order[i] for i in c.members)) for c in found)
    assert names == [(0, 3), (1, 4)]
    by_photo = cluster(rows[order], none, hashes[order], there)
    assert sorted(tuple(sorted(order[i] for i in c.members)) for c in by_photo) == [(0, 1, 3), (2, 5)]
    both = cluster(rows[order], there, hashes[order], there)
    assert sorted(tuple(sorted(order[i] for i in c.members)) for c in both) == [(0, 1, 3, 4), (2, 5)]
    assert {c.kind for c in both} == {"both", "photo"}


@pytest.mark.parametrize(("jaccard", "distance"), [(0, 4), (1.1, 4), (0.8, -1), (0.8, 17)])
def test_thresholds_have_a_range(jaccard: float, distance: int) -> None:
    nothing = np.zeros(0, bool)
    with pytest.raises(ValueError, match="jaccard must be in"):
        cluster(
            np.zeros((0, 64), np.uint32),
            nothing,
            np.zeros(0, np.uint64),
            nothing,
            jaccard=jaccard,
            max_distance=distance,
        )


ROW = '{"id": "1", "text": "Ann lives in Ponce", "entities": [%s], "relations": [%s]}\n'
ANN, PONCE = '{"type": "PER", "start": 0, "end": 3}', '{"type": "LOC", "start": 13, "end": 18}'
STRUCK = '{"type": null, "start": 4, "end": 9}'


def test_an_entity_that_is_struck_out_takes_its_relations_along(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    relations = '{"type": "in", "head": 0, "tail": 2}, {"type": "odd", "head": 0, "tail": 1}'
    path.write_text(ROW % (f"{ANN}, {STRUCK}, {PONCE}", relations))
    [post] = read_annotated(path).posts
    assert post.mentions == (Mention(0, 1, "PER"), Mention(3, 4, "LOC"))
    # counted anew, for the one between is gone
    assert post.links == (Link(0, 1, "in"),)


@pytest.mark.parametrize(
    ("entities", "relations"),
    [
        (ANN, '{"type": "in", "head": 0, "tail": 1}'),
        (f"{ANN}, {PONCE}", '{"type": "in", "head": 0, "tail": 0}'),
        (f"{ANN}, {PONCE}", '{"type": "", "head": 0, "tail": 1}'),
        ('{"type": "PER", "start": 0, "end": 99}', ""),
        ('{"type": "PER", "start": "0", "end": 3}', ""),
        ('{"type": "PER", "start": 3, "end": 4}', ""),
        ('{"type": "PER", "start": 0, "end": 3, "text": "Bob"}', ""),
    ],
)
def test_marks_of_another_text_are_an_error_that_names_the_row(
    entities: str, relations: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(ROW % (ANN, "") + ROW % (entities, relations))
    with pytest.raises(DataError, match=r"row 2 of a\.jsonl"):
        read_annotated(path)


def test_rows_that_were_not_read_are_counted_unless_somebody_filled_them_in(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    unread = ROW.replace('"id"', '"read": false, "id"')
    failed = ROW.replace('"id"', '"failed": true, "id"')
    path.write_text(ROW % (ANN, "") + unread % ("", "") + unread % (ANN, "") + failed % (ANN, ""))
    table = read_annotated(path)
    assert (len(table.posts), table.without_words) == (2, 2)
    # of the one that was filled in nobody looked for relations
    assert table.relations_unread == {1}


def test_columns_of_a_parquet_file_and_its_cells(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    columns = {
        "text": ["a", None],
        "n": [1, 2],
        "raw": [b"x", b"\xff"],
        "big": pa.array(["c", "d"], pa.large_string()),
    }
    pq.write_table(pa.table(columns), path)
    assert parquet_columns(path) == ["text", "n", "raw", "big"]
    found = [*parquet_rows(path, ["text", "n", "big"])]
    assert found == [{"text": "a", "n": 1, "big": "c"}, {"text": None, "n": 2, "big": "d"}]
